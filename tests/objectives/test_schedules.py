import keras
import numpy as np
import pytest

from keras_vae.objectives import ELBO, CyclicSchedule


def test_a_cycle_rises_stays_and_begins_again():
    schedule = CyclicSchedule(10, rise=0.4, maximum=2.0)
    values = [float(schedule(step)) for step in range(21)]
    one = [0.0, 0.5, 1.0, 1.5, *[2.0] * 6]
    np.testing.assert_allclose(values, [*one, *one, 0.0], rtol=1e-6)


def test_warm_up_follows_the_models_step_in_compiled_training_and_is_saved(make_vae, binary_images, tmp_path):
    """The loss of a step is -log_likelihood + step / 4 * kl, up to step 4; a loaded model goes on where it was."""
    objective = ELBO(beta=keras.optimizers.schedules.PolynomialDecay(0.0, 4, 1.0))
    vae = make_vae(objective=objective)
    vae.compile(keras.optimizers.SGD(0.0), jit_compile=False)
    for step in range(6):
        if step == 3:
            vae.save(tmp_path / "vae.keras")
            vae = keras.saving.load_model(tmp_path / "vae.keras")
        logs = vae.fit(binary_images[:40], batch_size=40, verbose=0).history
        weight = (logs["loss"][0] - logs["reconstruction_loss"][0]) / logs["kl"][0]
        assert weight == pytest.approx(min(step / 4, 1), abs=1e-4)


@pytest.mark.parametrize("arguments", [{"rise": 0.0}, {"rise": 1.5}, {"rise": "a"}, {"maximum": np.nan}])
def test_bad_arguments_are_refused(arguments):
    ((name, value),) = arguments.items()
    with pytest.raises(ValueError, match=f"`{name}` .*must be .* Received: {name}={value!r}"):
        CyclicSchedule(5, **arguments)


def test_config_survives_serialisation():
    beta = CyclicSchedule(7, 0.25, 3.0)
    objective = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(ELBO(beta)))
    assert objective.beta.get_config() == beta.get_config()
    assert (objective.beta.period, objective.beta.rise, objective.beta.maximum) == (7, 0.25, 3.0)
