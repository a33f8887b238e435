import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import distributions as tfd

import keras_vae as kv

METRICS = {"loss", "reconstruction_loss", "kl", "elbo", "bits_per_dim"}


@pytest.fixture(scope="module")
def compiled(make_vae):
    """One VAE, traced once, for the tests to which its weights do not matter: they stay as they are."""
    vae = make_vae()
    vae.compile(keras.optimizers.SGD(0.0), jit_compile=False)
    return vae


def test_the_three_distributions_have_the_documented_shapes(make_vae, binary_images):
    vae = make_vae()
    q_z = vae.encode(binary_images)
    p_x = vae.decode(q_z.sample(seed=1))
    assert isinstance(q_z, tfd.Distribution)
    assert (q_z.batch_shape, q_z.event_shape) == ([300], [2])
    assert (p_x.batch_shape, p_x.event_shape) == ([300], [4, 4, 1])
    assert (vae.prior().batch_shape, vae.prior().event_shape) == ([], [2])
    assert vae.decode(tf.zeros([5, 3, 2])).batch_shape == [5, 3]


def test_decode_of_many_draws_equals_decode_of_each(make_vae):
    vae = make_vae()
    z = kv.random.normal([3, 4, 2], seed=0)
    expected = [vae.decode(of_draw).mean() for of_draw in z]
    np.testing.assert_allclose(vae.decode(z).mean(), expected, rtol=1e-6)


def test_log_likelihood_pairs_each_draw_with_its_example(make_vae, binary_images):
    vae, x = make_vae(), binary_images[:4]
    z = kv.random.normal([3, 4, 2], seed=0)
    expected = [[vae.decode(z[s, b][None]).log_prob(x[b])[0] for b in range(4)] for s in range(3)]
    np.testing.assert_allclose(vae.log_likelihood(x, z), expected, rtol=1e-5)


FORMS = [
    "x",
    "list",
    "(x,)",
    "(x, y)",
    "dictionary",
    "dataset",
    "dataset of (x,)",
    "dataset of (x, y)",
    "dataset of dictionaries",
]


@pytest.mark.parametrize("form", FORMS)
def test_fit_evaluate_and_predict_take_every_form_of_data(compiled, binary_images, form):
    x, y = binary_images[:50], np.arange(50)
    data = {
        "x": (x,),
        "list": (x.tolist(),),
        "(x,)": ((x,),),
        "(x, y)": ((x, y),),
        "dataset": (tf.data.Dataset.from_tensor_slices(x).batch(32),),
        "dataset of (x,)": (tf.data.Dataset.from_tensor_slices((x,)).batch(32),),
        "dataset of (x, y)": (tf.data.Dataset.from_tensor_slices((x, y)).batch(32),),
        "dictionary": ({"image": x, "label": y},),
        "dataset of dictionaries": (tf.data.Dataset.from_tensor_slices({"image": x, "label": y}).batch(32),),
    }[form]
    history = compiled.fit(*data, verbose=0).history
    assert set(history) == METRICS
    assert np.all(np.isfinite(list(history.values())))
    assert set(compiled.evaluate(*data, verbose=0, return_dict=True)) == METRICS
    assert compiled.predict(data[0], verbose=0).shape == (50, 4, 4, 1)
    assert compiled.predict(data if len(data) == 2 else data[0], verbose=0).shape == (50, 4, 4, 1)


def test_metrics_have_their_documented_sign_and_unit(compiled, binary_images):
    logs = compiled.evaluate(binary_images, verbose=0, return_dict=True)
    assert logs["loss"] == pytest.approx(logs["reconstruction_loss"] + logs["kl"], rel=1e-6)
    assert logs["elbo"] == pytest.approx(-logs["loss"], rel=1e-6)
    assert logs["bits_per_dim"] == pytest.approx(logs["loss"] / (16 * np.log(2)), rel=1e-6)
    assert logs["loss"] > 0


