"""Registered names, which files of earlier versions hold, and objects that are shared."""

import keras
import pytest

import keras_vae as kv
from keras_vae.registration import register, sharing_objects


def test_a_class_is_registered_under_the_name_of_the_package():
    @register
    class OnlyHere:
        def get_config(self):
            return {}

    assert keras.saving.get_registered_name(OnlyHere) == "keras_vae>OnlyHere"
    assert keras.saving.get_registered_object("keras_vae>OnlyHere") is OnlyHere


@pytest.mark.parametrize(
    "part", [kv.VAE, kv.objectives.ELBO, kv.priors.StandardNormal, kv.losses.NegativeLogLikelihood]
)
def test_the_public_classes_are_registered(part):
    assert keras.saving.get_registered_object(f"keras_vae>{part.__name__}") is part


def test_what_is_serialised_twice_in_a_scope_comes_back_as_one_object():
    layer = keras.layers.Dense(2)
    with sharing_objects():
        configs = [keras.saving.serialize_keras_object(layer) for _ in range(2)]
        first, second = (keras.saving.deserialize_keras_object(config) for config in configs)
    assert first is second
    with sharing_objects():
        config = keras.saving.serialize_keras_object(layer)
        with sharing_objects():  # as `get_config` has inside `save`
            again = keras.saving.serialize_keras_object(layer)
    assert config["shared_object_id"] == again["shared_object_id"]
