"""One-hot vectors and their relaxation: densities against SciPy, samples, hard points, errors."""

import numpy as np
import pytest
import scipy.integrate
import scipy.special
import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import distributions as tfd

from keras_vae import random
from keras_vae.distributions.kl import has_closed_form_kl, kl_divergence
from keras_vae.distributions.support import check_support
from keras_vae.layers import OneHotCategorical, RelaxedOneHotCategorical

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(scale=2.0, size=(5, 3))
DTYPES = ["float32", "float64"]


def relaxed_log_prob(x, temperature, logits):
    """Return Eq. 10 of Maddison et al. (2017), in logarithms."""
    size = logits.shape[-1]
    terms = scipy.special.log_softmax(logits - temperature * np.log(x), axis=-1) - np.log(x)
    return scipy.special.gammaln(size) + (size - 1) * np.log(temperature) + terms.sum(-1)


# One-hot vectors.


@pytest.mark.parametrize("dtype", DTYPES)
def test_log_prob_of_a_unit_vector_is_its_log_softmax_as_in_tfp(dtype):
    params = LOGITS.astype(dtype)
    y, theirs = OneHotCategorical(3, dtype=dtype)(params), tfp.layers.OneHotCategorical.new(tf.constant(params), 3)
    assert (y.batch_shape, y.event_shape, y.dtype) == ([5], [3], dtype)
    tolerance = 16 * np.finfo(dtype).eps
    for i, unit in enumerate(np.eye(3, dtype=dtype)):
        log_prob = y.log_prob(unit)
        expected = scipy.special.log_softmax(params.astype("float64"), -1)[:, i]
        np.testing.assert_allclose(log_prob, expected, rtol=tolerance, atol=tolerance)
        np.testing.assert_array_equal(log_prob, theirs.log_prob(unit))


def test_mean_mode_and_logits_may_be_the_value():
    probs = scipy.special.softmax(LOGITS, -1)
    np.testing.assert_allclose(OneHotCategorical(3, "mean", dtype="float64")(LOGITS), probs, rtol=16 * 2**-52)
    np.testing.assert_array_equal(OneHotCategorical(3, "mode")(LOGITS), np.eye(3)[LOGITS.argmax(-1)])
    np.testing.assert_array_equal(OneHotCategorical(3, "logits", dtype="float64")(LOGITS), LOGITS)


@pytest.mark.parametrize("dtype", ["int32", "float32"])
def test_samples_are_unit_vectors_of_the_sample_dtype_with_the_probabilities_frequency(dtype):
    """Within 4 standard errors: a correct sampler fails 1 seed in 1,000 (15 numbers, 6e-5 each)."""
    x = random.sample(OneHotCategorical(3, sample_dtype=dtype)(LOGITS), 10_000, 0)
    assert (x.dtype, x.shape) == (dtype, [10_000, 5, 3])
    x = np.asarray(x, "float64")
    assert set(np.unique(x)) == {0, 1}
    np.testing.assert_array_equal(x.sum(-1), 1)
    probs = scipy.special.softmax(LOGITS, -1)
    assert np.all(np.abs(x.mean(0) - probs) < 4 * np.sqrt(probs * (1 - probs) / len(x)))


def test_samples_are_those_of_the_categorical_distribution():
    logits = tf.constant(LOGITS)
    x = random.sample(tfd.OneHotCategorical(logits=logits), 7, 0)
    np.testing.assert_array_equal(tf.argmax(x, -1), random.sample(tfd.Categorical(logits=logits), 7, 0))


def test_kl_of_one_hot_categoricals_is_that_of_scipy():
    layer = OneHotCategorical(3, dtype="float64")
    p, q = (scipy.special.softmax(logits, -1) for logits in (LOGITS, LOGITS[::-1]))
    kl = tfd.kl_divergence(layer(LOGITS), layer(LOGITS[::-1]))
    np.testing.assert_allclose(kl, scipy.special.rel_entr(p, q).sum(-1), rtol=1e3 * 2**-52)


# The relaxation.


