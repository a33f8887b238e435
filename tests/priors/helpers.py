"""What the tests of learned priors share: densities that are known, training on draws of them, integrals."""

import keras
import numpy as np
import scipy.stats
import tensorflow as tf

_FACTOR = np.tril(np.random.default_rng(3).normal(size=(5, 5))) * 0.6 + np.eye(5) * 0.5


def ring(size, rng):
    """Return draws [size, 2] of a ring of radius 2 and width 0.25, and the logarithm of its density at each."""
    radius, angle = rng.normal(2, 0.25, size), rng.uniform(0, 2 * np.pi, size)
    log_prob = scipy.stats.norm.logpdf(radius, 2, 0.25) - np.log(2 * np.pi * radius)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], -1), log_prob


def correlated_normal(size, rng):
    """Return draws [size, 5] of a normal distribution with a full covariance, and the logarithm of its density."""
    x = rng.normal(size=(size, 5)) @ _FACTOR.T
    return x, scipy.stats.multivariate_normal.logpdf(x, np.zeros(5), _FACTOR @ _FACTOR.T)


def gaps_of_training(prior, density, steps, learning_rate=3e-3, batch_size=256):
    """Return KL(density, p(z)) in nats before and after training on draws, each estimated from 5,000 other draws."""
    x, log_density = density(5_000, np.random.default_rng(1))
    train = tf.constant(density(batch_size * steps, np.random.default_rng(2))[0], tf.float32)
    optimizer = keras.optimizers.Adam(learning_rate)
    optimizer.build(prior.trainable_variables)

    @tf.function(autograph=False)
    def step(batch):
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(prior().log_prob(batch))
        variables = prior.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))

    def gap():
        return float(np.mean(log_density - prior().log_prob(tf.constant(x, tf.float32))))

    before = gap()
    for batch in tf.split(train, steps):
        step(batch)
    return before, gap()


def moved(prior, scale=0.5):
    """Return the prior with weights drawn anew, far from where it starts."""
    rng = np.random.default_rng(0)
    prior.set_weights([scale * rng.normal(size=weight.shape) for weight in prior.weights])
    return prior


def integral(p_z, reach, points):
    """Return the integral of a density of two dimensions by the trapezoid rule, exact up to the tails if smooth."""
    axis = np.linspace(-reach, reach, points)
    grid = np.stack(np.meshgrid(axis, axis, indexing="ij"), -1)
    return np.exp(p_z.log_prob(grid)).sum() * (axis[1] - axis[0]) ** 2


def check_gradients(prior, z, kernel):
    """Compare the gradient of log p(z[:4]) along a direction of `kernel` with central differences; all are finite."""
    with tf.GradientTape(persistent=True) as tape:
        log_prob = prior().log_prob(z)
        near = tf.reduce_sum(log_prob[:4])
    step = np.finfo("float64").eps ** (1 / 3)
    direction, start, ends = np.random.default_rng(4).normal(size=kernel.shape), kernel.numpy(), []
    for sign in (1, -1):
        kernel.assign(start + sign * step * direction)
        ends.append(float(tf.reduce_sum(prior().log_prob(z[:4]))))
    gradient = tape.gradient(near, kernel.value)
    np.testing.assert_allclose(np.sum(gradient * direction), (ends[0] - ends[1]) / (2 * step), rtol=1e-6)
    for gradient in tape.gradient(log_prob, prior.trainable_variables):
        assert np.all(np.isfinite(gradient))
