"""benchmarks/manifold_dimension.py: its table; and, slowly, one small training."""

import pytest

from benchmarks import manifold_dimension


def test_a_row_has_a_number_for_each_seed(capsys, monkeypatch):
    monkeypatch.setattr(manifold_dimension, "measure", lambda dimension, seed, *rest: (str(seed), "12", "1.00"))
    manifold_dimension.main(dimensions=(3,), seeds=(4, 5))
    assert capsys.readouterr().out.splitlines() == [
        "| r | found | active | gamma / sigma |",
        "| --- | --- | --- | --- |",
        "| 3 | 4, 5 | 12, 12 | 1.00, 1.00 |",
    ]


@pytest.mark.slow
def test_a_line_with_a_little_noise_has_one_dimension():
    found, _, ratio = manifold_dimension.measure(
        1, seed=0, sigma=0.1, num_examples=2000, epochs=200, learning_rate=0.003
    )
    assert found == "1"
    assert float(ratio) < 1.5
