import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import distributions as tfd

import keras_vae as kv

ALONE = """
import sys
import numpy as np
import tensorflow as tf
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("keras_vae", "keras", "tf_keras", "tensorflow_probability"):
            raise ImportError(f"{name} must not be needed")
sys.meta_path.insert(0, Refuse())
assert not {"keras_vae", "tf_keras", "tensorflow_probability"} & set(sys.modules)
for folder in sys.argv[1:]:
    model, given, answers = tf.saved_model.load(folder), np.load(folder + "/given.npz"), {}
    for name, signature in model.signatures.items():
        wanted = signature.structured_input_signature[1]
        arguments = {key: tf.constant(given[key]) for key in wanted}
        answers |= {f"{name}/{key}": value.numpy() for key, value in signature(**arguments).items()}
    np.savez(folder + "/answers.npz", **answers)
"""


@pytest.fixture(scope="module")
def served(make_vae, tmp_path_factory):
    """Return for a whole model and two decoders: the model, what is given, what its signatures answer, and its folder.

    They answer in one process with TensorFlow alone.
    """
    z = kv.random.normal([7, 3], seed=0).numpy()
    rng, path = np.random.default_rng(0), tmp_path_factory.mktemp("served")
    given = {
        "vae": {
            "x": rng.integers(0, 2, (5, 4, 4, 1)).astype("float32"),
            "z": z[:, :2],
            "seed": np.array([0, 9], "int32"),
            "num_samples": np.int32(6),
        },
        "mlp": {"z": z},
        "conv": {"z": z},
    }
    vaes, folders = {"vae": make_vae()}, {}
    folders["vae"] = vaes["vae"].export(path / "vae")
    for network in ("mlp", "conv"):
        vae = kv.VAE.for_images((6, 5, 1), 3, "categorical", network, hidden=(4,), num_levels=4, seed=0)
        folders[network] = kv.saving.export_decoder(vae, path / network)
        assert folders[network] == path / network / "1"
        vaes[network] = vae
    for name, folder in folders.items():
        np.savez(folder / "given.npz", **given[name])
    script = [sys.executable, "-c", ALONE, *map(str, folders.values())]
    run = subprocess.run(script, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-2000:]
    return {name: (vaes[name], given[name], np.load(folders[name] / "answers.npz"), folders[name]) for name in folders}


def test_every_signature_answers_as_the_model_does_in_a_process_with_tensorflow_alone(served):
    vae, given, answers, _ = served["vae"]
    x, z = given["x"], given["z"]
    p_x, q_z = vae.decode(z), vae.encode(x)
    expected = {
        "decode/logits": p_x.distribution.logits,
        "decode/mean": p_x.mean(),
        "serving_default/logits": p_x.distribution.logits,
        "serving_default/mean": p_x.mean(),
        "encode/loc": q_z.loc,
        "encode/scale_diag": q_z.stddev(),
        "encode/mean": q_z.mean(),
        "reconstruct/mean": vae.reconstruct(x),
        "elbo/elbo": vae.elbo(x, seed=9),
    }
    assert set(answers) == {*expected, "sample/x"}
    for name, value in expected.items():
        np.testing.assert_allclose(answers[name], value, rtol=1e-5, atol=1e-6, err_msg=name)
    np.testing.assert_array_equal(answers["sample/x"], vae.sample(6, seed=9))


@pytest.fixture(scope="module")
def loaded(served):
    """The whole model's signatures, loaded."""
    return tf.saved_model.load(served["vae"][-1]).signatures


@pytest.mark.parametrize("value", [0.3, -1.0, 255.0, np.nan])
@pytest.mark.parametrize("name", ["encode", "reconstruct", "elbo"])
def test_exported_functions_refuse_x_outside_the_support(served, loaded, name, value):
    given = served["vae"][1]
    x = given["x"].copy()
    x[3, 0, 0, 0] = value
    seed = {"seed": tf.constant(given["seed"])} if name == "elbo" else {}
    with pytest.raises(
        tf.errors.InvalidArgumentError, match=r"The Bernoulli likelihood scores \{0, 1\}: pass binarize=dynamic"
    ):
        loaded[name](x=tf.constant(x), **seed)