@pytest.mark.parametrize("batch_size", [1, 7, 300])
def test_evaluate_does_not_depend_on_the_batch_size(compiled, binary_images, batch_size):
    noise = kv.random.as_noise(compiled.seed).of(kv.random.Stream.EVALUATION)
    elbo = compiled.evaluate(binary_images, batch_size=batch_size, verbose=0, return_dict=True)["elbo"]
    assert elbo == pytest.approx(np.mean(compiled.elbo(binary_images, seed=noise)), rel=1e-6)


def test_fit_with_sample_weights_equals_fit_on_repeated_examples(make_vae, binary_images):
    """Noise aside: with a posterior scale of nearly 0 there is none."""

    def train(x, **kwargs):
        vae = make_vae()
        kernel, bias = vae.encoder.layers[1].get_weights()
        bias[2:] = -30.0
        vae.encoder.layers[1].set_weights([kernel * 0, bias])
        vae.compile(keras.optimizers.SGD(0.01), jit_compile=False)
        vae.fit(x, batch_size=len(x), shuffle=False, verbose=0, **kwargs)
        return vae.get_weights()

    x = binary_images[:4]
    weighted = train(x, sample_weight=np.array([2.0, 1.0, 1.0, 0.0]))
    repeated = train(x[[0, 0, 1, 2]])
    for a, b in zip(weighted, repeated, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_weights_may_come_without_labels_and_in_columns(compiled, binary_images):
    weight = np.arange(300.0)
    seed = kv.random.as_noise(compiled.seed).of(kv.random.Stream.EVALUATION)
    expected = np.average(compiled.elbo(binary_images, seed=seed), weights=weight)
    logs = compiled.evaluate(binary_images, sample_weight=weight, verbose=0, return_dict=True)
    assert logs["elbo"] == pytest.approx(expected, rel=1e-5)
    columns = kv.objectives.ELBO()(compiled, binary_images, seed=seed, sample_weight=weight[:, None]).loss
    assert float(columns) == pytest.approx(-expected, rel=1e-5)


def test_endless_data_sets_take_exactly_the_steps_asked_for(compiled, binary_images):
    steps_before = int(compiled.step)
    endless = tf.data.Dataset.from_tensor_slices(binary_images).batch(20).repeat()
    compiled.fit(endless, steps_per_epoch=10, epochs=3, verbose=0)
    assert int(compiled.step) - steps_before == 30
    noise = kv.random.as_noise(compiled.seed).of(kv.random.Stream.EVALUATION)
    first_rows = compiled.elbo(binary_images[:60], seed=noise)
    elbo = compiled.evaluate(endless, steps=3, verbose=0, return_dict=True)["elbo"]
    assert elbo == pytest.approx(np.mean(first_rows), rel=1e-5)


@pytest.mark.parametrize("method", ["elbo", "fit", "evaluate", "reconstruct"])
def test_a_missing_channel_axis_is_refused_instead_of_broadcast(compiled, binary_images, method):
    with pytest.raises(ValueError, match=r"event_shape=\(4, 4, 1\). Received: x.shape=\(1, 4, 4\)"):
        getattr(compiled, method)(binary_images[:1, ..., 0])


@pytest.mark.parametrize("method", ["encode", "__call__", "predict", "predict_on_batch", "reconstruct", "elbo"])
def test_channels_first_are_refused_instead_of_flattened_in_another_order(compiled, binary_images, method):
    with pytest.raises(ValueError, match=r"event_shape=\(4, 4, 1\). Received: x.shape=\(300, 1, 4, 4\)"):
        getattr(compiled, method)(np.moveaxis(binary_images, -1, 1))


@pytest.mark.parametrize("method", ["encode", "__call__", "elbo"])
def test_channels_first_are_refused_in_a_graph_when_it_is_traced(compiled, method):
    function = tf.function(lambda x: tf.nest.map_structure(tf.identity, getattr(compiled, method)(x)), autograph=False)
    with pytest.raises(ValueError, match=r"event_shape=\(4, 4, 1\). Received: x.shape=\(None, 1, 4, 4\)"):
        function.get_concrete_function(tf.TensorSpec([None, 1, 4, 4]))


def test_a_graph_stops_at_x_outside_the_support_and_leaves_other_x_as_it_is(compiled, binary_images):
    check = tf.function(compiled.check, autograph=False)
    np.testing.assert_array_equal(check(binary_images), binary_images)
    for value in (0.3, -1.0, 255.0, np.nan):
        x = binary_images.copy()
        x[7, 0, 0, 0] = value
        with pytest.raises(
            tf.errors.InvalidArgumentError, match=r"The Bernoulli likelihood scores \{0, 1\}: pass binarize=dynamic"
        ):
            check(x)


def test_a_second_fit_goes_on_with_new_orders_and_noise(make_vae, binary_images):
    """Two trainings of one epoch are one training of two."""
    twice, once = make_vae(), make_vae()
    for vae in (twice, once):
        vae.compile("sgd", jit_compile=False)
    losses = [twice.fit(binary_images, verbose=0).history["loss"][0] for _ in range(2)]
    assert losses == once.fit(binary_images, epochs=2, verbose=0).history["loss"]


def test_a_second_fit_does_not_trace_again(compiled, binary_images):
    compiled.fit(binary_images, verbose=0)
    runners = dict(compiled._compiled_functions.functions)
    assert runners
    compiled.fit(1 - binary_images, verbose=0)
    assert dict(compiled._compiled_functions.functions) == runners


def test_each_step_has_its_own_noise_under_gradient_accumulation(make_vae, binary_images):
    vae = make_vae()
    optimizer = keras.optimizers.SGD(0.0, gradient_accumulation_steps=4)
    vae.compile(optimizer, jit_compile=False, steps_per_execution=1)
    data = tf.data.Dataset.from_tensors(binary_images[:50]).repeat(8)
    losses = []
    keep = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: losses.append(logs["loss"] * (batch + 1))
    )
    vae.fit(data, verbose=0, callbacks=[keep])
    of_steps = np.diff(losses, prepend=0.0)
    assert len(np.unique(np.round(of_steps, 3))) == 8  # the same images each step: only the noise differs


