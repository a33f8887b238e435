"""Every name of `tfp.layers`, run three ways: TFP in a Keras 3 model, TFP on tf_keras, and `keras_vae.layers`.

Each name has one tiny model, told once: the code is the same for the three stacks but for the imports of `tfpl` and
`keras`. Every cell of the table is what came of running it: "ok", "fails: <exception>", or a number. The stacks run
in processes of their own, and files are loaded in fresh ones.

    python benchmarks/tfp_layers.py --out docs/tfp_layers.md
"""

from __future__ import annotations

import collections
import dataclasses
import importlib
import importlib.metadata
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
STACKS = {  # name: (module of `tfpl`, module of `keras`)
    "TFP in a Keras 3 model": ("tensorflow_probability.python.layers", "keras"),
    "TFP on tf_keras": ("tensorflow_probability.python.layers", "tf_keras"),
    "keras_vae on Keras 3": ("keras_vae.layers", "keras"),
}
PACKAGES = ("tensorflow", "keras", "tf_keras", "tensorflow-probability", "numpy")
BATCH, FEATURES, EVENT = 8, 4, 3


# The models.


@dataclasses.dataclass(frozen=True)
class Case:
    """How one name is used in a model.

    Attributes:
        layers: function of the stack (`tfpl`, `keras` and `user_code`) that returns the layers of a Sequential model.
        y: one target, the same for the whole batch.
        loss: of the model, by name or as a function of target and output.
        x_shape: of one input.
        kl: function of model and x that returns the KL divergence the model should add to its loss, in nats.
    """

    layers: Callable[[SimpleNamespace], list]
    y: Any = (1.0,) * EVENT
    loss: Any = "negative log-likelihood"
    x_shape: tuple[int, ...] = (FEATURES,)
    kl: Callable[[Any, np.ndarray], float] | None = None

    def model(self, stack: SimpleNamespace) -> Any:
        return stack.keras.Sequential([stack.keras.Input(self.x_shape), *self.layers(stack)])

    def data(self, batch_size: int = BATCH) -> tuple[np.ndarray, np.ndarray]:
        x = np.random.default_rng(0).normal(size=(batch_size, *self.x_shape)).astype("float32")
        return x, np.tile(np.asarray(self.y, "float32"), (batch_size, 1))

    def compile(self, model: Any, stack: SimpleNamespace) -> None:
        loss = (lambda y, rv_y: -rv_y.log_prob(y)) if self.loss == "negative log-likelihood" else self.loss
        model.compile(optimizer=stack.keras.optimizers.Adam(0.1), loss=loss)


def user_code(tfpl: Any, keras: Any) -> SimpleNamespace:
    """Return what users write beside the layers, registered as Keras asks of code that is to load safely."""
    import tensorflow as tf
    import tensorflow_probability as tfp
    from tensorflow_probability import distributions as tfd

    register = keras.saving.register_keras_serializable(package="user")

    @register
    def normal(t: Any) -> Any:
        return tfd.Independent(tfd.Normal(t[..., :EVENT], 1e-5 + tf.nn.softplus(t[..., EVENT:])), 1)

    @register
    def standard_normal(t: Any) -> Any:
        return tfd.MultivariateNormalDiag(tf.zeros_like(t[..., :EVENT]), tf.ones([EVENT], t.dtype))

    @register
    def mean_field(kernel_size: int, bias_size: int = 0, dtype: Any = None) -> Any:
        n = kernel_size + bias_size

        def posterior(t: Any) -> Any:
            return tfd.Independent(tfd.Normal(t[..., :n], 1e-5 + tf.nn.softplus(t[..., n:])), 1)

        return keras.Sequential([tfpl.VariableLayer(2 * n, dtype=dtype), tfpl.DistributionLambda(posterior)])

    @register
    def unit_prior(kernel_size: int, bias_size: int = 0, dtype: Any = None) -> Any:
        n = kernel_size + bias_size
        return lambda _: tfd.Independent(tfd.Normal(tf.zeros([n], dtype), tf.ones([n], dtype)), 1)

    @register
    def posterior_from_loc_scale(dtype: Any, shape: Any, name: str, trainable: bool, add_variable_fn: Any) -> Any:
        loc, scale = tfpl.default_loc_scale_fn()(dtype, shape, name, trainable, add_variable_fn)
        return tfd.Independent(tfd.Normal(loc, scale), len(shape))

    @register
    class RBFKernel(keras.layers.Layer):
        def __init__(self, **kwargs: Any):
            super().__init__(**kwargs)
            self.amplitude = self.add_weight(shape=(), initializer="zeros", name="amplitude")

        def call(self, x: Any) -> Any:
            return x

        @property
        def kernel(self) -> Any:
            amplitude = tf.nn.softplus(tf.convert_to_tensor(self.amplitude))
            return tfp.math.psd_kernels.ExponentiatedQuadratic(amplitude)

    def made(params: int) -> Any:
        options = {"params": params, "event_shape": [EVENT], "hidden_units": [8], "activation": "relu"}
        return getattr(tfpl, "AutoregressiveNetwork", tfp.bijectors.AutoregressiveNetwork)(**options)

    prior = tfd.Independent(tfd.Normal(tf.zeros([EVENT]), 1.0), 1)
    return SimpleNamespace(tfpl=tfpl, keras=keras, prior=prior, **{
        item.__name__: item
        for item in (normal, standard_normal, mean_field, unit_prior, posterior_from_loc_scale, RBFKernel, made)
    })  # fmt: skip


