import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from keras_vae.objectives import ELBO


def test_loss_is_reconstruction_loss_plus_beta_kl(make_vae, binary_images):
    terms = ELBO(beta=2.5, num_samples=3)(make_vae(), binary_images, seed=0)
    expected = -terms.log_likelihood + 2.5 * terms.kl
    np.testing.assert_array_equal(terms.loss_per_example, expected)
    np.testing.assert_allclose(terms.loss, np.mean(expected), rtol=1e-6)
    np.testing.assert_array_equal(terms.elbo, terms.log_likelihood - terms.kl)


def test_loss_does_not_depend_on_the_batch_size(make_vae, binary_images):
    """The mean over the whole is the weighted mean over its parts, noise included."""
    vae, objective = make_vae(), ELBO()
    whole = objective(vae, binary_images, seed=0)
    parts = [(objective(vae, binary_images[i : i + 64], seed=0, first_row=i)) for i in range(0, 300, 64)]
    np.testing.assert_allclose(np.concatenate([p.elbo for p in parts]), whole.elbo, rtol=1e-5)
    sizes = [len(p.elbo) for p in parts]
    np.testing.assert_allclose(np.average([p.loss for p in parts], weights=sizes), whole.loss, rtol=1e-6)


def test_weights_count_examples(make_vae, binary_images):
    """Weight 2 is an example twice, weight 0 an example left out."""
    vae, objective, x = make_vae(), ELBO(), binary_images[:3]
    weighted = objective(vae, x, seed=0, sample_weight=tf.constant([2.0, 1.0, 0.0])).loss
    losses = objective(vae, x, seed=0).loss_per_example.numpy()
    np.testing.assert_allclose(weighted, (2 * losses[0] + losses[1]) / 3, rtol=1e-6)


def test_more_samples_reduce_the_spread_as_one_over_root_s(make_vae, binary_images):
    x = np.tile(binary_images[:1], (4_000, 1, 1, 1))  # 4,000 independent draws of the same estimate
    vae = make_vae()
    elbos = [ELBO(num_samples=s)(vae, x, seed=1).elbo.numpy().astype("float64") for s in (1, 16)]
    error = np.sqrt(sum((scipy.stats.kurtosis(elbo) + 2) / 4 for elbo in elbos) / 4_000)  # of the log of the ratio
    assert abs(np.log(np.std(elbos[0]) / np.std(elbos[1]) / 4)) < 4 * error


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"beta": -1}, "`beta` must be finite and not negative. Received: beta=-1"),
        ({"num_samples": 0}, "`num_samples` must be 1"),
        ({"form": "elbow"}, "`form` must be one of kl, entropy, log_ratio. Received: form='elbow'"),
        ({"gradient": "reinforce"}, "`gradient` must be one of pathwise, .*. Received: gradient='reinforce'"),
        ({"gradient": "sticking_the_landing"}, "differentiates the form \"log_ratio\": pass it. Received: form='kl'"),
        ({"form": "log_ratio", "gradient": "score_function"}, "needs 2 draws or more. Received: num_samples=1"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        ELBO(**arguments)


def test_the_three_forms_agree_in_the_mean(make_vae, binary_images):
    """Means over 4,000 draws within 4 standard errors of their difference."""
    vae, x = make_vae(), np.tile(binary_images[:1], (4_000, 1, 1, 1))
    elbos = [
        ELBO(form=form)(vae, x, seed=seed).elbo.numpy() for seed, form in enumerate(("kl", "entropy", "log_ratio"))
    ]
    for i, j in ((0, 1), (0, 2), (1, 2)):
        difference = elbos[i].astype("float64") - elbos[j]
        assert abs(difference.mean()) < 4 * difference.std(ddof=1) / np.sqrt(4_000)
        assert np.max(np.abs(difference)) > 0.1  # three estimators, not one


def test_config_survives_serialisation():
    objective = ELBO(0.3, 7, "log_ratio", "score_function")
    restored = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(objective))
    assert (restored.beta, restored.num_samples, restored.form, restored.gradient) == (
        0.3,
        7,
        "log_ratio",
        "score_function",
    )


def test_a_variable_as_beta_is_read_at_each_step_and_saved_as_its_number(make_vae, binary_images, tmp_path):
    beta = keras.Variable(1.0, trainable=False)
    vae = make_vae(objective=ELBO(beta=beta))
    vae.compile(keras.optimizers.SGD(0.0), jit_compile=False)
    for value in (1.0, 4.0):
        beta.assign(value)
        logs = vae.evaluate(binary_images, verbose=0, return_dict=True)
        assert logs["loss"] == pytest.approx(logs["reconstruction_loss"] + value * logs["kl"], rel=1e-5)
    vae.save(tmp_path / "vae.keras")
    assert keras.saving.load_model(tmp_path / "vae.keras").objective.beta == 4.0
