"""One way to fit: whatever holds the examples, the steps, their order and their noise are the same."""

import contextlib
import gc
import weakref

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import distributions as tfd

import keras_vae as kv


class OnlyCallsSuper(kv.VAE):
    def train_step(self, data):
        return super().train_step(data)


class Images(keras.utils.PyDataset):
    """Batches of 32 of an array; `read` holds the numbers of those that were asked for."""

    def __init__(self, x, **kwargs):
        super().__init__(**kwargs)
        self.x, self.read = x, []

    def __len__(self):
        return -(-len(self.x) // 32)

    def __getitem__(self, i):
        self.read.append(i)
        i %= len(self)
        return (self.x[32 * i : 32 * (i + 1)],)


class RecordsBatches(kv.objectives.ELBO):
    """Keeps what it was called with, in `seen`."""

    def __call__(self, model, x, *args, **kwargs):
        self.seen.append(np.asarray(kv.protocols.as_batch(x).x))
        return super().__call__(model, x, *args, **kwargs)


@pytest.fixture(scope="module")
def trained(make_vae):
    """Return a function that trains from the same start each time, with the graphs of the time before."""
    made = {}

    def trained(data, cls=kv.VAE, keras_seed=0, run_eagerly=False, **options):
        """Return the loss after every step and the weights at the end."""
        key = cls, run_eagerly, tf.distribute.get_strategy().num_replicas_in_sync
        if key not in made:
            parts = make_vae()
            vae = cls(parts.encoder, parts.decoder, parts.prior, seed=3)
            optimizer = keras.optimizers.SGD(0.1)
            vae.compile(optimizer, jit_compile=False, steps_per_execution=1, run_eagerly=run_eagerly)
            made[key] = vae, vae.get_weights()
        (vae, start), losses = made[key], []
        vae.set_weights(start)
        assert int(tf.convert_to_tensor(vae.step)) == 0
        keras.utils.set_random_seed(keras_seed)
        keep = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: losses.append(logs["loss"]))
        vae.fit(*data, epochs=2, verbose=0, callbacks=[keep], **options)
        return np.array(losses), vae.get_weights()

    return trained