def test_moving_averages_of_weights_are_put_in_place_at_the_end(make_vae, binary_images):
    vae = make_vae()
    vae.compile(keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5), jit_compile=False)
    vae.fit(binary_images, epochs=2, verbose=0)
    averages = vae.optimizer._model_variables_moving_average
    for weight, average in zip(vae.trainable_variables, averages, strict=True):
        np.testing.assert_array_equal(weight, average)


class WithAccuracy(kv.VAE):
    """A variant with a weight and a metric of its own, and a train_step that reports more."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.temperature = self.add_weight(shape=(), initializer="ones", trainable=False, name="temperature")
        self.batches = keras.metrics.Sum(name="batches")

    def train_step(self, data):
        self.batches.update_state(1)
        return {**super().train_step(data), "temperature": self.temperature}


def test_a_subclass_may_add_weights_metrics_and_logs(make_vae, binary_images):
    parts = make_vae()
    vae = WithAccuracy(parts.encoder, parts.decoder, parts.prior, seed=0)
    vae.compile("sgd", jit_compile=False)
    history = vae.fit(binary_images, batch_size=100, epochs=2, verbose=0).history
    assert history["batches"] == [3, 3]
    assert history["temperature"] == [1, 1]
    assert set(history) == METRICS | {"batches", "temperature"}


@keras.saving.register_keras_serializable("tests")
class Encoder(keras.Model):
    """A subclassed encoder, without inputs known before its first call."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.body = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(4)])
        self.posterior = kv.layers.MultivariateNormalDiag(2)

    def call(self, x, training=False):
        return self.posterior(self.body(x))


def test_subclassed_networks_train_save_and_load(make_vae, binary_images, tmp_path):
    vae = kv.VAE(Encoder(), make_vae().decoder, kv.priors.StandardNormal(2), seed=0)
    vae.compile("sgd", jit_compile=False)
    vae.fit(binary_images, verbose=0)
    assert np.all(vae.encoder.body.layers[-1].bias != 0)  # it starts at 0
    vae.save(tmp_path / "vae.keras")
    loaded = keras.saving.load_model(tmp_path / "vae.keras")
    np.testing.assert_array_equal(loaded.elbo(binary_images, seed=1), vae.elbo(binary_images, seed=1))


