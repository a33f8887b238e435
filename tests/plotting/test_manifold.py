"""The figure of a latent plane, in bounded memory."""

import numpy as np
from scipy import stats

import keras_vae as kv
from keras_vae.plotting import run_figures


def test_the_manifold_is_decoded_row_by_row(make_vae):
    vae, sizes = make_vae(), []
    decode = vae.decode
    vae.decode = lambda z: sizes.append(len(z)) or decode(z)
    run_figures._manifold(vae, high=1.0)
    assert sizes == [20] * 20


def test_the_manifold_spans_the_quantiles_of_a_learned_prior(make_vae):
    vae, seen = make_vae(), []
    vae = vae.with_prior(kv.priors.MixtureOfNormals(2, num_components=1))
    loc, scale = np.array([5.0, -3.0]), np.array([2.0, 0.5])
    vae.prior.set_weights([np.zeros(1), loc[None], np.log(scale)[None]])
    decode = vae.decode
    vae.decode = lambda z: seen.append(z) or decode(z)
    run_figures._manifold(vae, high=1.0)
    z = np.concatenate(seen)
    # The standard error of the 2.5 % quantile of 10,000 normal draws is 0.027 standard deviations.
    for extreme, sign in ((z.min(axis=0), -1), (z.max(axis=0), 1)):
        np.testing.assert_allclose((extreme - loc) / scale, sign * stats.norm.ppf(0.975), atol=4 * 0.027)