def assert_same(first, second):
    np.testing.assert_allclose(first[0], second[0], rtol=2e-6)
    for a, b in zip(first[1], second[1], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


@pytest.fixture(scope="module")
def x():
    return (np.random.default_rng(0).random((100, 4, 4, 1)) < 0.4).astype("float32")


@pytest.fixture
def vae(make_vae):
    vae = make_vae()
    vae.compile(keras.optimizers.SGD(0.1), jit_compile=False)
    return vae


@pytest.fixture(scope="module")
def unchanged(make_vae):
    """One VAE, traced once, for the tests to which its weights do not matter: they stay as they are."""
    vae = make_vae()
    vae.compile(keras.optimizers.SGD(0.0), jit_compile=False)
    return vae


@pytest.fixture(scope="module")
def shuffled(trained, x):
    return trained((x,), batch_size=32)


@pytest.fixture(scope="module")
def in_order(trained, x):
    return trained((x,), batch_size=32, shuffle=False)


SHUFFLED = {
    "labels": lambda x: (((x, np.arange(len(x))),), {"batch_size": 32}),
    "a dictionary": lambda x: (({"image": x, "label": np.arange(len(x))},), {"batch_size": 32}),
    "equal weights": lambda x: ((x,), {"batch_size": 32, "sample_weight": np.ones(len(x))}),
    "another global seed": lambda x: ((x,), {"batch_size": 32, "keras_seed": 77}),
    "train_step that only calls super": lambda x: ((x,), {"batch_size": 32, "cls": OnlyCallsSuper}),
    "the package's data set": lambda x: ((kv.data.as_batches(x, 32, seed=3).dataset(),), {}),
    "the package's split": lambda x: ((kv.data.Split(tf.constant(x), len(x)),), {"batch_size": 32}),
    "eager execution": lambda x: ((x,), {"batch_size": 32, "run_eagerly": True}),
    "steps_per_epoch": lambda x: ((x,), {"batch_size": 32, "steps_per_epoch": 4}),
    "part held out": lambda x: ((np.concatenate([x, x[:25]]),), {"batch_size": 32, "validation_split": 0.2}),
}


@pytest.mark.parametrize("form", SHUFFLED)
def test_fit_takes_the_same_steps_on_shuffled_arrays(trained, x, shuffled, form):
    data, options = SHUFFLED[form](x)
    assert_same(trained(data, **options), shuffled)


IN_ORDER = {
    "data set": lambda x: ((tf.data.Dataset.from_tensor_slices(x).batch(32),), {}),
    "data set with labels": lambda x: ((tf.data.Dataset.from_tensor_slices((x, np.arange(100))).batch(32),), {}),
    "data set of dictionaries": lambda x: (
        (tf.data.Dataset.from_tensor_slices({"image": x, "label": np.arange(100)}).batch(32),),
        {},
    ),
    "data set of unknown length": lambda x: (
        (tf.data.Dataset.from_tensor_slices(x).filter(lambda _: True).batch(32),),
        {},
    ),
    "PyDataset": lambda x: ((Images(x),), {"shuffle": False}),
    "PyDataset with workers": lambda x: ((Images(x, workers=3),), {"shuffle": False}),
    "generator": lambda x: (((x[i : i + 32] for _ in range(2) for i in range(0, 100, 32)),), {"steps_per_epoch": 4}),
    "generator of pairs": lambda x: (
        (((x[i : i + 32], np.zeros(len(x[i : i + 32]))) for _ in range(2) for i in range(0, 100, 32)),),
        {"steps_per_epoch": 4},
    ),
}


@pytest.mark.parametrize("form", IN_ORDER)
def test_fit_takes_the_same_steps_on_batches_in_order(trained, x, in_order, form):
    data, options = IN_ORDER[form](x)
    assert_same(trained(data, **options), in_order)


def test_a_py_dataset_has_an_order_of_its_own_each_epoch_whatever_the_global_seed(trained, x, in_order):
    data = Images(x)
    first, again = trained((data,), keras_seed=0), trained((Images(x),), keras_seed=1)
    assert_same(first, again)
    assert np.max(np.abs(first[0] - in_order[0])) > 1e-3
    orders = data.read[1:5], data.read[5:]  # after a look at the first batch
    assert [sorted(order) for order in orders] == 2 * [[0, 1, 2, 3]]
    assert orders[0] != orders[1]


class Endless(Images):
    """The same batches again and again."""

    @property
    def num_batches(self):
        return None


def test_a_py_dataset_without_an_end_goes_on_from_epoch_to_epoch(trained, x, in_order):
    data = Endless(x)
    assert_same(trained((data,), steps_per_epoch=4), in_order)
    read = data.read[1:]  # after a look at the first batch, and with those that wait to be trained on
    assert len(read) >= 8
    assert read == list(range(len(read)))
    with pytest.raises(ValueError, match="without an end needs `steps_per_epoch`. Received: num_batches=None"):
        trained((Endless(x),))


def test_a_py_dataset_is_told_when_an_epoch_begins_and_ends(trained, x):
    class Told(Images):
        def on_epoch_begin(self):
            told.append((self.name, "begin"))

        def on_epoch_end(self):
            told.append((self.name, "end"))

    train, validation, told = Told(x), Told(x), []
    train.name, validation.name = "train", "validation"
    trained((train,), validation_data=validation)
    assert told == 2 * [(name, when) for name in ("train", "validation") for when in ("begin", "end")]


def test_a_py_dataset_of_several_processes_is_read_by_threads_with_a_warning(trained, x, in_order):
    with pytest.warns(UserWarning, match="`use_multiprocessing` has no effect"):
        losses = trained((Images(x, workers=2, use_multiprocessing=True),), shuffle=False)
    assert_same(losses, in_order)


def test_two_replicas_take_the_steps_of_one(trained, strategy, x):
    """Weighted arrays, with a last batch of 4 rows; the next test has a data set without weights."""
    weights = np.linspace(0.5, 2, 100)
    with strategy.scope():
        replicas = trained((x,), batch_size=32, sample_weight=weights)
    assert_same(replicas, trained((x,), batch_size=32, sample_weight=weights))


def test_two_replicas_normalise_and_evaluate_batches_as_one_does(strategy, x):
    """A data set whose last batch is odd, so that its parts differ in size."""
    data = tf.data.Dataset.from_tensor_slices(x[:55]).batch(10)
    numbers = []
    for scope in (contextlib.nullcontext(), strategy.scope()):
        with scope:
            keras.utils.set_random_seed(0)
            network = kv.networks.MLP((8,), batch_norm=True)
            vae = kv.VAE.for_images((4, 4, 1), latent_dim=2, network=network, seed=5)
            vae.compile(keras.optimizers.SGD(0.05), jit_compile=False)
            history = vae.fit(data, epochs=2, verbose=0, validation_data=data).history
        weights = [float(np.abs(w).sum()) for w in vae.get_weights()]
        numbers.append([*history["loss"], *history["val_elbo"], *weights, *vae.evaluate(data, verbose=0)])
    np.testing.assert_allclose(numbers[1], numbers[0], rtol=1e-5)


def test_weighted_arrays_are_trained_by_the_graph_of_a_whole_execution(vae, x):
    vae.fit(x, batch_size=32, sample_weight=np.ones(100), verbose=0)
    ((_, runner),) = vae._compiled_functions.functions.items()
    assert runner.in_memory


def test_the_data_of_a_training_is_not_kept(vae, x):
    data = tf.constant(x)
    vae.fit(data, verbose=0)
    vae.evaluate(data, verbose=0)
    kept = weakref.ref(data)
    del data
    gc.collect()
    assert kept() is None


def test_no_order_of_a_training_comes_again_in_one_with_smaller_batches(make_vae, x):
    vae, seen = make_vae(objective=RecordsBatches()), []
    vae.objective.seen = seen
    vae.compile("sgd", run_eagerly=True)
    for batch_size, epochs in ((50, 2), (25, 2)):
        vae.fit(x, batch_size=batch_size, epochs=epochs, verbose=0)
    rows = np.concatenate(seen)
    assert len({rows[100 * epoch : 100 * (epoch + 1)].tobytes() for epoch in range(4)}) == 4


def test_train_on_batch_and_test_on_batch_see_a_changed_beta(make_vae, x):
    vae = make_vae()
    vae.compile(keras.optimizers.SGD(0.0), jit_compile=False)
    for step in (vae.train_on_batch, vae.test_on_batch):
        for beta in (1.0, 3.0):
            vae.objective.beta = beta
            vae.reset_metrics()
            logs = step(x, return_dict=True)
            assert logs["loss"] == pytest.approx(logs["reconstruction_loss"] + beta * logs["kl"], rel=1e-5)


def test_a_changed_objective_and_a_changed_beta_take_effect(make_vae, x):
    vae = make_vae()
    vae.compile(keras.optimizers.SGD(0.0), jit_compile=False)

    def loss_over_reconstruction():
        logs = vae.fit(x, verbose=0).history
        return (logs["loss"][0] - logs["reconstruction_loss"][0]) / logs["kl"][0]

    assert loss_over_reconstruction() == pytest.approx(1, rel=1e-4)
    vae.objective.beta = 3.0
    assert loss_over_reconstruction() == pytest.approx(3, rel=1e-4)
    vae.objective = kv.objectives.ELBO(beta=0.5)
    assert loss_over_reconstruction() == pytest.approx(0.5, rel=1e-4)


def test_freezing_a_part_takes_effect_without_compiling_again(vae, x):
    vae.fit(x, verbose=0)
    vae.decoder.trainable = False
    before = [w.copy() for w in vae.decoder.get_weights()], [w.copy() for w in vae.encoder.get_weights()]
    vae.fit(x, verbose=0)
    for old, new in zip(before[0], vae.decoder.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert any(np.any(old != new) for old, new in zip(before[1], vae.encoder.get_weights(), strict=True))


def test_compiling_again_takes_effect(make_vae, x):
    vae = make_vae()
    vae.compile(keras.optimizers.SGD(0.1), jit_compile=False)
    vae.fit(x, verbose=0)
    vae.compile(keras.optimizers.SGD(0.0), jit_compile=False)
    before = [w.copy() for w in vae.get_weights()]
    vae.fit(x, verbose=0)
    kernels = [(a, b) for a, b in zip(before, vae.get_weights(), strict=True) if np.ndim(a) == 2]
    assert len(kernels) == 2
    for old, new in kernels:
        np.testing.assert_array_equal(old, new)


def test_validation_freq_validates_after_the_epochs_named(unchanged, x):
    validated = []

    def note(epoch, logs):
        if "val_loss" in logs:
            validated.append(epoch + 1)

    keep = keras.callbacks.LambdaCallback(on_epoch_end=note)
    for freq, expected in ((2, [2, 4]), ([1], [1])):
        validated.clear()
        options = {"validation_data": x, "validation_freq": freq, "callbacks": [keep]}
        history = unchanged.fit(x, epochs=4, verbose=0, **options).history
        assert validated == expected
        assert len(history["val_loss"]) == len(expected)


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        ("x", {"class_weight": {0: 1.0}}, "Give each example a `sample_weight`. Received: class_weight"),
        ("data set", {"sample_weight": np.ones(100)}, "`y` and `sample_weight` go with arrays"),
        ("data set", {"validation_split": 0.1}, "`validation_split` divides arrays only"),
        ("x", {"validation_split": 1.0}, "`validation_split` must be a fraction"),
        ("x", {"sample_weight": np.ones(99)}, "must have the same length"),
        ("x", {"sample_weight": np.ones([100, 3])}, r"a weight for each example, .* Received: shape \(100, 3\)"),
        ("x", {"sample_weight": -np.ones(100)}, "finite, and none below 0.* Received: -1 in row 0"),
        ("x", {"y": {"a": np.ones(100)}}, "`y` must be one array. Received: y of type dict"),
        (
            "x",
            {"y": np.zeros([100, 4, 4, 1])},
            "makes no use of `y`.*NegativeLogLikelihood. Received: y with the shape",
        ),
        ("x", {"y": np.zeros(100)}, r"leave it out, or make a keras_vae.ConditionalVAE.*Received: y of shape \(100,\)"),
        ("endless", {}, "An endless data set needs `steps_per_epoch`"),
        ("empty", {}, "The data must hold one batch or more"),
    ],
)
def test_what_does_not_suit_the_data_is_refused(unchanged, x, data, options, message):
    whole = tf.data.Dataset.from_tensor_slices(x).batch(32)
    data = {"x": x, "data set": whole, "endless": whole.repeat(), "empty": whole.take(0)}[data]
    with pytest.raises(ValueError, match=message):
        unchanged.fit(data, verbose=0, **options)


