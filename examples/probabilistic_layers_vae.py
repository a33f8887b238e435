"""A convolutional VAE made of plain Keras models: the notebook "Probabilistic Layers VAE" of TensorFlow Probability.

The encoder ends in a full-covariance normal over 16 latents, whose KL divergence from the prior an activity regulariser
adds to the loss; the decoder ends in independent Bernoulli pixels. MNIST is binarised anew each epoch, each pixel being
white with its grey value as probability. The loss is the negative ELBO in nats per image:

    -log p(x|z) + kl_weight * KL(q(z|x), p(z)),  z ~ q(z|x)

The notebook prints 119.48 after 15 epochs on its validation images, but `tfp.layers` adds the KL twice there: compare
that number with "reconstruction + 2 KL" of a run with `--kl-weight 2`, not with the negative ELBO. (The notebook's
pixels are white where a uniform number is *above* the grey value; here, where it is below.)

    python examples/probabilistic_layers_vae.py                       # 15 epochs: for a GPU
    python examples/probabilistic_layers_vae.py --network dense       # for a CPU
    python examples/probabilistic_layers_vae.py --data digits --network dense   # 8x8 images, no download
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Literal

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the package need not be installed

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

import keras_vae as kv
from keras_vae import layers as tfpl

LATENT_DIM = 16


def pairs(batches: kv.data.Batches) -> tf.data.Dataset:
    """Return batches (x, x) of binary images, for `fit`."""
    return batches.dataset().map(lambda x: (tf.cast(x, tf.float32),) * 2)


def make_encoder(network: str, shape: tuple[int, ...], depth: int, regularizer: keras.regularizers.Regularizer):
    """Return x [B, H, W, 1] -> q(z|x)."""
    inputs = [keras.Input(shape), keras.layers.Rescaling(1.0, offset=-0.5)]
    if network == "dense":
        hidden = [keras.layers.Flatten(), keras.layers.Dense(400, "relu")]
    else:
        sizes = [(depth, 1), (depth, 2), (2 * depth, 1), (2 * depth, 2)]
        hidden = [keras.layers.Conv2D(n, 5, strides, "same", activation="leaky_relu") for n, strides in sizes]
        hidden.append(keras.layers.Conv2D(4 * LATENT_DIM, shape[0] // 4, activation="leaky_relu"))  # to 1 x 1
        hidden.append(keras.layers.Flatten())
    params_size = tfpl.MultivariateNormalTriL.params_size(LATENT_DIM)
    posterior = tfpl.MultivariateNormalTriL(LATENT_DIM, activity_regularizer=regularizer)
    return keras.Sequential([*inputs, *hidden, keras.layers.Dense(params_size), posterior], name="encoder")


def make_decoder(network: str, shape: tuple[int, ...], depth: int):
    """Return z [B, D] -> p(x|z)."""
    inputs = keras.Input((LATENT_DIM,))
    if network == "dense":
        params_size = tfpl.IndependentBernoulli.params_size(shape)
        hidden = [keras.layers.Dense(400, "relu"), keras.layers.Dense(params_size)]
    else:
        deconv = keras.layers.Conv2DTranspose
        sizes = [(2 * depth, 1), (2 * depth, 2), (depth, 1), (depth, 2), (depth, 1)]
        hidden = [
            keras.layers.Reshape([1, 1, LATENT_DIM]),
            deconv(2 * depth, shape[0] // 4, activation="leaky_relu"),  # from 1 x 1
            *(deconv(n, 5, strides, "same", activation="leaky_relu") for n, strides in sizes),
            keras.layers.Conv2D(1, 5, padding="same"),
            keras.layers.Flatten(),
        ]
    return keras.Sequential([inputs, *hidden, tfpl.IndependentBernoulli(shape)], name="decoder")


def evaluate(encoder: keras.Model, decoder: keras.Model, prior: tfd.Distribution, x: np.ndarray) -> dict[str, float]:
    """Return means over the images, in nats, from one draw of z each."""
    reconstruction, kl = [], []
    for batch in np.array_split(x, -(-len(x) // 500)):
        q_z = encoder(batch)
        reconstruction.append(-decoder(q_z).log_prob(batch))
        kl.append(tfd.kl_divergence(q_z, prior))
    reconstruction, kl = float(np.mean(np.concatenate(reconstruction))), float(np.mean(np.concatenate(kl)))
    return {
        "reconstruction": reconstruction,
        "KL": kl,
        "negative ELBO": reconstruction + kl,
        "reconstruction + 2 KL": reconstruction + 2 * kl,
    }


def main(
    data: str = "mnist",
    network: Literal["conv", "dense"] = "conv",
    base_depth: int = 32,
    kl_weight: float = 1.0,
    epochs: int = 15,
    batch_size: int = 256,
    seed: int = 0,
    figure: Path = Path("example_probabilistic_layers_vae.png"),
) -> dict[str, float]:
    """Train, evaluate on the test images, and draw reconstructions and samples.

    Args:
        data: see `keras_vae.data.load`; height and width must be the same multiple of 4.
        network: of encoder and decoder.
        base_depth: channels of the first convolution.
        kl_weight: of the KL divergence in the loss.
        epochs: over the training images.
        batch_size: images a step.
        seed: of everything random.
        figure: PNG file to write.

    Returns:
        The numbers printed, in nats per image.
    """
    keras.utils.set_random_seed(seed)
    images = kv.data.load(data, "binarize=dynamic", validation_fraction=0.0)
    x_val = tf.cast(images.test.head(images.test.num_examples, seed), tf.float32).numpy()
    print(images)

    prior = tfd.MultivariateNormalDiag(tf.zeros(LATENT_DIM), tf.ones(LATENT_DIM))
    regularizer = tfpl.KLDivergenceRegularizer(prior, use_exact_kl=True, weight=kl_weight)
    encoder = make_encoder(network, images.event_shape, base_depth, regularizer)
    decoder = make_decoder(network, images.event_shape, base_depth)
    vae = keras.Model(encoder.inputs, decoder(encoder.outputs[0]))

    vae.compile(keras.optimizers.Adam(1e-3), loss=lambda x, rv_x: -rv_x.log_prob(x))
    train, validation = images.train.training_batches(batch_size, seed), images.test.evaluation_batches(500, seed)
    vae.fit(pairs(train), epochs=epochs, validation_data=pairs(validation), verbose=2)

    numbers = evaluate(encoder, decoder, prior, x_val)
    for name, value in numbers.items():
        print(f"{name:22} {value:8.2f} nats")

    reconstructions = decoder(encoder(x_val[:10])).mean().numpy()
    samples = decoder(prior.sample(30, seed=seed)).mean().numpy()
    title = "images, their reconstructions, and three rows of samples (means of p(x|z))"
    grid = kv.plotting.image_grid(np.concatenate([x_val[:10], reconstructions, samples]), num_columns=10, title=title)
    grid.savefig(figure, dpi=120, bbox_inches="tight")
    return numbers


if __name__ == "__main__":
    import tyro

    tyro.cli(main)