def kl_of_normals(loc: Any, scale: Any) -> float:
    """Return KL(N(loc, scale), N(0, 1)), summed over all elements, in nats."""
    loc, scale = np.asarray(loc, "float64"), np.asarray(scale, "float64")
    return float(np.sum((loc**2 + scale**2 - 1) / 2 - np.log(scale)))


def batch_mean_kl(model: Any, x: np.ndarray) -> float:
    """Return the mean over the batch of KL(q(z|x), p(z)), from the parameters that go into `IndependentNormal`."""
    parameters = np.asarray(model.layers[0](x), "float64")
    return kl_of_normals(parameters[:, :EVENT], np.logaddexp(0, parameters[:, EVENT:])) / len(x)


def kernel_kl(model: Any, x: np.ndarray) -> float:
    """Return KL(q(kernel), p(kernel)) of a variational layer, all of it: it does not depend on the batch."""
    q = model.layers[-1].kernel_posterior
    return kl_of_normals(q.mean(), q.stddev())


def mean_field_kl(model: Any, x: np.ndarray) -> float:
    """Return KL(q(weights), p(weights)) of `DenseVariational` with `mean_field` and `unit_prior`."""
    loc, scale = np.split(np.asarray(model.trainable_variables[0], "float64"), 2)
    return kl_of_normals(loc, 1e-5 + np.logaddexp(0, scale))


def distribution(name: str, *sizes: Any, y: Any = (1.0,) * EVENT) -> Case:
    """Return the case of a layer that turns `params_size(*sizes)` features into a distribution."""

    def layers(k: SimpleNamespace) -> list:
        layer = getattr(k.tfpl, name)
        return [k.keras.layers.Dense(int(layer.params_size(*sizes))), layer(*sizes)]

    return Case(layers, y)


def variational(name: str, *arguments: Any, rank: int = 0, options: Callable | None = None) -> Case:
    """Return the case of a dense (rank 0) or convolutional layer with random weights."""

    def layers(k: SimpleNamespace) -> list:
        return [getattr(k.tfpl, name)(*arguments, **(options(k) if options else {}))]

    if rank == 0:
        return Case(layers, loss="mse", kl=None if options else kernel_kl)
    inputs = (4,) * rank + (2,)
    return Case(layers, y=(1.0,), loss=_mean_squared_error, x_shape=inputs, kl=kernel_kl)


def _mean_squared_error(y: Any, output: Any) -> Any:
    import tensorflow as tf

    return tf.reduce_mean((tf.cast(output, tf.float32) - 1.0) ** 2)


def _variational_loss(y: Any, rv_y: Any) -> Any:
    return rv_y.variational_loss(y, kl_weight=1 / BATCH)


