"""Words letter by letter: sequences of different lengths, whose padding is left out of log p(x|z).

x is a word as numbers of its letters and a sign for its end, [T, 1], padded with NaN. The encoder, a recurrent network,
is told which letters are there and ignores the others; the likelihood scores the letters and the end, and no padding:
`keras_vae.layers.MissingIndicator` is all that it takes. So log p(x) is that of the word itself, and words of
different lengths compare in bits per letter. The words are those of NumPy's docstrings.

    python examples/padded_sequences.py

It takes two minutes.

References:
    Bowman et al. (2016), "Generating Sentences from a Continuous Space", Sec. 3 (of sentences, with an autoregressive
    decoder: here the letters are independent given z).
"""

from __future__ import annotations

import math
import os
import re
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the package need not be installed

import keras
import numpy as np

import keras_vae as kv
from keras_vae import layers

ALPHABET = ".abcdefghijklmnopqrstuvwxyz"  # number 0 is the end of a word
LENGTH = 12  # with the end


def words() -> list[str]:
    """Return the words of three to eleven letters in the docstrings of NumPy's functions."""
    text = " ".join(getattr(getattr(np, name), "__doc__", None) or "" for name in dir(np))
    return sorted({word for word in re.findall(r"[a-z]+", text.lower()) if 3 <= len(word) < LENGTH})


def as_arrays(chosen: list[str]) -> np.ndarray:
    """Return the numbers of the letters, NaN after the end of a word, [N, T, 1].

    Example:

    >>> as_arrays(["cab"])[0, :5, 0].tolist()
    [3.0, 1.0, 2.0, 0.0, nan]
    """
    x = np.full([len(chosen), LENGTH, 1], np.nan, "float32")
    for row, word in zip(x, chosen, strict=True):
        row[: len(word) + 1, 0] = [ALPHABET.index(letter) for letter in f"{word}."]
    return x


def as_word(row: np.ndarray) -> str:
    """Return the letters before the first end."""
    return "".join(ALPHABET[int(number)] for number in row[:, 0]).split(".")[0]


def make_vae(latent_dim: int, units: int, seed: int) -> kv.VAE:
    """Return the VAE: its encoder reads the letters that are there, in both directions, and passes over the padding."""
    keras.utils.set_random_seed(seed)
    x = keras.Input((LENGTH, 1))
    letters = layers.MissingIndicator()(x)  # [B, T, 2]: a letter's number, 0 for padding; and whether it is there
    embedded = keras.layers.Embedding(len(ALPHABET), 16)(letters[..., 0])
    state = keras.layers.Bidirectional(keras.layers.GRU(units))(embedded, mask=letters[..., 1] > 0)
    gaussian = layers.MultivariateNormalDiag
    encoder = keras.Model(x, gaussian(latent_dim)(keras.layers.Dense(gaussian.params_size(latent_dim))(state)))
    decoder = keras.Sequential(
        [
            keras.Input((latent_dim,)),
            keras.layers.RepeatVector(LENGTH),
            keras.layers.GRU(2 * units, return_sequences=True),
            keras.layers.Dense(len(ALPHABET)),
            keras.layers.Flatten(),
            layers.IndependentCategorical((LENGTH, 1), num_levels=len(ALPHABET)),
        ]
    )
    return kv.VAE(encoder, decoder, kv.priors.StandardNormal(latent_dim), seed=seed)


def independent_letters(x: np.ndarray, x_test: np.ndarray) -> np.ndarray:
    """Return log p(x) of test words, [N], whose letters are independent: frequencies at each position, one added."""
    log_prob = np.zeros(len(x_test))
    for t in range(LENGTH):
        seen = x[:, t, 0][~np.isnan(x[:, t, 0])].astype(int)
        counts = np.bincount(seen, minlength=len(ALPHABET)) + 1
        there = ~np.isnan(x_test[:, t, 0])
        log_prob[there] += np.log(counts / counts.sum())[x_test[there, t, 0].astype(int)]
    return log_prob


def main(
    latent_dim: int = 16, units: int = 64, epochs: int = 150, num_samples: int = 500, seed: int = 0
) -> dict[str, float]:
    """Print bits per letter of words that were not trained on, and words that the model makes up.

    Args:
        latent_dim: The number of dimensions of z.
        units: The units of the recurrent encoder in each direction; the decoder has twice as many.
        epochs: How many epochs the training takes at most; it stops where the ELBO of validation words is best.
        num_samples: How many importance samples log p(x) takes.
        seed: The seed of the split and of the training.

    Returns:
        The bits per letter (and end of a word) of the test words.
    """
    chosen = words()
    order = np.random.default_rng(seed).permutation(len(chosen))
    x = as_arrays([chosen[i] for i in order])
    test, validation, train = np.split(x, [len(x) // 5, len(x) * 3 // 10])
    vae = make_vae(latent_dim, units, seed)
    vae.compile(keras.optimizers.Adam(3e-3))
    stop = keras.callbacks.EarlyStopping("val_elbo", mode="max", patience=15, restore_best_weights=True)
    vae.fit(train, batch_size=64, epochs=epochs, validation_data=validation, callbacks=[stop], verbose=0)
    letters = np.sum(~np.isnan(test))
    log_probs = {
        "independent letters": independent_letters(train, test),
        "VAE": vae.log_marginal(test, num_samples, seed)[0],
    }
    bits = {name: float(-values.sum() / letters / math.log(2)) for name, values in log_probs.items()}
    print(f"{len(train)} training words, {len(test)} test words of {letters / len(test):.1f} letters with the end")
    for name, value in bits.items():
        print(f"{name:20}{value:8.3f} bits per letter")
    print("Test words and their reconstructions:")
    reconstructed = vae.decode(vae.encode(test[:8]).mean()).mode().numpy()
    print("  " + ", ".join(f"{as_word(np.nan_to_num(a))} -> {as_word(b)}" for a, b in zip(test, reconstructed)))  # noqa: B905
    print("Made up: " + ", ".join(as_word(row) for row in vae.sample(12, seed).numpy()))
    return bits


if __name__ == "__main__":
    import tyro

    tyro.cli(main)
