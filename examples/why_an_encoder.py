"""Why a VAE has an encoder: naive Monte Carlo from the prior beside importance sampling from q(z|x).

Both estimate log p(x) as the log of the mean of S weights. Naive Monte Carlo draws z from the prior p(z) and weighs by
p(x|z); importance sampling draws from the encoder's q(z|x) and weighs by p(x|z) p(z) / q(z|x). The data are of a model
whose log p(x) is known: z ~ N(0, I), x|z ~ N(W z, sigma^2 I), with W's entries drawn from N(0, 1 / E). Its columns are
not orthogonal, so that no q with a diagonal covariance is the true posterior. The decoder is the true one; the encoder,
a network with one hidden layer, is trained on the ELBO.

A proposal r needs about exp(KL(p(z|x), r(z))) draws to meet the few z that explain x. From the prior this grows
exponentially with the latent dimension. Once it has passed S, one draw carries all the weight: the effective sample
size is near 1, and the standard error reported, the spread of weights that never met the posterior, stays below 1 nat
whatever the error is. It is wrong there, and only the effective sample size tells.

    python examples/why_an_encoder.py

References:
    Kingma & Welling (2014), "Auto-Encoding Variational Bayes": the encoder. Burda et al. (2016), "Importance Weighted
    Autoencoders", Eq. 8: the estimate. Chatterjee & Diaconis (2018), "The sample size required in importance sampling",
    Theorem 1.1: exp(KL).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the package need not be installed

import keras
import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure
from tensorflow_probability import distributions as tfd

import keras_vae as kv
from keras_vae.data.synthetic import LinearGaussian

PROPOSALS = {"prior": "naive Monte Carlo, z ~ p(z)", "posterior": "importance sampling, z ~ q(z|x)"}


def make_model(dimensions: int, latent_dim: int, sigma: float, seed: int) -> LinearGaussian:
    """Return the model of the data; the columns of W have a norm of about 1."""
    weight = np.random.default_rng(seed).normal(size=(dimensions, latent_dim)) / np.sqrt(dimensions)
    return LinearGaussian(weight, np.zeros(dimensions), sigma)


def make_vae(model: LinearGaussian, hidden: int, seed: int) -> kv.VAE:
    """Return a VAE with the model's own decoder, which is not trained, and an encoder, which is."""
    dimensions, latent_dim = model.weight.shape
    encoder = keras.Sequential(
        [
            keras.Input((dimensions,)),
            keras.layers.Dense(hidden, "silu"),
            keras.layers.Dense(kv.layers.MultivariateNormalDiag.params_size(latent_dim)),
            kv.layers.MultivariateNormalDiag(latent_dim),
        ]
    )
    decoder_mean = keras.layers.Dense(dimensions, trainable=False)
    likelihood = kv.layers.IndependentNormal(dimensions, scale=model.sigma)
    decoder = keras.Sequential([keras.Input((latent_dim,)), decoder_mean, likelihood])
    decoder_mean.set_weights([model.weight.T, model.bias])
    return kv.VAE(encoder, decoder, kv.priors.StandardNormal(latent_dim), seed=seed)


