"""Five regressions with more and more uncertainty: the tutorial "Probabilistic Layers Regression" of TFP.

1. none: a line, and noise of fixed size;
2. aleatoric: the size of the noise depends on x (what more data cannot remove);
3. epistemic: the line's weights are random, their posterior learned (what more data does remove);
4. both;
5. functional: a Gaussian process with 40 inducing points in place of a line.

The data are n = 150 points y = 0.125 x (1 + sin x) + 5 + s(x) e with x in [-20, 60], e ~ N(0, 1) and noise s(x) that
grows from 0.75 to 3.75. Each model is scored on 1,000 new points by the log-density of its prediction, averaged over
draws of the weights, and by how many of them its two standard deviations cover (95 % for a normal that is right).

    python examples/probabilistic_regression.py
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the package need not be installed

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from matplotlib.figure import Figure
from tensorflow_probability import distributions as tfd

from keras_vae import layers as tfpl
from keras_vae.losses import NegativeLogLikelihood

X_RANGE = (-20.0, 60.0)
CASES = ("none", "aleatoric", "epistemic", "both", "functional")


def load_data(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return x and y, both [n, 1]."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(*X_RANGE, size=(n, 1))
    scale = 3 * (0.25 + ((x - X_RANGE[0]) / (X_RANGE[1] - X_RANGE[0])) ** 2)
    y = 0.125 * x * (1 + np.sin(x)) + 5 + scale * rng.normal(size=(n, 1))
    return x.astype("float32"), y.astype("float32")


def posterior_mean_field(kernel_size: int, bias_size: int = 0, dtype: Any = None) -> keras.Model:
    """Return independent normals over the weights, their locations and scales learned."""
    n = kernel_size + bias_size

    def normal(t: tf.Tensor) -> tfd.Distribution:
        return tfd.Independent(tfd.Normal(t[..., :n], 1e-5 + tf.nn.softplus(t[..., n:] - 2.0)), 1)

    return keras.Sequential([tfpl.VariableLayer(2 * n, dtype=dtype), tfpl.DistributionLambda(normal)])


def prior_trainable(kernel_size: int, bias_size: int = 0, dtype: Any = None) -> keras.Model:
    """Return unit normals over the weights, their locations learned (empirical Bayes)."""
    n = kernel_size + bias_size
    unit_normal = tfpl.DistributionLambda(lambda t: tfd.Independent(tfd.Normal(t, 1.0), 1))
    return keras.Sequential([tfpl.VariableLayer(n, dtype=dtype), unit_normal])


class RBFKernel(keras.layers.Layer):
    """Radial basis function kernel with learned amplitude and length scale."""

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        self._amplitude = self.add_weight(shape=(), initializer="zeros", name="amplitude")
        self._length_scale = self.add_weight(shape=(), initializer="zeros", name="length_scale")

    def call(self, x: Any) -> Any:
        return x

    @property
    def kernel(self) -> tfp.math.psd_kernels.PositiveSemidefiniteKernel:
        amplitude = tf.nn.softplus(0.1 * tf.convert_to_tensor(self._amplitude))
        return tfp.math.psd_kernels.ExponentiatedQuadratic(
            amplitude, tf.nn.softplus(5.0 * tf.convert_to_tensor(self._length_scale))
        )


def make_model(case: str, n: int) -> keras.Model:
    """Return x [B, 1] -> p(y|x)."""

    def line(units: int) -> keras.layers.Layer:
        if case in ("epistemic", "both"):
            return tfpl.DenseVariational(units, posterior_mean_field, prior_trainable, kl_weight=1 / n)
        return keras.layers.Dense(units)

    if case == "functional":
        inducing = np.linspace(*X_RANGE, 40, dtype="float32")[:, np.newaxis]
        process = tfpl.VariationalGaussianProcess(
            40,
            kernel_provider=RBFKernel(dtype="float64"),  # Cholesky factors of 1,000 points
            inducing_index_points_initializer=keras.initializers.Constant(inducing),
            unconstrained_observation_noise_variance_initializer=keras.initializers.Constant(np.log(np.expm1(1.0))),
        )
        return keras.Sequential([keras.Input((1,)), process])
    inputs = [keras.Input((1,)), keras.layers.Rescaling(1 / 40, offset=-0.5)]  # to -1 ... 1
    if case in ("none", "epistemic"):
        return keras.Sequential([*inputs, line(1), tfpl.DistributionLambda(lambda t: tfd.Normal(t, 1.0))])
    normal = tfpl.DistributionLambda(lambda t: tfd.Normal(t[..., :1], 1e-3 + tf.nn.softplus(t[..., 1:])))
    return keras.Sequential([*inputs, line(2), normal])


def fit(model: keras.Model, case: str, x: np.ndarray, y: np.ndarray, steps: int) -> None:
    """Minimise the negative log-likelihood, or a Gaussian process' variational loss; both per example."""
    if case == "functional":
        loss = lambda y, rv_y: rv_y.variational_loss(tf.cast(y, rv_y.dtype)) / len(x)  # noqa: E731
    else:
        loss = NegativeLogLikelihood()
    model.compile(keras.optimizers.Adam(0.05), loss=loss, steps_per_execution=50)
    model.fit(tf.data.Dataset.from_tensors((x, y)).repeat(steps), shuffle=False, verbose=0)


