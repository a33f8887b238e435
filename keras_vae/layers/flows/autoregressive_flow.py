"""Layer of an autoregressive normalising flow: a posterior q(z|x) beyond the Gaussian."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from keras_vae import distributions
from keras_vae.arguments import as_count, sizes_of
from keras_vae.layers.distribution_lambda import DistributionLambda
from keras_vae.layers.families.multivariate_normal import MultivariateNormalDiag
from keras_vae.layers.flows.autoregressive_network import AutoregressiveNetwork
from keras_vae.registration import register

__all__ = ["AutoregressiveFlow"]


@register
class AutoregressiveFlow(DistributionLambda):
    """Diagonal normal sent through gated autoregressive steps, each with a network of its own: the flow IAF, or MAF.

    loc, raw, context = split(inputs, [D, D, C]);  u ~ N(loc, diag(1e-5 + softplus(raw))^2)

    inverse=True:   z = f_K(... f_1(u))   inverse autoregressive flow (IAF): fast to draw
    inverse=False:  u = f_K(... f_1(z))   masked autoregressive flow (MAF): fast to score

    Each f is one pass through its network (see `keras_vae.distributions.AutoregressiveFlow`), its inverse D passes. As
    a posterior, IAF trains with one pass: `keras_vae.random.sample` and then `log_prob` of that very tensor, as in
    `keras_vae.objectives` and `keras_vae.evaluation.log_marginal`. What scores z of elsewhere is right too, but takes D
    passes: the gradients "sticking_the_landing", "doubly_reparameterized" and "score_function", and
    `keras_vae.evaluation.decompose`. There MAF is faster, whose draws take the D passes.

    The KL to a prior has no closed form: objectives estimate it from their draws, as `mean` is estimated from draws of
    its own. Networks see the entries of z from the first to the last and from the last to the first by turns. Their
    kernels begin small and their gates open, so that the flow begins near the identity.

    Args:
        event_size: D.
        context_size: C, numbers that every network sees: what the encoder tells it of x.
        num_flows: K, steps.
        hidden_units: sizes of the hidden layers of each network.
        activation: of the hidden layers.
        inverse: see above.
        convert_to_tensor_fn: see `DistributionLambda`.
        **kwargs: of `DistributionLambda`.

    Call arguments:
        inputs: [..., 2 D + C], locations first, context last.

    Returns:
        `keras_vae.distributions.AutoregressiveFlow` with batch [...] and event [D].

    Raises:
        ValueError: if a size is below 1, or if the input has another number of parameters.

    Example:

    >>> layer = AutoregressiveFlow(5, context_size=16)
    >>> q_z = layer(tf.zeros([3, layer.params_size(5, 16)]))
    >>> q_z.batch_shape.as_list(), q_z.event_shape.as_list()
    ([3], [5])

    References:
        Kingma et al. (2016), "Improving variational inference with inverse autoregressive flow", Algorithm 1.
        Papamakarios et al. (2017), "Masked autoregressive flow for density estimation".
    """

    def __init__(
        self,
        event_size: int,
        context_size: int,
        num_flows: int = 2,
        hidden_units: Sequence[int] = (64,),
        activation: Any = "elu",
        inverse: bool = True,
        convert_to_tensor_fn: Any = "sample",
        **kwargs: Any,
    ):
        super().__init__(convert_to_tensor_fn=convert_to_tensor_fn, **kwargs)
        self.event_size = as_count(event_size=event_size)
        self.context_size = as_count(context_size=context_size)
        self.num_flows = as_count(num_flows=num_flows)
        self.hidden_units = sizes_of("hidden_units", hidden_units)
        self.activation = keras.activations.get(activation)
        self.inverse = inverse
        self.networks = [
            AutoregressiveNetwork(
                params=2,
                event_shape=self.event_size,
                conditional=True,
                conditional_event_shape=self.context_size,
                hidden_units=self.hidden_units,
                input_order=("left-to-right", "right-to-left")[k % 2],
                activation=self.activation,
                kernel_initializer=keras.initializers.VarianceScaling(0.1, "fan_avg", "uniform"),
                dtype=self.dtype_policy,
                name=f"network_{k}",
            )
            for k in range(self.num_flows)
        ]

    def build(self, input_shape: Any) -> None:
        for network in self.networks:
            network.build((None, self.event_size))

    def distribution(self, inputs: tf.Tensor) -> distributions.AutoregressiveFlow:
        inputs = tf.convert_to_tensor(inputs)
        size = self.params_size(self.event_size, self.context_size)
        if inputs.shape[-1] not in (None, size):
            raise ValueError(
                f"The layer needs {size} parameters per example: size the layer before it with "
                f"`params_size`. Received: inputs.shape={inputs.shape}"
            )
        params, context = inputs[..., : 2 * self.event_size], inputs[..., 2 * self.event_size :]
        base = MultivariateNormalDiag.new(params, self.event_size)
        return distributions.AutoregressiveFlow(base, self.networks, context, self.inverse)

    @staticmethod
    def params_size(event_size: int, context_size: int, name: str | None = None) -> int:
        """Return the number of parameters of one distribution: 2 event_size + context_size."""
        return MultivariateNormalDiag.params_size(event_size) + as_count(context_size=context_size)

    def get_config(self) -> dict[str, Any]:
        names = ["event_size", "context_size", "num_flows", "hidden_units", "inverse"]
        config = {**super().get_config(), **{name: getattr(self, name) for name in names}}
        return {**config, "activation": keras.activations.serialize(self.activation)}
