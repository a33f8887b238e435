"""What Keras' own methods take, ours take: by the same names, in the same order."""

import inspect
import re

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_vae as kv

LAYERS = [getattr(kv.layers, name) for name in kv.layers.__all__]
CLASSES = [
    (kv.VAE, keras.Model),
    (kv.priors.StandardNormal, keras.layers.Layer),
    (kv.losses.NegativeLogLikelihood, keras.losses.Loss),
    *((cls, keras.layers.Layer) for cls in LAYERS if isinstance(cls, type) and issubclass(cls, keras.layers.Layer)),
]


def overridden(cls, base):
    """Return the public methods of `base` that `cls` has another version of."""
    names = [name for name, function in inspect.getmembers(base, inspect.isroutine) if not name.startswith("_")]
    return [name for name in names if getattr(cls, name).__qualname__ != getattr(base, name).__qualname__]


@pytest.mark.parametrize(("cls", "base"), CLASSES, ids=lambda cls: cls.__name__)
def test_overridden_methods_take_the_arguments_of_keras_in_its_order(cls, base):
    assert overridden(cls, base)
    for name in overridden(cls, base):
        ours, theirs = (list(inspect.signature(getattr(c, name)).parameters.values()) for c in (cls, base))
        named = [p.name for p in theirs if p.kind is p.POSITIONAL_OR_KEYWORD]
        assert [p.name for p in ours][: len(named)] == named, name


def test_the_list_has_what_is_overridden():
    assert {"fit", "evaluate", "predict", "export", "compile", "build"} <= set(overridden(kv.VAE, keras.Model))
    assert "summary" not in overridden(kv.VAE, keras.Model)


def test_export_takes_the_arguments_of_keras(make_vae, tmp_path, capsys):
    vae = make_vae()
    folder = vae.export(str(tmp_path), format="tf_saved_model", verbose=True)
    assert str(folder) in capsys.readouterr().out
    with pytest.raises(ValueError, match="`vae.decoder.export` knows other formats. Received: format='onnx'"):
        vae.export(str(tmp_path), format="onnx")


@pytest.mark.parametrize("steps", [2, 5, 32])
def test_predict_takes_the_steps_asked_for(make_vae, binary_images, steps):
    vae = make_vae()
    vae.compile("sgd", jit_compile=False)
    data = tf.data.Dataset.from_tensor_slices(binary_images).batch(8).repeat()
    x = np.concatenate([binary_images] * 2)[: 8 * steps]
    np.testing.assert_allclose(vae.predict(data, steps=steps, verbose=0), vae(x), rtol=1e-5, atol=1e-6)
    assert vae.steps_per_execution == 32


def test_summary_names_the_parts(make_vae, capsys):
    vae = make_vae()
    vae.summary(line_length=200)
    printed = capsys.readouterr().out
    assert all(re.search(rf"\b{part.name}\b", printed) for part in (vae.encoder, vae.decoder, vae.prior))
    assert "Total params" in printed
