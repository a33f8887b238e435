"""Files of settings that are wrong, or made to take all time and memory."""

import io
import time

import pytest

from keras_vae.cli.config import Config, parse_config
from keras_vae.likelihoods import LIKELIHOODS

LAUGHS = "a: &a [x, x]\n" + "".join(
    f"{b}: &{b} [*{a}, *{a}]\n" for a, b in zip("abcdefghij", "bcdefghijk", strict=True)
)
MERGES = "a: &a {x: 1}\n" + "".join(f"{b}: &{b} {{<<: [*{a}, *{a}]}}\n" for a, b in zip("abcd", "bcde", strict=True))


def settings(tmp_path, text):
    path = tmp_path / "settings.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return parse_config(["--config", str(path)])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (LAUGHS, r"no use for aliases: write the value out. Received: \*a in .*settings.yaml"),
        (MERGES, r"no use for aliases: write the value out. Received: \*a in "),
        ("[" * 5_000, "more than 10 deep. Received: .*settings.yaml"),
        ("a: " * 3 + "1", "--config takes a YAML or JSON file"),
        (b"data: \xff\xfe", "--config takes a YAML or JSON file"),
        ("training: {batch_size: true}", "`batch_size` must be a number. Received: batch_size=True"),
        ("training: {learning_rate: yes}", "`learning_rate` must be a number. Received: learning_rate=True"),
        ("training: {epochs: 2.5}", "`training.epochs` must be a whole number. Received: training.epochs=2.5"),
        ("model: {hidden: [4, x]}", "`model.hidden` must be a list of whole numbers. Received: .*'x'"),
        ("model: {batch_norm: 1}", "`model.batch_norm` must be true or false. Received: model.batch_norm=1"),
        ("model: {hidden: 400}", "`model.hidden` must be a list of whole numbers. Received: model.hidden=400"),
        ("model: {hiden: [4]}", "There is no such setting; --help lists those there are. Received: 'hiden'"),
        ("training: {seed: " + 5_000 * "9" + "}", "--config takes a YAML or JSON file"),
        ("training: {learning_rate: " + 400 * "9" + "}", "`learning_rate` must be positive"),
        ("model: 3", "`model` must be a section of settings. Received: model=3"),
        ("run: {name: 2024}", "`run.name` must be a text. Received: run.name=2024"),
        ("model: {likelihood: cauchy}", f"must be one of {', '.join(LIKELIHOODS)}. Received: .*'cauchy'"),
        (
            "model: {latent_dim: 3}\nloss: {}\nmodel: {hidden: [4]}",
            "Received: 'model' 2 times in the section of line 1",
        ),
        ("loss: {}\nmodel:\n  hidden: [4]\n  hidden: [4]", "Received: 'hidden' 2 times in the section of line 3"),
        ('{"model": {"sigma": 1, "sigma": 2}}', "must stand once in its section, .* Received: 'sigma' 2 times"),
        ("loss: {objective: mse}", "`loss.objective` must be one of elbo, iwae. Received: loss.objective='mse'"),
    ],
    ids=range(21),
)
def test_a_file_that_cannot_be_used_is_refused_at_once_in_a_short_sentence(tmp_path, text, message):
    start = time.perf_counter()
    with pytest.raises(ValueError, match=message) as error:
        settings(tmp_path, text)
    assert time.perf_counter() - start < 5
    assert len(str(error.value)) < 1_000


def test_values_that_share_their_parts_are_not_printed_whole():
    """Of 2^60 entries, as from a caller who read the aliases."""
    value = ["x"]
    for _ in range(60):
        value = [value, value]
    for values in ({"model": {"latent_dim": value}}, {"model": {"likelihood": value}}, value):
        with pytest.raises(ValueError, match="configuration") as error:
            Config.from_dict(values)
        assert len(str(error.value)) < 1_000


def test_whole_numbers_are_taken_where_numbers_are_expected(tmp_path):
    config = settings(tmp_path, "training: {learning_rate: 1}\nloss: {beta: 2}")
    assert (config.training.learning_rate, config.loss.beta) == (1.0, 2.0)
    assert isinstance(config.training.learning_rate, float)


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
@pytest.mark.parametrize("flags", [["--likelihood", "cauchy"], ["--epochs", "many"], ["--epochz", "3"]])
def test_the_error_of_a_flag_is_a_sentence_without_a_frame_on_every_terminal(monkeypatch, flags, encoding):
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(io.BytesIO(), encoding=encoding))
    with pytest.raises(ValueError, match=flags[0].strip("-")) as error:
        parse_config(flags)
    assert str(error.value).isascii()
    assert "---" not in str(error.value)


def test_a_flag_with_an_unknown_name_lists_the_choices():
    with pytest.raises(ValueError, match="bernoulli.*soft-bernoulli"):
        parse_config(["--likelihood", "cauchy"])
