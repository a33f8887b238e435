"""The examples at small size: what each of them is there to show, and the figure it writes."""

import math

import matplotlib.image
import numpy as np
import pytest

import keras_vae as kv
from benchmarks import missing_labels
from examples import (
    adversarial_autoencoder,
    bayesian_classifier,
    class_probabilities,
    denoising,
    gradient_variance,
    image_completion,
    missing_entries,
    mixed_columns,
    mixture_density_network,
    overlapping_latents,
    padded_sequences,
    prior_holes,
    probabilistic_layers_vae,
    probabilistic_regression,
    why_an_encoder,
    without_an_encoder,
)


@pytest.fixture
def figure(tmp_path):
    path = tmp_path / "figure.png"
    yield path
    image = matplotlib.image.imread(path)
    assert image.std() > 0.01  # something is drawn


@pytest.mark.parametrize("network", ["dense", pytest.param("conv", marks=pytest.mark.slow)])
def test_the_vae_codes_better_than_fair_coins_and_its_printed_terms_add_up(figure, network, capsys):
    sizes = {"network": network, "base_depth": 8, "batch_size": 32}
    numbers = probabilistic_layers_vae.main("digits", **sizes, epochs=2, figure=figure)
    assert numbers["negative ELBO"] < 64 * math.log(2) - 4
    assert numbers["negative ELBO"] == pytest.approx(numbers["reconstruction"] + numbers["KL"])
    assert numbers["reconstruction + 2 KL"] == pytest.approx(numbers["negative ELBO"] + numbers["KL"])
    assert f"negative ELBO          {numbers['negative ELBO']:8.2f} nats" in capsys.readouterr().out


def test_learned_noise_grows_with_x_and_predicts_better_than_fixed_noise(figure):
    cases = ("none", "aleatoric", "epistemic", "both")
    scores = probabilistic_regression.main(steps=300, num_draws=10, cases=cases, figure=figure)
    for case in ("aleatoric", "both"):
        assert scores[case]["right"] > 1.5 * scores[case]["left"]
        assert scores[case]["log-density"] > scores["none"]["log-density"] + 1
    assert scores["none"]["left"] == pytest.approx(1.0)  # the scale is fixed
    assert math.sqrt(scores["epistemic"]["right"] ** 2 - 1) > 0.05  # and the weights' spread comes on top


def test_the_gaussian_process_covers_new_points(figure):
    scores = probabilistic_regression.main(steps=60, cases=("functional",), figure=figure)
    assert scores["functional"]["coverage"] > 0.5


def test_a_mixture_predicts_several_answers_better_than_one_normal(figure):
    scores = mixture_density_network.main(epochs=15, n=1000, figure=figure)
    gain, standard_error = scores["gain"]
    assert gain > 4 * standard_error


def test_the_classifier_is_right_where_it_is_certain_and_draws_are_worse_than_their_mean(figure):
    numbers = bayesian_classifier.main(epochs=5, num_draws=10, figure=figure)
    assert numbers["accuracy"] > 0.5
    assert numbers["accuracy of the more certain half"] > numbers["accuracy"]
    assert numbers["log-likelihood"] > numbers["log-likelihood of one draw"]  # Jensen's inequality


def test_unbiased_gradients_of_a_discrete_z_have_no_bias_and_relaxed_ones_have(figure, capsys, monkeypatch):
    monkeypatch.setattr(kv.VAE, "_gains_from_xla", lambda vae: False)
    rows = gradient_variance.main(units=(4,), epochs=2, num_examples=10, repeats=100, figure=figure)
    relaxed = rows[4, "straight_through, 0.5"]
    for name in ("score_function", "disarm"):
        assert rows[4, name]["bias"] < 0.5 * relaxed["bias"], name
        assert rows[4, name]["variance"] > relaxed["variance"]
    assert f"{rows[4, 'disarm']['variance of one draw']:17.4f}" in capsys.readouterr().out


