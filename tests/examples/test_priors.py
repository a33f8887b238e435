"""benchmarks/priors.py at small size."""

from benchmarks import priors


def test_each_prior_is_timed_beside_the_first(capsys):
    ratios = priors.main(("standard-normal", "mixture"), images=200, hidden=4, rounds=1)
    assert ratios["standard-normal"] == 1
    assert ratios["mixture"] > 0
    assert f"ratio {ratios['mixture']:.2f}" in capsys.readouterr().out
