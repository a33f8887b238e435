"""Autoregressive normalising flows of vectors, given a context."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

from keras_vae.distributions.wrappers import TransformedDistribution

__all__ = ["AutoregressiveFlow"]

_OPEN_GATE = 2.0
_STANDARD_DRAWS = 128


class AutoregressiveFlow(TransformedDistribution):
    """Distribution of vectors u sent through gated autoregressive steps f_1, ..., f_K, one for each network.

    f(v)_d = gate_d v_d + (1 - gate_d) m_d,  m, a = network(v, context),  gate = sigmoid(a + 2)

    The network's outputs for entry d see the entries of v that come before d in its order, so that

    log |det df / dv| = sum_d log(gate_d)

    inverse=True:   y = f_K(... f_1(u)): a draw takes one pass through each network, the density of a point D passes
    inverse=False:  u = f_K(... f_1(y)): a draw takes D passes, the density of a point one

    The density of draws takes one pass either way, as long as the draws are the very tensor that was drawn: the
    bijectors remember where it came from.

    `mean` and `stddev`, which have no closed form, are those of the images of 128 standard draws sent through the
    distribution, 64 and their mirror images. They are the same for all examples and calls, so that both depend on x
    through the parameters alone, and the mean is exact where the steps are linear.

    Args:
        distribution: normal of u, a `tfd.MultivariateNormalLinearOperator`, batch [...] and event [D].
        networks: functions like a `keras_vae.layers.AutoregressiveNetwork` of 2 parameters, with a conditional input.
        context: [..., C], the conditional input of every network.
        inverse: see above.
        validate_args: as in TFP.
        name: as in TFP.

    References:
        Kingma et al. (2016), "Improving variational inference with inverse autoregressive flow", Eqs. 10, 13 and 14,
        and Sec. 4 (gates that begin open). Papamakarios et al. (2017), "Masked autoregressive flow for density
        estimation", Sec. 3.1, the other direction, here with the former's gates.
    """

    def __init__(
        self,
        distribution: tfd.Distribution,
        networks: Sequence[Callable[..., tf.Tensor]],
        context: tf.Tensor,
        inverse: bool = True,
        validate_args: bool = False,
        name: str = "AutoregressiveFlow",
    ):
        parameters = dict(locals())
        self.context = context
        steps = [tfb.Invert(_FromImage(network, context)) for network in networks]
        to_last = tfb.Chain(steps[::-1])
        super().__init__(
            distribution,
            to_last if inverse else tfb.Invert(to_last),
            validate_args=validate_args,
            parameters=parameters,
            name=name,
        )

    @classmethod
    def _parameter_properties(cls, dtype: Any, num_classes: int | None = None) -> dict[str, Any]:
        of_base = super()._parameter_properties(dtype)["distribution"]
        return {"distribution": of_base, "context": tfp.util.ParameterProperties(event_ndims=1)}

    def _mean(self, **kwargs: Any) -> tf.Tensor:
        return tf.reduce_mean(self._images_of_standard_draws(), axis=0)

    def _stddev(self, **kwargs: Any) -> tf.Tensor:
        return tf.math.reduce_std(self._images_of_standard_draws(), axis=0)

    def _images_of_standard_draws(self) -> tf.Tensor:
        base = self.distribution
        shape = [_STANDARD_DRAWS // 2, *[1] * base.batch_shape.rank, base.event_shape[0]]
        noise = tf.constant(np.random.default_rng(0).normal(size=shape), self.dtype)
        u = base.loc + base.scale.matvec(tf.concat([noise, -noise], 0))
        return self.bijector.forward(u)


class _FromImage(tfb.MaskedAutoregressiveFlow):
    """The bijector f(v) -> v: TFP's solves for v entry by entry, and has f in one pass as its inverse."""

    def __init__(self, network: Callable[..., tf.Tensor], context: tf.Tensor):
        self._context = context

        def step(v: tf.Tensor) -> tfb.Bijector:
            m, a = tf.unstack(network(v, conditional_input=context), axis=-1)
            log_gate, one_minus_gate = tf.math.log_sigmoid(a + _OPEN_GATE), tf.sigmoid(-a - _OPEN_GATE)
            return tfb.Invert(tfb.Shift(one_minus_gate * m)(tfb.Scale(log_scale=log_gate)))

        super().__init__(bijector_fn=step)

    def _forward(self, image: tf.Tensor) -> tf.Tensor:
        return super()._forward(image + tf.zeros_like(self._context[..., :1]))  # its loop's shape must not change
