"""Long evaluations show how far they are, on a terminal alone."""

import functools
import io
import re

import numpy as np
import pytest
import tqdm

from keras_vae import evaluation
from keras_vae.evaluation import progress


class Stream(io.StringIO):
    """What a bar is written to, a terminal or a file."""

    def __init__(self, is_terminal):
        super().__init__()
        self.is_terminal = is_terminal

    def isatty(self):
        return self.is_terminal


@pytest.fixture(scope="module")
def vae(make_vae):
    vae = make_vae()
    vae.compile(jit_compile=False)
    return vae


# Evaluations of 6 examples, and the number of batches each makes of them.
EVALUATIONS = {
    "ELBO": (lambda vae, x: evaluation.evaluate(vae, x, batch_size=2), 3),
    "log p(x)": (lambda vae, x: evaluation.log_marginal(vae, x, num_samples=2), 1),
    "annealing": (lambda vae, x: evaluation.annealed_log_marginal(vae, x, num_chains=2, num_steps=2, batch_size=2), 3),
    "aggregate posterior": (lambda vae, x: evaluation.decompose(vae, x, batch_size=2), 1),  # 100 draws at a time
    "inference gap": (lambda vae, x: evaluation.inference_gap(vae, x, 2, num_steps=2, batch_size=2), 3),
    "optimised posterior": (lambda vae, x: evaluation.optimize_posterior(vae, x, num_steps=2, batch_size=2), 3),
    "overlap": (lambda vae, x: evaluation.overlap(vae, x, batch_size=2), 3),
}


@pytest.mark.parametrize("name", EVALUATIONS)
def test_a_bar_counts_the_batches_on_a_terminal_and_is_silent_elsewhere(vae, name, monkeypatch):
    monkeypatch.setattr(progress, "_SECONDS_BEFORE", 0)
    monkeypatch.setattr(tqdm, "tqdm", functools.partial(tqdm.tqdm, mininterval=0))  # every count is written
    evaluate, num_batches = EVALUATIONS[name]
    x = (np.random.default_rng(0).random((6, 4, 4, 1)) < 0.5).astype("float32")
    written = []
    for is_terminal in (True, False):
        stream = Stream(is_terminal)
        monkeypatch.setattr("sys.stderr", stream)
        evaluate(vae, x)
        written.append(stream.getvalue())
    assert f"{name}:" in written[0]
    counts = re.findall(rf"{re.escape(name)}:[^\r]*\| (\d+/\d+)", written[0])
    assert counts == [f"{n}/{num_batches}" for n in range(num_batches + 1)]
    assert written[1] == ""


def test_what_is_done_within_seconds_has_no_bar(monkeypatch):
    stream = Stream(is_terminal=True)
    monkeypatch.setattr("sys.stderr", stream)
    assert list(progress.progress(range(3), 3, "ELBO")) == [0, 1, 2]
    assert "ELBO" not in stream.getvalue()
