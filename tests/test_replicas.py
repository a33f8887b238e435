"""What replicas know of each other: trivial on one device, and summing up to the whole batch on two."""

import numpy as np
import pytest
import tensorflow as tf

from keras_vae import random, replicas

EPS = np.finfo("float32").eps
VALUES = np.array([1.0, -2.0, 0.5, 4.0, 3.0, 0.25, 8.0], "float32")
WEIGHTS = np.array([1.0, 0.0, 2.0, 0.5, 1.0, 3.0, 0.25], "float32")


@pytest.fixture(scope="module")
def two_replicas(strategy):
    """Return what replicas of 5 and 2 rows compute: {"eager" | "graph": {name: [first, second]}}."""

    def distribute(x):
        parts = [tf.constant(x[:5]), tf.constant(x[5:])]
        return strategy.experimental_distribute_values_from_function(lambda c: parts[c.replica_id_in_sync_group])

    def step(v, w):
        first_row = replicas.first_row(tf.shape(v)[0])
        return {
            "num_replicas": tf.constant(replicas.num_replicas()),
            "sum": replicas.sum_over_replicas(tf.reduce_sum(v)),
            "first_row": first_row,
            "mean": replicas.batch_mean(v),
            "weighted_mean": replicas.batch_mean(v, w),
            "mean_of_no_weight": replicas.batch_mean(v, tf.zeros_like(w)),
            "noise": random.normal([tf.shape(v)[0], 3], 1, first_row),
        }

    result = {}
    for kind, run in (("eager", strategy.run), ("graph", tf.function(strategy.run))):
        per_replica = run(step, args=(distribute(VALUES), distribute(WEIGHTS)))
        result[kind] = {
            name: [part.numpy() for part in strategy.experimental_local_results(value)]
            for name, value in per_replica.items()
        }
    return result


def test_without_a_strategy_there_is_one_replica_whose_rows_begin_at_zero():
    assert replicas.num_replicas() == 1
    assert replicas.first_row(7) == 0
    assert replicas.first_row(tf.constant(7)).dtype == tf.int32
    np.testing.assert_array_equal(replicas.sum_over_replicas(tf.constant(VALUES)), VALUES)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_without_a_strategy_the_mean_is_that_of_numpy(jit_compile):
    mean = tf.function(replicas.batch_mean, jit_compile=jit_compile)
    tolerance = {"rtol": 8 * EPS, "atol": 8 * EPS * np.abs(VALUES).max()}
    for function in (replicas.batch_mean, mean):
        np.testing.assert_allclose(function(tf.constant(VALUES)), VALUES.mean(), **tolerance)
        weighted = function(tf.constant(VALUES), tf.constant(WEIGHTS))
        np.testing.assert_allclose(weighted, np.average(VALUES, weights=WEIGHTS), **tolerance)


def test_an_example_of_weight_two_counts_as_two_and_one_of_weight_zero_as_none():
    once = replicas.batch_mean(tf.constant([1.0, 4.0, 4.0]))
    np.testing.assert_allclose(replicas.batch_mean(tf.constant([1.0, 4.0, 9.0]), [1, 2, 0]), once, rtol=4 * EPS)


def test_the_mean_of_no_weight_is_zero_and_so_is_its_gradient():
    values = tf.constant(VALUES)
    with tf.GradientTape() as tape:
        tape.watch(values)
        mean = replicas.batch_mean(values, tf.zeros_like(values))
    assert mean == 0
    np.testing.assert_array_equal(tape.gradient(mean, values), np.zeros(7))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_mean_keeps_the_dtype_of_the_values(dtype):
    assert replicas.batch_mean(tf.constant(VALUES, dtype), WEIGHTS.astype("float64")).dtype == dtype


# Two replicas.


@pytest.mark.parametrize("kind", ["eager", "graph"])
def test_every_replica_knows_how_many_there_are(two_replicas, kind):
    assert two_replicas[kind]["num_replicas"] == [2, 2]


def test_outside_of_a_step_there_is_one_replica(strategy):
    with strategy.scope():
        assert replicas.num_replicas() == 1


@pytest.mark.parametrize("kind", ["eager", "graph"])
def test_every_replica_has_the_sum_over_all(two_replicas, kind):
    assert two_replicas[kind]["sum"] == [VALUES.sum()] * 2


@pytest.mark.parametrize("kind", ["eager", "graph"])
def test_rows_of_a_replica_begin_where_those_before_it_end(two_replicas, kind):
    assert two_replicas[kind]["first_row"] == [0, 5]


@pytest.mark.parametrize("kind", ["eager", "graph"])
@pytest.mark.parametrize(
    ("name", "weights"), [("mean", np.ones(7)), ("weighted_mean", WEIGHTS), ("mean_of_no_weight", None)]
)
def test_the_parts_of_the_mean_add_up_to_that_of_the_global_batch(two_replicas, kind, name, weights):
    parts = two_replicas[kind][name]
    expected = 0.0 if weights is None else np.average(VALUES, weights=weights)
    np.testing.assert_allclose(sum(parts), expected, rtol=8 * EPS, atol=8 * EPS * np.abs(VALUES).max())
    if weights is not None:
        first = (weights * VALUES)[:5].sum() / weights.sum()
        np.testing.assert_allclose(parts[0], first, rtol=8 * EPS, atol=8 * EPS * np.abs(VALUES).max())


@pytest.mark.parametrize("kind", ["eager", "graph"])
def test_replicas_draw_the_noise_that_one_device_draws_for_the_global_batch(two_replicas, kind):
    noise = np.concatenate(two_replicas[kind]["noise"])
    np.testing.assert_allclose(noise, random.normal([7, 3], 1), rtol=8 * EPS, atol=8 * EPS)