def test_other_dictionaries_are_refused_with_what_is_taken(unchanged, x):
    both = {"x": x, "c": x}
    sets = (tf.data.Dataset.from_tensor_slices(parts).batch(32) for parts in (both, (both, x[:, 0])))
    for data in (both, (both, x[:, 0]), *sets):
        with pytest.raises(ValueError, match=r'\{"image": x, "label": y\}.* Received: a dictionary of \'x\', \'c\''):
            unchanged.fit(data, verbose=0)


@pytest.mark.parametrize("data", [None, "x"])
def test_what_is_neither_array_nor_batches_is_refused(unchanged, data):
    with pytest.raises(TypeError, match=f"must be an array, a tf.data.Dataset.*Received: {type(data).__name__}"):
        unchanged.fit(data, verbose=0)


def test_a_second_training_by_steps_goes_on_with_new_orders(make_vae, x):
    vae = make_vae()
    vae.compile(keras.optimizers.SGD(0.0), jit_compile=False)
    vae.objective.beta = 0.0

    def losses(steps):
        vae.step.assign(0)
        options = {"batch_size": 25, "epochs": 1, "verbose": 0}
        return [vae.fit(x, steps_per_epoch=count, **options).history["loss"][0] for count in steps]

    assert np.mean(losses([4, 4])) == pytest.approx(losses([8])[0], rel=1e-5)


