"""Numbers that look fine and are none, and other mistakes in arguments, are refused in one sentence."""

import re

import numpy as np
import pytest
import tensorflow as tf

import keras_vae as kv
from keras_vae import evaluation
from keras_vae.arguments import check_counts, check_numbers, sizes_of

X = np.ones([6, 4, 4, 1], "float32")


@pytest.fixture(scope="module")
def vae(make_vae):
    vae = make_vae()
    vae.compile("sgd", run_eagerly=True)
    return vae


@pytest.mark.parametrize("value", [1, np.int64(7), np.uint8(1), tf.constant(3)], ids=repr)
def test_a_positive_integer_of_any_library_is_a_count(value):
    check_counts(num_samples=value)


@pytest.mark.parametrize("value", [True, 2.5, 3.0, "3", None, [1, 2], float("nan"), tf.constant(2.0)], ids=repr)
def test_what_is_no_integer_is_no_count(value):
    with pytest.raises(ValueError, match="`steps` must be a whole number, 1 or more. Received: steps="):
        check_counts(steps=value)


COUNTS = {
    ("num_samples", "log_marginal"): lambda vae, n: evaluation.log_marginal(vae, X, num_samples=n),
    ("num_samples", "weights"): lambda vae, n: evaluation.log_importance_weights(vae, X, num_samples=n, seed=0),
    ("num_samples", "evaluate"): lambda vae, n: evaluation.evaluate(vae, X, num_samples=n),
    ("batch_size", "evaluate"): lambda vae, n: evaluation.evaluate(vae, X, batch_size=n),
    ("batch_size", "decompose"): lambda vae, n: evaluation.decompose(vae, X, batch_size=n),
    ("num_chains", "annealing"): lambda vae, n: evaluation.annealed_log_marginal(vae, X, num_chains=n),
    ("num_steps", "annealing"): lambda vae, n: evaluation.annealed_log_marginal(vae, X, num_steps=n),
    ("num_leapfrog_steps", "annealing"): lambda vae, n: evaluation.annealed_log_marginal(vae, X, num_leapfrog_steps=n),
    ("batch_size", "annealing"): lambda vae, n: evaluation.annealed_log_marginal(vae, X, batch_size=n),
    ("num_samples", "gap"): lambda vae, n: evaluation.inference_gap(vae, X, num_samples=n),
    ("num_steps", "gap"): lambda vae, n: evaluation.inference_gap(vae, X, num_steps=n),
    ("batch_size", "gap"): lambda vae, n: evaluation.inference_gap(vae, X, batch_size=n),
    ("num_samples", "optimisation"): lambda vae, n: evaluation.optimize_posterior(vae, X, num_samples=n),
    ("num_steps", "optimisation"): lambda vae, n: evaluation.optimize_posterior(vae, X, num_steps=n),
    ("batch_size", "optimisation"): lambda vae, n: evaluation.optimize_posterior(vae, X, batch_size=n),
    ("num_samples", "overlap"): lambda vae, n: evaluation.overlap(vae, X, num_samples=n),
    ("num_pairs", "overlap"): lambda vae, n: evaluation.overlap(vae, X, num_pairs=n),
    ("batch_size", "overlap"): lambda vae, n: evaluation.overlap(vae, X, batch_size=n),
    ("num_samples", "vae.elbo"): lambda vae, n: vae.elbo(X, num_samples=n),
    ("num_samples", "vae.sample"): lambda vae, n: vae.sample(n),
    ("num_samples", "vae.log_marginal"): lambda vae, n: vae.log_marginal(X, num_samples=n),
    ("batch_size", "fit"): lambda vae, n: vae.fit(X, batch_size=n),
    ("epochs", "fit"): lambda vae, n: vae.fit(X, epochs=n),
    ("steps", "fit"): lambda vae, n: vae.fit(X, steps_per_epoch=n),
    ("batch_size", "validation"): lambda vae, n: vae.fit(X, validation_data=X, validation_batch_size=n),
    ("validation_freq", "fit"): lambda vae, n: vae.fit(X, validation_data=X, validation_freq=n),
    ("batch_size", "vae.evaluate"): lambda vae, n: vae.evaluate(X, batch_size=n),
    ("steps", "vae.evaluate"): lambda vae, n: vae.evaluate(X, steps=n),
    ("batch_size", "predict"): lambda vae, n: vae.predict(X, batch_size=n),
    ("steps", "predict"): lambda vae, n: vae.predict(X, steps=n),
    ("steps_per_execution", "compile"): lambda vae, n: vae.compile(steps_per_execution=n),
    ("steps_per_execution", "train"): lambda vae, n: kv.training.train(vae, X, steps_per_execution=n),
    ("num_samples", "IWAE"): lambda vae, n: kv.objectives.IWAE(num_samples=n),
    ("context_size", "Flow"): lambda vae, n: kv.posteriors.Flow(context_size=n),
    ("num_components", "mixture"): lambda vae, n: kv.likelihoods.QuantizedLogisticMixture(num_components=n),
    ("period", "CyclicSchedule"): lambda vae, n: kv.objectives.CyclicSchedule(n),
    ("latent_dim", "for_images"): lambda vae, n: kv.VAE.for_images((4, 4, 1), n),
    ("latent_dim", "for_vectors"): lambda vae, n: kv.VAE.for_vectors((4,), n),
    ("latent_dim", "make_decoder"): lambda vae, n: kv.models.make_decoder((4,), n),
    ("latent_dim", "StandardNormal"): lambda vae, n: kv.priors.StandardNormal(n),
    ("event_size", "MultivariateNormalDiag"): lambda vae, n: kv.layers.MultivariateNormalDiag(n),
    ("event_size", "MultivariateNormalTriL"): lambda vae, n: kv.layers.MultivariateNormalTriL.params_size(n),
    ("event_size", "OneHotCategorical"): lambda vae, n: kv.layers.OneHotCategorical.params_size(n),
    ("context_size", "AutoregressiveFlow"): lambda vae, n: kv.layers.AutoregressiveFlow(2, n),
    ("num_components", "MixtureSameFamily"): lambda vae, n: kv.layers.MixtureSameFamily.params_size(n, 2),
}