ONE_HOT = (1.0, 0.0, 0.0)
CASES = {
    "AutoregressiveTransform": Case(
        lambda k: [k.tfpl.DistributionLambda(k.standard_normal), k.tfpl.AutoregressiveTransform(k.made(2))]
    ),
    "BlockwiseInitializer": Case(
        lambda k: [
            k.keras.layers.Dense(EVENT, kernel_initializer=k.tfpl.BlockwiseInitializer(["zeros", "ones"], [1, 2]))
        ],
        loss="mse",
    ),
    "CategoricalMixtureOfOneHotCategorical": distribution("CategoricalMixtureOfOneHotCategorical", EVENT, 2, y=ONE_HOT),
    **{
        f"Convolution{rank}D{estimator}": variational(f"Convolution{rank}D{estimator}", 2, 3, rank=rank)
        for rank in (1, 2, 3)
        for estimator in ("Flipout", "Reparameterization")
    },
    "DenseFlipout": variational("DenseFlipout", EVENT),
    "DenseLocalReparameterization": variational("DenseLocalReparameterization", EVENT),
    "DenseReparameterization": variational("DenseReparameterization", EVENT),
    "DenseVariational": Case(
        lambda k: [k.tfpl.DenseVariational(EVENT, k.mean_field, k.unit_prior, kl_use_exact=True)],
        loss="mse",
        kl=mean_field_kl,
    ),
    "DistributionLambda": Case(lambda k: [k.keras.layers.Dense(2 * EVENT), k.tfpl.DistributionLambda(k.normal)]),
    "IndependentBernoulli": distribution("IndependentBernoulli", EVENT),
    "IndependentLogistic": distribution("IndependentLogistic", EVENT),
    "IndependentNormal": distribution("IndependentNormal", EVENT),
    "IndependentPoisson": distribution("IndependentPoisson", EVENT),
    "KLDivergenceAddLoss": Case(
        lambda k: [
            k.keras.layers.Dense(2 * EVENT),
            k.tfpl.IndependentNormal(EVENT),
            k.tfpl.KLDivergenceAddLoss(k.prior, use_exact_kl=True),
        ],
        kl=batch_mean_kl,
    ),
    "KLDivergenceRegularizer": Case(
        lambda k: [
            k.keras.layers.Dense(2 * EVENT),
            k.tfpl.IndependentNormal(
                EVENT, activity_regularizer=k.tfpl.KLDivergenceRegularizer(k.prior, use_exact_kl=True)
            ),
        ],
        kl=batch_mean_kl,
    ),
    "MixtureLogistic": distribution("MixtureLogistic", 2, [EVENT]),
    "MixtureNormal": distribution("MixtureNormal", 2, [EVENT]),
    "MixtureSameFamily": Case(
        lambda k: [
            k.keras.layers.Dense(
                int(k.tfpl.MixtureSameFamily.params_size(2, k.tfpl.IndependentNormal.params_size([EVENT])))
            ),
            k.tfpl.MixtureSameFamily(2, k.tfpl.IndependentNormal([EVENT])),
        ]
    ),
    "MultivariateNormalTriL": distribution("MultivariateNormalTriL", EVENT),
    "OneHotCategorical": distribution("OneHotCategorical", EVENT, y=ONE_HOT),
    "VariableLayer": Case(lambda k: [k.tfpl.VariableLayer(EVENT)], loss=_mean_squared_error),
    "VariationalGaussianProcess": Case(
        lambda k: [
            k.tfpl.VariationalGaussianProcess(
                5,
                kernel_provider=k.RBFKernel(),
                inducing_index_points_initializer=k.keras.initializers.RandomNormal(stddev=2.0),
            )
        ],
        y=(1.0,),
        loss=_variational_loss,
    ),
    "default_loc_scale_fn": variational(
        "DenseReparameterization", EVENT, options=lambda k: {"kernel_posterior_fn": k.posterior_from_loc_scale}
    ),
    "default_mean_field_normal_fn": variational(
        "DenseReparameterization",
        EVENT,
        options=lambda k: {"kernel_posterior_fn": k.tfpl.default_mean_field_normal_fn()},
    ),
    "default_multivariate_normal_fn": variational(
        "DenseReparameterization", EVENT, options=lambda k: {"kernel_prior_fn": k.tfpl.default_multivariate_normal_fn}
    ),
}


# The cells: each runs its case anew and returns what to write, or raises.


def _finite(value: Any) -> None:
    import tensorflow as tf

    if not np.all(np.isfinite(np.asarray(tf.cast(tf.convert_to_tensor(value), tf.float32)))):
        raise ArithmeticError("The output is not finite.")


def constructs(case: Case, stack: SimpleNamespace, path: Path) -> str:
    _finite(case.model(stack)(case.data()[0]))
    return "ok"


def trains(case: Case, stack: SimpleNamespace, path: Path) -> str:
    model = case.model(stack)
    case.compile(model, stack)
    before = [np.asarray(variable) for variable in model.trainable_variables]
    history = model.fit(*case.data(), batch_size=BATCH, epochs=1, verbose=0)
    _finite(history.history["loss"])
    after = [np.asarray(variable) for variable in model.trainable_variables]
    if not before or all(np.array_equal(a, b) for a, b in zip(before, after, strict=True)):
        raise ArithmeticError("No weight has moved.")
    return "ok"