def test_callbacks_of_keras_work_with_arrays(make_vae, binary_images, tmp_path):
    vae = make_vae()
    vae.compile(keras.optimizers.Adam(0.01), jit_compile=False)
    callbacks = [
        keras.callbacks.EarlyStopping("val_loss", patience=1, mode="max", restore_best_weights=True),
        keras.callbacks.ModelCheckpoint(tmp_path / "best.keras", "val_loss", mode="max", save_best_only=True),
        keras.callbacks.LearningRateScheduler(lambda epoch: 0.01 / (epoch + 1)),
        keras.callbacks.CSVLogger(tmp_path / "log.csv"),
    ]
    history = vae.fit(binary_images, epochs=9, validation_data=(binary_images,), callbacks=callbacks, verbose=0).history
    assert len(history["loss"]) == 2  # the loss falls, and the callback was told that up is better
    assert history["learning_rate"] == pytest.approx([0.01, 0.005])
    rows = (tmp_path / "log.csv").read_text().splitlines()
    assert len(rows) == 3
    logged = [float(row.split(",")[rows[0].split(",").index("val_loss")]) for row in rows[1:]]
    assert logged == pytest.approx(history["val_loss"])
    best = keras.saving.load_model(tmp_path / "best.keras")
    np.testing.assert_array_equal(best.elbo(binary_images, seed=0), vae.elbo(binary_images, seed=0))


def test_binary_units_beside_a_normal_prior_are_refused():
    encoder = kv.networks.mlp_encoder((4, 4, 1), 2)
    encoder.add(kv.layers.IndependentBernoulli(2))
    with pytest.raises(ValueError, match="under the posterior, and others under the prior: .*MultivariateNormalDiag"):
        kv.VAE(encoder, kv.models.image_decoder((4, 4, 1), 2), kv.priors.StandardNormal(2))


def test_fit_repeats_exactly_from_the_same_seed_and_differs_from_another(make_vae, binary_images):
    def losses(seed):
        vae = make_vae(seed=seed)
        vae.compile("sgd", jit_compile=False)
        return vae.fit(binary_images, epochs=2, verbose=0).history["loss"]

    first = losses(1)
    assert losses(1) == first
    assert losses(2) != first


def test_training_raises_the_elbo(make_vae, binary_images):
    vae = make_vae()
    vae.compile(keras.optimizers.SGD(0.1))
    history = vae.fit(binary_images, epochs=20, batch_size=50, verbose=0).history
    assert history["elbo"][-1] > history["elbo"][0] + 1


def test_networks_see_each_batch_once_a_step():
    """Batch normalisation's moving mean moves once: the reason for VAE's own train_step."""
    normalise = keras.layers.BatchNormalization(momentum=0.9)
    encoder = keras.Sequential(
        [keras.Input((4,)), normalise, keras.layers.Dense(4), kv.layers.MultivariateNormalDiag(2)]
    )
    decoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(4), kv.layers.IndependentBernoulli(4)])
    vae = kv.VAE(encoder, decoder, kv.priors.StandardNormal(2))
    vae.compile("sgd", jit_compile=False)
    vae.fit(np.ones((8, 4), "float32"), batch_size=8, verbose=0)
    np.testing.assert_allclose(normalise.moving_mean, 0.1 * np.ones(4), rtol=1e-6)


def test_regularisers_of_the_networks_are_part_of_the_loss(binary_images):
    encoder = keras.Sequential(
        [
            keras.Input((4, 4, 1)),
            keras.layers.Flatten(),
            keras.layers.Dense(4, kernel_regularizer=keras.regularizers.L2(0.5)),
            kv.layers.MultivariateNormalDiag(2),
        ]
    )
    decoder = kv.models.image_decoder((4, 4, 1), 2)
    vae = kv.VAE(encoder, decoder, kv.priors.StandardNormal(2))
    vae.compile("sgd", jit_compile=False)
    logs = vae.evaluate(binary_images, verbose=0, return_dict=True)
    penalty = 0.5 * np.sum(encoder.layers[1].get_weights()[0] ** 2)
    assert logs["loss"] == pytest.approx(logs["reconstruction_loss"] + logs["kl"] + penalty, rel=1e-5)