def predict(model: keras.Model, case: str, x: np.ndarray, num_draws: int) -> tuple[np.ndarray, np.ndarray]:
    """Return loc and scale of p(y|x, w) for draws of the weights w: both [num_draws, len(x)], or [1, len(x)]."""
    if case == "functional":  # no weights: normal margins, told by samples of y
        samples = model(x).sample(500).numpy()[..., 0]
        return samples.mean(axis=0, keepdims=True), samples.std(axis=0, keepdims=True)
    predictions = [model(x) for _ in range(num_draws)]
    loc, scale = [p.mean() for p in predictions], [p.stddev() for p in predictions]
    return np.stack(loc)[..., 0], np.stack(scale)[..., 0]


def main(
    steps: int = 1500,
    n: int = 150,
    num_draws: int = 50,
    cases: tuple[str, ...] = CASES,
    seed: int = 43,
    figure: Path = Path("example_probabilistic_regression.png"),
) -> dict[str, dict[str, float]]:
    """Fit the cases, score them on new points, and draw one panel each.

    Args:
        steps: of Adam, each on all the data.
        n: points to fit.
        num_draws: of the weights, for scores and figure.
        cases: which of the five to fit.
        seed: of everything random.
        figure: PNG file to write.

    Returns:
        For each case: "log-density" in nats per new point, "coverage" of the interval of two standard deviations, and
        the standard deviation of the prediction at the "left" and "right" end of the data.
    """
    x, y = load_data(n, seed)
    x_new, y_new = load_data(1000, seed + 1)
    grid = np.linspace(*X_RANGE, 200, dtype="float32")[:, np.newaxis]
    drawing = Figure(figsize=(2.7 * len(cases), 2.9), layout="constrained")
    panels = drawing.subplots(1, len(cases), sharey=True, squeeze=False)[0]

    scores = {}
    for case, axes in zip(cases, panels, strict=True):
        keras.utils.set_random_seed(seed)
        model = make_model(case, n)
        fit(model, case, x, y, steps)
        loc, scale = predict(model, case, grid, num_draws)
        draw(axes, case, loc, scale, grid[:, 0], x, y)
        stddev = moments(loc, scale)[1]
        scores[case] = score(*predict(model, case, x_new, num_draws), y_new[:, 0])
        scores[case] |= {"left": float(stddev[0]), "right": float(stddev[-1])}
        print(f"{case:11}", "  ".join(f"{name} {value:6.2f}" for name, value in scores[case].items()))
    panels[0].set_ylabel("y")
    drawing.savefig(figure, dpi=100)
    return scores


def moments(loc: np.ndarray, scale: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation of the prediction, averaged over the weights."""
    return loc.mean(axis=0), np.sqrt(loc.var(axis=0) + (scale**2).mean(axis=0))


def score(loc: np.ndarray, scale: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """Return the scores of predictions at y [n]; see `main`."""
    log_prob = tf.reduce_logsumexp(tfd.Normal(loc, scale).log_prob(y), axis=0) - np.log(len(loc))
    mean, stddev = moments(loc, scale)
    return {"log-density": float(np.mean(log_prob)), "coverage": float(np.mean(np.abs(y - mean) < 2 * stddev))}


def draw(
    axes: Any, case: str, loc: np.ndarray, scale: np.ndarray, grid: np.ndarray, x: np.ndarray, y: np.ndarray
) -> None:
    """Draw data, mean, the band of two standard deviations, and the lines of 20 draws of the weights."""
    mean, stddev = moments(loc, scale)
    axes.plot(x, y, ".", color="tab:blue", markersize=4, label="data")
    axes.fill_between(grid, mean - 2 * stddev, mean + 2 * stddev, color="tab:red", alpha=0.15, label="mean ± 2 stddev")
    if case in ("epistemic", "both"):
        lines = axes.plot(grid, loc[:20].T, color="black", linewidth=0.4, alpha=0.5, zorder=3)
        lines[0].set_label("draws of the line")
    axes.plot(grid, mean, color="tab:red", linewidth=2, label="mean")
    axes.set(title=case, xlabel="x", ylim=(-4, 24))
    axes.legend(loc="upper left", fontsize=6.5)


if __name__ == "__main__":
    import tyro

    tyro.cli(main)
