"""Data is checked at the door, with a message that says what to do."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

from keras_vae import layers
from keras_vae.distributions import Bernoulli, CategoricalLevels, ContinuousBernoulli, SoftBernoulli
from keras_vae.distributions.sets import BINARY, COUNTS, OPEN_UNIT, REAL, UNIT, UNKNOWN, Support, levels_support
from keras_vae.distributions.support import check_support, support_of

LEVELS_4 = levels_support(4)


@pytest.mark.parametrize(
    ("support", "inside", "outside"),
    [
        (BINARY, [0.0, 1.0], [-1.0, 0.5, 2.0, np.nan, np.inf]),
        (UNIT, [0.0, 0.3, 1.0], [-1e-6, 1.0 + 1e-6, np.nan, np.inf]),
        (LEVELS_4, [0.0, 1.0, 2.0, 3.0], [-1.0, 4.0, 2.5, np.nan, np.inf]),
        (REAL, [-1e30, 0.0, 1e30], [np.nan, np.inf, -np.inf]),
        (OPEN_UNIT, [1e-300, 0.3, 1 - 2.0**-53], [0.0, 1.0, -1e-6, 1.0 + 1e-6, np.nan, np.inf]),
        (COUNTS, [0.0, 1.0, 2.0**60], [-1.0, 0.5, np.nan, np.inf]),
    ],
    ids=["binary", "unit", "levels", "real", "open unit", "counts"],
)
def test_a_support_contains_its_values_and_no_other(support, inside, outside):
    assert support.contains(np.array(inside))
    for x in outside:
        assert not support.contains(np.array([*inside, x])), x


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int32", "int64", "float16", "float32", "float64"])
def test_zeros_and_ones_of_any_dtype_are_binary(dtype):
    x = np.array([0, 1]).astype(dtype)
    for support in (BINARY, UNIT, LEVELS_4, REAL, COUNTS):
        assert support.contains(x)
    assert not OPEN_UNIT.contains(x)


@pytest.mark.parametrize("dtype", ["uint8", "int32", "float32"])
def test_pixels_up_to_255_of_any_dtype_are_not_binary(dtype):
    x = np.array([0, 255]).astype(dtype)
    assert not BINARY.contains(x)
    assert not UNIT.contains(x)
    assert levels_support(256).contains(x)
    assert not levels_support(255).contains(x)


FAMILIES = [
    (tfd.Bernoulli(0.0), BINARY),
    (Bernoulli(0.0), BINARY),
    (SoftBernoulli(0.0), UNIT),
    (tfd.Categorical(tf.zeros(4)), LEVELS_4),
    (CategoricalLevels(tf.zeros([2, 4])), LEVELS_4),
    (CategoricalLevels(probs=[0.25] * 4), LEVELS_4),
    (tfd.Poisson(1.0), COUNTS),
    (tfd.NegativeBinomial(1.0, 0.0), COUNTS),
    (ContinuousBernoulli(0.0), UNIT),
    (tfd.ContinuousBernoulli([0.0, 1.0]), UNIT),
    (tfd.Beta(1.0, 1.0), OPEN_UNIT),
    (tfd.Logistic(0.0, 1.0), REAL),
    (tfd.Laplace(0.0, 1.0), REAL),
    (tfd.StudentT(3.0, 0.0, 1.0), REAL),
    (tfd.Normal(0.0, 1.0), REAL),
    (tfd.MultivariateNormalDiag(tf.zeros(2), tf.ones(2)), REAL),
]


@pytest.mark.parametrize(("distribution", "support"), FAMILIES, ids=lambda value: getattr(value, "name", None))
def test_every_family_has_its_support_also_within_independent(distribution, support):
    assert support_of(distribution) == support
    assert support_of(tfd.Independent(distribution, distribution.batch_shape.rank)) == support


@pytest.mark.parametrize(
    ("layer", "support"),
    [
        (layers.IndependentBernoulli(4), BINARY),
        (layers.IndependentSoftBernoulli(4), UNIT),
        (layers.IndependentCategorical(1, 4), LEVELS_4),
        (layers.IndependentPoisson(4), COUNTS),
        (layers.IndependentNegativeBinomial(2), COUNTS),
        (layers.IndependentContinuousBernoulli(4), UNIT),
        (layers.IndependentBeta(2), OPEN_UNIT),
        (layers.IndependentNormal(2), REAL),
        (layers.IndependentLogistic(2), REAL),
        (layers.IndependentLaplace(2), REAL),
        (layers.MultivariateNormalDiag(2), REAL),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_layers_output_has_the_support_of_its_distribution(layer, support):
    y = layer(tf.zeros([3, 4]))
    assert support_of(y.tensor_distribution) == support
    assert support_of(y) == support


def test_a_reshaped_batch_has_the_support_of_its_distribution():
    """As the decoder gives for draws [S, B, D]."""
    assert support_of(tfd.BatchReshape(Bernoulli([0.0, 0.0]), [1, 2])) == BINARY


CASES = {
    "pixels for Bernoulli": (
        Bernoulli(0.0),
        np.array([0, 255], "uint8"),
        r"The Bernoulli likelihood scores \{0, 1\}: pass binarize=dynamic or binarize=threshold. "
        r"Received: integers in x from 0 to 255, such as 255 in row 1$",
    ),
    "grey for Bernoulli": (
        tfd.Independent(tfd.Bernoulli([0.0, 0.0]), 1),
        np.array([0.25, 1.0], "float32"),
        r"The Bernoulli likelihood scores \{0, 1\}: pass binarize=dynamic or binarize=threshold. "
        r"Received: values in x from 0.25 to 1, such as 0.25 in row 0$",
    ),
    "pixels for SoftBernoulli": (
        SoftBernoulli(0.0),
        np.array([0, 255], "float32"),
        r"The SoftBernoulli likelihood scores \[0, 1\]: divide by the largest level: pass unit. "
        r"Received: integers in x from 0 to 255, such as 255 in row 1$",
    ),
    "too many levels": (
        CategoricalLevels(tf.zeros(16)),
        np.array([0, 16]),
        r"The CategoricalLevels likelihood scores \{0, ..., 15\}: pass quantize=16, or give the likelihood as many "
        r"levels as the data has. Received: integers in x from 0 to 16, such as 16 in row 1$",
    ),
    "grey for levels": (
        CategoricalLevels(tf.zeros(16)),
        np.array([0.0, 0.5]),
        r"scores \{0, ..., 15\}: pass quantize=16.* Received: values in x from 0 to 0.5, such as 0.5 in row 1$",
    ),
    "negative levels": (
        CategoricalLevels(tf.zeros(16)),
        np.array([-1, 3]),
        r"scores \{0, ..., 15\}: .* Received: integers in x from -1 to 3, such as -1 in row 0$",
    ),
    "grey for Poisson": (
        tfd.Poisson(1.0),
        np.array([0.0, 0.5]),
        r"The Poisson likelihood scores \{0, 1, 2, ...\}: pass counts, such as the levels of quantize=K. "
        r"Received: values in x from 0 to 0.5, such as 0.5 in row 1$",
    ),
    "pixels for ContinuousBernoulli": (
        ContinuousBernoulli(0.0),
        np.array([0, 255], "uint8"),
        r"The ContinuousBernoulli likelihood scores \[0, 1\]: divide by the largest level: pass unit. "
        r"Received: integers in x from 0 to 255, such as 255 in row 1$",
    ),
    "zero for Beta": (
        tfd.Independent(tfd.Beta([1.0, 1.0], 1.0), 1),
        np.array([0.0, 0.5], "float32"),
        r"The Beta likelihood scores \(0, 1\): move n levels x of \[0, 1\] to \(x \* \(n - 1\) \+ 0.5\) / n. "
        r"Received: values in x from 0 to 0.5, such as 0 in row 0$",
    ),
    "a vector that adds up to 2": (
        tfd.OneHotCategorical([0.0, 0.0]),
        np.array([[0.0, 1.0], [1.0, 1.0]]),
        r"scores vectors of \{0, 1\} with one 1: .* from 0 to 1, such as 1 in row 1, in a vector that adds up to 2$",
    ),
    "not a number for Bernoulli": (
        Bernoulli(0.0),
        np.array([0.0, np.nan, np.nan]),
        r"The Bernoulli likelihood cannot score entries that are NaN or infinite: drop the rows that have them, "
        r"impute the entries, or let NaN stand for missing ones in a model that is made with missing=True. "
        r"Received: 2 such entries in x, the first of them nan in row 1$",
    ),
    "not a number after a value outside": (Bernoulli(0.0), np.array([5, np.nan]), "1 such entries .* nan in row 1$"),
    "infinity for Normal": (
        tfd.Normal(0.0, 1.0),
        np.array([[0.0, 1.0], [1.0, -np.inf]]),
        "cannot score entries that are NaN or infinite: .* the first of them -inf in row 1$",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_message_tells_range_support_and_remedy(name):
    distribution, x, message = CASES[name]
    with pytest.raises(ValueError, match=message):
        check_support(distribution, x)


def test_not_a_number_is_refused_by_a_normal_likelihood():
    with pytest.raises(ValueError, match="The Normal likelihood cannot score entries that are NaN or infinite"):
        check_support(tfd.Normal(0.0, 1.0), [np.nan])


@pytest.mark.parametrize(
    ("distribution", "x"),
    [
        (Bernoulli(0.0), np.array([0, 1], "uint8")),
        (SoftBernoulli(0.0), [0.0, 0.5, 1.0]),
        (CategoricalLevels(tf.zeros(16)), tf.range(16)),
        (tfd.Poisson(1.0), np.array([0, 255], "uint8")),
        (tfd.Beta(1.0, 1.0), [1e-6, 0.5]),
        (tfd.Normal(0.0, 1.0), [-1e6, 1e6]),
        (Bernoulli(0.0), np.zeros([0, 4])),
    ],
    ids=["array", "list", "tensor", "counts", "open unit", "real", "empty"],
)
def test_data_within_the_support_passes(distribution, x):
    assert check_support(distribution, x) is None


FINITE = [(d, support) for d, support in FAMILIES if support.integer and np.isfinite(support.high)]


@pytest.mark.parametrize(("distribution", "support"), FINITE, ids=lambda value: getattr(value, "name", None))
def test_a_finite_support_is_where_tfp_itself_gives_a_probability(distribution, support):
    """Probabilities of the integers in it add up to one."""
    x = np.arange(support.low, support.high + 1, dtype="int32")
    total = tf.reduce_sum([distribution.prob(i) for i in x], 0)
    np.testing.assert_allclose(total, np.ones(distribution.batch_shape), rtol=4 * np.finfo("float32").eps)


COMPOSED = {
    "Gamma": (tfd.Gamma([2.0], 1.0), [0.1, 3.0], [0.0, 1.0]),
    "LogNormal": (tfd.LogNormal(0.0, 1.0), [0.1, 3.0], [-1.0]),
    "Exponential": (tfd.Exponential(1.0), [0.0, 3.0], [-1.0]),
    "HalfNormal": (tfd.HalfNormal(1.0), [0.0, 3.0], [-1.0]),
    "Uniform": (tfd.Uniform(-1.0, 3.0), [-1.0, 3.0], [3.1]),
    "Geometric": (tfd.Geometric(0.0), [0.0, 3.0], [0.5]),
    "Binomial": (tfd.Binomial(3.0, 0.0), [0.0, 3.0], [4.0]),
    "Multinomial": (tfd.Multinomial(3.0, logits=[0.0, 0.0]), [1.0, 2.0], [1.0, 1.0]),
    "Dirichlet": (tfd.Dirichlet([1.0, 2.0]), [0.3, 0.7], [0.3, 0.3]),
    "one-hot": (tfd.OneHotCategorical([0.0, 0.0]), [0.0, 1.0], [1.0, 1.0]),
    "zero-inflated counts": (
        tfd.ZeroInflatedNegativeBinomial(total_count=1.0, logits=0.0, inflated_loc_logits=0.0),
        [0.0, 3.0],
        [0.5],
    ),
    "inflated Poisson": (tfd.Inflated(tfd.Poisson(1.0), inflated_loc_probs=0.3), [0.0, 3.0], [-1.0]),
    "Mixture": (
        tfd.Mixture(tfd.Categorical([0.0, 0.0]), [tfd.Gamma(1.0, 1.0), tfd.Uniform(-2.0, -1.0)]),
        [-1.5, 3.0],
        [-0.5],
    ),
    "MixtureSameFamily": (
        tfd.MixtureSameFamily(tfd.Categorical([0.0, 0.0]), tfd.Gamma([2.0, 3.0], 1.0)),
        [0.5, 3.0],
        [-0.5],
    ),
    "TransformedDistribution": (tfd.TransformedDistribution(tfd.Gamma(2.0, 1.0), tfb.Shift(3.0)), [3.5], [2.9]),
    "Blockwise": (
        tfd.Blockwise([tfd.Sample(tfd.Gamma(2.0, 1.0), 2), tfd.OneHotCategorical([0.0, 0.0], dtype=tf.float32)]),
        [5.0, 0.1, 0.0, 1.0],
        [5.0, 0.1, 0.5, 0.5],
    ),
    "Independent over a bijector with a Keras layer": (
        tfd.Independent(tfd.TransformedDistribution(tfd.LogNormal([0.0], 1.0), tfb.Scale(keras.Variable(2.0))), 1),
        [0.5],
        [-0.5],
    ),
}


@pytest.mark.parametrize("name", COMPOSED)
def test_the_support_follows_from_composition_and_from_the_default_bijectors_of_tfp(name):
    distribution, inside, outside = COMPOSED[name]
    support = support_of(distribution)
    support.check(np.array(inside, "float32"), name)
    assert np.all(np.isfinite(distribution.log_prob(tf.constant(inside))))
    with pytest.raises(ValueError, match="likelihood scores"):
        support.check(np.array(outside, "float32"), name)


@pytest.mark.parametrize("name", COMPOSED)
def test_a_compiled_graph_finds_the_entries_outside_that_eager_execution_finds(name):
    distribution, inside, outside = COMPOSED[name]
    support = support_of(distribution)
    entries = tf.function(support.entries, jit_compile=True)
    for x in (np.array(inside, "float32"), np.array(outside, "float32")):
        np.testing.assert_array_equal(entries(tf.constant(x)), support.entries(x))
    assert not np.all(entries(tf.constant(outside)))


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int64"])
def test_integers_are_in_a_set_where_the_same_floats_are(dtype):
    x = np.array([0, 1, 2, 5, 100, 255]).astype(dtype) - (0 if dtype == "uint8" else np.array(3, dtype))
    sets = [
        BINARY,
        UNIT,
        COUNTS,
        REAL,
        levels_support(6),
        Support("", 1.5, 99.5),
        Support("", 300),
        Support("", high=-1),
    ]
    for support in sets:
        np.testing.assert_array_equal(support.entries(x), support.entries(x.astype("float64")), err_msg=str(support))


def test_all_rows_of_a_large_array_are_looked_at_and_no_copy_of_it_is_made(monkeypatch):
    x, sizes = np.zeros([1500, 1000], "uint8"), []
    x[1499, 3] = 7
    entries = type(BINARY).entries
    monkeypatch.setattr(type(BINARY), "entries", lambda self, x: sizes.append(x.size) or entries(self, x))
    with pytest.raises(ValueError, match="such as 7 in row 1499$"):
        BINARY.check(x, "Bernoulli")
    assert max(sizes) <= 2**20


def test_the_columns_out_of_their_support_are_named():
    support = support_of(COMPOSED["Blockwise"][0])
    with pytest.raises(ValueError, match=r"OneHotCategorical \(columns 2 to 3\) likelihood scores vectors of \{0, 1\}"):
        support.check(np.array([5.0, 0.1, 0.5, 0.5]), "Blockwise")


def test_a_family_whose_entries_have_limits_of_their_own_has_no_known_support():
    assert support_of(tfd.Uniform([0.0, 1.0], [2.0, 3.0])) == UNKNOWN


def test_a_part_without_a_known_support_leaves_the_whole_unknown():
    finite = tfd.FiniteDiscrete([0.0, 1.0], logits=[0.0, 0.0])
    assert not support_of(tfd.Mixture(tfd.Categorical([0.0, 0.0]), [finite, tfd.Poisson(1.0)])).is_known
    assert not support_of(tfd.Blockwise([finite, tfd.Poisson(1.0)])).is_known
    assert support_of(tfd.Blockwise([tfd.Gamma(1.0, 1.0), tfd.Poisson(1.0)])).is_known
