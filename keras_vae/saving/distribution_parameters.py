"""The tensors that a distribution was made of, for those who read an exported model without TFP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

from keras_vae.distributions import AutoregressiveFlow, Stacked
from keras_vae.distributions.wrappers import BatchBroadcast, BatchReshape, Independent, Sample

__all__ = ["parameters"]


def parameters(distribution: Any) -> dict[str, tf.Tensor]:
    """Return the tensors a distribution was made of, by name: `logits`, or `loc` and `scale_diag`, ...

    Those of a distribution inside another have its name before theirs: a mixture has `mixture_logits` and, over one
    axis more, `components_loc`, `components_scale`, ...; a mixture of different families and a concatenation number
    theirs, as `components_0_loc`; a transformed distribution has `base_loc`, ... and those of its bijector. A flow that
    is given x has its `context` instead of the bijector's. Two stochastic layers have those of the first.

    Example:

    >>> sorted(parameters(tfd.Independent(tfd.Normal(tf.zeros([3]), tf.ones([3])), 1)))
    ['loc', 'scale']
    >>> sorted(parameters(tfd.Blockwise([tfd.Normal(tf.zeros(2), 1.0), tfd.Gamma(tf.ones(2), 1.0)])))
    ['0_loc', '0_scale', '1_concentration', '1_rate']
    """
    distribution = getattr(distribution, "tensor_distribution", distribution)
    if isinstance(distribution, BatchBroadcast | BatchReshape | Independent | Sample):
        return parameters(distribution.distribution)
    if isinstance(distribution, Stacked):
        return _within("first", distribution.first, tf.float32)
    if isinstance(distribution, AutoregressiveFlow):
        return {**_within("base", distribution.distribution, tf.float32), "context": distribution.context}
    names = type(distribution).parameter_properties(dtype=distribution.dtype)
    given = {**distribution.parameters, **(distribution.parameters.get("kwargs") or {})}
    values = {name: given[name] for name in names if given.get(name) is not None}
    dtype = next((value.dtype for value in values.values() if tf.is_tensor(value)), tf.float32)
    named: dict[str, tf.Tensor] = {}
    for name, value in values.items():
        named |= _within(_PREFIXES.get((type(distribution).__name__.strip("_"), name), name), value, dtype)
    return named


_PREFIXES = {
    ("Blockwise", "distributions"): "",
    ("TransformedDistribution", "distribution"): "base",
    **{
        (mixture, f"{part}_distribution"): part
        for mixture in ("MixtureSameFamily", "MixtureOfOneHotCategorical")
        for part in ("mixture", "components")
    },
    ("Mixture", "cat"): "mixture",
}


def _within(name: str, value: Any, dtype: tf.DType) -> dict[str, tf.Tensor]:
    """Return the tensors of `value`, a tensor, a distribution, a bijector or a collection of such, under `name`."""
    if isinstance(value, tfd.Distribution):
        inner = parameters(value)
    elif isinstance(value, tfb.Bijector):
        inner = {}
        for key in type(value).parameter_properties(dtype=value.dtype or dtype):
            if value.parameters.get(key) is not None:
                inner |= _within(key, value.parameters[key], dtype)
    elif isinstance(value, Mapping):
        inner = {}
        for key, part in value.items():
            inner |= _within(key, part, dtype)
    elif isinstance(value, list | tuple) and any(isinstance(v, tfd.Distribution | tfb.Bijector) for v in value):
        inner = {}
        for i, part in enumerate(value):
            inner |= _within(str(i), part, dtype)
    elif isinstance(value, tf.linalg.LinearOperator):
        inner = {"": value.to_dense()}
    else:
        return {name: tf.convert_to_tensor(value, None if tf.is_tensor(value) else dtype)}
    return {"_".join(filter(None, (name, key))): part for key, part in inner.items()}
