"""Each door, with whatever Hypothesis finds: it works, or one clear error says what was wrong; never a wrong number.

Files of images have a test of this kind beside what reads them.
"""

import functools
import math

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import keras_vae as kv
from keras_vae.cli.config import Config, parse_config

FLAGS = ["--epochs", "--batch-size", "--learning-rate", "--likelihood", "--hidden", "--beta", "--config", "--pixels"]
FLAGS += ["--name", "--seed", "--validation-fraction", "--num-levels", "--grayscale", "--nonsense", "--schedule"]

# The same examples each time, as a suite that fails now and then is not believed.
door = functools.partial(
    settings, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def assert_one_clear_sentence(error):
    assert 0 < len(str(error).strip()) < 1_000


# The command line and files of settings.

words = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=12),
    st.integers().map(str),
    st.floats().map(str),
    st.sampled_from(["bernoulli", "mlp", "nan", "-1", "0", "1e39", "true", "..", "[1"]),
)


@door(max_examples=60)
@given(st.lists(st.tuples(st.sampled_from(FLAGS), words).map(list), max_size=3))
def test_any_flags_are_a_configuration_or_one_clear_error(pairs):
    arguments = [word for pair in pairs for word in pair]
    try:
        config = parse_config(arguments)
    except (ValueError, OSError) as error:
        assert_one_clear_sentence(error)
    else:
        assert Config.from_dict(config.to_dict()) == config


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
settings_of_a_section = st.dictionaries(
    st.sampled_from(["epochs", "batch_size", "learning_rate", "dataset", "hidden", "beta", "likelihood", "name", "x"]),
    json_values,
    max_size=3,
)


@door(max_examples=200)
@given(
    st.dictionaries(
        st.sampled_from(["data", "model", "loss", "training", "run", "other"]),
        settings_of_a_section | json_values,
        max_size=3,
    )
)
def test_any_file_of_settings_is_a_configuration_or_one_clear_error(values):
    try:
        config = Config.from_dict(values)
    except ValueError as error:
        assert_one_clear_sentence(error)
    else:
        assert all(math.isfinite(rate) for rate in (config.training.learning_rate, config.loss.beta))
        assert config.training.epochs is None or config.training.epochs > 0


# Arrays.


@pytest.fixture(scope="module")
def vae(make_vae):
    return make_vae()


arrays_of_x = hnp.arrays(
    st.sampled_from(["float32", "float64", "int32", "uint8"]),
    st.sampled_from([(1, 4, 4, 1), (3, 4, 4, 1), (3, 1, 4, 4), (3, 16), (4, 4, 1), (0, 4, 4, 1)]),
    elements=st.integers(0, 1),
)
spoilt = st.sampled_from([None, None, 0.5, -1.0, 2.0, 255.0, math.nan, math.inf])


@door(max_examples=60)
@given(x=arrays_of_x, value=spoilt)
def test_any_array_is_scored_right_or_refused_with_one_clear_error(vae, x, value):
    if value is not None and x.size and (x.dtype.kind == "f" or (math.isfinite(value) and value % 1 == 0)):
        with np.errstate(all="ignore"):
            x.flat[x.size // 2] = value
    fits = x.shape[1:] == (4, 4, 1) and np.all(np.isin(x, (0, 1)))
    if fits:
        elbo = vae.elbo(x, seed=1)
        assert elbo.shape == (len(x),)
        np.testing.assert_array_equal(elbo, vae.elbo(x.astype("float32"), seed=1))
    else:
        with pytest.raises(ValueError, match="Received: ") as caught:
            vae.elbo(x, seed=1)
        assert_one_clear_sentence(caught.value)


# Numbers that say how many.

counts = st.one_of(st.integers(-3, 4), st.floats(), st.booleans(), st.none(), st.text(max_size=3), st.just(np.int64(2)))


@door(max_examples=60)
@given(count=counts)
def test_any_number_of_samples_is_that_number_or_refused_with_one_clear_error(vae, count):
    is_count = isinstance(count, int | np.integer) and not isinstance(count, bool) and count > 0
    calls = {
        "sample": lambda: len(vae.sample(count, seed=1)),
        "elbo": lambda: vae.elbo(np.ones([2, 4, 4, 1]), count, seed=1) is not None and count,
    }
    for call in calls.values():
        if is_count:
            assert call() == count
        else:
            with pytest.raises((ValueError, TypeError), match="Received: ") as caught:
                call()
            assert_one_clear_sentence(caught.value)


# Exported graphs.


@pytest.fixture(scope="module")
def served(vae, tmp_path_factory):
    return tf.saved_model.load(str(kv.saving.export(vae, tmp_path_factory.mktemp("served"))))


@door(max_examples=25)
@given(
    x=hnp.arrays("float32", (2, 4, 4, 1), elements=st.integers(0, 1)),
    value=st.sampled_from([None, 0.5, -1.0, 255.0, math.nan, -math.inf]),
)
def test_an_exported_model_scores_what_the_model_scores_and_refuses_what_it_refuses(vae, served, x, value):
    calls = {
        "elbo": lambda: served.signatures["elbo"](x=tf.constant(x), seed=tf.constant([0, 1]))["elbo"],
        "reconstruct": lambda: served.signatures["reconstruct"](x=tf.constant(x))["mean"],
        "encode": lambda: served.signatures["encode"](x=tf.constant(x))["mean"],
    }
    if value is not None:
        x[1, 2, 3, 0] = value
        for call in calls.values():
            with pytest.raises(tf.errors.InvalidArgumentError, match="Bernoulli"):
                call()
        return
    np.testing.assert_allclose(calls["elbo"](), vae.elbo(x, seed=[0, 1]), rtol=1e-5)
    np.testing.assert_allclose(calls["reconstruct"](), vae.reconstruct(x), rtol=1e-5)
    np.testing.assert_allclose(calls["encode"](), vae.encode(x).mean(), rtol=1e-5, atol=1e-6)
