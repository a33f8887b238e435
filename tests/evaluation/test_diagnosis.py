"""Each fault of a latent space is named, with parts that mend it."""

import dataclasses

import numpy as np
import pytest

from keras_vae.evaluation import diagnose
from keras_vae.objectives import Objective
from tests.reference import linear_gaussian


@pytest.fixture(scope="module")
def x():
    return linear_gaussian().vae(np.zeros((5, 2)), np.zeros(2), np.ones(2)).sample(1_000, seed=0).numpy()


def diagnose_posterior(x, loc_weight, loc_bias):
    """Of a model whose posterior is N(x loc_weight + loc_bias, I)."""
    return diagnose(linear_gaussian().vae(np.array(loc_weight, float), np.array(loc_bias, float), np.ones(2)), x)


def test_a_posterior_that_ignores_x_is_collapse(x):
    report = diagnose_posterior(x, np.zeros((5, 2)), [0, 0])
    assert [finding.name for finding in report.findings] == ["posterior-collapse"]
    assert str(report).startswith("Posterior collapse: no dimension of z depends on x.")
    assert all(isinstance(remedy, Objective) for remedy in report.findings[0].remedies)


def test_one_dead_dimension_is_counted(x):
    report = diagnose_posterior(x, np.eye(5, 2) * [1, 0], [0, 0])
    assert report.findings[0].name == "inactive-units"
    assert report.findings[0].sentence.startswith("1 of 2 dimensions of z do not depend on x")


def test_a_posterior_far_from_the_prior_is_a_hole_of_known_size(x):
    report = diagnose_posterior(x, np.zeros((5, 2)), [5, 0])
    assert [finding.name for finding in report.findings] == ["posterior-collapse", "prior-hole"]
    bounds = report.parts.marginal_kl_lower, report.parts.marginal_kl_upper
    for bound in bounds:
        assert bound.mean == pytest.approx(12.5, abs=4 * bound.standard_error)
    assert "between {:.2f} and {:.2f} nats".format(*(bound.mean for bound in bounds)) in report.findings[1].sentence


def test_a_report_says_the_same_each_time(x):
    first, second = (diagnose_posterior(x, np.eye(5, 2), [0, 0]) for _ in range(2))
    assert str(first) == str(second)
    np.testing.assert_equal(dataclasses.asdict(first.prior_fit), dataclasses.asdict(second.prior_fit))
