"""The classes of TFP's distributions that are made of others.

`tfd.Independent(p)` and its like are objects of a hidden base class where `p` is not a composite tensor, as where a
Keras layer is inside. `isinstance` and dispatch must ask for that base.
"""

from __future__ import annotations

from tensorflow_probability import distributions as tfd

__all__ = [
    "BatchBroadcast",
    "BatchReshape",
    "Blockwise",
    "Independent",
    "Mixture",
    "MixtureSameFamily",
    "Sample",
    "TransformedDistribution",
]

BatchBroadcast: type[tfd.Distribution] = tfd.BatchBroadcast.__bases__[0]
BatchReshape: type[tfd.Distribution] = tfd.BatchReshape.__bases__[0]
Blockwise: type[tfd.Distribution] = tfd.Blockwise.__bases__[0]
Independent: type[tfd.Distribution] = tfd.Independent.__bases__[0]
Mixture: type[tfd.Distribution] = tfd.Mixture.__bases__[0]
MixtureSameFamily: type[tfd.Distribution] = tfd.MixtureSameFamily.__bases__[0]
Sample: type[tfd.Distribution] = tfd.Sample.__bases__[0]
TransformedDistribution: type[tfd.Distribution] = tfd.TransformedDistribution.__bases__[0]
