"""Measures of samples beside those of real examples: perfect, useless and duplicated samples, and a model's own."""

import numpy as np
import pytest
import tensorflow as tf

import keras_vae as kv
from keras_vae.data.images import Split
from keras_vae.evaluation import MMD, Estimate, FeatureClassifier, SampleMeasures, SampleQuality, sample_quality

CENTRES = np.array([[5.0, 0, 0], [0, 5, 0], [0, 0, 5], [-5, -5, -5]])


def mixture(seed, num_points, num_modes=4):
    rng = np.random.default_rng(seed)
    return (CENTRES[np.arange(num_points) % num_modes] + rng.normal(size=(num_points, 3))).astype("float32")


@pytest.fixture(scope="module")
def real():
    return mixture(0, 400)


def distances(one, other):
    """Return by how many standard errors precision, recall and Frechet distance differ."""
    pairs = zip(one[1:], other[1:], strict=True)
    return np.array([(a.mean - b.mean) / np.hypot(a.standard_error, b.standard_error) for a, b in pairs])


def test_perfect_samples_have_the_numbers_of_real_examples(real):
    quality = sample_quality(mixture(1, 200), real)
    assert np.all(np.abs(distances(quality.samples, quality.calibration)) < 4)
    assert min(quality.samples.mmd.p_value, quality.calibration.mmd.p_value) > 0.01
    assert quality.calibration.frechet_distance.mean > 0.001  # no set stands beside itself


def test_useless_samples_have_the_worst_numbers(real):
    quality = sample_quality(mixture(1, 200) + 100, real)
    samples, calibration = quality.samples, quality.calibration
    assert (samples.precision.mean, samples.recall.mean) == (0, 0)
    assert samples.frechet_distance.mean == pytest.approx(3 * 100**2, rel=0.05)
    assert samples.mmd.squared > 0.5
    assert samples.mmd.p_value < 0.01
    assert min(calibration.precision.mean, calibration.recall.mean) > 0.8


def test_one_sample_over_and_over_has_precision_and_no_recall(real):
    quality = sample_quality(np.repeat(CENTRES[:1], 200, axis=0), real)
    assert quality.samples.precision == (1, 0)
    assert quality.samples.recall.mean == 0
    assert quality.samples.mmd.p_value < 0.01


def test_missing_modes_lower_the_recall_alone(real):
    quality = sample_quality(mixture(1, 200, num_modes=2), real)
    precision, recall, frechet = distances(quality.samples, quality.calibration)
    assert abs(precision) < 4
    assert recall < -4
    assert frechet > 4


def test_examples_that_stand_in_the_order_of_their_class_are_drawn_at_random(real):
    ordered = real[np.argsort(np.arange(400) % 4, kind="stable")]
    quality = sample_quality(mixture(1, 200), ordered)
    assert np.all(np.abs(distances(quality.samples, quality.calibration)) < 4)


def test_the_three_sets_have_one_size(real):
    assert sample_quality(mixture(1, 300), real).num_samples == 200
    assert sample_quality(mixture(1, 50), real).num_samples == 50
    assert sample_quality(mixture(1, 300), real, num_samples=60).num_samples == 60


@pytest.fixture(scope="module")
def vae():
    return kv.VAE.for_images((4, 4, 1), latent_dim=2, hidden=(8,), seed=0)


def images(num_images):
    return np.random.default_rng(0).integers(0, 2, [num_images, 4, 4, 1]).astype("float32")


def test_a_model_is_measured_by_its_own_samples_drawn_in_parts(vae, monkeypatch):
    seen = []
    sample = kv.VAE.sample
    monkeypatch.setattr(kv.VAE, "sample", lambda *args: seen.append(sample(*args)) or seen[-1])
    quality = sample_quality(vae, images(100), seed=3)
    monkeypatch.setattr("keras_vae.evaluation.quality._ROWS_AT_ONCE", 20)
    assert sample_quality(vae, images(100), seed=3) == quality
    assert [len(part) for part in seen] == [50, 20, 20, 10]
    np.testing.assert_array_equal(seen[0], np.concatenate(seen[1:]))
    assert sample_quality(seen[0], images(100), seed=3).num_samples == 50