def test_a_training_that_was_stopped_does_not_cut_a_later_evaluation(unchanged, x):
    stop = keras.callbacks.EarlyStopping("loss", patience=0, min_delta=1e9)
    unchanged.fit(x, epochs=9, callbacks=[stop], verbose=0)
    stream = tf.data.Dataset.from_tensor_slices(x).filter(lambda _: True).batch(1)  # 100 steps, a number not known
    expected = unchanged.evaluate(x, verbose=0, return_dict=True)
    assert unchanged.evaluate(stream, verbose=0, return_dict=True) == pytest.approx(expected, rel=1e-5)


def test_a_generator_that_ends_early_ends_the_training_with_a_warning(unchanged, x):
    ended = []
    callback = keras.callbacks.LambdaCallback(on_train_end=lambda logs: ended.append(True))
    with pytest.warns(UserWarning, match="The data ended before epoch 1"):
        history = unchanged.fit((x[i : i + 50] for i in (0, 50)), epochs=3, verbose=0, callbacks=[callback]).history
    assert len(history["loss"]) == 1
    assert ended == [True]


def test_a_generator_for_several_validations_is_refused_before_the_first_step(unchanged, x):
    step = int(unchanged.step)
    for options in ({"epochs": 2}, {"epochs": 4, "validation_freq": 2}):
        with pytest.raises(ValueError, match="A generator can be read once: .* Received: .* for 2 validations"):
            unchanged.fit(x, validation_data=(part for part in (x[:50], x[50:])), verbose=0, **options)
    assert int(unchanged.step) == step


