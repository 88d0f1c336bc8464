"""L_m, Eq. 16: pictures that are painted with random memories should look real.

Dimensions: B batch (of this replica), T words (padded), l texture channels.
"""

from __future__ import annotations

import tensorflow as tf

from mim_tf.training.losses import L_m
from mim_tf.training.replicas import rows_of
from mim_tf.training.state import TrainingState
from mim_tf.training.updates import Losses

_STREAM = 2  # of random numbers


def wanted(state: TrainingState) -> bool:
    """Whether L_m has a weight."""
    return any(state.config.loss.m[stage] for stage in state.stages)


def add_L_m(state: TrainingState, losses: Losses, features, texture, mask) -> None:  # noqa: N802
    """L_m of each stage: D_I should call what is painted with ``texture`` [B, T, l] real."""
    weights = state.config.loss.m
    fake = state.generator.paint(features, texture, mask, training=True)
    for stage in state.stages:
        logit = state.d_i[stage](fake["images"][stage], training=True)
        loss = L_m(logit, state.config.deviations.reality)
        losses.add(f"L_m_{stage}", loss, weights[stage])


def texture(state: TrainingState, mask):
    """Eq. 16's ``a~``: a uniformly random point of the simplex for each word, read from the
    memory, [B, T, l]."""
    # Drawn for the global batch, so that it does not depend on how many devices share that.
    shape = [mask.shape[0] * state.replicas, mask.shape[1], state.config.model.slots]
    uniform = tf.random.stateless_uniform(shape, _seed(state, _STREAM), minval=1e-7, maxval=1.0)
    exponential = -tf.math.log(rows_of(uniform, state.replicas))
    attention = exponential / tf.reduce_sum(exponential, axis=-1, keepdims=True)
    return state.generator.mtfg.read(attention)


def _seed(state: TrainingState, stream: int):
    """A fresh random seed for each step and use: resuming repeats nothing."""
    base = tf.stack([tf.constant(state.config.train.seed, tf.int64), state.step])
    return tf.random.experimental.stateless_fold_in(base, stream)
