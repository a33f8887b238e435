"""Training throughput of one and the same VAE in several frameworks, in thousand images per second, on the CPU.

The model is the VAE 784-400-20-400-784: ReLU, Bernoulli likelihood from logits, diagonal Gaussian posterior, one
posterior draw, KL in closed form, Glorot initialisation, Adam with rate 1e-3. The images are synthetic: 20,000
binary images of 784 pixels with ten factors of variation and 13 % white pixels, float32, made by NumPy.

    matrix products  only the eleven matrix products of a step, in a TensorFlow graph without XLA
    keras_vae loop   keras_vae.training.train with its defaults
    keras_vae fit    VAE.compile and VAE.fit with their defaults
    Keras 3 fit      a plain Keras 3 VAE with its own train_step, defaults of compile and fit
    PyTorch eager    a plain loop over torch.randperm, without DataLoader, torch.optim.Adam
    pythae           its VAE under its BaseTrainer, of which one epoch of `train` is timed, progress bar included;
                     its decoder must give probabilities, and its loss is the cross-entropy of those
    NumPyro          SVI with TraceMeanField_ELBO, an epoch as one jitted fori_loop, as in NumPyro's VAE example

Images are shuffled each epoch (but for the matrix products). The last, partial batch is trained on by all but
the matrix products and NumPyro, as their loops go; the images really processed are counted.

Every contestant is a process of its own with the default threads of its framework, sleeps until it is told to run
one epoch, and times that epoch itself. A round is one epoch of each, in turn, so that all meet the same state of
the machine; the order is reversed every other round. Two rounds of warm-up, compilation included, are discarded.
The ratios are taken within a round; the table has the medians over rounds. The machine should be idle otherwise:
beside another busy process some frameworks lose far more than their share (PyTorch tenfold and more). The last
column, the mean training loss of the last epoch in nats per image, must agree between contestants within about
one per cent, for all have done the same number of epochs: it shows that the work is the same.

The other frameworks are optional: what is not installed is left out. To have them all:

    python -m venv bench_venv && bench_venv/bin/pip install -r requirements.txt torch jax numpyro
    bench_venv/bin/pip install cloudpickle imageio pydantic && bench_venv/bin/pip install --no-deps pythae
    bench_venv/bin/python benchmarks/throughput.py --json throughput.json
"""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import importlib.util
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the package need not be installed

PIXELS, HIDDEN, LATENT = 784, 400, 20
LEARNING_RATE = 1e-3
WARM_UP_ROUNDS = 2  # some frameworks compile again in their second epoch
YARDSTICKS = ("matrix products", "keras_vae loop")  # of the ratios
ENDLESS = 10**9  # epochs, for those who own the loop over them
PACKAGES = ("numpy", "tensorflow", "keras", "tensorflow-probability", "torch", "pythae", "jax", "numpyro")


class Turns:
    """The worker's side of taking turns: `begin` waits until the parent asks for an epoch, `end` answers."""

    def __init__(self) -> None:
        self._answers = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)  # whatever a framework prints must not mix with the answers

    def begin(self) -> None:
        if not sys.stdin.readline():
            sys.exit()
        self._start = time.perf_counter()

    def end(self, num_images: int, loss: float | None) -> None:
        seconds = time.perf_counter() - self._start
        print(json.dumps({"seconds": seconds, "images": num_images, "loss": loss}), file=self._answers, flush=True)


def make_images(num_images: int) -> np.ndarray:
    """Return binary images [num_images, 784], float32, 13 % of them ones: noisy thresholds of ten factors."""
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(num_images, 10)) @ rng.normal(size=(10, PIXELS)) * 0.8 + rng.normal(-3.6, 1.0, PIXELS)
    return (rng.random((num_images, PIXELS)) < 1 / (1 + np.exp(-logits))).astype("float32")


