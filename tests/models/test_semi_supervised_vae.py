"""M2: against sums over labels of the conditional model's own exact numbers, and the Keras contract."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import log_softmax, logsumexp

import keras_vae as kv
from keras_vae.objectives import IWAE, SemiSupervisedELBO

RNG = np.random.default_rng(0)
X = RNG.integers(0, 2, [60, 4, 4, 1]).astype("float32")
Y = np.arange(60) % 3
X[Y == 1], X[Y == 2] = 1, 0
SOME = np.where(np.arange(60) < 12, Y, -1)
PROBS = [0.5, 0.3, 0.2]


def m2_of(objective=None, **kwargs):
    keras.utils.set_random_seed(0)
    m2 = kv.SemiSupervisedVAE.for_images(
        (4, 4, 1), 2, hidden=(8,), num_classes=3, class_probs=PROBS, objective=objective, seed=0, **kwargs
    )
    m2.compile(keras.optimizers.Adam(0.01), jit_compile=False)
    return m2


@pytest.fixture(scope="module")
def trained():
    m2 = m2_of(SemiSupervisedELBO(alpha=5.0))
    m2.fit(X, SOME, batch_size=20, epochs=60, verbose=0)
    return m2


@pytest.fixture(scope="module")
def conditional(trained):
    """Return the model of x given y that shares all parts."""
    return kv.ConditionalVAE(trained.encoder, trained.decoder, trained.prior, num_classes=3, seed=0)


def of_each_label(function):
    return np.stack([np.asarray(function(np.full(60, label))) for label in range(3)], axis=1)


def test_the_elbo_of_a_labelled_example_is_that_given_y_and_log_p_of_y(trained, conditional):
    n = 4000
    given_y = conditional.elbo(X, Y, num_samples=n, seed=1)
    np.testing.assert_allclose(trained.elbo(X, Y, num_samples=n, seed=2), given_y + np.log(PROBS)[Y], atol=0.15)


def test_the_elbo_without_a_label_is_the_sum_of_eq_7(trained, conditional):
    n = 4000
    given_y = of_each_label(lambda y: conditional.elbo(X, y, num_samples=n, seed=1)) + np.log(PROBS)
    log_q = log_softmax(np.asarray(trained.classifier(X)), axis=1)
    expected = np.sum(np.exp(log_q) * (given_y - log_q), axis=1)
    np.testing.assert_allclose(trained.elbo(X, num_samples=n, seed=2), expected, atol=0.15)
    np.testing.assert_array_equal(trained.elbo(X, seed=2), trained.elbo(X, np.full(60, -1), seed=2))


def test_log_p_without_a_label_is_the_sum_over_labels(trained, conditional):
    log_px_given_y = of_each_label(lambda y: conditional.log_marginal(X, y, 2000, seed=1)[0])
    np.testing.assert_allclose(
        trained.log_marginal(X, Y, 2000, seed=2)[0], log_px_given_y[np.arange(60), Y] + np.log(PROBS)[Y], atol=0.1
    )
    expected = logsumexp(log_px_given_y + np.log(PROBS), axis=1)
    value, error = trained.log_marginal(X, num_samples=2000, seed=2)
    np.testing.assert_allclose(value, expected, atol=0.1)
    assert np.all(trained.elbo(X, num_samples=500, seed=3) <= value + 4 * error + 0.1)


def test_the_loss_adds_the_classifier_of_labelled_examples_alone():
    terms = SemiSupervisedELBO(alpha=3.0)(m2_of(), (X, SOME), seed=0)
    log_q = log_softmax(np.asarray(m2_of().classifier(X)), axis=1)
    expected = np.where(SOME >= 0, -log_q[np.arange(60), Y], 0)
    np.testing.assert_allclose(terms.metrics["classification_loss"], expected, atol=1e-5)
    np.testing.assert_allclose(terms.loss_per_example, -terms.elbo + 3 * expected, rtol=1e-5)


def test_the_classifier_learns_of_unlabelled_examples_by_the_gradient_of_the_bound():
    """At a parameter of the classifier, beside the central difference of the bound itself."""
    m2 = m2_of()
    bias = m2.classifier.layers[-1].bias
    with tf.GradientTape() as tape:
        loss = m2.objective(m2, X, seed=0).loss
    gradient = tape.gradient(loss, bias.value).numpy()
    differences = []
    for j in range(3):
        losses = []
        for step in (0.05, -0.05):
            bias.assign_add(step * np.eye(3)[j])
            losses.append(float(m2.objective(m2, X, seed=0).loss))
            bias.assign_add(-step * np.eye(3)[j])
        differences.append((losses[0] - losses[1]) / 0.1)
    np.testing.assert_allclose(gradient, differences, atol=2e-3)
    assert np.abs(gradient).max() > 0.01


def test_a_few_labels_classify_all_examples(trained):
    probs = trained.predict_proba(X, batch_size=7)
    np.testing.assert_allclose(probs.sum(axis=1), 1, atol=1e-5)
    assert np.mean(probs.argmax(axis=1) == Y) > 0.9
    metrics = trained.evaluate(X, Y, verbose=0, return_dict=True)
    assert metrics["accuracy"] == pytest.approx(np.mean(probs.argmax(axis=1) == Y))
    some = trained.evaluate(X, SOME, verbose=0, return_dict=True)
    assert some["accuracy"] == pytest.approx(np.mean((probs.argmax(axis=1) == Y)[:12]))
    assert some["classification_loss"] == pytest.approx(-np.mean(np.log(probs[np.arange(12), Y[:12]])), rel=1e-4)


def test_evaluation_does_not_depend_on_the_batch_size(trained):
    first = kv.evaluation.evaluate(trained, (X, SOME), batch_size=60)
    second = kv.evaluation.evaluate(trained, (X, SOME), batch_size=7)
    assert second["elbo"].mean == pytest.approx(first["elbo"].mean, abs=1e-4)


def test_a_missing_label_is_the_most_probable_class_in_a_reconstruction(trained):
    most_probable = trained.predict_proba(X).argmax(axis=1)
    expected = trained.reconstruct(X, most_probable)
    for found in (trained.reconstruct(X), trained.predict(X, verbose=0), trained.predict_on_batch(X)):
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_the_export_classifies(trained, tmp_path):
    loaded = tf.saved_model.load(str(trained.export(tmp_path / "export"))).signatures
    np.testing.assert_allclose(loaded["classify"](x=X)["probs"], trained.predict_proba(X), atol=1e-6)
    y, seed = tf.constant(SOME[10:14], tf.int32), tf.constant([1, 2])
    found = loaded["elbo"](x=X[10:14], y=y, seed=seed)["elbo"]
    np.testing.assert_allclose(found, trained.elbo(X[10:14], y, seed=seed), rtol=1e-5)


def test_data_without_y_trains_as_data_whose_labels_are_all_missing(trained):
    batches = tf.data.Dataset.from_tensor_slices(X).batch(20)
    assert m2_of().fit(batches, verbose=0).history["elbo"] == pytest.approx(
        m2_of().fit(tf.data.Dataset.from_tensor_slices((X, np.full(60, -1))).batch(20), verbose=0).history["elbo"]
    )


@pytest.mark.slow
def test_two_replicas_take_the_steps_of_one(strategy):
    single = m2_of()
    with strategy.scope():
        double = m2_of()
    for m2 in (single, double):
        m2.fit(X, SOME, batch_size=20, epochs=1, verbose=0)
    for one, two in zip(single.trainable_variables, double.trainable_variables, strict=True):
        np.testing.assert_allclose(one, two, atol=2e-5)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.full(60, -1), "Each class must have an example with a label.*without a label of the classes 0, 1, 2"),
        (np.where(Y == 2, -1, Y), "without a label of the classes 2"),
        (Y + 1, "or -1 where the label is missing. Received: 3 in row 2"),
        (SOME - 1, "or -1 where the label is missing. Received: -2 in row 12"),
    ],
)
def test_labels_that_cannot_be_learned_are_refused_before_the_first_step(y, message):
    m2 = m2_of()
    with pytest.raises(ValueError, match=message):
        m2.fit(X, y, verbose=0)
    assert int(m2.step) == 0


def test_what_does_not_fit_is_refused(trained):
    with pytest.raises(ValueError, match="from 0 to 2. Received: -1 in row 0"):
        trained.sample([-1])
    with pytest.raises(TypeError, match="must be a keras_vae.objectives.SemiSupervisedELBO"):
        m2_of(IWAE(3))
    with pytest.raises(TypeError, match="This objective is one of a keras_vae.SemiSupervisedVAE"):
        SemiSupervisedELBO()(kv.VAE.for_vectors((4,), 2), np.zeros([3, 4]), seed=0)
    with pytest.raises(ValueError, match="must be 3 probabilities above 0 that add up to 1"):
        kv.SemiSupervisedVAE.for_images((4, 4, 1), 2, num_classes=3, class_probs=[0.5, 0.5, 0.5])
    with pytest.raises(ValueError, match="must return the logits of 3 classes"):
        kv.SemiSupervisedVAE(
            trained.encoder, trained.decoder, trained.prior, kv.models.make_classifier((4, 4, 1), 4), num_classes=3
        )
    with pytest.raises(ValueError, match="the proposal must be the posterior"):
        kv.evaluation.log_marginal(trained, X, 10, proposal="prior")
    other = trained.with_prior(kv.priors.MixtureOfNormals(2))
    assert other.classifier is trained.classifier
    assert other.class_probs == PROBS
