"""Training on pairs of colourings: what is seen, what it should become, where words point."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from tiny import tiny_config

from mim_tf.data.pipeline import CAPTIONS
from mim_tf.training import encoding, losses, stages, warm_up
from mim_tf.training import pairs as pair_terms
from mim_tf.training.state import TrainingState
from mim_tf.training.updates import Losses

VOCABULARY = 9


def make(**deviations) -> TrainingState:
    keras.utils.set_random_seed(0)
    data = {"source": "folder", "root": "unread", "recoloured": True}
    config = tiny_config(data=data, deviations={"where": 1, **deviations})
    return TrainingState(config, VOCABULARY)


@pytest.fixture(scope="module")
def pairs():
    rng = np.random.default_rng(0)
    # The second and third word, 2 and 3, speak of the marked part; no other word is 2 or 3.
    words = {name: rng.integers(4, VOCABULARY, (4, 16)) for name in CAPTIONS}
    words["tokens"][:, 1:3] = (2, 3)
    tokens = {name: tf.constant(ids, tf.int32) for name, ids in words.items()}
    before = rng.uniform(-1, 1, (4, 32, 32, 3)).astype(np.float32)
    picture = before.copy()
    labels = np.zeros((4, 32, 32), np.uint8)
    labels[:, 8:16, 8:24] = 2
    picture[labels == 2] = (0.7, -0.4, -0.4)
    spoken = np.zeros((4, 16), np.int32)
    spoken[:, 1:3] = 1 << 2
    return {**tokens, "before": tf.constant(before), "picture": tf.constant(picture),
            "labels": tf.constant(labels), "spoken": tf.constant(spoken)}  # fmt: skip


def test_l_where_by_hand():
    logits = tf.constant([[[0.0, 2.0, 5.0], [-1.0, 2.0, 5.0]]])  # [1, NM = 2, T = 3]
    target = tf.constant([[[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]])
    spoken = tf.constant([[1, 0, -1]])
    of_part = np.log(2) / 1.001 + np.log1p(np.exp(-1)) / 1.001
    of_none = np.log1p(np.exp(2))
    found = losses.L_where(logits, target, spoken)
    np.testing.assert_allclose(found, [(of_part + of_none) / 2], rtol=1e-5)


def test_l_alpha_by_hand():
    alpha = tf.constant([0.5, 0.8, 0.1, 0.25], shape=[1, 2, 2, 1])
    target = tf.constant([1.0, 0.0, 0.0, 0.5], shape=[1, 2, 2, 1])
    opens, closes = losses._MISSED * np.log([0.5, 0.25]), np.log([0.2, 0.9, 0.75])
    expected = -(opens[0] + closes[0] + closes[1] + 0.5 * (opens[1] + closes[2])) / 4
    np.testing.assert_allclose(losses.L_alpha(alpha, target), [expected], rtol=1e-4)


def test_structure_is_of_what_is_edited_and_texture_of_what_it_becomes(pairs):
    state = make()
    features = encoding.encode_start(state, pairs)
    of_before = state.generator.encode_picture(pairs["before"], training=True)
    of_picture = state.generator.encode_picture(pairs["picture"], training=True)
    np.testing.assert_array_equal(features["v_b"], of_before["v_b"])
    np.testing.assert_array_equal(features["v_i"], of_picture["v_i"])


def test_reconstruction_starts_from_before(pairs):
    """With alpha closed nothing is drawn, so what is left is the difference of the two pictures."""
    state = make(warm_up=0)
    state.generator.icm.tlu.offset.assign(-30.0)
    logs = stages.reconstruction_step(state, pairs)
    difference = tf.reduce_mean(tf.square(pairs["before"] - pairs["picture"]))
    np.testing.assert_allclose(logs["L_rec_fine"], difference, rtol=1e-4)
    assert {"L_where", "L_alpha_fine"} <= set(logs)


def test_l_where_pulls_gates_towards_the_part_that_words_speak_of(pairs):
    state = make()
    state.warm_up_optimizer.learning_rate.assign(2e-2)
    step = tf.function(lambda: warm_up.warm_up_step(state, pairs))
    rows = [step() for _ in range(12)]
    assert "L_level" not in rows[0]
    assert float(rows[-1]["L_where"]) < 0.8 * float(rows[0]["L_where"])


def test_places_are_covered_as_far_as_their_pixels(pairs):
    state, recorded = make(), Losses()
    own = state.generator.encode_text(pairs["tokens"], training=True)
    features = encoding.encode_start(state, pairs)
    gate = state.generator.icm.gate
    gate.query.kernel.assign(tf.zeros_like(gate.query.kernel))  # all logits are minus the offset
    pair_terms.add_where(state, recorded, features, own, pairs)
    two_words = 2 * (np.log1p(np.exp(3)) + np.log1p(np.exp(-3)))  # inside closed, outside closed
    others = 14 * np.log1p(np.exp(-3))
    np.testing.assert_allclose(recorded.means()["L_where"], (two_words + others) / 16, rtol=1e-3)


def test_without_marks_there_is_no_l_where(pairs):
    plain = {name: pairs[name] for name in ("picture", *CAPTIONS)}
    assert "L_where" not in stages.reconstruction_step(make(warm_up=0), plain)
