"""What too few examples do not say is not said."""

import numpy as np
import pytest

from keras_vae.evaluation import decompose, diagnose


@pytest.fixture(scope="module")
def vae(make_vae):
    return make_vae()


@pytest.mark.parametrize("num_examples", [1, 2, 49])
def test_few_images_are_no_posterior_collapse(vae, num_examples):
    report = diagnose(vae, np.ones([num_examples, 4, 4, 1]))
    (finding,) = report.findings
    assert finding.name == "few-examples"
    assert finding.sentence.startswith(
        f"Whether z depends on x, and whether the prior fits, cannot be told with N={num_examples} examples"
    )
    assert report.prior_fit is None


def test_one_example_bounds_nothing_from_one_side(vae):
    parts = decompose(vae, np.ones([1, 4, 4, 1]))
    assert parts.mutual_information_lower.mean == 0
    assert (parts.mutual_information_upper.mean, parts.marginal_kl_lower.mean) == (np.inf, -np.inf)
    assert np.isfinite(parts.marginal_kl_upper.mean)