def matrix_products(x: np.ndarray, batch_size: int, turns: Turns) -> None:
    """The matrix products of forward and backward pass, each on what the one before it gave."""
    import tensorflow as tf

    steps = len(x) // batch_size
    images = tf.constant(x[: steps * batch_size].reshape(steps, batch_size, PIXELS))
    shapes = [(PIXELS, HIDDEN), (HIDDEN, 2 * LATENT), (LATENT, HIDDEN), (HIDDEN, PIXELS)]
    weights = [tf.random.stateless_normal(shape, [0, i]) / shape[0] ** 0.5 for i, shape in enumerate(shapes)]

    @tf.function(autograph=False)
    def epoch(images: tf.Tensor, *weights: tf.Tensor) -> tf.Tensor:
        def step(i: tf.Tensor, kept: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            w1, w2, w3, w4 = weights
            x = images[i]  # another one each step: nothing below can leave the loop
            h = tf.matmul(x, w1)
            params = tf.matmul(h, w2)
            z = params[:, :LATENT]
            h_decoder = tf.matmul(z, w3)
            logits = tf.matmul(h_decoder, w4)
            grad_w4 = tf.matmul(h_decoder, logits, transpose_a=True)
            grad_h_decoder = tf.matmul(logits, w4, transpose_b=True)
            grad_w3 = tf.matmul(z, grad_h_decoder, transpose_a=True)
            grad_z = tf.matmul(grad_h_decoder, w3, transpose_b=True)
            grad_params = tf.concat([grad_z, grad_z], axis=1)
            grad_w2 = tf.matmul(h, grad_params, transpose_a=True)
            grad_h = tf.matmul(grad_params, w2, transpose_b=True)
            grad_w1 = tf.matmul(x, grad_h, transpose_a=True)
            return i + 1, kept + tf.stack([grad[0, 0] for grad in (grad_w1, grad_w2, grad_w3, grad_w4)])

        # One step after the other, as training must; overlapping steps would be faster.
        loop = tf.while_loop(lambda i, kept: i < steps, step, (0, tf.zeros(4)), parallel_iterations=1)
        return loop[1]

    while True:
        turns.begin()
        epoch(images, *weights).numpy()
        turns.end(steps * batch_size, None)


def _keras_callback(num_images: int, batch_size: int, turns: Turns) -> Any:
    """Return a Keras callback that takes turns; the images it counts follow from the optimizer's steps."""
    import keras

    class Turn(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: dict) -> None:
            self.steps_before = int(self.model.optimizer.iterations)
            turns.begin()

        def on_epoch_end(self, epoch: int, logs: dict) -> None:
            steps = int(self.model.optimizer.iterations) - self.steps_before
            turns.end(min(steps * batch_size, num_images), float(logs["loss"]))

    return Turn()


def _keras_vae() -> Any:
    """Return the compiled `keras_vae.VAE`."""
    import keras

    from keras_vae import VAE, layers, priors

    keras.utils.set_random_seed(0)
    dense, posterior, likelihood = keras.layers.Dense, layers.MultivariateNormalDiag, layers.IndependentBernoulli
    encoder = [dense(HIDDEN, "relu"), dense(posterior.params_size(LATENT)), posterior(LATENT)]
    decoder = [dense(HIDDEN, "relu"), dense(likelihood.params_size(PIXELS)), likelihood(PIXELS)]
    vae = VAE(
        keras.Sequential([keras.Input((PIXELS,)), *encoder]),
        keras.Sequential([keras.Input((LATENT,)), *decoder]),
        priors.StandardNormal(LATENT),
    )
    vae.compile("adam")  # whose rate is 1e-3
    return vae


def keras_vae_loop(x: np.ndarray, batch_size: int, turns: Turns) -> None:
    """The library's hand-written loop."""
    from keras_vae import training

    callbacks = [_keras_callback(len(x), batch_size, turns)]
    training.train(_keras_vae(), x, epochs=ENDLESS, batch_size=batch_size, callbacks=callbacks, verbose=0)


def keras_vae_fit(x: np.ndarray, batch_size: int, turns: Turns) -> None:
    """The library's `fit`."""
    callbacks = [_keras_callback(len(x), batch_size, turns)]
    _keras_vae().fit(x, batch_size=batch_size, epochs=ENDLESS, callbacks=callbacks, verbose=0)


def keras_fit(x: np.ndarray, batch_size: int, turns: Turns) -> None:
    """A VAE in the style of the example on keras.io."""
    import keras
    import tensorflow as tf
    from keras import ops

    keras.utils.set_random_seed(0)

    class Sampling(keras.layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.seed_generator = keras.random.SeedGenerator()

        def call(self, inputs: tuple) -> Any:
            z_mean, z_log_var = inputs
            epsilon = keras.random.normal(ops.shape(z_mean), seed=self.seed_generator)
            return z_mean + ops.exp(0.5 * z_log_var) * epsilon

    class PlainVAE(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            dense, inputs = keras.layers.Dense, keras.Input((PIXELS,))
            z_mean, z_log_var = ops.split(dense(2 * LATENT)(dense(HIDDEN, "relu")(inputs)), 2, axis=-1)
            self.encoder = keras.Model(inputs, [z_mean, z_log_var, Sampling()([z_mean, z_log_var])])
            self.decoder = keras.Sequential([keras.Input((LATENT,)), dense(HIDDEN, "relu"), dense(PIXELS)])
            self.trackers = [keras.metrics.Mean(name=name) for name in ("loss", "reconstruction_loss", "kl_loss")]

        @property
        def metrics(self) -> list:
            return self.trackers

        def train_step(self, data: Any) -> dict:
            with tf.GradientTape() as tape:
                z_mean, z_log_var, z = self.encoder(data)
                cross_entropy = ops.binary_crossentropy(data, self.decoder(z), from_logits=True)
                reconstruction_loss = ops.mean(ops.sum(cross_entropy, axis=1))
                kl = -0.5 * (1 + z_log_var - ops.square(z_mean) - ops.exp(z_log_var))
                kl_loss = ops.mean(ops.sum(kl, axis=1))
                loss = reconstruction_loss + kl_loss
            grads = tape.gradient(loss, self.trainable_weights)
            self.optimizer.apply_gradients(zip(grads, self.trainable_weights, strict=True))
            for tracker, value in zip(self.trackers, (loss, reconstruction_loss, kl_loss), strict=True):
                tracker.update_state(value)
            return {tracker.name: tracker.result() for tracker in self.trackers}

    vae = PlainVAE()
    vae.compile("adam")
    callbacks = [_keras_callback(len(x), batch_size, turns)]
    vae.fit(x, batch_size=batch_size, epochs=ENDLESS, callbacks=callbacks, verbose=0)


def _torch_networks() -> tuple[Any, Any]:
    """Return encoder and decoder as `torch.nn.Sequential`; weights start as those of Keras do."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    torch.set_num_threads(os.cpu_count() or 1)
    encoder = nn.Sequential(nn.Linear(PIXELS, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 2 * LATENT))
    decoder = nn.Sequential(nn.Linear(LATENT, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, PIXELS))
    for layer in (encoder[0], encoder[2], decoder[0], decoder[2]):
        nn.init.xavier_uniform_(layer.weight)
        nn.init.zeros_(layer.bias)
    return encoder, decoder


def torch_eager(x: np.ndarray, batch_size: int, turns: Turns) -> None:
    """A module and the plainest fast loop."""
    import torch
    from torch.nn import functional

    class PlainVAE(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder, self.decoder = _torch_networks()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            mean, log_var = self.encoder(x).chunk(2, dim=1)
            logits = self.decoder(mean + torch.exp(0.5 * log_var) * torch.randn_like(mean))
            cross_entropy = functional.binary_cross_entropy_with_logits(logits, x, reduction="sum")
            kl = -0.5 * torch.sum(1 + log_var - mean.pow(2) - log_var.exp())
            return (cross_entropy + kl) / len(x)

    vae = PlainVAE()
    optimizer = torch.optim.Adam(vae.parameters(), lr=LEARNING_RATE)
    images = torch.from_numpy(x)
    while True:
        turns.begin()
        total = torch.zeros(())
        for rows in torch.randperm(len(images)).split(batch_size):
            loss = vae(images[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.detach() * len(rows)
        turns.end(len(images), total.item() / len(images))


def pythae_trainer(x: np.ndarray, batch_size: int, turns: Turns) -> None:
    """The library's model and trainer."""
    import torch
    from pythae.data.datasets import BaseDataset
    from pythae.models import VAE, VAEConfig
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder
    from pythae.trainers import BaseTrainer, BaseTrainerConfig
    from pythae.trainers.training_callbacks import TrainingCallback

    class Encoder(BaseEncoder):
        def forward(self, x: torch.Tensor) -> ModelOutput:
            mean, log_var = self.layers(x).chunk(2, dim=1)
            return ModelOutput(embedding=mean, log_covariance=log_var)

    class Decoder(BaseDecoder):
        def forward(self, z: torch.Tensor) -> ModelOutput:
            return ModelOutput(reconstruction=torch.sigmoid(self.layers(z)))

    class Turn(TrainingCallback):
        def on_epoch_begin(self, training_config: BaseTrainerConfig, **kwargs: Any) -> None:
            turns.begin()

        def on_log(self, training_config: BaseTrainerConfig, logs: dict, **kwargs: Any) -> None:
            turns.end(len(x), logs["train_epoch_loss"])

    encoder, decoder = Encoder(), Decoder()
    encoder.layers, decoder.layers = _torch_networks()
    config = VAEConfig(input_dim=(PIXELS,), latent_dim=LATENT, reconstruction_loss="bce")
    data = BaseDataset(torch.from_numpy(x), torch.zeros(len(x)))
    sizes = {"per_device_train_batch_size": batch_size, "num_epochs": ENDLESS, "learning_rate": LEARNING_RATE}
    with tempfile.TemporaryDirectory() as output_dir:
        trainer_config = BaseTrainerConfig(output_dir=output_dir, **sizes)
        BaseTrainer(VAE(config, encoder, decoder), data, None, trainer_config, [Turn()]).train()


def numpyro_svi(x: np.ndarray, batch_size: int, turns: Turns) -> None:
    """Stochastic variational inference as in NumPyro's example of a VAE."""
    import jax
    import numpyro
    from jax import numpy as jnp
    from jax.example_libraries import stax
    from numpyro import distributions as dist
    from numpyro.infer import SVI, TraceMeanField_ELBO

    def dense(units: int) -> tuple:
        return stax.Dense(units, W_init=jax.nn.initializers.glorot_uniform(), b_init=jax.nn.initializers.zeros)

    def model(x: jax.Array) -> None:
        decode = numpyro.module("decoder", stax.serial(dense(HIDDEN), stax.Relu, dense(PIXELS)), (len(x), LATENT))
        with numpyro.plate("batch", len(x)):
            z = numpyro.sample("z", dist.Normal(0, 1).expand([LATENT]).to_event(1))
            numpyro.sample("x", dist.Bernoulli(logits=decode(z)).to_event(1), obs=x)

    def guide(x: jax.Array) -> None:
        encode = numpyro.module("encoder", stax.serial(dense(HIDDEN), stax.Relu, dense(2 * LATENT)), x.shape)
        mean, log_var = jnp.split(encode(x), 2, axis=1)
        with numpyro.plate("batch", len(x)):
            numpyro.sample("z", dist.Normal(mean, jnp.exp(0.5 * log_var)).to_event(1))

    svi = SVI(model, guide, numpyro.optim.Adam(LEARNING_RATE), TraceMeanField_ELBO())
    steps = len(x) // batch_size

    @jax.jit
    def epoch(state: Any, images: jax.Array, order: jax.Array) -> tuple[Any, jax.Array]:
        def step(i: jax.Array, carry: tuple) -> tuple:
            rows = jax.lax.dynamic_slice_in_dim(order, i * batch_size, batch_size)
            state, loss = svi.update(carry[0], images[rows])
            return state, carry[1] + loss

        return jax.lax.fori_loop(0, steps, step, (state, 0.0))

    images = jnp.asarray(x)
    state = svi.init(jax.random.key(0), images[:batch_size])
    rng = np.random.default_rng(0)
    while True:
        turns.begin()
        state, loss = epoch(state, images, jnp.asarray(rng.permutation(len(x))))
        total = float(loss)
        turns.end(steps * batch_size, total / (steps * batch_size))


# What each contestant runs, and the module without which it is not installed.
CONTESTANTS: dict[str, tuple[Callable[[np.ndarray, int, Turns], None], str]] = {
    "matrix products": (matrix_products, "tensorflow"),
    "keras_vae loop": (keras_vae_loop, "keras_vae"),
    "keras_vae fit": (keras_vae_fit, "keras_vae"),
    "Keras 3 fit": (keras_fit, "tensorflow"),
    "PyTorch eager": (torch_eager, "torch"),
    "pythae": (pythae_trainer, "pythae"),
    "NumPyro": (numpyro_svi, "numpyro"),
}


class Worker:
    """The parent's side: a process that runs an epoch when asked."""

    def __init__(self, name: str, args: argparse.Namespace):
        self.name = name
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115
        sizes = ["--batch-size", str(args.batch_size), "--num-images", str(args.num_images)]
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--worker", name, *sizes],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1", "JAX_PLATFORMS": "cpu", "TF_CPP_MIN_LOG_LEVEL": "2"},
        )

    def epoch(self) -> dict[str, Any]:
        """Have one epoch run and return the worker's answer.

        Raises:
            RuntimeError: if the worker has died.
        """
        try:
            print("epoch", file=self._process.stdin, flush=True)
            answer = self._process.stdout.readline()  # type: ignore[union-attr]
        except BrokenPipeError:
            answer = ""
        if not answer:
            self._log.seek(0)
            raise RuntimeError(f"{self.name} has failed:\n{self._log.read()[-3000:]}")
        return json.loads(answer)

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def _machine() -> dict[str, Any]:
    """Return what the numbers depend on."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    models = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    git = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    installed = {distribution.name: distribution.version for distribution in importlib.metadata.distributions()}
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "cpu": models[0] if models else platform.processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "versions": {package: installed[package] for package in PACKAGES if package in installed},
        "commit": subprocess.run(git, capture_output=True, text=True).stdout.strip() or None,
    }


def measure(names: list[str], args: argparse.Namespace) -> dict[str, list[dict[str, Any]]]:
    """Return each contestant's answers, one per round after the warm-up."""
    workers = [Worker(name, args) for name in names]
    answers: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    try:
        for i in range(WARM_UP_ROUNDS + args.rounds):
            for worker in workers if i % 2 == 0 else reversed(workers):
                answers[worker.name].append(worker.epoch())
    finally:
        for worker in workers:
            worker.close()
    return {name: answers[name][WARM_UP_ROUNDS:] for name in names}


def table(answers: dict[str, list[dict[str, Any]]], missing: list[str]) -> str:
    """Return the results as plain text."""
    rates = {name: np.array([a["images"] / a["seconds"] / 1000 for a in answers[name]]) for name in answers}
    rows = [("contestant", "k images/s", "min - max", *(f"/ {name}" for name in YARDSTICKS), "images", "loss")]
    for name, rate in rates.items():
        ratios = [f"{np.median(rate / rates[of]):.2f}" if of in rates else "-" for of in YARDSTICKS]
        images, loss = answers[name][-1]["images"], answers[name][-1]["loss"]
        spread = f"{rate.min():.1f} - {rate.max():.1f}"
        rows.append((name, f"{np.median(rate):.1f}", spread, *ratios, f"{images}", f"{loss:.2f}" if loss else "-"))
    lines = ["{:<16}{:>11}{:>16}{:>19}{:>18}{:>8}{:>8}".format(*row) for row in rows]
    return "\n".join([*lines, *(f"{name:<16} not installed" for name in missing)])


def main() -> None:
    """Run a worker, or the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=7, help="rounds measured, after the warm-up")
    parser.add_argument("--num-images", type=int, default=20_000)
    parser.add_argument("--only", action="append", choices=CONTESTANTS, help="a contestant; may be repeated")
    parser.add_argument("--json", type=Path, help="file for the numbers of every round")
    parser.add_argument("--worker", choices=CONTESTANTS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.rounds < 1 or not 1 <= args.batch_size <= args.num_images:
        parser.error("needed: --rounds of 1 or more, --batch-size between 1 and --num-images")
    if args.worker:
        CONTESTANTS[args.worker][0](make_images(args.num_images), args.batch_size, Turns())
        return

    chosen = [name for name in CONTESTANTS if name in (args.only or CONTESTANTS)]
    missing = [name for name in chosen if not importlib.util.find_spec(CONTESTANTS[name][1])]
    machine = _machine()
    answers = measure([name for name in chosen if name not in missing], args)
    versions = ", ".join(f"{package} {version}" for package, version in machine["versions"].items())
    print(f"{machine['cpu']}, {machine['cores']} cores; {versions}")
    print(f"batch size {args.batch_size}, median of {args.rounds} rounds\n\n{table(answers, missing)}")
    if args.json:
        settings = {"batch_size": args.batch_size, "num_images": args.num_images, "rounds": args.rounds}
        temporary = args.json.with_name(args.json.name + ".tmp")
        temporary.write_text(json.dumps({**machine, "settings": settings, "rounds": answers}, indent=1) + "\n")
        temporary.replace(args.json)


if __name__ == "__main__":
    main()
