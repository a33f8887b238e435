"""`python -m keras_vae train`: train a VAE on images and leave a decoder ready to serve.

`saved_models/README.md` says what a run leaves behind.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

import keras_vae as kv
from keras_vae.cli.config import Config, parse_config
from keras_vae.cli.interrupts import Interrupts
from keras_vae.cli.run_folder import describe_device, environment, save_figures
from keras_vae.cli.run_status import RunFolder, new_run_folder, tidy
from keras_vae.cli.runs import (
    divergence,
    doubts,
    learning_rate,
    likelihood,
    load_data,
    network,
    num_classes,
    objective,
    posterior,
    prior,
)
from keras_vae.cli.terminal import one_line, plus_minus, run_command, say
from keras_vae.protocols import as_batch
from keras_vae.saving.atomic import replaced, write_json

__all__ = ["fit", "main", "make_vae", "num_epochs", "run", "steps_per_epoch", "test_scores"]

_MIN_EPOCHS, _MIN_STEPS = 20, 5_000
_IMAGES_OF_MEAN = 10_000


def make_vae(config: Config, data: kv.data.ImageData, epochs: int) -> kv.VAE:
    """Return the compiled model, after a check that its likelihood can score the data."""
    options, steps = config.model, steps_per_epoch(config, data)
    conditional: dict[str, Any] = {"num_classes": num_classes(data)} if options.condition else {}
    vae = (kv.ConditionalVAE if conditional else kv.VAE).for_images(
        data.event_shape,
        options.latent_dim,
        likelihood=likelihood(options, data.pixels.num_values),
        network=network(options),
        posterior=posterior(options),
        prior=prior(options, data.train),
        num_levels=data.pixels.num_values,
        dequantized_levels=data.pixels.num_levels if isinstance(data.pixels, kv.data.Dequantize) else 1,
        objective=objective(config, steps),
        seed=config.training.seed,
        **conditional,
    )
    vae.check(data.train.head(config.training.batch_size))
    if options.output_bias == "data_mean":
        images = min(data.train.num_examples, _IMAGES_OF_MEAN)
        kv.networks.set_output_mean(vae.decoder, _some_images(config, data, images))
    if isinstance(vae.prior, kv.priors.VampPrior):
        vae.prior.set_pseudo_inputs(_some_images(config, data, vae.prior.num_components))
    rate = learning_rate(config.training, epochs * steps)
    vae.compile(
        keras.optimizers.Adam(rate, epsilon=config.training.epsilon),
        jit_compile={"auto": "auto", "on": True, "off": False}[config.training.jit_compile],
        steps_per_execution=max(config.training.steps_per_execution, 1),
    )
    return vae


def _some_images(config: Config, data: kv.data.ImageData, num_images: int) -> tf.Tensor:
    """Return training images drawn at random: a file may be sorted."""
    return as_batch(next(iter(data.train.training_batches(num_images, config.training.seed).epoch(0)))).x


def steps_per_epoch(config: Config, data: kv.data.ImageData) -> int:
    """Return the number of batches that hold the training images."""
    return data.train.training_batches(config.training.batch_size, config.training.seed).steps_per_epoch


def num_epochs(config: Config, data: kv.data.ImageData) -> int:
    """Return how often to go through the training images."""
    return config.training.epochs or max(_MIN_EPOCHS, -(-_MIN_STEPS // steps_per_epoch(config, data)))


def fit(config: Config, vae: kv.VAE, data: kv.data.ImageData, epochs: int, log_dir: Path) -> dict[str, Any]:
    """Train until the end, Ctrl-C or a loss that is not finite; return how it went."""
    options = config.training
    batches = data.train.training_batches(options.batch_size, options.seed)
    validation = data.validation and data.validation.evaluation_batches(options.batch_size, options.seed)
    guard = kv.training.StopOnNonFinite()
    throughput = kv.training.Throughput(data.train.num_examples)
    bar = kv.training.ProgressBar()
    callbacks = [guard, throughput, bar, keras.callbacks.TensorBoard(log_dir, write_graph=False)]
    status = "finished"
    try:
        kv.training.train(
            vae,
            batches,
            epochs,
            validation_data=validation,
            callbacks=callbacks,
            verbose=0,
            steps_per_execution=options.steps_per_execution or None,
        )
    except KeyboardInterrupt:
        if not int(vae.step):
            raise
        status = "interrupted"
    bar.close()
    if guard.message:
        status = f"stopped: {guard.message}; {'the last' if guard.restored else 'no'} good weights are kept"
    return {
        "status": status,
        "training_images_per_second": throughput.examples_per_second(),
        "training_seconds": sum(throughput.seconds),
    }


def test_scores(config: Config, vae: kv.VAE, test: kv.data.Split) -> dict[str, Any]:
    """Return log p(x), the ELBO and its parts on the test images; `python -m keras_vae evaluate` tells more."""
    given = vae.given_zeros()
    exact_kl = kv.objectives.has_closed_form_kl(vae.encode(test.head(1), **given), vae.prior_distribution(**given))
    estimates = kv.evaluation.evaluate(vae, test, num_samples=10, seed=config.training.seed)
    if vae.is_normalized:
        importance = kv.evaluation.log_marginal(vae, test, num_samples=100, seed=config.training.seed)
        estimates["log_marginal"] = kv.evaluation.estimate(importance.log_marginal)
    return {
        "test": {name: estimate._asdict() for name, estimate in estimates.items()},
        "test_images": test.num_examples,
        "kl_estimator": "closed form" if exact_kl else "Monte Carlo",
    }


def run(config: Config) -> int:
    """Train, save, evaluate and draw; a step that fails does not keep the next from being taken.

    Returns:
        The exit code: 0; 1 if the loss stopped being finite or a step failed; 128 + the signal that ended the training.
    """
    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)
    keras.utils.set_random_seed(config.training.seed)
    keras.config.set_dtype_policy(config.training.precision)
    data = load_data(config)
    epochs = num_epochs(config, data)
    vae = make_vae(config, data, epochs)
    for sentence in [*tidy(config.run.output_dir), *doubts(vae, data)]:
        say(sentence)
    stem = f"{Path(config.data.dataset).stem}-{config.model.likelihood}"
    with Interrupts() as interrupts:
        folder = RunFolder(new_run_folder(config.run.output_dir, config.run.name, stem))
        results = _train(config, vae, data, epochs, folder, interrupts)
        # First, before anything that may fail, and not to be interrupted.
        with folder.step("saving the model"), replaced(folder.path / "model.keras") as hidden:
            vae.save(hidden)
        with folder.step("writing metrics.json"):
            write_json(folder.path / "metrics.json", results)
        with folder.step("exporting the decoder"), interrupts.allowed():
            kv.saving.export_decoder(vae, folder.path / "decoder")
        _report(config, vae, data, results, folder, interrupts)
        folder.write_status("nothing more", results["status"])
    whole = results["status"] in ("finished", "interrupted") and not folder.failures
    failed = f" These steps failed: {', '.join(folder.failures)}." if folder.failures else ""
    say(f"Saved in {folder.path}" if whole else f"Saved in {folder.path}. Training {results['status']}.{failed}")
    return interrupts.exit_code() or int(not whole)


def _train(
    config: Config, vae: kv.VAE, data: kv.data.ImageData, epochs: int, folder: RunFolder, interrupts: Interrupts
) -> dict[str, Any]:
    """Train and return how it went: a training that fails is one that ends early, if it took a step at all."""
    folder.write_status("training")
    try:
        write_json(folder.path / "config.json", config.to_dict())
        write_json(folder.path / "environment.json", {**environment(), "data": data.fingerprint()})
        say(f"Training on {describe_device()}: {data}")
        with interrupts.allowed(also_earlier=True):
            results = fit(config, vae, data, epochs, folder.path / "logs")
    except (Exception, KeyboardInterrupt) as error:
        if not int(vae.step):
            shutil.rmtree(folder.path, ignore_errors=True)
            raise
        results = {"status": "interrupted" if isinstance(error, KeyboardInterrupt) else f"failed: {one_line(error)}"}
    return {**results, "units": vae.metric_units, "history": vae.history.history}


def _report(
    config: Config,
    vae: kv.VAE,
    data: kv.data.ImageData,
    results: dict[str, Any],
    folder: RunFolder,
    interrupts: Interrupts,
) -> None:
    """Score the test images, which adds to `results`, and draw."""
    for sentence in divergence(results["history"]):
        say(sentence)
    say(f"Training {results['status']}. Evaluating on the test images ...")
    with folder.step("evaluating on the test images"), interrupts.allowed():
        results |= test_scores(config, vae, data.test)
        for name, estimate in results["test"].items():
            say(f"  test {name:21s} {estimate['mean']:10.4f}{plus_minus(estimate['standard_error'])}")
        write_json(folder.path / "metrics.json", results)
    with folder.step("drawing the figures"), interrupts.allowed():
        figures = kv.plotting.report(vae, data.test, results["history"], config.training.seed)
        save_figures(folder.path / "figures", figures)


def main(arguments: list[str], prog: str = "python -m keras_vae train") -> int:
    """Run with the given flags and return the exit code; it is 2, after one line, for what the user can mend."""
    return run_command(prog, lambda: run(parse_config(arguments, prog)))
