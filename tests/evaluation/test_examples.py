"""The door of the evaluations: which example is refused, and data of other forms."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae import evaluation
from keras_vae.evaluation import importance_sampling

X = np.ones([20, 4, 4, 1], "float32")
WITH_GREY = X.copy()
WITH_GREY[17, 2, 0, 0] = 0.5

EVALUATIONS = {
    "evaluate": lambda vae, data: evaluation.evaluate(vae, data, batch_size=6),
    "decompose": lambda vae, data: evaluation.decompose(vae, data, batch_size=6),
    "log_marginal": lambda vae, data: evaluation.log_marginal(vae, data, num_samples=100),
    "annealed": lambda vae, data: evaluation.annealed_log_marginal(vae, data, 2, 1, num_leapfrog_steps=1, batch_size=6),
    "optimize_posterior": lambda vae, data: evaluation.optimize_posterior(vae, data, num_steps=1, batch_size=6),
    "inference_gap": lambda vae, data: evaluation.inference_gap(vae, data, num_samples=2, num_steps=1, batch_size=6),
    "overlap": lambda vae, data: evaluation.overlap(vae, data, batch_size=6),
}
every_evaluation = pytest.mark.parametrize("evaluate", EVALUATIONS.values(), ids=EVALUATIONS)


def stream_of(x):
    return tf.data.Dataset.from_tensor_slices(x)


@pytest.fixture(autouse=True)
def _batches_of_ten_examples_in_log_marginal(monkeypatch):
    """With 100 samples, 50 at a time, also where there is a GPU."""
    monkeypatch.setattr(importance_sampling, "_ROWS_AT_ONCE_ON_GPU", 500)


@pytest.fixture(scope="module")
def vae(make_vae):
    vae = make_vae()
    vae.compile(jit_compile=False)
    return vae


@every_evaluation
def test_the_error_names_the_row_of_the_array_before_any_batch_is_scored(vae, evaluate, monkeypatch):
    monkeypatch.setattr(vae, "compiled_function", lambda key, make: pytest.fail)
    with pytest.raises(ValueError, match="^The Bernoulli likelihood scores .* such as 0.5 in row 17$"):
        evaluate(vae, WITH_GREY)


@every_evaluation
def test_the_error_names_batch_and_row_of_a_stream(vae, evaluate):
    first_row, row = (10, 7) if evaluate is EVALUATIONS["log_marginal"] else (12, 5)
    message = f"In the batch that begins with row {first_row} of the data: .* such as 0.5 in row {row}$"
    with pytest.raises(ValueError, match=message):
        evaluate(vae, stream_of(WITH_GREY))


class InBatches(keras.utils.PyDataset):
    def __len__(self):
        return 2

    def __getitem__(self, index):
        return X[:5]


OTHER_FORMS = {
    "PyDataset": (InBatches, "InBatches"),
    "generator": (lambda: (X[:5] for _ in range(2)), "generator"),
    "text": (lambda: "mnist", "str"),
    "number": (lambda: tf.constant(3.0), "EagerTensor"),
    "nothing": (lambda: None, "NoneType"),
}


@pytest.mark.parametrize("form", OTHER_FORMS)
@every_evaluation
def test_data_that_is_neither_array_nor_single_examples_is_refused_by_its_form(vae, evaluate, form):
    make, name = OTHER_FORMS[form]
    message = f"join the x of batches into one array with np.concatenate. Received: .*{name}"
    with pytest.raises(TypeError, match=message):
        evaluate(vae, make())


def test_a_data_set_of_batches_is_scored_as_the_error_says(vae):
    batched = stream_of(X).batch(5)
    with pytest.raises(ValueError, match=r"must give single examples here: apply `unbatch\(\)`.*Received: elem"):
        evaluation.evaluate(vae, batched)
    single = batched.unbatch().apply(tf.data.experimental.assert_cardinality(20))
    assert evaluation.evaluate(vae, single) == evaluation.evaluate(vae, X)


@pytest.mark.parametrize("name", ["log_marginal", "annealed"])
def test_a_shorter_last_batch_is_scored_by_the_graph_of_the_others(vae, name, monkeypatch):
    graphs = []
    kept = vae.compiled_function
    monkeypatch.setattr(vae, "compiled_function", lambda key, make: graphs.append(kept(key, make)) or graphs[-1])
    x = (np.random.default_rng(0).random((20, 4, 4, 1)) < 0.5).astype("float32")
    whole, part = (EVALUATIONS[name](vae, x[:n]) for n in (20, 17))
    assert graphs[0] is graphs[1]
    assert graphs[0].experimental_get_tracing_count() == 1
    whole, part = (getattr(result, "estimate", result) for result in (whole, part))
    np.testing.assert_allclose(part.log_marginal, whole.log_marginal[:17], rtol=1e-6)


@pytest.mark.parametrize(
    "use",
    [*EVALUATIONS.values(), lambda vae, x: vae.elbo(x), lambda vae, x: vae.reconstruct(x)],
    ids=[*EVALUATIONS, "elbo", "reconstruct"],
)
def test_masked_entries_do_not_pass_for_data(vae, use):
    masked = np.ma.array(X, mask=WITH_GREY == 0.5)
    with pytest.raises(ValueError, match="Masked entries would be taken for data.* with 1 masked entries"):
        use(vae, masked)


def test_importance_weights_are_refused_for_a_proposal_that_is_not_known(vae):
    with pytest.raises(ValueError, match="`proposal` must be posterior or prior. Received: proposal='priors'"):
        evaluation.log_importance_weights(vae, X, 2, seed=0, proposal="priors")