def test_sample_is_ancestral(make_vae):
    """z from the prior, parameters from the decoder, x from the likelihood: a Bernoulli draw around its mean."""
    vae = make_vae()
    x, means = vae.sample(4_000, seed=7).numpy(), vae.sample(4_000, seed=7, mean=True).numpy()
    assert set(np.unique(x)) == {0.0, 1.0}
    z = kv.random.sample(vae.prior(), 4_000, kv.random.as_noise(7).of(kv.random.Stream.PRIOR))
    np.testing.assert_array_equal(means, vae.decode(z).mean())
    standard_error = np.sqrt(np.mean(means * (1 - means), axis=0) / 4_000)
    assert np.all(np.abs(x.mean(axis=0) - means.mean(axis=0)) < 4 * standard_error)
    excess = (x - means) ** 2 - means * (1 - means)  # 0 on average where each x is drawn around the mean of its own z
    assert np.all(np.abs(excess.mean(axis=0)) < 4 * excess.std(axis=0) / np.sqrt(4_000))


def test_samples_depend_on_the_seed_alone(make_vae):
    vae = make_vae()
    np.testing.assert_array_equal(vae.sample(8, seed=1), vae.sample(8, seed=1))
    assert np.any(vae.sample(8, seed=1) != vae.sample(8, seed=2))
    assert np.any(vae.sample(8) != vae.sample(8))  # the model's own generator moves on


def test_samples_that_memory_does_not_hold_can_be_drawn_in_parts(make_vae, monkeypatch):
    def out_of_memory(vae, z):
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")

    vae = make_vae()
    with monkeypatch.context() as patch:
        patch.setattr(kv.VAE, "decode", out_of_memory)
        with pytest.raises(ValueError, match=r"draw them in parts.*as_noise\(seed, first.* Received: num_samples=8"):
            vae.sample(8, seed=1)
    parts = [vae.sample(size, seed=kv.random.as_noise(1, first_row=row)) for row, size in ((0, 3), (3, 5))]
    np.testing.assert_array_equal(np.concatenate(parts), vae.sample(8, seed=1))


def test_reconstruct_is_the_likelihoods_mean_at_the_posterior_mean(make_vae, binary_images):
    vae = make_vae()
    expected = vae.decode(vae.encode(binary_images).mean()).mean()
    np.testing.assert_array_equal(vae.reconstruct(binary_images), expected)
    assert np.any(vae.reconstruct(binary_images, seed=0) != expected)


def test_elbo_per_example_in_graph_and_eager_agree(make_vae, binary_images):
    vae = make_vae()
    compiled = tf.function(lambda x: vae.elbo(x, num_samples=3, seed=1), jit_compile=True)
    np.testing.assert_allclose(compiled(binary_images), vae.elbo(binary_images, num_samples=3, seed=1), rtol=1e-5)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_computes_densities_in_float32(policy, binary_images):
    keras.config.set_dtype_policy(policy)
    try:
        vae = kv.VAE.for_images((4, 4, 1), latent_dim=2, hidden=(8,), seed=0)
        vae.compile("sgd", jit_compile=False)
        history = vae.fit(binary_images, verbose=0).history
    finally:
        keras.config.set_dtype_policy("float32")
    assert vae.encode(binary_images).dtype == tf.float32
    assert vae.elbo(binary_images, seed=0).dtype == tf.float32
    assert np.isfinite(history["loss"][0])


def test_soft_targets_are_reported_as_a_cross_entropy(binary_images):
    vae = kv.VAE.for_images((4, 4, 1), latent_dim=2, likelihood="soft-bernoulli")
    vae.compile("sgd", jit_compile=False)
    history = vae.fit(binary_images * 0.3, verbose=0).history
    assert set(history) == {"loss", "cross_entropy", "kl"}


