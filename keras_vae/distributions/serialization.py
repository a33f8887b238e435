"""Plain TFP distributions as configurations made of JSON values: their class's name and parameters."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

from keras_vae import distributions as kvd

__all__ = ["deserialize_distribution", "serialize_distribution"]

# The only places a class is looked up in.
_MODULES = {"keras_vae.distributions": kvd, "tfp.bijectors": tfb, "tfp.distributions": tfd}


def serialize_distribution(distribution: tfd.Distribution) -> dict[str, Any]:
    """Return what `deserialize_distribution` makes an equal distribution of, as JSON values.

    Variables are kept as the values they have now. Parameters may be numbers, strings, tensors, lists,
    distributions of `tfp.distributions` and `keras_vae.distributions`, and bijectors of `tfp.bijectors`.

    Args:
        distribution: made of values that are known: not inside a `tf.function`.

    Raises:
        ValueError: if a class is not of these modules, or a parameter (a function, say) cannot be told in JSON.

    Example:

    >>> serialize_distribution(tfd.Normal([0., 1.], 2.))["parameters"]
    {'loc': [0.0, 1.0], 'scale': 2.0}
    """
    return _serialize_object(distribution, type(distribution).__name__)


def deserialize_distribution(config: dict[str, Any]) -> tfd.Distribution:
    """Return the distribution of a configuration that `serialize_distribution` made.

    Raises:
        ValueError: if the configuration names a class that is neither a distribution nor a bijector of these modules.
    """
    distribution = _deserialize(config)
    if not isinstance(distribution, tfd.Distribution):
        raise ValueError(f"Expected the configuration of a distribution. Received: config={config!r}")
    return distribution


def _serialize(value: Any, path: str) -> Any:
    """Return the parameter named `path` as JSON values."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, tfd.Distribution | tfb.Bijector):
        return _serialize_object(value, path)
    if isinstance(value, list | tuple):
        return [_serialize(item, f"{path}[{i}]") for i, item in enumerate(value)]
    if isinstance(value, tf.TensorShape):
        return value.as_list()
    if isinstance(value, tf.DType):
        return {"dtype": value.name}
    if tf.is_tensor(value) or isinstance(value, np.ndarray | np.generic | tf.Variable):
        array = np.asarray(tf.get_static_value(tf.convert_to_tensor(value)))
        if array.dtype.kind in "fiubV":  # V: bfloat16
            return {"tensor": array.tolist(), "dtype": tf.as_dtype(array.dtype).name}
    raise ValueError(
        f"The parameter {path!r} cannot be saved: it must be a number, string, tensor of a known value, list, "
        "distribution or bijector. Put the distribution into a registered `keras_vae.priors.Prior` instead. "
        f"Received: {value!r}"
    )


def _serialize_object(instance: Any, path: str) -> dict[str, Any]:
    instance = getattr(instance, "tensor_distribution", instance)
    cls = type(instance)
    module = next((name for name, module in _MODULES.items() if getattr(module, cls.__name__, None) is cls), None)
    if module is None:
        raise ValueError(
            f"{path!r} cannot be saved: its class must be one of {', '.join(_MODULES)}. Put the distribution into a "
            f"registered `keras_vae.priors.Prior` instead. Received: {cls}"
        )
    defaults = {name: parameter.default for name, parameter in inspect.signature(cls.__init__).parameters.items()}
    parameters = {
        name: _serialize(value, f"{path}.{name}")
        for name, value in instance.parameters.items()
        if value is not defaults.get(name, inspect.Parameter.empty)
    }
    return {"class": f"{module}.{cls.__name__}", "parameters": parameters}


def _deserialize(config: Any) -> Any:
    if isinstance(config, list):
        return [_deserialize(item) for item in config]
    if not isinstance(config, dict):
        return config
    if "tensor" in config:
        return tf.constant(config["tensor"], config["dtype"])
    if "dtype" in config:
        return tf.as_dtype(config["dtype"])
    module, _, name = str(config.get("class")).rpartition(".")
    cls = getattr(_MODULES.get(module), name, None)
    if not (isinstance(cls, type) and issubclass(cls, tfd.Distribution | tfb.Bijector)):
        raise ValueError(f"Expected a distribution or bijector of {', '.join(_MODULES)}. Received: {config!r}")
    return cls(**{name: _deserialize(value) for name, value in config["parameters"].items()})
