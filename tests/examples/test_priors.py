"""benchmarks/priors.py at small size."""

import keras_vae as kv
from benchmarks import priors


def test_each_prior_is_timed_beside_the_first(capsys, monkeypatch):
    monkeypatch.setattr(kv.VAE, "_gains_from_xla", lambda vae: False)  # compiling takes longer than these trainings
    ratios = priors.main(("standard-normal", "mixture"), images=200, hidden=4, rounds=1)
    assert ratios["standard-normal"] == 1
    assert ratios["mixture"] > 0
    assert f"ratio {ratios['mixture']:.2f}" in capsys.readouterr().out