@pytest.mark.slow
def test_noise_in_training_helps_where_there_is_much_noise_and_costs_where_there_is_none(figure, capsys, monkeypatch):
    monkeypatch.setattr(kv.VAE, "_gains_from_xla", lambda vae: False)
    scores = denoising.main(latent_dim=10, rates=(0.5,), figure=figure)
    gain = scores["denoising"][0.5]["log p(clean x | z)"] - scores["plain"][0.5]["log p(clean x | z)"]
    assert gain > 2 * scores["plain"][0.5]["standard error"]
    assert scores["denoising"][0.0]["ELBO"] < scores["plain"][0.0]["ELBO"]
    assert f"{scores['denoising'][0.5]['wrong pixels']:15.2%}" in capsys.readouterr().out


@pytest.mark.slow
def test_a_vae_fills_in_hidden_entries_better_than_their_neighbours(capsys, monkeypatch):
    monkeypatch.setattr(kv.VAE, "_gains_from_xla", lambda vae: False)
    errors = missing_entries.main(rates=(0.5,), epochs=60, num_samples=100, seeds=(0,))
    assert errors[0.5, "VAE"][0] < errors[0.5, "10 nearest neighbours"][0] < errors[0.5, "column mean"][0]
    assert f"{errors[0.5, 'VAE'][0]:.3f}" in capsys.readouterr().out


@pytest.mark.slow
def test_a_vae_of_mixed_columns_beats_columns_that_do_not_depend_on_each_other(capsys):
    (row,) = mixed_columns.main(seeds=(1,))
    assert row["gain"] > 3 * row["standard error"]
    assert row["gain"] == pytest.approx(row["VAE"] - row["independent columns"])
    assert f"{row['VAE']:11.2f}" in capsys.readouterr().out


@pytest.mark.slow
def test_naive_monte_carlo_fails_as_the_latent_dimension_grows_and_does_not_report_it(figure, capsys):
    sizes = {"dimensions": 200, "num_samples": 100, "hidden": 64, "n": 2000, "epochs": 20, "num_examples": 50}
    scores = why_an_encoder.main(latent_dims=(1, 12), **sizes, figure=figure)
    naive, importance = scores[12]["prior"], scores[12]["posterior"]
    assert naive["absolute error"] > 10 * max(naive["reported standard error"], importance["absolute error"])
    assert (naive["bias"] + naive["absolute error"]) / 2 < 1  # mean nats above the truth: Markov's inequality
    assert naive["effective sample size"] < 2 < importance["effective sample size"]
    for of in scores[1].values():  # where both can be trusted
        assert of["absolute error"] < 2 * of["reported standard error"]
    assert f"{naive['absolute error']:19.3f}" in capsys.readouterr().out


@pytest.mark.slow
def test_steps_for_each_x_end_above_the_encoder_and_take_longer(capsys):
    rows = without_an_encoder.main(latent_dim=3, epochs=5, num_examples=20, num_steps=(200,))
    encoder, zeros = rows["encoder", 0], rows["zeros", 200]
    assert zeros["ELBO"] > encoder["ELBO"] + 0.1
    assert abs(zeros["ELBO"] - rows["encoder", 200]["ELBO"]) < 0.5  # both find the same posterior
    assert f"{zeros['ELBO']:13.2f} {zeros['milliseconds']:25.3f}" in capsys.readouterr().out