def test_saved_and_loaded_model_is_the_same(make_vae, binary_images, tmp_path):
    vae = make_vae()
    vae.compile("adam", jit_compile=False)
    vae.fit(binary_images, verbose=0)
    vae.save(tmp_path / "vae.keras")
    loaded = keras.saving.load_model(tmp_path / "vae.keras")
    np.testing.assert_array_equal(loaded.elbo(binary_images, seed=1), vae.elbo(binary_images, seed=1))
    np.testing.assert_array_equal(loaded.sample(5, seed=1), vae.sample(5, seed=1))
    assert loaded.seed == vae.seed
    assert loaded.optimizer.iterations == vae.optimizer.iterations
    a, b = (one.fit(binary_images, initial_epoch=1, epochs=2, verbose=0).history for one in (loaded, vae))
    assert a == b


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"prior": tfd.Normal(0.0, 1.0)}, TypeError, "`prior` must be a .*Prior. Received: prior="),
        ({"encoder": lambda x: x}, TypeError, "`encoder` must be a .*Layer. Received: encoder="),
        ({"prior": kv.priors.StandardNormal(3)}, ValueError, r"prior's event shape \(3,\). Received: .*\(2,\)"),
        ({"decoder": kv.models.image_decoder((5, 4, 1), 2)}, ValueError, r"shape of x, \(4, 4, 1\). Received: .*5, 4"),
        ({"encoder": kv.networks.mlp_encoder((4, 4, 1), 4)}, TypeError, "end the model in a layer of keras_vae.layers"),
    ],
    ids=["prior is no layer", "encoder is no layer", "latent sizes differ", "shapes differ", "no distribution"],
)
def test_parts_that_do_not_fit_are_refused(make_vae, arguments, error, message):
    vae = make_vae()
    parts = {"encoder": vae.encoder, "decoder": vae.decoder, "prior": vae.prior}
    with pytest.raises(error, match=message):
        kv.VAE(**{**parts, **arguments})


def test_an_encoder_of_two_inputs_is_refused(make_vae):
    x, c = keras.Input((4, 4, 1)), keras.Input((4, 4, 1))
    q_z = kv.layers.MultivariateNormalDiag(2)(keras.layers.Dense(4)(keras.layers.Flatten()(x + c)))
    with pytest.raises(ValueError, match="x is one tensor.* Received: an encoder with 2 inputs"):
        kv.VAE(keras.Model([x, c], q_z), make_vae().decoder, kv.priors.StandardNormal(2))


@pytest.mark.parametrize("method", ["fit", "evaluate", "elbo", "reconstruct"])
def test_data_outside_the_support_is_refused(compiled, binary_images, method):
    with pytest.raises(ValueError, match=r"Bernoulli likelihood scores \{0, 1\}: pass binarize=dynamic.*from 0 to 255"):
        getattr(compiled, method)(binary_images * 255)


@pytest.mark.parametrize("method", ["fit", "evaluate"])
def test_data_sets_outside_the_support_are_refused_by_their_first_batch(compiled, binary_images, method):
    dataset = tf.data.Dataset.from_tensor_slices(binary_images * 255).batch(32)
    with pytest.raises(ValueError, match="Bernoulli likelihood scores .*from 0 to 255"):
        getattr(compiled, method)(dataset)


def test_validation_data_outside_the_support_is_refused(compiled, binary_images):
    with pytest.raises(ValueError, match="Bernoulli likelihood scores .*from 0 to 255"):
        compiled.fit(binary_images, validation_data=(binary_images * 255,))


@pytest.mark.parametrize("argument", [{"loss": "mse"}, {"metrics": ["mae"]}])
def test_compile_refuses_a_loss_of_its_own(make_vae, argument):
    with pytest.raises(ValueError, match=r"pass `objective=` to the constructor\. Received: "):
        make_vae().compile("sgd", **argument)


def test_the_likelihood_at_several_draws_broadcasts_as_in_tfp(make_vae, binary_images):
    vae, x = make_vae(), binary_images[:7]
    z = vae.encode(x).sample(5, seed=1)
    np.testing.assert_allclose(vae.decode(z).log_prob(x), vae.log_likelihood(x, z), rtol=1e-5)
    np.testing.assert_allclose(vae.decode(z).prob(x[0]), np.exp(vae.decode(z).log_prob(x[:1])), rtol=1e-4)
    assert vae.decode(z[None]).log_prob(x).shape == [1, 5, 7]
