"""Whatever fails, what was trained is kept: steps that fail, names that are taken, signals, readers that leave."""

import errno
import io
import json
import os
import platform
import signal
import subprocess
import sys
from pathlib import Path

import keras
import pytest

import keras_vae as kv
from keras_vae.cli import main, train
from keras_vae.cli.interrupts import Interrupts
from keras_vae.cli.run_status import RunFolder, new_run_folder, tidy
from keras_vae.cli.terminal import say

TINY = ["--hidden", "4", "--latent-dim", "2", "--epochs", "1"]
DISK_FULL = OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture
def parts(monkeypatch, tmp_path):
    """Replace what takes long in a run by functions that do next to nothing, and return them to be replaced again."""
    monkeypatch.chdir(tmp_path)
    parts = {
        "fit": lambda vae, folder: "finished",
        "keras_vae.cli.train.test_scores": lambda *args: {"test": {}},
        "keras_vae.plotting.report": lambda *args: {},
        "keras_vae.saving.export_decoder": lambda vae, path: path.mkdir(),
    }

    def fit(config, vae, data, epochs, log_dir):
        vae.history = keras.callbacks.History()
        vae.history.history = {"loss": [1.0]}
        vae.optimizer.build(vae.trainable_variables)
        vae.step.assign(1)
        return {"status": parts["fit"](vae, log_dir.parent)}

    monkeypatch.setattr(train, "fit", fit)
    for name in list(parts)[1:]:
        monkeypatch.setattr(name, lambda *args, name=name: parts[name](*args))
    return parts


def run(*flags):
    return train.main([*TINY, *flags])


def status_of(folder):
    return json.loads((Path(folder) / "status.json").read_text())


def failing(error):
    def fail(*args):
        raise error

    return fail


# Steps.


def test_the_folder_stands_under_its_name_and_says_what_is_done_from_the_first_step(parts):
    seen = []
    parts["fit"] = lambda vae, folder: seen.append((folder, status_of(folder))) or "finished"
    assert run("--name", "a") == 0
    ((folder, status),) = seen
    assert folder == Path("saved_models/a")
    assert (status["status"], status["doing"], status["process"]) == ("running", "training", os.getpid())
    assert (status_of(folder)["status"], status_of(folder)["failures"]) == ("finished", {})


STEPS = {
    "exporting the decoder": ("keras_vae.saving.export_decoder", DISK_FULL),
    "evaluating on the test images": ("keras_vae.cli.train.test_scores", RuntimeError("no memory")),
    "drawing the figures": ("keras_vae.plotting.report", KeyboardInterrupt()),
}


@pytest.mark.parametrize("step", STEPS)
def test_a_step_that_fails_is_told_and_the_model_and_the_other_steps_are_there(parts, step, capsys):
    name, error = STEPS[step]
    parts[name] = failing(error)
    assert run("--name", "a") == 1
    folder = Path("saved_models/a")
    status = status_of(folder)
    assert status["status"] == "finished"
    assert list(status["failures"]) == [step]
    assert (str(error) or type(error).__name__) in status["failures"][step]
    told = capsys.readouterr()
    assert f"This step failed: {step}." in told.err
    assert f"These steps failed: {step}." in told.out
    assert isinstance(keras.saving.load_model(folder / "model.keras"), kv.VAE)
    assert ("test" in json.loads((folder / "metrics.json").read_text())) == (step != "evaluating on the test images")
    assert (folder / "decoder").exists() == (step != "exporting the decoder")
    assert (folder / "figures").exists() == (step != "drawing the figures")


def test_a_model_that_cannot_be_saved_is_scored_all_the_same_and_leaves_no_half_of_a_file(parts, monkeypatch):
    def save(vae, path):
        Path(path).write_text("half")
        raise DISK_FULL

    monkeypatch.setattr(kv.VAE, "save", save)
    scored = []
    parts["keras_vae.cli.train.test_scores"] = lambda *args: scored.append(args) or {"test": {}}
    assert run("--name", "a") == 1
    assert list(Path("saved_models/a").glob("*model.keras")) == []
    assert list(status_of("saved_models/a")["failures"]) == ["saving the model"]
    assert len(scored) == 1


def test_a_training_that_fails_after_some_steps_is_saved_and_one_that_never_began_leaves_nothing(parts, capsys):
    parts["fit"] = failing(ValueError("row 3 of batch 7 is 255"))
    assert run("--name", "a") == 1
    assert status_of("saved_models/a")["status"] == "failed: row 3 of batch 7 is 255"
    assert Path("saved_models/a/model.keras").exists()

    def fit(vae, folder):
        vae.step.assign(0)
        raise ValueError("no batch")

    parts["fit"] = fit
    assert run("--name", "b") == 2
    assert capsys.readouterr().err.endswith("train: no batch\n")
    assert not Path("saved_models/b").exists()


# Names.


def test_a_run_whose_name_another_is_using_is_refused_and_the_other_goes_on(parts, capsys):
    codes = []

    def fit(vae, folder):
        parts["fit"] = lambda vae, folder: "finished"
        codes.append(run("--name", "a"))
        return "finished"

    parts["fit"] = fit
    assert run("--name", "a") == 0
    assert codes == [2]
    assert "exists already, and is never overwritten" in capsys.readouterr().err
    assert status_of("saved_models/a")["status"] == "finished"


def test_names_are_numbered_when_taken_and_taken_by_making_the_folder(tmp_path):
    for expected in ("a", "a-2", "a-3"):
        assert new_run_folder(tmp_path / "new", None, "a") == tmp_path / "new" / expected
    assert new_run_folder(tmp_path, "b[1] *?", "a").is_dir()


