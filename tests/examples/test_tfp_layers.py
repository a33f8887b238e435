"""The table of tfp.layers: complete, its cells able to fail, its page counting them."""

import keras
import pytest
import tensorflow_probability as tfp

from benchmarks import tfp_layers
from keras_vae import layers


@pytest.fixture(scope="module")
def stack():
    return tfp_layers.user_code(layers, keras)


def test_every_name_of_tfp_layers_is_in_the_table():
    assert set(tfp_layers.CASES) == {*tfp.layers._allowed_symbols, "VariationalGaussianProcess"}


@pytest.mark.parametrize("name", ["KLDivergenceAddLoss", "DenseReparameterization"])
def test_the_cells_of_a_name(stack, name, tmp_path):
    case, path = tfp_layers.CASES[name], tmp_path / name
    assert tfp_layers.loads_safely(case, stack, path) == "fails: not saved"
    assert tfp_layers.saves(case, stack, path) == "ok"
    assert tfp_layers.loads_safely(case, stack, path) == "ok"
    assert tfp_layers.trains(case, stack, path) == "ok"
    assert tfp_layers.right_kl(case, stack, path) == "1.00 / 1.00"


def test_a_wrong_kl_is_told_by_its_factor(stack, tmp_path):
    def layers_with_twice_the_kl(k):
        add_loss = k.tfpl.KLDivergenceAddLoss(k.prior, use_exact_kl=True, weight=2.0)
        return [k.keras.layers.Dense(2 * tfp_layers.EVENT), k.tfpl.IndependentNormal(tfp_layers.EVENT), add_loss]

    case = tfp_layers.Case(layers_with_twice_the_kl, kl=tfp_layers.batch_mean_kl)
    assert tfp_layers.right_kl(case, stack, tmp_path) == "2.00 / 2.00"


def test_a_model_that_does_not_train_fails_its_cell(stack, tmp_path):
    def exact_from_the_start(k):
        return [k.keras.layers.Dense(tfp_layers.EVENT, kernel_initializer="zeros", bias_initializer="ones")]

    case = tfp_layers.Case(exact_from_the_start, y=(1.0,) * tfp_layers.EVENT, loss="mse")
    with pytest.raises(ArithmeticError, match="No weight has moved"):
        tfp_layers.trains(case, stack, tmp_path)


def test_the_page_counts_cells_and_names_causes():
    good, bad = ["ok", ""], ["fails: ValueError", "It is broken. Received: a"]
    cells = dict.fromkeys(tfp_layers.COLUMNS, good)
    table = {
        "A": cells | {"KL / right KL": ["1.00 / 1.00", ""]},
        "B": cells | {"trains": bad, "KL / right KL": ["2.00 / 8.00", ""]},
        "C": cells | {"KL / right KL": ["not applicable", ""]},
    }
    page = tfp_layers.page({"stack": table})
    assert "| stack | 3 of 3 | 2 of 3 | 3 of 3 | 3 of 3 | 3 of 3 | 3 of 3 | 1 of 2 |" in page
    assert "| ValueError | `It is broken.` | trains | 1 |" in page


@pytest.mark.slow
def test_all_stacks_run_in_processes_of_their_own(tmp_path):
    out = tmp_path / "new" / "page.md"
    tfp_layers.main(out, ("BlockwiseInitializer", "KLDivergenceRegularizer"))
    page = out.read_text()
    assert "2.00 / 2.00" in page
    assert "| keras_vae on Keras 3 | 2 of 2 | 2 of 2 | 2 of 2 | 2 of 2 | 2 of 2 | 2 of 2 | 1 of 1 |" in page
