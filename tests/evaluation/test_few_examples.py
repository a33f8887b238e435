"""What too few examples do not say is not said."""

import numpy as np
import pytest

from keras_vae.evaluation import Decomposition, Estimate, decompose, diagnose


@pytest.fixture(scope="module")
def vae(make_vae):
    return make_vae()


def parts_of(num_examples, information, marginal_kl, variance=1.0):
    estimates = (Estimate(value, 0.1) for value in (1.0, information, marginal_kl))
    return Decomposition(*estimates, np.full(2, variance), np.zeros(2), num_examples)


@pytest.mark.parametrize("num_examples", [1, 2])
def test_few_images_are_no_posterior_collapse(vae, num_examples):
    (sentence,) = diagnose(decompose(vae, np.ones([num_examples, 4, 4, 1])))
    assert sentence.startswith(
        f"Whether z depends on x, and whether the prior fits, cannot be told with N={num_examples} examples"
    )


def test_collapse_is_told_from_fifty_examples_on():
    assert "cannot be told with N=49" in diagnose(parts_of(49, 0.0, 0.0, variance=0.0))[0]
    assert diagnose(parts_of(50, 0.0, 0.0, variance=0.0))[0].startswith("Posterior collapse")


def test_a_misfit_of_the_prior_is_told_where_the_information_is_far_below_its_limit():
    (sentence,) = diagnose(parts_of(1_000, np.log(1_000) - 2, 9.0))
    assert sentence.startswith("The aggregate posterior is 9.0 nats from the prior")


def test_no_misfit_of_the_prior_is_told_where_the_information_reaches_its_limit():
    (sentence,) = diagnose(parts_of(1_000, np.log(1_000) - 0.01, 9.0))
    assert sentence.startswith("Whether the prior fits cannot be told with N=1,000 examples")
    assert "is 9.0 nats or less from the prior" in sentence