@pytest.mark.parametrize("network", ["mlp", "conv"])
def test_exported_decoder_gives_the_likelihoods_parameters(network, served):
    vae, given, answers, _ = served[network]
    assert set(answers) == {f"{name}/{key}" for name in ("decode", "serving_default") for key in ("logits", "mean")}
    logits = vae.decode(given["z"]).distribution.logits
    np.testing.assert_allclose(answers["decode/logits"], logits, rtol=1e-5, atol=1e-6)


def test_exported_decoder_holds_the_decoders_weights_once(make_vae, tmp_path):
    vae = make_vae()
    folder = kv.saving.export_decoder(vae, tmp_path / "decoder")
    saved = sum(
        np.prod(shape) for _, shape in tf.train.list_variables(str(folder / "variables" / "variables")) if shape
    )
    assert saved == vae.decoder.count_params()


def test_each_export_is_a_new_version(make_vae, tmp_path):
    vae = make_vae()
    folders = [kv.saving.export_decoder(vae, tmp_path / "decoder") for _ in range(2)]
    assert [folder.name for folder in folders] == ["1", "2"]
    assert all((folder / "saved_model.pb").exists() for folder in folders)


def test_parameters_are_the_tensors_the_distribution_was_made_of():
    distribution = tfd.Independent(tfd.Bernoulli(logits=tf.constant([1.0, 2.0])), 1)
    assert {name: value.numpy().tolist() for name, value in kv.saving.parameters(distribution).items()} == {
        "logits": [1.0, 2.0]
    }


def test_parameters_given_as_numbers_are_exported_too():
    distribution = tfd.Independent(tfd.Normal(tf.zeros([3]), 0.5), 1)
    assert {name: value.numpy().tolist() for name, value in kv.saving.parameters(distribution).items()} == {
        "loc": [0.0, 0.0, 0.0],
        "scale": 0.5,
    }


@pytest.mark.parametrize(
    ("layer", "size", "shapes"),
    [
        (kv.layers.MultivariateNormalTriL(2), 5, {"loc": (3, 2), "scale_tril": (3, 2, 2)}),
        (kv.layers.AutoregressiveFlow(2, 4), 8, {"base_loc": (3, 2), "base_scale_diag": (3, 2), "context": (3, 4)}),
        (kv.layers.OneHotCategorical(4), 4, {"logits": (3, 4)}),
        (kv.layers.RelaxedOneHotCategorical(4, 0.5), 4, {"logits": (3, 4), "temperature": ()}),
        (kv.layers.QuantizedLogistic((2, 2)), 8, {"loc": (3, 2, 2), "scale": (3, 2, 2)}),
        (
            kv.layers.MixtureQuantizedLogistic((2, 2), 5),
            60,
            dict.fromkeys(("mixture_logits", "components_loc", "components_scale"), (3, 2, 2, 5)),
        ),
        (
            kv.layers.MixtureNormal(5, 2),
            25,
            {"mixture_logits": (3, 5), "components_loc": (3, 5, 2), "components_scale": (3, 5, 2)},
        ),
        (
            kv.layers.CategoricalMixtureOfOneHotCategorical(4, 2),
            10,
            {"mixture_logits": (3, 2), "components_logits": (3, 2, 4)},
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_parameters_of_a_layers_output_have_names_and_shapes(layer, size, shapes):
    params = kv.saving.parameters(layer(tf.zeros([3, size])))
    assert {name: tuple(value.shape) for name, value in params.items()} == shapes


def test_parameters_of_nested_mixtures_have_names_of_their_own():
    mixture = kv.layers.MixtureSameFamily(2, kv.layers.MixtureNormal(3))
    names = set(kv.saving.parameters(mixture(tf.zeros([1, 20]))))
    assert names == {f"components_{name}" for name in ("mixture_logits", "components_loc", "components_scale")} | {
        "mixture_logits"
    }


def test_an_unbuilt_model_is_refused(make_vae, tmp_path):
    vae = kv.VAE(
        keras.Sequential([kv.layers.MultivariateNormalDiag(2)]), make_vae().decoder, kv.priors.StandardNormal(2)
    )
    with pytest.raises(ValueError, match="Only a built model can be exported"):
        vae.export(tmp_path)
