"""Errors of TensorFlow as the commands print them: what happened and what to do, without nodes and call stacks."""

import pytest
import tensorflow as tf

from keras_vae.cli.terminal import one_line

STACK = (
    "Graph execution error:\n\nDetected at node cond/IteratorGetNextAsOptional defined at (most recent call last):\n"
    '  File "train.py", line 19, in <module>\n\n  File "loop.py", line 96, in train\n\n'
)


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (
            tf.errors.DataLossError(
                None, None, f"{STACK}corrupted record at 14520\n\t [[{{{{node cond/A}}}}]] [Op:__inference_run_9181]"
            ),
            "A file of the data set is damaged: remove the folder of the set and prepare it anew. "
            "Received: corrupted record at 14520",
        ),
        (
            tf.errors.ResourceExhaustedError(
                None, None, "{{function_node __wrapped__A_device_/CPU:0}} OOM for shape[4,2000] [Op:Random] name: "
            ),
            "The memory is too small: lower what makes the model, the images or the batches large, such as `hidden`, "
            "`latent_dim`, `image_size`, `batch_size` or `num_samples`. Received: OOM for shape[4,2000]",
        ),
        (tf.errors.InternalError(None, None, "{{node B}} no kernel"), "InternalError: no kernel"),
        (ValueError("a [[1]] {{2}}\n  File"), "a [[1]] {{2}} File"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_is_one_line_of_what_happened(error, line):
    assert one_line(error) == line
