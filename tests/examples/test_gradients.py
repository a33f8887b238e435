"""benchmarks/gradients.py at small size."""

import keras_vae as kv
from benchmarks import gradients
from keras_vae.objectives import ELBO


def test_each_gradient_is_timed_beside_the_gaussian_vae(capsys, monkeypatch):
    monkeypatch.setattr(kv.VAE, "_gains_from_xla", lambda vae: False)  # compiling takes longer than these trainings
    monkeypatch.setattr(gradients, "OBJECTIVES", {"straight_through": ELBO(gradient="straight_through")})
    ratios = gradients.main(units=4, enumerated=2, images=200, rounds=1)
    assert set(ratios) == {"Gaussian, pathwise", "straight_through", "enumeration"}
    assert ratios["Gaussian, pathwise"] == 1
    assert f"ratio {ratios['enumeration']:.2f}" in capsys.readouterr().out