@pytest.mark.parametrize("value", [0, -1, 2.5, True])
@pytest.mark.parametrize(("name", "door"), COUNTS)
def test_a_count_that_is_no_positive_integer_is_refused_at_every_door(vae, name, door, value):
    with pytest.raises(ValueError, match=f"`{name}` must be .*1 or more. Received: {name}={value}"):
        COUNTS[name, door](vae, value)


POSITIVE = {
    "step_size": lambda vae, number: evaluation.annealed_log_marginal(vae, X, step_size=number),
    "temperature": lambda vae, number: kv.layers.RelaxedOneHotCategorical(3, number),
    "scale": lambda vae, number: kv.layers.IndependentNormal(3, scale=number),
}
NOT_NEGATIVE = {
    "beta": lambda vae, number: kv.objectives.ELBO(beta=number),
    "free_bits": lambda vae, number: kv.objectives.FreeBits(number),
    "weight": lambda vae, number: kv.layers.scaled_kl_divergence_fn(number),
}


@pytest.mark.parametrize("value", [-0.5, float("nan"), float("inf")])
@pytest.mark.parametrize("name", [*POSITIVE, *NOT_NEGATIVE])
def test_a_number_that_is_out_of_range_is_refused_at_every_door(vae, name, value):
    bounds = "positive and finite" if name in POSITIVE else "finite and not negative"
    with pytest.raises(ValueError, match=f"^`{name}` must be {bounds}. Received: {name}={value}$"):
        (POSITIVE | NOT_NEGATIVE)[name](vae, value)


@pytest.mark.parametrize("value", ["0.5", True, [0.5], [[1], [1, 2]], 1j, np.array([0.5])], ids=repr)
@pytest.mark.parametrize("name", [*POSITIVE, *NOT_NEGATIVE])
def test_what_is_no_number_is_refused_at_every_door(vae, name, value):
    with pytest.raises(ValueError, match=rf"^`{name}` must be .*number.* Received: {name}={re.escape(repr(value))}$"):
        (POSITIVE | NOT_NEGATIVE)[name](vae, value)


def test_zero_is_refused_where_it_would_change_nothing():
    check_numbers(positive=False, beta=0)
    with pytest.raises(ValueError, match="`step_size` must be positive and finite. Received: step_size=0"):
        check_numbers(step_size=0)


@pytest.mark.parametrize("value", [0.5, 2, np.float32(0.5), np.int8(1), np.array(0.5), tf.Variable(0.5)], ids=repr)
def test_a_number_of_any_library_is_a_number(value):
    check_numbers(beta=value)


def test_sizes_of_numpy_and_tensors_are_those_of_python():
    values = [3, np.int64(3), [3], np.array([3]), tf.constant([3]), tf.TensorShape([3])]
    assert {sizes_of("event_shape", value) for value in values} == {(3,)}
    made = kv.VAE.for_images(
        np.array([4, 4, 1]), np.int64(2), "categorical", hidden=np.int64(4), num_levels=np.int64(3)
    )
    assert (made.event_shape, made.latent_dim) == ((4, 4, 1), 2)


