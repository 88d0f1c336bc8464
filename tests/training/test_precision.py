"""Training in half precision: what computes in it, what never does, and how near it stays."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from tiny import tiny_config

from mim_tf.data.pipeline import CAPTIONS
from mim_tf.training import stages, warm_up
from mim_tf.training.loss_scale import LossScale
from mim_tf.training.means import Means
from mim_tf.training.mimnet import MIMNet
from mim_tf.training.state import TrainingState
from mim_tf.training.steps import step_graph

VOCABULARY = 9


def make(precision: str) -> TrainingState:
    keras.utils.set_random_seed(0)
    return TrainingState(tiny_config(train={"precision": precision}), VOCABULARY)


def batch(size=4):
    captions = {
        name: tf.random.stateless_uniform([size, 16], [0, k], 2, VOCABULARY, tf.int32)
        for k, name in enumerate(CAPTIONS)
    }
    return {"picture": tf.random.stateless_uniform([size, 32, 32, 3], [0, 9], -1.0, 1.0)} | captions


@pytest.fixture(scope="module")
def half() -> TrainingState:
    return make("mixed_bfloat16")


@pytest.fixture(scope="module")
def half_step():
    """A training in float16, and its full step as a graph."""
    keras.utils.set_random_seed(0)
    config = tiny_config(
        model={"fine": False}, train={"precision": "mixed_float16"}, deviations={"warm_up": 0}
    )
    model = MIMNet(config, VOCABULARY)
    return model.state, step_graph(model, tf.distribute.get_strategy(), model.train_step)


def signed_batch(seed=0):
    return {**batch(), "picture": tf.fill([4, 32, 32, 3], tf.constant(40 * seed, tf.uint8))}


def test_float16_takes_fifty_steps_without_a_value_that_is_not_finite(half_step):
    state, step = half_step
    assert {layer.compute_dtype for layer in state.generator.icm._flatten_layers()} == {"float16"}
    means = Means()
    for number in range(50):
        means.add(number + 1, step(signed_batch(number % 5)))
    row = means.take()  # raises what is not finite
    assert row["gradient"] > 0 and row["gradient_D"] > 0 and row["gradient_edited"] > 0
    assert int(state.step) == 50
    assert row["loss_scale"] > float(state.loss_scale.factor) >= 1  # it was too large at first
    assert int(state.loss_scale.calm) > 40
    for part in tf.nest.flatten(state.parts()):
        assert np.isfinite(part.numpy()).all()


def test_an_overflow_halves_the_scale_and_skips_the_step(half_step):
    state, step = half_step
    state.loss_scale.factor.assign(2.0**120)
    moving = [
        *state.generator.trainable_variables, *state.generator_optimizer.variables,
        *state.discriminator_variables, *state.discriminator_optimizer.variables,
    ]  # fmt: skip
    before, steps = [np.array(variable) for variable in moving], int(state.step)
    means = Means()
    means.add(1, step(signed_batch()))
    row = means.take()
    assert row["gradient"] == row["gradient_D"] == row["gradient_edited"] == 0
    assert row["loss_scale"] == 2.0**120 and float(state.loss_scale.factor) == 2.0**119
    assert int(state.step) == steps + 1 and bool(state.sound)
    for old, variable in zip(before, moving, strict=True):
        np.testing.assert_array_equal(old, variable)
    assert state.parts()["loss_scale"] is state.loss_scale.factor  # so checkpoints hold it


def test_the_scale_grows_after_many_steps_without_an_overflow():
    scale, calm = LossScale(), {"gradient": tf.constant(1.0), "L_p": tf.constant(2.0)}
    scale.calm.assign(1998)
    for factor in (2.0**15, 2.0**16, 2.0**16):
        assert float(scale.after_step(calm)["L_p"]) == 2.0
        assert float(scale.factor) == factor
    assert int(scale.calm) == 1
    scale.factor.assign(1.0)  # there is no smaller one: then it is a fault
    assert np.isnan(scale.after_step({"gradient": tf.constant(np.nan, tf.float32)})["gradient"])


def test_what_computes_in_half_precision(half):
    generator = half.generator
    trunks = [network.f for network in (*half.d_i.values(), *half.d_t.values())]
    for part in (generator.enc, generator.icm, generator.fir, *trunks):
        layers = [layer for layer in part._flatten_layers() if layer.weights]
        assert layers and {layer.compute_dtype for layer in layers} == {"bfloat16"}
    heads = [part for d_t in half.d_t.values() for part in (d_t.text_encoder, d_t.w, d_t.b)]
    for part in (generator.text_encoder, generator.mtfg, half.averaged, *heads):
        assert {layer.compute_dtype for layer in part._flatten_layers()} == {"float32"}
    for part in tf.nest.flatten(half.parts()):
        assert part.dtype in (tf.float32, tf.int32, tf.int64)
    assert keras.config.dtype_policy().name == "float32"


def test_what_losses_see_is_float32(half):
    data, generator = batch(), half.generator
    text = generator.encode_text(data["tokens"], training=True)
    features = generator.encode_picture(data["picture"], training=True)
    out = generator.paint(features, text["h_hat"], text["mask"], training=True)
    judged = [
        half.d_i["fine"](out["images"]["fine"]),
        half.d_t["fine"]({"picture": out["images"]["fine"], "tokens": data["tokens"]}),
    ]
    everything = tf.nest.flatten([text, features, out, judged])
    assert len(everything) > 10
    assert {value.dtype for value in everything} == {tf.float32}


def test_its_losses_are_near_those_of_single_precision(half):
    def losses(state):
        logs = warm_up.warm_up_step(state, batch())
        logs |= stages.reconstruction_step(state, batch())
        return logs | stages.adversarial_step(state, batch())

    found, expected = losses(half), losses(make("float32"))
    assert {value.dtype for value in found.values()} == {tf.float32}
    different = False
    for name, value in expected.items():
        if "accuracy" not in name:  # a share of four pictures
            assert float(found[name]) == pytest.approx(float(value), rel=0.02, abs=0.005), name
            different |= float(found[name]) != float(value)
    assert different  # else nothing was computed in half precision
