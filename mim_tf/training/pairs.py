"""What training on pairs of colourings adds: L_where and L_alpha.

Dimensions: B batch (of this replica), T words (padded), N x M feature map, F the fine size.
"""

from __future__ import annotations

import tensorflow as tf
from keras import ops

from mim_tf.models.icm import WordGate
from mim_tf.training.losses import L_alpha, L_where
from mim_tf.training.state import TrainingState
from mim_tf.training.updates import Losses


def add_where(state: TrainingState, losses: Losses, features, own, batch) -> None:
    """L_where of the pictures' own captions, where the batch tells which places words speak of.

    Args:
        own: ``h_hat`` and ``mask`` of the captions.
    """
    weight = state.config.deviations.where
    if not weight or "spoken" not in batch:
        return
    gate, v_b = state.generator.icm.gate, features["v_b"]
    assert gate is not None  # checked by Deviations
    logits = WordGate.shifted(gate.logits(v_b, own["h_hat"]))
    covered = _covered(batch)
    window = covered.shape[1] // v_b.shape[1]
    places = ops.average_pool(covered, window)  # [B, N, M, T]
    target = tf.reshape(places, tf.shape(logits))
    kinds = tf.where(own["mask"] > 0, tf.cast(batch["spoken"] > 0, tf.int32), -1)
    losses.add("L_where", L_where(logits, target, kinds), weight)


def add_alpha(state: TrainingState, losses: Losses, out, batch) -> None:
    """L_alpha of each stage, where the batch tells which places captions speak of.

    Args:
        out: what :meth:`mim_tf.models.generator.Generator.draw` returned.
    """
    weight = state.config.deviations.where
    if not weight or "spoken" not in batch:
        return
    target = tf.reduce_max(_covered(batch), axis=-1, keepdims=True)  # [B, F, F, 1]
    for stage, alpha in out["alphas"].items():
        places = ops.average_pool(target, target.shape[1] // alpha.shape[1])
        losses.add(f"L_alpha_{stage}", L_alpha(alpha, places), weight)


def _covered(batch):
    """Whether each pixel lies on the part that each word speaks of, 0 or 1, [B, F, F, T]."""
    spoken = batch["spoken"][:, None, None, :]  # bits of labels
    labels = tf.cast(batch["labels"], tf.int32)[..., None]
    return tf.cast(tf.bitwise.right_shift(spoken, labels) & 1, tf.float32)