@pytest.mark.slow
def test_the_weight_of_the_kl_pushes_posteriors_together(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(kv.VAE, "_gains_from_xla", lambda vae: False)
    sizes = {"latent_dims": (2,), "hidden": 32, "epochs": 3, "num_images": 50, "figures": tmp_path}
    scores = overlapping_latents.main(betas=(0.0, 10.0), **sizes)
    loose, tight = scores[2, 0.0], scores[2, 10.0]
    assert loose["mean coefficient"] < 0.5 < 0.9 < tight["mean coefficient"]
    assert loose["kl"] > 1 > tight["kl"]
    assert (tmp_path / "2_dimensions_beta_10_bubbles.png").is_file()
    assert f"{tight['mean coefficient']:.4f}" in capsys.readouterr().out


@pytest.mark.slow
def test_each_remedy_of_a_hole_is_scored_beside_the_plain_model(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(kv.VAE, "_gains_from_xla", lambda vae: False)  # compiling takes longer than these trainings
    sizes = {"latent_dim": 2, "hidden": 8, "epochs": 1, "fit_epochs": 1, "num_components": 10, "num_samples": 5}
    sizes["classifier_steps"] = 20
    scores = prior_holes.main("digits", **sizes, remedies=("MAF", "VampPrior from the start"), figures=tmp_path)
    assert scores["standard normal"]["gain of the ELBO"] == 0
    assert set(scores) == {"standard normal", "MAF", "VampPrior from the start"}
    for name, score in scores.items():
        assert score["KL at least"] <= score["KL at most"], name
        assert score["verdict"] in ("hole", "none", "cannot tell")
    assert (tmp_path / "MAF_holes.png").is_file()
    assert "VampPrior from the start" in capsys.readouterr().out


def test_completions_are_scored_on_the_pixels_that_are_not_known(figure):
    known = [image_completion.known_pixels(8, 8, number).sum() for number in (1, 2, 3)]
    assert known == [16, 32, 48]
    scores = image_completion.main(quarters=(3,), latent_dim=5, hidden=50, epochs=10, num_samples=50, figure=figure)
    values = scores[3]
    assert all(value.mean < 16 * math.log(2) for value in values.values())
    error = 4 * (values["prior"].standard_error + values["posterior"].standard_error)
    assert values["posterior"].mean <= values["prior"].mean + error  # both are upper bounds of the same number


@pytest.mark.slow
def test_the_discriminator_leaves_less_to_tell_and_no_bound(figure):
    scores = adversarial_autoencoder.main(weight=20.0, epochs=60, classifier_steps=300, figure=figure)
    vae, adversarial = scores["VAE"], scores["adversarial autoencoder"]
    assert adversarial["ELBO"] < vae["ELBO"]
    assert adversarial["log p(x), 200 samples"] < vae["log p(x), 200 samples"]


def test_probabilities_are_calibrated_where_their_bins_say_so(figure):
    log_probs = np.log([[0.75, 0.25], [0.75, 0.25], [0.75, 0.25], [0.75, 0.25]])
    assert class_probabilities.calibration(log_probs, np.array([0, 0, 0, 1]))[3] == pytest.approx(0)
    assert class_probabilities.calibration(log_probs, np.array([1, 1, 1, 1]))[3] == pytest.approx(0.75)
    scores = class_probabilities.main(epochs=8, num_samples=5, figure=figure)
    for values in scores.values():
        assert values["accuracy"] > 0.8
        assert values["nats"] < math.log(10)


def test_padding_is_left_out_of_log_p_of_a_word():
    vae = padded_sequences.make_vae(latent_dim=2, units=4, seed=0)
    x = padded_sequences.as_arrays(["cab", "cabs"])
    z = np.zeros([1, 2, 2], "float32")
    by_letter = np.asarray(vae.decode(z[0]).distribution.logits)
    log_probs = by_letter - np.log(np.exp(by_letter).sum(axis=-1, keepdims=True))
    for found, word in zip(vae.log_likelihood(x, z)[0], ("cab.", "cabs."), strict=True):
        numbers = [padded_sequences.ALPHABET.index(letter) for letter in word]
        assert float(found) == pytest.approx(sum(log_probs[0, t, 0, k] for t, k in enumerate(numbers)), rel=1e-4)
    assert padded_sequences.as_word(np.nan_to_num(x[1])) == "cabs"
    other = np.where(np.isnan(x), 5.0, x)  # letters in the place of the padding change the posterior
    assert not np.allclose(vae.encode(x).mean(), vae.encode(other).mean())


@pytest.mark.slow
def test_words_are_shorter_than_independent_letters():
    bits = padded_sequences.main(epochs=60, num_samples=100)
    assert bits["VAE"] < bits["independent letters"] - 0.2


@pytest.mark.slow
def test_each_method_learns_from_few_labels():
    accuracies = missing_labels.main("digits", num_labels=(100,), seeds=(0,), epochs=20)
    assert set(accuracies) == {(name, 100) for name in missing_labels.METHODS}
    assert all(values[0] > 0.5 for (name, _), values in accuracies.items() if name != "M1 + M2")