SIZES = {
    "event_shape": lambda sizes: kv.VAE.for_vectors(sizes, 2),
    "hidden": lambda sizes: kv.networks.MLP(sizes),
    "filters": lambda sizes: kv.networks.Conv(sizes),
}


@pytest.mark.parametrize("value", ["3", 2.5, None, (3, 0), [[3], [3, 3]], True], ids=repr)
@pytest.mark.parametrize("name", SIZES)
def test_what_are_no_sizes_is_refused_at_every_door(name, value):
    received = f"Received: {name}={re.escape(repr(value))}$"
    with pytest.raises(ValueError, match=f"^`{name}` must be whole numbers, each 1 or more. {received}"):
        SIZES[name](value)


@pytest.mark.parametrize("posterior", ["diagonal", "flow", "full"])
def test_sizes_and_seeds_of_numpy_make_the_model_of_those_of_python(posterior, tmp_path):
    vae = kv.VAE.for_vectors(np.array([4]), np.int64(2), posterior=posterior, hidden=np.array([3]), seed=np.int64(3))
    expected = kv.VAE.for_vectors((4,), 2, posterior=posterior, hidden=(3,), seed=3)
    assert [w.shape for w in vae.weights] == [w.shape for w in expected.weights]
    vae.save(tmp_path / "vae.keras")
    loaded = kv.VAE.from_config(vae.get_config())
    assert (loaded.seed, type(loaded.seed), loaded.latent_dim) == (3, int, 2)


def test_layers_count_the_parameters_of_sizes_of_numpy_as_keras_takes_them():
    two = np.int64(2)
    sizes = [
        kv.layers.MultivariateNormalDiag.params_size(two),
        kv.layers.MultivariateNormalTriL.params_size(two),
        kv.layers.AutoregressiveFlow.params_size(two, two),
        kv.layers.OneHotCategorical.params_size(two),
        kv.layers.MixtureSameFamily.params_size(two, two),
        kv.layers.MixtureNormal.params_size(two, two),
        kv.layers.IndependentNormal.params_size(two),
        kv.layers.IndependentCategorical.params_size(two, two),
        kv.layers.MixtureQuantizedLogistic.params_size(two, two),
    ]
    assert [type(size) for size in sizes] == [int] * len(sizes)


@pytest.mark.parametrize("seed", [2.5, "a", True, [1, 2]], ids=str)
def test_the_seed_of_a_model_is_a_whole_number(make_vae, seed):
    with pytest.raises(ValueError, match="`seed` must be a whole number. Received: seed="):
        make_vae(seed=seed)


def test_counts_that_are_tensors_are_those_of_python(vae):
    for estimate in (evaluation.evaluate, evaluation.log_marginal):
        np.testing.assert_equal(estimate(vae, X, num_samples=tf.constant(3)), estimate(vae, X, num_samples=3))


@pytest.mark.parametrize("estimate", [evaluation.log_marginal, evaluation.annealed_log_marginal])
def test_no_log_marginal_is_estimated_under_a_cross_entropy(estimate):
    vae = kv.VAE.for_images((4, 4, 1), 2, likelihood="soft-bernoulli", hidden=(4,), seed=0)
    with pytest.raises(ValueError, match="Grey targets under a soft Bernoulli have no log p"):
        estimate(vae, X)


@pytest.mark.parametrize("likelihood", ["categorical", "quantized-logistic", "quantized-logistic-mixture", "bernoulli"])
def test_images_of_one_level_are_refused(likelihood):
    with pytest.raises(ValueError, match="`num_levels` must be 2 or more. Received: num_levels=1"):
        kv.VAE.for_images((4, 4, 1), 2, likelihood, num_levels=1)


def test_an_objective_by_name_is_told_which_objects_there_are(make_vae):
    with pytest.raises(TypeError, match=r"such as ELBO\(\), FreeBits\(0.1\) or IWAE.* Received: objective='elbo'"):
        make_vae(objective="elbo")


def test_no_optimizer_is_refused(make_vae):
    with pytest.raises(
        ValueError, match="`optimizer` must be the name of a Keras optimizer.* Received: optimizer=None"
    ):
        make_vae().compile(None)


@pytest.mark.parametrize(
    "use",
    [
        lambda vae: vae.fit(None),
        lambda vae: vae.evaluate(None),
        lambda vae: kv.training.train(vae, None),
        lambda vae: evaluation.log_marginal(vae, None),
    ],
    ids=["fit", "evaluate", "train", "log_marginal"],
)
def test_no_data_is_refused(vae, use):
    with pytest.raises(TypeError, match="The data must be an array.*Received: NoneType"):
        use(vae)
