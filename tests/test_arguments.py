"""Numbers that look fine and are none, and other mistakes in arguments, are refused in one sentence."""

import numpy as np
import pytest
import tensorflow as tf

import keras_vae as kv
from keras_vae import evaluation
from keras_vae.arguments import check_counts

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
    ("hidden", "MLP"): lambda vae, n: kv.networks.MLP((3, n)),
    ("filters", "Conv"): lambda vae, n: kv.networks.Conv((3, n)),
}


@pytest.mark.parametrize("value", [0, -1, 2.5, True])
@pytest.mark.parametrize(("name", "door"), COUNTS)
def test_a_count_that_is_no_positive_integer_is_refused_at_every_door(vae, name, door, value):
    with pytest.raises(ValueError, match=f"`{name}` must be .*1 or more. Received: {name}={value}"):
        COUNTS[name, door](vae, value)


@pytest.mark.parametrize("step_size", [0.0, -0.5, float("nan"), float("inf")])
def test_annealing_refuses_a_step_size_that_moves_nothing(vae, step_size):
    with pytest.raises(ValueError, match="`step_size` must be positive. Received: step_size="):
        evaluation.annealed_log_marginal(vae, X, step_size=step_size)


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
