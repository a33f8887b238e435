"""Conditions: against the exact log p(x|y) of a linear-Gaussian model, and the Keras contract."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.stats import multivariate_normal

import keras_vae as kv
from keras_vae import layers
from keras_vae.objectives import ELBO, IWAE

RNG = np.random.default_rng(0)
W = np.linalg.qr(RNG.normal(size=(4, 2)))[0] * [2.0, 1.0]  # orthogonal columns: the posterior is diagonal
V, SIGMA = RNG.normal(size=(4, 2)), 0.5
A = RNG.normal(size=(2, 2))
B = RNG.normal(size=4)


def softplus_inverse(scale):
    return np.log(np.expm1(scale))


def linear(inputs, kernel, bias, layer):
    """Return the functional model from the joined inputs through fixed weights to a distribution layer."""
    joined = inputs[0] if len(inputs) == 1 else keras.layers.Concatenate()(inputs)
    dense = keras.layers.Dense(kernel.shape[1])
    model = keras.Model(inputs if len(inputs) > 1 else inputs[0], layer(dense(joined)))
    dense.set_weights([kernel, np.broadcast_to(bias, kernel.shape[1:])])
    return model


def exact_model(prior_takes_y=True):
    """Return x = W z + V y + B + SIGMA noise with z ~ N(A y, I), whose encoder is the true posterior."""
    a = A if prior_takes_y else np.zeros([2, 2])
    variance = 1 / (1 + np.diag(W.T @ W) / SIGMA**2)
    of_x = variance[:, None] * W.T / SIGMA**2  # E[z|x, y] = A y + of_x (x - B - (V + W A) y)
    of_y = a - of_x @ (V + W @ a)
    encoder = linear(
        [keras.Input((4,)), keras.Input((2,))],
        np.block([[of_x.T, np.zeros([4, 2])], [of_y.T, np.zeros([2, 2])]]),
        np.concatenate([-of_x @ B, softplus_inverse(np.sqrt(variance))]),
        layers.MultivariateNormalDiag(2),
    )
    decoder = linear(
        [keras.Input((2,)), keras.Input((2,))], np.vstack([W.T, V.T]), B, layers.IndependentNormal(4, scale=SIGMA)
    )
    prior = linear(
        [keras.Input((2,))],
        np.hstack([a.T, np.zeros([2, 2])]),
        [0, 0, *softplus_inverse(np.ones(2))],
        layers.MultivariateNormalDiag(2),
    )
    return kv.ConditionalVAE(encoder, decoder, prior if prior_takes_y else kv.priors.StandardNormal(2), seed=0)


def log_prob(x, y, a=A):
    covariance = W @ W.T + SIGMA**2 * np.eye(4)
    return np.array(
        [multivariate_normal.logpdf(row, (V + W @ a) @ given + B, covariance) for row, given in zip(x, y, strict=True)]
    )


Y = RNG.normal(size=(200, 2)).astype("float32")
X = (Y @ (V + W @ A).T + B + RNG.normal(size=(200, 2)) @ W.T + SIGMA * RNG.normal(size=(200, 4))).astype("float32")


@pytest.mark.parametrize("prior_takes_y", [True, False])
def test_at_the_true_posterior_the_elbo_is_log_p_of_x_given_y(prior_takes_y):
    cvae, expected = exact_model(prior_takes_y), log_prob(X, Y, A if prior_takes_y else np.zeros([2, 2]))
    np.testing.assert_allclose(ELBO(form="log_ratio")(cvae, (X, Y), seed=0).elbo, expected, atol=1e-3)
    value, error = cvae.log_marginal(X, Y, num_samples=20, seed=0)
    np.testing.assert_allclose(value, expected, atol=1e-3)
    assert np.all(error < 1e-3)
    log_ratio = IWAE(3)(cvae, (X, Y), seed=0).loss_per_example
    np.testing.assert_allclose(-log_ratio, expected, atol=1e-3)


def test_importance_sampling_from_a_prior_that_depends_on_y():
    estimate = kv.evaluation.log_marginal(exact_model(), (X[:20], Y[:20]), num_samples=5000, seed=0, proposal="prior")
    assert np.all(np.abs(estimate.log_marginal - log_prob(X[:20], Y[:20])) < 5 * estimate.standard_error + 1e-3)


def test_samples_have_the_moments_of_x_given_y():
    y = np.repeat([[1.0, -2.0]], 20_000, axis=0)
    x = exact_model().sample(y, seed=0).numpy()
    covariance = W @ W.T + SIGMA**2 * np.eye(4)
    error = np.sqrt(np.diag(covariance) / len(x))
    assert np.all(np.abs(x.mean(0) - (V + W @ A) @ y[0] - B) < 4 * error)
    spread = np.sqrt((covariance**2 + np.outer(np.diag(covariance), np.diag(covariance))) / len(x))
    assert np.all(np.abs(np.cov(x.T) - covariance) < 4 * spread)


IMAGES = RNG.integers(0, 2, [60, 4, 4, 1]).astype("float32")
LABELS = np.arange(60) % 3
IMAGES[LABELS == 2] = 0  # one class is blank


def labelled(network="mlp", **kwargs):
    keras.utils.set_random_seed(0)
    cvae = kv.ConditionalVAE.for_images((4, 4, 1), 2, network=network, hidden=(8,), num_classes=3, seed=0, **kwargs)
    cvae.compile(keras.optimizers.Adam(0.01), jit_compile=False)
    return cvae


@pytest.fixture(scope="module")
def trained():
    cvae = labelled()
    cvae.fit(IMAGES, LABELS, batch_size=20, epochs=60, verbose=0)
    return cvae


def test_a_trained_model_draws_the_class_that_it_is_given(trained):
    means = trained.sample(np.repeat([0, 1, 2], 50), seed=0, mean=True).numpy().reshape(3, -1)
    assert means[2].mean() < 0.05
    assert np.all(np.abs(means[:2].mean(axis=1) - 0.5) < 0.1)
    blank = trained.elbo(np.zeros([2, 4, 4, 1]), [2, 0], num_samples=100, seed=0)
    assert blank[0] > blank[1] + 5


def elbos_of(data):
    """Return the ELBO of an epoch of training, and that of an evaluation after it."""
    cvae = labelled()
    history = cvae.fit(*data, batch_size=20, epochs=1, shuffle=False, verbose=0).history
    return history["elbo"][0], cvae.evaluate(IMAGES, LABELS, verbose=0, return_dict=True)["elbo"]


@pytest.fixture(scope="module")
def trained_on_arrays():
    return elbos_of((IMAGES, LABELS))


def test_evaluation_agrees_with_evaluate_of_keras(trained):
    elbo = kv.evaluation.evaluate(trained, (IMAGES, LABELS))["elbo"].mean
    assert elbo == pytest.approx(trained.evaluate(IMAGES, LABELS, verbose=0, return_dict=True)["elbo"], rel=1e-5)


@pytest.mark.parametrize(
    "form", ["batches", *(pytest.param(name, marks=pytest.mark.slow) for name in ("PyDataset", "generator", "split"))]
)
def test_all_forms_of_data_train_to_the_same_numbers(form, trained_on_arrays):
    class Sequence(keras.utils.PyDataset):
        def __len__(self):
            return 3

        def __getitem__(self, i):
            return IMAGES[20 * i : 20 * i + 20], LABELS[20 * i : 20 * i + 20]

    examples = tf.data.Dataset.from_tensor_slices((IMAGES, LABELS))
    forms = {
        "batches": (examples.batch(20),),
        "PyDataset": (Sequence(),),
        "generator": ((Sequence()[i] for i in range(3)),),
        "split": (kv.data.Split(tf.constant(IMAGES), 60, y=tf.constant(LABELS)),),
    }
    assert elbos_of(forms[form]) == pytest.approx(trained_on_arrays, rel=1e-5)


def test_predict_takes_pairs(trained):
    expected = trained.reconstruct(IMAGES, LABELS)
    examples = tf.data.Dataset.from_tensor_slices((IMAGES, LABELS))
    for predicted in (
        trained.predict((IMAGES, LABELS), verbose=0),
        trained.predict(examples.batch(7), verbose=0),
        trained.predict_on_batch((IMAGES, LABELS)),
        trained([IMAGES, LABELS]),
    ):
        np.testing.assert_allclose(predicted, expected, atol=1e-6)


def test_the_export_has_y_as_an_input(trained, tmp_path):
    loaded = tf.saved_model.load(str(trained.export(tmp_path / "export"))).signatures
    y, seed, z = tf.constant([2, 0, 1]), tf.constant([3, 4]), tf.random.normal([3, 2], seed=0)
    for name, inputs, expected in (
        ("sample", {"y": y, "seed": seed}, {"x": trained.sample(y, seed)}),
        ("elbo", {"x": IMAGES[:3], "y": y, "seed": seed}, {"elbo": trained.elbo(IMAGES[:3], y, seed=seed)}),
        ("reconstruct", {"x": IMAGES[:3], "y": y}, {"mean": trained.reconstruct(IMAGES[:3], y)}),
        ("encode", {"x": IMAGES[:3], "y": y}, {"mean": trained.encode(IMAGES[:3], y=y).mean()}),
        ("decode", {"z": z, "y": y}, {"mean": trained.decode(z, y=y).mean()}),
    ):
        found = loaded[name](**{key: tf.convert_to_tensor(value) for key, value in inputs.items()})
        for key, value in expected.items():
            np.testing.assert_allclose(found[key], value, rtol=1e-5, atol=1e-6, err_msg=name)
    with pytest.raises(tf.errors.InvalidArgumentError, match="a whole number from 0 to 2"):
        loaded["decode"](z=z, y=tf.constant([0, 1, 3]))


def test_two_replicas_take_the_steps_of_one(strategy):
    single = labelled()
    with strategy.scope():
        double = labelled()
    for cvae in (single, double):
        cvae.fit(IMAGES, LABELS, batch_size=20, epochs=1, verbose=0)
    for one, two in zip(single.trainable_variables, double.trainable_variables, strict=True):
        np.testing.assert_allclose(one, two, atol=2e-5)


def test_convolutions_get_the_condition_as_channels():
    cvae = labelled("conv")
    assert cvae.encoder.get_layer(index=-1).name  # a functional model
    kernel = next(layer.kernel for layer in cvae.encoder.layers if hasattr(layer, "kernel_size"))
    assert kernel.shape[2] == 1 + 3
    of_image = kv.ConditionalVAE.for_images((4, 4, 1), 2, network="conv", hidden=(8,), condition_shape=(4, 4, 2))
    kernel = next(layer.kernel for layer in of_image.encoder.layers if hasattr(layer, "kernel_size"))
    assert kernel.shape[2] == 1 + 2


def test_subclassed_networks_get_pairs():
    @keras.saving.register_keras_serializable()
    class Body(keras.Model):
        def __init__(self, layer):
            super().__init__()
            self.dense, self.layer = keras.layers.Dense(layer.params_size(2)), layer

        def call(self, inputs):
            x, y = inputs
            return self.layer(self.dense(keras.ops.concatenate([x, y], axis=-1)))

    parts = Body(layers.MultivariateNormalDiag(2)), Body(layers.IndependentNormal(2)), kv.priors.StandardNormal(2)
    cvae = kv.ConditionalVAE(*parts, condition_shape=(3,), seed=0)
    cvae.compile()
    x, y = np.zeros([8, 2], "float32"), np.ones([8, 3], "float32")
    cvae.fit(x, y, verbose=0)
    assert cvae.sample(y, seed=0).shape == (8, 2)
    with pytest.raises(ValueError, match="The shape of y must be known: pass `num_classes` or `condition_shape`"):
        kv.ConditionalVAE(*parts)


def other_doors(cvae, x, y):
    """Return each way by which x and y get to a model."""
    return {
        "fit": lambda: cvae.fit(x, y, verbose=0),
        "validation_data": lambda: cvae.fit(IMAGES, LABELS, validation_data=(x, y), verbose=0),
        "batches": lambda: cvae.fit(tf.data.Dataset.from_tensors((x, y)), verbose=0),
        "train_on_batch": lambda: cvae.train_on_batch(x, y),
        "evaluate": lambda: cvae.evaluate(x, y, verbose=0),
        "predict": lambda: cvae.predict((x, y), verbose=0),
        "reconstruct": lambda: cvae.reconstruct(x, y),
        "elbo": lambda: cvae.elbo(x, y),
        "log_marginal": lambda: cvae.log_marginal(x, y),
        "evaluation.evaluate": lambda: kv.evaluation.evaluate(cvae, (x, y)),
        "sample": lambda: cvae.sample(y),
    }


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([0, 3], "from 0 to 2. Received: 3 in row 1 of y"),
        ([-1, 0], "from 0 to 2. Received: -1 in row 0 of y"),
        ([0.5, 0], "from 0 to 2. Received: 0.5 in row 0 of y"),
        ([[0, 1], [1, 0]], r"Received: y of dtype int\d+ and shape \(2, 2\)"),
    ],
)
def test_labels_that_are_none_are_refused_at_every_door(y, message):
    cvae = labelled()
    for door in other_doors(cvae, IMAGES[:2], np.array(y)).values():
        with pytest.raises(ValueError, match=message):
            door()
    assert int(cvae.step) == 0


def test_a_later_batch_with_a_bad_label_is_refused_before_its_step():
    labels, cvae = LABELS.copy(), labelled()
    labels[45] = 7
    with pytest.raises(ValueError, match="In batch 2 of the epoch.*Received: 7 in row 5 of y"):
        cvae.fit(tf.data.Dataset.from_tensor_slices((IMAGES, labels)).batch(20), verbose=0)
    assert int(cvae.step) == 2


def test_y_must_come_with_x():
    cvae = labelled()
    for door in (cvae.fit, cvae.evaluate, cvae.predict, cvae.train_on_batch, cvae.predict_on_batch):
        with pytest.raises(ValueError, match="This model is conditional: pass y with x"):
            door(IMAGES)
    with pytest.raises(ValueError, match="Those functions of keras_vae.evaluation that take"):
        kv.evaluation.decompose(cvae, (IMAGES, LABELS))
    for door in (lambda: cvae.elbo(IMAGES, LABELS[:7]), lambda: cvae.fit(IMAGES, LABELS[:7])):
        with pytest.raises(ValueError, match="must have the same length"):
            door()
    bad = np.full([60, 2], np.nan)
    with pytest.raises(ValueError, match=r"`y` must have the shape \[B, 2\], and finite entries. Received: nan in row"):
        exact_model().elbo(X[:60], bad)


def test_parts_that_do_not_fit_are_refused():
    plain = kv.VAE.for_vectors((4,), 2)
    with pytest.raises(ValueError, match="A part must take y"):
        kv.ConditionalVAE(plain.encoder, plain.decoder, plain.prior, num_classes=3)
    cvae = labelled()
    with pytest.raises(ValueError, match=r"of the shape \(5,\). Received: an input of the shape \(3,\)"):
        kv.ConditionalVAE(cvae.encoder, cvae.decoder, cvae.prior, num_classes=5)
    with pytest.raises(ValueError, match="and not both"):
        kv.ConditionalVAE(cvae.encoder, cvae.decoder, cvae.prior, num_classes=3, condition_shape=(3,))
    with pytest.raises(ValueError, match="Pass `num_classes` where y is a label, or `condition_shape`"):
        kv.ConditionalVAE.for_images((4, 4, 1), 2)
    with pytest.raises(ValueError, match="make a keras_vae.ConditionalVAE"):
        kv.VAE(cvae.encoder, plain.decoder, plain.prior)
    assert isinstance(cvae.with_prior(kv.priors.MixtureOfNormals(2)), kv.ConditionalVAE)


def test_figures_of_classes(trained):
    assert kv.plotting.samples_by_class(trained, 4).axes
    assert kv.plotting.styles(trained, IMAGES[:3], LABELS[:3]).axes
    with pytest.raises(ValueError, match="pass a ConditionalVAE with num_classes"):
        kv.plotting.samples_by_class(exact_model())
