"""Features that the stages share, so that no network runs twice on the same picture or caption."""

from __future__ import annotations

import tensorflow as tf

from mim_tf.training.state import TrainingState


def with_features(state: TrainingState, batch):
    """A batch with the features of its pictures as ``features``, where Enc is frozen: it has one
    answer for all stages of a step, and no gradient. Outside of every tape, so that nothing of it
    is kept."""
    if not state.generator.enc.frozen:
        return batch
    return {**batch, "features": state.generator.encode_picture(batch["picture"], training=True)}


def encode_pictures(state: TrainingState, batch):
    """The features of a batch's pictures, see :meth:`Generator.encode_picture`; an Enc that learns
    is asked anew in each stage, for it has moved in between."""
    if "features" in batch:
        return batch["features"]
    return state.generator.encode_picture(batch["picture"], training=True)


def encode_start(state: TrainingState, batch):
    """Features of the pictures that are edited, with ``v_i`` of what they should become.

    Both are ``picture`` of the batch, unless it has a ``before`` (:mod:`mim_tf.data.recolouring`).
    """
    if "before" not in batch:
        return encode_pictures(state, batch)
    return state.generator.encode_picture(
        batch["before"], texture_of=batch["picture"], training=True
    )


def halves(values: dict):
    """What was computed for two captions of each picture in one pass: the first's and the
    second's, ``[2 B, ...]`` -> twice ``[B, ...]``. A Bi-LSTM takes as long for both as for one."""
    first, second = {}, {}
    for name, value in values.items():
        first[name], second[name] = tf.split(value, 2)
    return first, second