@pytest.mark.parametrize("temperature", [0.1, 0.5, 2.0])
@pytest.mark.parametrize("dtype", DTYPES)
def test_log_prob_of_the_relaxation_is_the_formula_of_the_paper(dtype, temperature):
    x = RNG.dirichlet(np.ones(3), size=5).astype(dtype)
    y = RelaxedOneHotCategorical(3, temperature, dtype=dtype)(LOGITS.astype(dtype))
    assert (y.batch_shape, y.event_shape, y.dtype) == ([5], [3], dtype)
    expected = relaxed_log_prob(x.astype("float64"), temperature, LOGITS.astype(dtype).astype("float64"))
    np.testing.assert_allclose(y.log_prob(x), expected, rtol=64 * np.finfo(dtype).eps, atol=64 * np.finfo(dtype).eps)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_the_relaxations_density_of_two_entries_integrates_to_one(temperature):
    """Over x in (0, 1), by the substitution x = sigmoid(t)."""
    y = RelaxedOneHotCategorical.new(tf.constant([0.7, -0.3], tf.float64), 2, temperature)

    def integrand(t):
        x = scipy.special.expit([t, -t])
        return float(y.prob(tf.constant(x))) * x[0] * x[1]

    integral, error = scipy.integrate.quad(integrand, -40 / temperature, 40 / temperature, points=[0], limit=200)
    assert abs(integral - 1) < error + 1e-12


def test_the_relaxations_log_prob_has_the_gradient_of_central_differences():
    x, step = tf.constant([0.2, 0.5, 0.3], tf.float64), 2 ** (-52 / 3)
    params = tf.constant(LOGITS[:1])
    with tf.GradientTape() as tape:
        tape.watch(params)
        log_prob = RelaxedOneHotCategorical.new(params, 3, 0.5).log_prob(x)
    exact = np.asarray(tape.gradient(log_prob, params))[0]
    above, below = (RelaxedOneHotCategorical.new(params + s * np.eye(3), 3, 0.5).log_prob(x) for s in (step, -step))
    # third derivatives of log softmax are below 1; rounding of a log-probability below 10
    np.testing.assert_allclose(exact, (above - below) / (2 * step), rtol=0, atol=20 * step**2)


@pytest.mark.parametrize("temperature", [1e-3, 0.05, 0.5, 10.0])
def test_samples_are_on_the_simplex_and_their_log_prob_and_gradients_are_finite(temperature):
    """At low temperatures entries of samples are rounded to 0 in float32, where the plain formula is not a number."""
    params = tf.constant(LOGITS, tf.float32)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(params)
        y = RelaxedOneHotCategorical.new(params, 3, temperature)
        x = random.sample(y, 200, 0)
        log_prob = y.log_prob(x)
    if temperature <= 0.05:
        assert np.any(np.asarray(x) == 0)
    assert np.all((np.asarray(x) >= 0) & (np.asarray(x) <= 1))
    np.testing.assert_allclose(tf.reduce_sum(x, -1), np.ones((200, 5)), rtol=4 * np.finfo("float32").eps)
    assert np.all(np.isfinite(log_prob))
    for target in (x, log_prob):
        assert np.all(np.isfinite(tape.gradient(target, params)))


def test_no_sample_is_clipped_whose_logits_differ_by_less_than_86_temperatures_minus_20(monkeypatch):
    """With the extremes of the noise, which uniform draws of 0 and of 1 - 2**-24 give."""
    temperature, extremes = 0.3, tf.constant([0.0, 1 - 2.0**-24])
    monkeypatch.setattr("keras_vae.random.sampling.uniform", lambda shape, *_: tf.broadcast_to(extremes, shape))
    y = RelaxedOneHotCategorical.new(tf.constant([[0.0, 86 * temperature - 20]]), 2, temperature)
    assert np.min(random.sample(y, 1, 0)) > np.finfo("float32").tiny


@pytest.mark.parametrize("dtype", DTYPES)
def test_log_prob_at_a_corner_is_that_at_the_smallest_normal_number(dtype):
    tiny = np.finfo(dtype).tiny
    y = RelaxedOneHotCategorical.new(tf.constant([0.5, -0.5], dtype), 2, 0.5)
    expected = relaxed_log_prob(np.array([1.0, tiny]), 0.5, np.array([0.5, -0.5]))
    np.testing.assert_allclose(y.log_prob(np.array([1, 0], dtype)), expected, rtol=16 * np.finfo(dtype).eps)


def test_the_argument_of_the_greatest_entry_is_categorical():
    """The Gumbel-max theorem, at any temperature; within 4 standard errors."""
    x = random.sample(RelaxedOneHotCategorical(3, 0.7)(LOGITS), 10_000, 0)
    frequency = np.eye(3)[np.argmax(x, -1)].mean(0)
    probs = scipy.special.softmax(LOGITS, -1)
    assert np.all(np.abs(frequency - probs) < 4 * np.sqrt(probs * (1 - probs) / 10_000))


