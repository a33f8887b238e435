"""Reproducible noise: a pure function of (seed, row), the same on every device.

All noise in this package comes from here. Three properties hold, and are tested:

* *Row-wise.* Row `r` of a call that starts at `first_row` gets the noise of global row
  `first_row + r`, whatever the batch size, the number of replicas or what was drawn before.
* *Path-independent.* Uniform draws agree bit for bit, normal draws within the rounding of log, sin and cos,
  between eager, graph, XLA and exported code.
* *Stateless.* Nothing is hidden: `as_noise(seed).of(Stream.TRAINING, step)` is the noise of one purpose and step.
"""

from keras_vae.random.moments import center_of, mean_of, stddev_of
from keras_vae.random.noise import normal, uniform
from keras_vae.random.sampling import sample
from keras_vae.random.streams import Noise, Stream, as_noise, as_seed

__all__ = ["Noise", "Stream", "as_noise", "as_seed", "center_of", "mean_of", "normal", "sample", "stddev_of", "uniform"]
