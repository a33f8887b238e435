"""The small classifier whose features are compared: what it learns, how it is kept, and what it refuses."""

import random as python_random

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae.evaluation import FeatureClassifier, train_features

NUM_EXAMPLES = 200


def bars(seed):
    """Images of a horizontal or a vertical bar (labels 3 and 7) at a random place, with noise."""
    rng = np.random.default_rng(seed)
    labels, places = rng.choice([3, 7], NUM_EXAMPLES), rng.integers(0, 6, NUM_EXAMPLES)
    x = rng.normal(size=(NUM_EXAMPLES, 6, 6, 1)) * 0.2
    for image, label, place in zip(x, labels, places, strict=True):
        image[(place, slice(None)) if label == 3 else (slice(None), place)] += 1
    return x.astype("float32"), labels


@pytest.fixture(scope="module")
def trained():
    return train_features(*bars(0), steps=60, batch_size=50, seed=1)


def test_the_accuracy_is_that_of_examples_that_it_was_not_trained_on(trained):
    """Of bars it is that of other bars; of labels by chance, which it can only learn by heart, it is a half."""
    x, labels = bars(1)
    predicted = np.array([3, 7])[np.argmax(trained(x), axis=-1)]
    accuracy = np.mean(predicted == labels)
    assert accuracy > 0.8
    assert abs(trained.accuracy - accuracy) < 4 * np.sqrt(0.25 / 40 + 0.25 / 200)
    rng = np.random.default_rng(2)
    noise, by_chance = rng.normal(size=(NUM_EXAMPLES, 100)), rng.integers(0, 2, NUM_EXAMPLES)
    by_heart = train_features(tf.constant(noise), tf.constant(by_chance), steps=60, batch_size=160)
    assert abs(by_heart.accuracy - 0.5) < 4 * np.sqrt(0.25 / 40)


def test_the_same_seed_gives_the_same_classifier_and_leaves_the_global_generator_alone():
    state = python_random.getstate()  # from which Keras draws seeds
    one, again = (train_features(*bars(0), steps=5, batch_size=50, seed=1) for _ in range(2))
    assert python_random.getstate() == state
    for first, second in zip(one.weights, again.weights, strict=True):
        np.testing.assert_array_equal(first, second)
    assert one.accuracy == again.accuracy
    assert not np.array_equal(*(FeatureClassifier((3,), 2, seed).weights[0] for seed in (1, 2)))


def test_a_loaded_classifier_has_features_logits_and_name_of_the_saved_one(trained, tmp_path):
    trained.save(tmp_path / "features.keras")
    loaded = keras.saving.load_model(tmp_path / "features.keras")
    x, _ = bars(1)
    np.testing.assert_array_equal(loaded.features(x), trained.features(x))
    np.testing.assert_array_equal(loaded(x), trained(x))
    assert loaded.get_config() == trained.get_config()
    assert (
        str(loaded)
        == str(trained)
        == (f"features of a small classifier trained on the same data, accuracy {100 * trained.accuracy:.1f} %")
    )


def test_the_features_are_what_the_last_layer_sees_whatever_the_number_of_examples(trained):
    x = np.tile(bars(1)[0], (6, 1, 1, 1))
    features = trained.features(x)
    assert features.shape == (6 * NUM_EXAMPLES, 64)
    np.testing.assert_allclose(trained.head(features[:9]), trained(x[:9]), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(features[-9:], features[NUM_EXAMPLES - 9 : NUM_EXAMPLES], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("event_shape", [(5,), (4, 3), (1, 1, 1), (9, 5, 3), (2, 2, 2, 2)])
def test_x_of_any_shape_has_features(event_shape):
    classifier = FeatureClassifier(event_shape, num_labels=3)
    assert classifier.features(np.ones([2, *event_shape], "int32")).shape == (2, 64)
    assert str(classifier).endswith("accuracy unknown")


def test_x_of_another_shape_has_no_features(trained):
    for x in (np.zeros([2, 6, 6]), np.zeros([0, 6, 6, 1]), np.zeros([6, 6, 1])):
        with pytest.raises(ValueError, match=r"of the shape \(6, 6, 1\). Received: x.shape=\("):
            trained.features(x)


X, LABELS = np.zeros([12, 3]), np.arange(12) % 2
WITH_NAN = np.where(np.arange(12)[:, None] == 5, np.nan, X)
REFUSED = {
    "few examples": ((X[:9], LABELS[:9]), r"10 examples or more. Received: x.shape=\(9, 3\)"),
    "one x": ((X[:, 0], LABELS), r"needs x \[N, \*event\].* Received: x.shape=\(12,\)"),
    "not finite": ((WITH_NAN, LABELS), "`x` must be finite.* Received: x with 3 entries .* in row 5$"),
    "one-hot labels": ((X, np.eye(2)[LABELS]), r"one whole number an example. Received: labels of shape \(12, 2\)"),
    "float labels": ((X, LABELS / 1.0), "one whole number an example. Received: .* dtype float64, for 12 examples"),
    "too few labels": ((X, LABELS[1:]), r"Received: labels of shape \(11,\) .* for 12 examples"),
    "one class": ((X, 0 * LABELS), "two classes or more. Received: labels that are all 0"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_a_classifier_cannot_be_trained_on_is_refused(case):
    arguments, message = REFUSED[case]
    with pytest.raises(ValueError, match=message):
        train_features(*arguments)


def test_masked_entries_and_counts_that_are_none_are_refused():
    with pytest.raises(ValueError, match="Masked entries would be taken for data.* Received: "):
        train_features(np.ma.masked_invalid(WITH_NAN), LABELS)
    with pytest.raises(ValueError, match="`steps` must be 1 or more. Received: steps=0"):
        train_features(X, LABELS, steps=0)
    with pytest.raises(ValueError, match="`num_labels` must be 2 or more. Received: num_labels=1"):
        FeatureClassifier((3,), num_labels=1)