def test_the_mean_score_of_samples_is_zero():
    """E[d log p(x) / d logits] = 0 over samples of p, within 4 standard errors."""
    params = tf.constant(np.broadcast_to(LOGITS[0], (4000, 3)))
    with tf.GradientTape() as tape:
        tape.watch(params)
        y = RelaxedOneHotCategorical.new(params, 3, 0.5)
        log_prob = y.log_prob(tf.stop_gradient(random.sample(y, 1, 0)[0]))
    score = np.asarray(tape.gradient(log_prob, params))
    assert np.all(np.abs(score.mean(0)) < 4 * score.std(0) / np.sqrt(4000))


def test_samples_pass_gradients_to_the_logits():
    params = tf.constant(LOGITS)
    with tf.GradientTape() as tape:
        tape.watch(params)
        x = random.sample(RelaxedOneHotCategorical.new(params, 3, 0.5), 1, 0)[0, :, 0]
    jacobian = np.asarray(tape.gradient(x, params))
    x = np.asarray(random.sample(RelaxedOneHotCategorical.new(params, 3, 0.5), 1, 0)[0])
    expected = x[:, :1] * (np.eye(3)[0] - x) / 0.5
    np.testing.assert_allclose(jacobian, expected, rtol=0, atol=16 * 2**-52)


def test_the_kl_of_relaxations_is_estimated_from_draws():
    q, p = (RelaxedOneHotCategorical(3, 0.5)(logits) for logits in (LOGITS[:2], LOGITS[2:4]))
    assert not has_closed_form_kl(q, p)
    x = random.sample(q, 50, 0)
    np.testing.assert_array_equal(kl_divergence(q, p, x), tf.reduce_mean(q.log_prob(x) - p.log_prob(x), 0))


# Both.


@pytest.mark.parametrize(
    "make", [lambda t: OneHotCategorical.new(t, 3), lambda t: RelaxedOneHotCategorical.new(t, 3, 0.5)]
)
@pytest.mark.parametrize("jit_compile", [False, True], ids=["graph", "xla"])
def test_compiled_samples_are_those_of_eager_execution(make, jit_compile):
    params = LOGITS.astype("float32")
    graph = tf.function(
        lambda t: random.sample(make(t), 4, seed=3),
        input_signature=[tf.TensorSpec([None, 3], tf.float32)],
        jit_compile=jit_compile,
        autograph=False,
    )
    # exp(t / 0.5) magnifies the rounding of t, noise below 17 and logits below 5, by 2 * 22
    np.testing.assert_allclose(graph(params), random.sample(make(params), 4, seed=3), rtol=0, atol=64 * 2**-23)


@pytest.mark.parametrize(
    "make", [lambda t: OneHotCategorical.new(t, 3), lambda t: RelaxedOneHotCategorical.new(t, 3, 0.5)]
)
def test_samples_of_a_row_depend_on_its_global_number_only(make):
    whole = random.sample(make(LOGITS), 4, seed=3)
    np.testing.assert_array_equal(random.sample(make(LOGITS[2:4]), 4, seed=3, first_row=2), whole[:, 2:4])


@pytest.mark.parametrize("layer", [OneHotCategorical(3), RelaxedOneHotCategorical(3, 0.5)], ids=["one-hot", "relaxed"])
def test_params_of_another_size_raise(layer):
    with pytest.raises(ValueError, match=r"needs 3 parameters per example, .* Received: params.shape=\(2, 4\)"):
        layer(tf.zeros([2, 4]))
    assert layer.params_size(3) == 3


def test_bad_arguments_raise():
    with pytest.raises(ValueError, match="`event_size` must be 1 or more. Received: event_size=0"):
        OneHotCategorical(0)
    with pytest.raises(ValueError, match="`event_size` must be 2 or more. Received: event_size=1"):
        RelaxedOneHotCategorical(1, 0.5)
    for temperature in (0, -1.0, float("nan")):
        with pytest.raises(ValueError, match=f"`temperature` must be positive.* Received: temperature={temperature}"):
            RelaxedOneHotCategorical(3, temperature)


def test_values_off_the_support_are_told():
    with pytest.raises(ValueError, match=r"scores vectors of {0, 1} with one 1: pass labels through keras.ops.one_hot"):
        check_support(OneHotCategorical(3)(LOGITS), [[0, 2, 0]])
    with pytest.raises(ValueError, match=r"scores vectors of \[0, 1\] that add up to 1: divide each"):
        check_support(RelaxedOneHotCategorical(3, 0.5)(LOGITS), [[0.0, 1.5, 0.5]])