@pytest.mark.parametrize("form", ["tensor", "Split", "Dataset"])
def test_the_data_comes_in_each_form(vae, form):
    x = images(40)
    make = {
        "tensor": tf.constant,
        "Split": lambda x: Split(tf.constant(x), len(x)),
        "Dataset": tf.data.Dataset.from_tensor_slices,
    }[form]
    assert sample_quality(vae, make(x)) == sample_quality(vae, x)


def test_the_table_names_the_features_and_has_both_columns():
    samples = SampleMeasures(MMD(0.1, 0.002), Estimate(0.9, 0.01), Estimate(0.2, 0.02), Estimate(12.34567, 0.123))
    real = SampleMeasures(MMD(-0.0002, 0.62), Estimate(0.95, 0.01), Estimate(0.94, 0.01), Estimate(0.5, 0.05))
    classifier = FeatureClassifier((4, 4, 1), num_labels=10, accuracy=0.989)
    assert str(SampleQuality(samples, real, 1_100, str(classifier))).splitlines() == [
        "By features of a small classifier trained on the same data, accuracy 98.9 %; 1,100 points in each set.",
        "                          samples                 real against real",
        "squared MMD               0.1000 (p = 0.002)      -0.0002 (p = 0.620)",
        "precision                 0.900 +- 0.010          0.950 +- 0.010",
        "recall                    0.200 +- 0.020          0.940 +- 0.010",
        "squared Frechet distance  12.35 +- 0.12           0.5 +- 0.05",
    ]


def test_without_a_classifier_x_itself_is_compared_and_named(vae):
    x = images(40)
    quality = sample_quality(vae, x)
    assert str(quality).startswith("By x itself, flattened; 20 points in each set.")


def test_features_decide_what_is_compared(real):
    """A classifier of weight 0 sees no difference between samples and examples."""
    blind = FeatureClassifier((3,), num_labels=2)
    for weight in blind.weights:
        weight.assign(tf.zeros_like(weight))
    quality = sample_quality(mixture(1, 200) + 100, real, blind)
    assert quality.samples == quality.calibration
    assert quality.samples.frechet_distance == (0, 0)


# The door.


def test_sets_of_another_size_than_can_be_had_are_refused(real):
    for samples, data, number in ((real, real, 201), (real[:50], real, 51), (real, real, 7), (real[:7], real, None)):
        received = f"num_samples={number}, for {len(data)} examples and {len(samples)} samples"
        message = f"must be 8 or more, at most half.* Received: {received}$"
        with pytest.raises(ValueError, match=message):
            sample_quality(samples, data, num_samples=number)
    with pytest.raises(ValueError, match="`num_samples` must be a whole number.* Received: num_samples=20.5"):
        sample_quality(real, real, num_samples=20.5)


def test_a_model_has_as_many_samples_as_the_data_allows(vae):
    with pytest.raises(ValueError, match="Received: num_samples=21, for 40 examples$"):
        sample_quality(vae, images(40), num_samples=21)


def test_samples_of_another_shape_are_refused(real):
    with pytest.raises(ValueError, match=r"Received: samples.shape=\(400, 3, 1\), for examples of shape \(3,\)$"):
        sample_quality(real[..., None], real)


def test_values_that_are_not_finite_and_data_that_the_model_cannot_score_are_refused(vae, real):
    bad = real.copy()
    bad[7:, 1] = np.inf
    for name, arguments in {"samples": (bad, real), "data": (real, bad)}.items():
        with pytest.raises(ValueError, match=f"`{name}` must be finite.* with 393 entries .* the first in row 7$"):
            sample_quality(*arguments)
    with pytest.raises(ValueError, match="Masked entries would be taken for data.* Received: samples"):
        sample_quality(np.ma.masked_invalid(bad), real)
    with pytest.raises(ValueError, match="`samples` must be an array of numbers. Received: samples of dtype"):
        sample_quality(np.full([40, 3], "text"), real)
    with pytest.raises(TypeError, match="must be an array.* Received: str"):
        sample_quality("samples", real)
    with pytest.raises(ValueError, match="The Bernoulli likelihood scores"):
        sample_quality(vae, 0.5 * images(40))