def saves(case: Case, stack: SimpleNamespace, path: Path) -> str:
    model = case.model(stack)
    model(case.data()[0])
    model.save(path.with_suffix(".keras"))
    np.savez(path.with_suffix(".npz"), *model.get_weights())
    return "ok"


def loads_safely(case: Case, stack: SimpleNamespace, path: Path) -> str:
    """Load in another process than `saves`, and compare the weights."""
    if not path.with_suffix(".npz").exists():
        return "fails: not saved"
    model = stack.keras.models.load_model(path.with_suffix(".keras"), compile=False, safe_mode=True)
    _finite(model(case.data()[0]))
    saved = np.load(path.with_suffix(".npz"))
    for value, name in zip(model.get_weights(), saved.files, strict=True):
        np.testing.assert_array_equal(value, saved[name])
    return "ok"


def exports(case: Case, stack: SimpleNamespace, path: Path) -> str:
    import tensorflow as tf

    model = case.model(stack)
    x = case.data()[0]
    model(x)
    model.export(str(path.with_suffix(".exported")))
    loaded = tf.saved_model.load(str(path.with_suffix(".exported")))
    _finite(loaded.serve(x))
    return "ok"


def mixed_precision(case: Case, stack: SimpleNamespace, path: Path) -> str:
    stack.keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        return trains(case, stack, path)
    finally:
        stack.keras.mixed_precision.set_global_policy("float32")


def right_kl(case: Case, stack: SimpleNamespace, path: Path) -> str:
    """Return what the model adds to its loss over the exact KL, at batch sizes 2 and 8."""
    if case.kl is None:
        return "not applicable"
    import tensorflow as tf

    model = case.model(stack)
    model.compile(loss=lambda y, rv_y: tf.zeros(tf.shape(y)[0]))
    ratios = []
    for batch_size in (2, 8):
        x, y = case.data(batch_size)
        added = model.evaluate(x, y, batch_size=batch_size, verbose=0)
        ratios.append(f"{added / case.kl(model, x):.2f}")
    return " / ".join(ratios)


COLUMNS = {
    "constructs": constructs,
    "trains": trains,
    "saves": saves,
    "loads safely": loads_safely,
    "exports": exports,
    "mixed precision": mixed_precision,
    "KL / right KL": right_kl,
}


# The processes: one a stack for all columns but loading, and a fresh one to load.


def worker(stack_name: str, names: str, columns: str, folder: str) -> None:
    """Run `columns` for `names` (both with commas between) and write the cells to `folder`/cells.json as they come."""
    tfpl, keras = map(importlib.import_module, STACKS[stack_name])
    stack = user_code(tfpl, keras)
    cells: dict[str, dict[str, list[str]]] = {}
    for name in names.split(","):
        cells[name] = {}
        for column in columns.split(","):
            keras.utils.set_random_seed(0)
            try:
                cell = [COLUMNS[column](CASES[name], stack, Path(folder) / name), ""]
            except Exception as error:
                cell = [f"fails: {type(error).__name__}", _first_line(error)]
            cells[name][column] = cell
            (Path(folder) / "cells.json").write_text(json.dumps(cells))


