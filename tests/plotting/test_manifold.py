"""The figure of a latent plane, in bounded memory."""

from keras_vae.plotting import run_figures


def test_the_manifold_is_decoded_row_by_row(make_vae):
    vae, sizes = make_vae(), []
    decode = vae.decode
    vae.decode = lambda z: sizes.append(len(z)) or decode(z)
    run_figures._manifold(vae, high=1.0)
    assert sizes == [20] * 20