@pytest.mark.parametrize("options", [{"epochs": 1}, {"epochs": 2, "validation_freq": [2]}], ids=str)
def test_a_generator_serves_one_validation(unchanged, x, options):
    history = unchanged.fit(x, validation_data=(part for part in (x[:50], x[50:])), verbose=0, **options).history
    assert history["val_loss"] == [pytest.approx(unchanged.evaluate(x, verbose=0)[0], rel=1e-6)]


def test_validations_go_on_in_a_generator_and_one_that_ends_early_leaves_the_training_with_a_warning(unchanged, x):
    parts = (x[i : i + 10] for i in range(0, 50, 10))
    options = {"epochs": 4, "validation_data": parts, "validation_steps": 2, "verbose": 0}
    with pytest.warns(UserWarning, match="data to evaluate on ended after [01] of 2 steps") as warned:
        losses = unchanged.fit(x, **options).history["val_loss"]
    assert sum("data to evaluate on" in str(warning.message) for warning in warned) == 2
    assert losses == [pytest.approx(unchanged.evaluate(x[i:j], verbose=0)[0]) for i, j in ((0, 20), (20, 40), (40, 50))]


class Fails(Images):
    def __getitem__(self, i):
        if i == 2:
            raise KeyError("my own")
        return super().__getitem__(i)


@pytest.mark.parametrize("method", ["fit", "evaluate", "predict"])
@pytest.mark.parametrize("form", ["generator", "PyDataset"])
def test_what_a_user_s_own_code_raises_is_what_the_user_sees(unchanged, x, form, method):
    data = Fails(x)
    batches = (data[i] for i in range(4)) if form == "generator" else data
    with pytest.raises(KeyError, match="my own") as caught:
        getattr(unchanged, method)(batches, verbose=0)
    assert caught.traceback[-1].name == "__getitem__"


@pytest.mark.parametrize("form", ["array", "data set", "PyDataset"])
def test_validation_steps_are_the_same_batches_each_epoch(unchanged, x, form):
    data = {"array": x, "data set": tf.data.Dataset.from_tensor_slices(x).batch(32), "PyDataset": Images(x)}[form]
    losses = unchanged.fit(x, epochs=3, validation_data=data, validation_steps=2, verbose=0).history["val_loss"]
    assert losses == [pytest.approx(unchanged.evaluate(x[:64], verbose=0)[0], rel=1e-6)] * 3
    assert unchanged.evaluate(data, steps=9, verbose=0) == pytest.approx(unchanged.evaluate(x, verbose=0), rel=1e-6)