def _first_line(error: Exception) -> str:
    """Return the first line that says what happened, not where."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return next((line for line in lines if not line.startswith("Exception encountered when calling")), "no message")


def run_stack(stack_name: str, names: Sequence[str]) -> dict[str, dict[str, list[str]]]:
    """Return the cells of one stack: name -> column -> [what came of it, message of the exception]."""
    table: dict[str, dict[str, list[str]]] = {name: {} for name in names}
    with tempfile.TemporaryDirectory() as folder:
        for columns in ([c for c in COLUMNS if c != "loads safely"], ["loads safely"]):
            code = "import sys, tfp_layers; tfp_layers.worker(*sys.argv[1:])"
            command = [sys.executable, "-c", code, stack_name, ",".join(names), ",".join(columns), folder]
            environment = os.environ | {
                "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), str(ROOT)]),
                "CUDA_VISIBLE_DEVICES": "",
                "TF_CPP_MIN_LOG_LEVEL": "3",
            }
            done = subprocess.run(command, env=environment, capture_output=True, text=True)
            file = Path(folder) / "cells.json"
            if not file.exists():
                raise RuntimeError(f"The process of {stack_name!r} ended before its first cell:\n{done.stderr[-2000:]}")
            cells = json.loads(file.read_text())
            file.unlink()
            for name in names:
                for column in columns:  # what a dead process left undone has failed
                    table[name][column] = cells.get(name, {}).get(column, ["fails: the process died", ""])
    return table


# The page.


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def page(tables: dict[str, dict[str, dict[str, list[str]]]]) -> str:
    """Return the Markdown page of all stacks."""
    names = list(next(iter(tables.values())))
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)

    def count(table: dict, column: str) -> str:
        cells = [table[name][column][0] for name in names if table[name][column][0] != "not applicable"]
        good = [cell for cell in cells if cell in ("ok", "1.00 / 1.00")]
        return f"{len(good)} of {len(cells)}"

    overview = markdown_table(
        ["", *COLUMNS], [[stack, *(count(table, column) for column in COLUMNS)] for stack, table in tables.items()]
    )
    parts = [INTRODUCTION.format(versions=versions, python=platform.python_version(), overview=overview)]
    for stack, table in tables.items():
        rows = [[f"`{name}`", *(table[name][column][0] for column in COLUMNS)] for name in names]
        parts.append(f"## {stack}\n\n{markdown_table(['name', *COLUMNS], rows)}")
        causes = collections.defaultdict(list)
        for name in names:
            for column in COLUMNS:
                cell, message = table[name][column]
                if message:
                    causes[cell.removeprefix("fails: "), _short(message)].append((name, column))
        if causes:
            rows = [
                [exception, message, ", ".join(sorted({c for _, c in where}, key=list(COLUMNS).index)), str(len(where))]
                for (exception, message), where in sorted(causes.items(), key=lambda item: -len(item[1]))
            ]
            parts.append(f"Causes:\n\n{markdown_table(['exception', 'first line', 'columns', 'cells'], rows)}")
    return "\n".join(parts)


def _short(message: str, length: int = 110) -> str:
    """Return the start of `message`, without what differs between names, as code in a table."""
    message = re.sub(r"<[^<>]*>|0x[0-9a-f]+|/\S+", "...", message.split(" Received:")[0])
    message = message.replace("|", "/").replace("`", "'")
    return f"`{message if len(message) <= length else message[:length] + '...'}`"


INTRODUCTION = """\
# `keras_vae.layers` beside `tfp.layers`

Every name of `tfp.layers`, and its unlisted `VariationalGaussianProcess`, in a tiny model, run by
`benchmarks/tfp_layers.py`. The code of a model is the same for all three stacks: only what `tfpl` and `keras` are
imported from differs. No cell is typed in. To make this page again:

    python benchmarks/tfp_layers.py --out docs/tfp_layers.md

It was made with Python {python}, {versions}, on a CPU.

{overview}
A cell is `ok`, the exception it `fails` with, or `not applicable`:

- **constructs**: the layer stands in a `Sequential` model, which is called on a batch of 8 and gives finite values.
- **trains**: one step of `fit` with Adam: the loss is finite, and weights have moved.
- **saves**: `model.save("model.keras")`.
- **loads safely**: in a fresh process, `load_model` with safe mode on and without `custom_objects`: the same weights.
  Functions that the user writes are registered with `register_keras_serializable`; a Python lambda loads only with safe
  mode off, in Keras as here.
- **exports**: `model.export` to a SavedModel, which is loaded by TensorFlow and gives finite values.
- **mixed precision**: one step of `fit` under the policy `mixed_bfloat16`.
- **KL / right KL**: what the model adds to its loss, over the exact KL divergence, at batches of 2 and of 8: the mean
  over the batch for the two `KLDivergence...` names, and the whole divergence for random weights. Right is 1.00.

How the KL differs from TFP's:

- TFP's `KLDivergenceRegularizer` is applied to the distribution and to its tensor, and so adds twice the KL.
- TFP's `KLDivergenceAddLoss` adds the sum over the batch to a loss that is a mean, so that its weight grows with the
  batch: measured here with `use_exact_kl=True`; the estimate from samples, its default, is a mean.
- Here both add weight * (mean over the batch of the KL), once, exact or estimated, whatever the batch size.
"""


def main(out: Path = ROOT / "docs" / "tfp_layers.md", names: tuple[str, ...] = tuple(CASES)) -> None:
    """Run the models on all stacks and write the page.

    Args:
        out: file to write.
        names: of tfp.layers; all by default.
    """
    tables = {}
    for stack in STACKS:
        print(f"{stack} ...", flush=True)
        tables[stack] = run_stack(stack, names)
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.with_name(f".{out.name}.tmp")
    temporary.write_text(page(tables))
    os.replace(temporary, out)
    print(f"Written: {out}")


if __name__ == "__main__":
    import tyro

    tyro.cli(main)
