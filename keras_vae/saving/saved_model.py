"""SavedModels that TensorFlow alone can load, for TensorFlow Serving."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from keras_vae import random
from keras_vae.arguments import check_paths
from keras_vae.distributions import latents
from keras_vae.protocols import Batch, LatentVariableModel
from keras_vae.saving.atomic import copy_to_next_version
from keras_vae.saving.distribution_parameters import parameters

__all__ = ["export", "export_decoder"]


def export_decoder(vae: LatentVariableModel, filepath: str | Path) -> Path:
    """Export the decoder alone: signature `decode` (default), z [B, D] -> parameters and `mean` of p(x|z).

    Args:
        vae: built model.
        filepath: folder of the versions; the export goes to `filepath/1`, or the next free number.

    Returns:
        The folder written.

    Raises:
        ValueError: if `filepath` is not a path, or if a weight is not finite.
        OSError: if the folder cannot be written.
    """
    return _write(vae, filepath, {"decode": _decode(vae)})


def export(vae: LatentVariableModel, filepath: str | Path) -> Path:
    """Export the whole model as a SavedModel with one signature a method.

    * `decode` (default): z [B, D] -> parameters and `mean` of p(x|z);
    * `encode`: x [B, *event] -> parameters and `mean` of q(z|x);
    * `reconstruct`: x -> `mean` of p(x|z) at the mean of q(z|x);
    * `sample`: num_samples [], seed int32[2] -> x, the same as `vae.sample`;
    * `elbo`: x, seed int32[2] -> elbo [B] in nats, from one posterior draw.

    Those that take x stop with `tf.errors.InvalidArgumentError` at entries outside of the likelihood's support; the
    `reconstruct` of a model with a corruption takes all finite x.

    A conditional model takes y beside x or z, and in the place of num_samples; a semi-supervised one has a `classify`
    too, from x to the `probs` of the classes.

    A model with several latents takes `z0`, `z1`, ... (or their names) and returns `z0_mean` and the like.

    Args:
        vae: built model.
        filepath: folder of the versions; the export goes to `filepath/1`, or the next free number.

    Returns:
        The folder written.

    Raises:
        ValueError: if `filepath` is not a path, or if a weight is not finite.
        OSError: if the folder cannot be written.
    """
    x = tf.TensorSpec([None, *vae.event_shape], vae.dtype_of_x, name="x")
    seed = tf.TensorSpec([2], tf.int32, name="seed")

    def encode(x: tf.Tensor, y: tf.Tensor | None = None) -> dict[str, tf.Tensor]:
        batch = vae.checked(Batch(x, y))
        q_z = vae.encode(batch.x, **vae.given(batch))
        parts = dict(zip(latents.latent_names(q_z), tf.nest.flatten(q_z), strict=True))
        values = {name: {**parameters(part), "mean": random.mean_of(part)} for name, part in parts.items()}
        if list(values) == ["z"]:
            return values["z"]
        return {f"{latent}_{name}": value for latent in values for name, value in values[latent].items()}

    functions = {"decode": _decode(vae)}
    if vae.takes_y:
        (y,) = vae.given_specs
        functions |= {
            "encode": _function(lambda x, y: encode(x, y), x, y),
            "reconstruct": _function(lambda x, y: {"mean": vae.reconstruct(x, y)}, x, y),
            "sample": _function(lambda y, seed: {"x": vae.sample(y, seed)}, y, seed),
            "elbo": _function(lambda x, y, seed: {"elbo": vae.elbo(x, y, seed=seed)}, x, y, seed),  # type: ignore[call-arg]
        }
    else:
        num_samples = tf.TensorSpec([], tf.int32, name="num_samples")
        functions |= {
            "encode": _function(lambda x: encode(x), x),
            "reconstruct": _function(lambda x: {"mean": vae.reconstruct(x)}, x),
            "sample": _function(lambda num_samples, seed: {"x": vae.sample(num_samples, seed)}, num_samples, seed),
            "elbo": _function(lambda x, seed: {"elbo": vae.elbo(x, seed=seed)}, x, seed),
        }
    functions |= {name: _function(function, x) for name, function in vae.own_signatures().items()}
    return _write(vae, filepath, functions)


def _decode(vae: LatentVariableModel) -> Any:
    p_z = vae.prior_distribution(**vae.given_zeros())
    specs = [
        tf.TensorSpec([None, *part.event_shape], part.dtype, name=name)
        for name, part in zip(latents.latent_names(p_z), tf.nest.flatten(p_z), strict=True)
    ]
    num_parts, names_given = len(specs), [spec.name for spec in vae.given_specs]

    def decode(*inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        parts, given = inputs[:num_parts], dict(zip(names_given, inputs[num_parts:], strict=True))
        finite = [tf.debugging.Assert(tf.reduce_all(tf.math.is_finite(z)), ["z must be finite"]) for z in parts]
        with tf.control_dependencies(finite):  # relu makes numbers of NaN
            parts = tuple(tf.identity(z) for z in parts)
        p_x = vae.decode(tf.nest.pack_sequence_as(p_z, parts), **vae.check_given(**given))
        return {**parameters(p_x), "mean": random.mean_of(p_x)}

    return _function(decode, *specs, *vae.given_specs)


def _function(function: Callable, *signature: tf.TensorSpec) -> Any:
    return tf.function(function, input_signature=signature, autograph=False)


def _write(vae: LatentVariableModel, filepath: str | Path, functions: dict[str, Any]) -> Path:
    """Save `functions` as signatures under the next free version number, after a look at what was written.

    TensorFlow takes [, ], * and ? in the path of a SavedModel for patterns: it gets a temporary folder without them.
    """
    check_paths(filepath=filepath)
    module = tf.Module()
    signatures = {name: function.get_concrete_function() for name, function in functions.items()}
    for name, signature in signatures.items():
        setattr(module, name, signature)  # a tf.function would be traced again
    module.used = [variable for signature in signatures.values() for variable in signature.variables]
    _check_finite(vae, module.used)
    signatures["serving_default"] = signatures["decode"]
    with tempfile.TemporaryDirectory() as temporary:
        folder = f"{temporary}/saved_model"
        tf.saved_model.save(module, folder, signatures=signatures)
        _compare(tf.saved_model.load(folder), functions["decode"])
        try:
            return copy_to_next_version(folder, filepath)
        except OSError as error:
            reason = f"The export cannot be written: {error.strerror or error}. Received: filepath={str(filepath)!r}"
            raise type(error)(reason) from error


def _check_finite(vae: LatentVariableModel, variables: list[Any]) -> None:
    """Raise if a variable of the graphs holds NaN or infinity, and say which."""
    paths = {weight.value.ref(): weight.path for weight in vae.variables}  # Keras' names say which layer it is
    for variable in variables:
        if variable.dtype.is_floating and not np.all(np.isfinite(variable.numpy())):
            raise ValueError(
                "A model whose weights are not finite cannot be exported: train it again, with a smaller learning rate "
                f"perhaps. Received: NaN or infinity in the variable {paths.get(variable.ref(), variable.name)!r}"
            )


def _compare(loaded: Any, decode: Any) -> None:
    """Raise if the file's `decode` does not give what the model's does."""

    def example(spec: tf.TensorSpec, seed: int) -> tf.Tensor:
        shape = [3, *spec.shape[1:]]
        return tf.zeros(shape, spec.dtype) if spec.dtype.is_integer else tf.cast(random.normal(shape, seed), spec.dtype)

    inputs = {spec.name: example(spec, i) for i, spec in enumerate(decode.input_signature)}
    expected = decode(*inputs.values())
    for name, value in loaded.signatures["decode"](**inputs).items():
        message = f"The exported decoder differs from the model's in {name!r}."
        np.testing.assert_allclose(value, expected[name], rtol=1e-4, atol=1e-5, err_msg=message)