def train(vae: kv.VAE, x: np.ndarray, epochs: int, batch_size: int = 100) -> None:
    """Maximise the ELBO."""
    rate = keras.optimizers.schedules.CosineDecay(2e-3, epochs * -(-len(x) // batch_size))
    vae.compile(keras.optimizers.Adam(rate), jit_compile=False)  # compiling would take longer than training
    vae.fit(x, batch_size=batch_size, epochs=epochs, verbose=0)


def score(
    vae: kv.VAE, model: LinearGaussian, x: np.ndarray, proposal: str, num_samples: int, seed: int
) -> dict[str, float]:
    """Return means over x of what an estimator says and of its error; see `main`."""
    estimate = kv.evaluation.log_marginal(vae, x, num_samples, seed, proposal)
    error = estimate.log_marginal - model.log_prob(x)
    r_z = vae.prior() if proposal == "prior" else vae.encode(x)
    r_z = tfd.MultivariateNormalDiag(tf.cast(r_z.mean(), tf.float64), tf.cast(r_z.stddev(), tf.float64))
    means = {
        "KL": tfd.kl_divergence(model.posterior(x), r_z),
        "absolute error": np.abs(error),
        "bias": error,
        "reported standard error": estimate.standard_error,
        "effective sample size": estimate.effective_sample_size,
    }
    return {name: float(np.mean(values)) for name, values in means.items()}


def draw(scores: dict[int, dict[str, dict[str, float]]], num_samples: int) -> Figure:
    """Draw error, reported standard error and effective sample size over the latent dimension."""
    figure = Figure(figsize=(9, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    latent_dims = list(scores)
    for (proposal, label), colour, marker in zip(PROPOSALS.items(), ("#d55e00", "#0072b2"), "so", strict=True):
        of = {name: [scores[d][proposal][name] for d in latent_dims] for name in scores[latent_dims[0]][proposal]}
        solid = {"color": colour, "marker": marker, "markersize": 5}
        dashed = {**solid, "linestyle": "--", "markerfacecolor": "white", "linewidth": 1.2}
        left.plot(latent_dims, of["absolute error"], label=f"{label}: absolute error", **solid)
        left.plot(latent_dims, of["reported standard error"], label=f"{label}: standard error it reports", **dashed)
        right.plot(latent_dims, of["effective sample size"], **solid)
    left.set_title("Error of log p(x), true and reported", fontsize=10)
    left.set(ylabel="mean over x (nats)", yscale="log")
    right.set_title(f"Effective sample size of {num_samples:,} samples", fontsize=10)
    right.set(ylabel="mean over x (samples)", yscale="log", ylim=(0.8, 1.5 * num_samples))
    for axes in (left, right):
        axes.set_xscale("log", base=2)
        axes.set_xticks(latent_dims, labels=[str(d) for d in latent_dims])
        axes.set_xlabel("latent dimension")
        axes.yaxis.set_major_formatter("{x:g}")
        axes.grid(alpha=0.3)
    figure.legend(ncols=2, fontsize=8, loc="outside lower center")
    return figure


def main(
    latent_dims: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64),
    dimensions: int = 784,
    sigma: float = 0.3,
    num_samples: int = 1000,
    hidden: int = 256,
    n: int = 10_000,
    epochs: int = 20,
    num_examples: int = 200,
    seed: int = 0,
    figure: Path = Path("why_an_encoder.png"),
) -> dict[int, dict[str, dict[str, float]]]:
    """Train an encoder for each latent dimension, and score both estimators on new points.

    Args:
        latent_dims: D, one model for each.
        dimensions: E, of x.
        sigma: standard deviation of the noise of x.
        num_samples: S, of both estimators.
        hidden: units of the encoder's hidden layer.
        n: points to train on.
        epochs: over them.
        num_examples: new points to estimate log p(x) of.
        seed: of everything random.
        figure: PNG file to write.

    Returns:
        For each latent dimension, for "prior" and "posterior", means over the new points: "KL" of the true posterior to
        the proposal; "absolute error" and "bias" of the estimate of log p(x) and its "reported standard error", all in
        nats; "effective sample size".
    """
    print(
        "latent  draws      KL(p(z|x), r)   log p(x): |error|       bias   reported std. error   effective sample size"
    )
    scores: dict[int, dict[str, dict[str, float]]] = {}
    for latent_dim in latent_dims:
        keras.utils.set_random_seed(seed)
        model = make_model(dimensions, latent_dim, sigma, seed)
        x = model.sample(n + num_examples, seed).astype("float32")
        vae = make_vae(model, hidden, seed)
        train(vae, x[:n], epochs)
        scores[latent_dim] = {}
        for proposal in PROPOSALS:
            of = scores[latent_dim][proposal] = score(vae, model, x[n:], proposal, num_samples, seed)
            numbers = "{KL:13.2f} {absolute error:19.3f} {bias:10.3f} {reported standard error:21.3f}".format_map(of)
            print(f"{latent_dim:6}  {proposal:10}{numbers} {of['effective sample size']:23.1f}")
    draw(scores, num_samples).savefig(figure, dpi=100)
    return scores


if __name__ == "__main__":
    import tyro

    tyro.cli(main)
