"""Training in half precision: what computes in it, what never does, and how near it stays."""

from __future__ import annotations

import keras
import pytest
import tensorflow as tf
from tiny import tiny_config

from mim_tf.data.pipeline import CAPTIONS
from mim_tf.training import stages, warm_up
from mim_tf.training.state import TrainingState

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