@pytest.mark.parametrize("name", ["..", ".", "", "a/b", "/a", "../a", 256 * "a"])
def test_what_is_not_the_name_of_one_folder_is_refused_and_nothing_is_made(tmp_path, name):
    with pytest.raises(
        ValueError, match=r"`name` must name one folder in at most 255 bytes, without a path\. Received: name="
    ):
        new_run_folder(tmp_path / "runs", name, "a")
    assert list(tmp_path.iterdir()) == []


# Signals.


@pytest.fixture
def handled():
    """Let the signals have handlers, as in a program of the foreground, and return these."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, signal.default_int_handler) for number in numbers}
    yield {number: signal.getsignal(number) for number in numbers}
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_interrupts_where_it_may_and_has_an_exit_code_of_its_own(handled, number, code):
    with Interrupts() as interrupts:
        signal.raise_signal(number)  # noted, and no more
        assert interrupts.received == number
        with pytest.raises(KeyboardInterrupt, match=f"{number.name} was received"), interrupts.allowed():
            signal.raise_signal(number)
    assert interrupts.exit_code() == code
    assert signal.getsignal(number) is handled[number]


def test_a_signal_that_the_process_was_told_to_ignore_stays_ignored(handled):
    """As `nohup` tells it."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with Interrupts() as interrupts, interrupts.allowed():
        signal.raise_signal(signal.SIGHUP)
    assert interrupts.received is None


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 143)])
def test_a_signal_while_the_model_is_saved_does_not_keep_it_from_being_saved(handled, parts, monkeypatch, number, code):
    save = kv.VAE.save

    def slow(vae, path):
        signal.raise_signal(number)
        save(vae, path)

    monkeypatch.setattr(kv.VAE, "save", slow)
    assert run("--name", "a") == code
    assert isinstance(keras.saving.load_model("saved_models/a/model.keras"), kv.VAE)
    assert status_of("saved_models/a")["failures"] == {}


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_before_the_first_step_ends_the_run_with_its_code_and_leaves_nothing(
    handled, parts, monkeypatch, capsys, number, code
):
    environment = train.environment
    monkeypatch.setattr(train, "environment", lambda: signal.raise_signal(number) or environment())
    assert run("--name", "a") == code
    assert list(Path("saved_models").iterdir()) == []
    assert capsys.readouterr().err.endswith(f"train: ended by {number.name}\n")


def test_a_signal_that_ends_a_later_step_is_named(handled, parts, capsys):
    parts["keras_vae.cli.train.test_scores"] = lambda *args: signal.raise_signal(signal.SIGTERM)
    assert run("--name", "a") == 143
    assert status_of("saved_models/a")["failures"] == {"evaluating on the test images": "SIGTERM was received"}
    assert "This step failed: evaluating on the test images. SIGTERM was received\n" in capsys.readouterr().err


def test_a_run_that_was_killed_is_told_by_the_next_with_what_it_has_and_its_halves_are_removed(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    killed, alive = (RunFolder(new_run_folder(tmp_path, name, "")) for name in ("killed", "alive"))
    for folder in (killed.path, alive.path):
        (folder / ".model.keras").write_text("half")
    (killed.path / "decoder" / f".export-{'a1' * 16}").mkdir(parents=True)
    killed.write_status("saving the model")
    (killed.path / "status.json").write_text(json.dumps({**status_of(killed.path), "process": process.pid}))
    (killed.path / ".notes.md").write_text("the user's own")
    for number, text in enumerate(["[]", "[" * 100_000, '{"doing": "", "status": "running", "host": 1, "process": 1}']):
        (tmp_path / f"other{number}").mkdir()
        (tmp_path / f"other{number}" / "status.json").write_text(text)

    (sentence,) = tidy(tmp_path)
    assert sentence == (
        f"The run in {killed.path} ended without notice. Its last step: saving the model. It has: "
        ".notes.md, decoder, status.json"
    )
    assert status_of(killed.path)["status"] == "killed: saving the model"
    assert list((killed.path / "decoder").iterdir()) == []
    assert (alive.path / ".model.keras").exists()
    assert status_of(alive.path)["host"] == platform.node()
    assert tidy(tmp_path) == []


# What is printed.


def test_a_reader_that_leaves_ends_nothing(monkeypatch, parts):
    """As in `train.py | head -1`."""
    end, other_end = os.pipe()
    os.close(end)
    with os.fdopen(other_end, "w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        for _ in range(2):
            say("nobody reads this")
        assert run("--name", "a") == 0


def test_a_line_that_the_terminal_cannot_show_is_printed_in_other_characters(monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    say("Saved in é")
    assert stream.buffer.getvalue() == b"Saved in \\xe9\n"
    monkeypatch.setattr(sys, "stdout", None)  # closed before Python began
    say("nobody")


def test_evaluate_prints_what_it_cannot_write(monkeypatch, tmp_path, capsys):
    summary = {"decomposition": {"kl_per_dimension": [1.0], "variance_of_means": [1.0]}}
    monkeypatch.setattr("keras_vae.cli.main.load_run", lambda run: (None, None, None))
    monkeypatch.setattr("keras_vae.cli.main.summarize", lambda *args, **kwargs: summary)
    monkeypatch.setattr("keras_vae.cli.main.format_summary", lambda summary: "the numbers")
    monkeypatch.setattr("keras_vae.cli.main.write_json", failing(PermissionError(errno.EACCES, "Permission denied")))
    assert main.main(["evaluate", str(tmp_path)]) == 1
    told = capsys.readouterr()
    assert told.out == "the numbers\n"
    assert told.err == f"These numbers could not be saved in {tmp_path}: [Errno 13] Permission denied\n"