@pytest.mark.parametrize("name", ["steps_per_epoch", "validation_steps", "validation_freq"])
def test_no_steps_are_refused(unchanged, x, name):
    with pytest.raises(ValueError, match="must be 1 or more"):
        unchanged.fit(x, validation_data=x, verbose=0, **{name: 0})


class ReportsLossOnly(kv.VAE):
    def train_step(self, data):
        return {"loss": super().train_step(data)["loss"]}


class ReadsNumbers(kv.VAE):
    def train_step(self, data):
        logs = super().train_step(data)
        self.seen = logs["loss"].numpy()
        return logs


def test_a_train_step_may_report_less(trained, x, shuffled):
    assert_same(trained((x,), cls=ReportsLossOnly, batch_size=32), shuffled)


def test_an_eager_train_step_is_not_traced(trained, x, shuffled):
    assert_same(trained((x,), cls=ReadsNumbers, batch_size=32, run_eagerly=True), shuffled)


def test_an_epoch_that_a_batch_callback_stops_is_validated(unchanged, x):
    def stop(batch, logs):
        unchanged.stop_training = True

    callback = keras.callbacks.LambdaCallback(on_train_batch_end=stop)
    history = unchanged.fit(x, epochs=3, validation_data=x, callbacks=[callback], verbose=0).history
    assert len(history["val_loss"]) == len(history["loss"]) == 1


def test_x_itself_may_stand_as_y(trained, x, shuffled):
    """As Keras' autoencoders are trained."""
    assert_same(trained((x, x), batch_size=32), shuffled)


def test_weights_of_entries_weigh_their_log_likelihood(unchanged, x):
    weight = np.random.default_rng(1).random(x.shape).astype("float32")
    logs = unchanged.evaluate(x, sample_weight=weight, verbose=0, return_dict=True)
    noise = kv.random.as_noise(unchanged.seed).of(kv.random.Stream.EVALUATION)
    draws = unchanged.draw(kv.protocols.Batch(tf.constant(x)), 1, noise)
    entries = unchanged.decode(draws.z[0]).distribution.log_prob(x)
    assert logs["reconstruction_loss"] == pytest.approx(-np.mean(np.sum(weight * entries, (1, 2, 3))), rel=1e-5)
    assert unchanged.fit(x, sample_weight=weight, verbose=0).history["loss"][0] == pytest.approx(logs["loss"], rel=0.05)
    ones = unchanged.evaluate(x, sample_weight=np.ones_like(weight), verbose=0)
    np.testing.assert_allclose(ones, unchanged.evaluate(x, verbose=0), rtol=1e-5)


def test_weights_of_entries_that_depend_on_each_other_are_refused():
    encoder = kv.models.make_encoder((3,), 2)
    decoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(9), kv.layers.MultivariateNormalTriL(3)])
    vae = kv.VAE(encoder, decoder, kv.priors.StandardNormal(2))
    vae.compile("sgd", jit_compile=False)
    with pytest.raises(ValueError, match="independent over its entries.* Received: MultivariateNormalTriL"):
        vae.fit(np.zeros([8, 3]), sample_weight=np.ones([8, 3]), verbose=0)


@pytest.mark.parametrize("owner", [kv.layers.KLDivergenceRegularizer, kv.layers.KLDivergenceAddLoss])
def test_an_encoder_that_adds_the_kl_too_is_refused(make_vae, owner):
    parts, kl = make_vae(), owner(tfd.MultivariateNormalDiag(tf.zeros(2), tf.ones(2)))
    last = [kv.layers.MultivariateNormalDiag(2, activity_regularizer=kl)]
    if owner is kv.layers.KLDivergenceAddLoss:
        last = [kv.layers.MultivariateNormalDiag(2), kl]
    encoder = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Flatten(), keras.layers.Dense(4), *last])
    with pytest.raises(ValueError, match="has two owners: .* adds it to the loss, and so does the objective, ELBO"):
        kv.VAE(encoder, parts.decoder, parts.prior)
