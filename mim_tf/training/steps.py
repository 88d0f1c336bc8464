"""A step as a graph: every replica's share of the batch, then what follows once for all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from mim_tf.pictures import tensor_pixels
from mim_tf.training.mimnet import MIMNet


def step_graph(
    model: MIMNet, strategy: tf.distribute.Strategy, take_step: Callable, **options: bool
) -> Any:
    """A function that takes one step on a batch of
    :func:`mim_tf.data.pipeline.training_batches` and returns its losses, means over the global
    batch; traced at its first call.

    Args:
        take_step: a method of ``model``, with its ``options``.
    """

    def replica(batch):
        signed = {
            name: tensor_pixels.to_signed(batch[name])
            for name in ("picture", "before")
            if name in batch
        }
        return take_step({**batch, **signed}, **options)

    @tf.function
    def step(batch):
        logs = strategy.run(replica, args=(batch,))
        mean = tf.distribute.ReduceOp.MEAN
        logs = {key: strategy.reduce(mean, value, axis=None) for key, value in logs.items()}
        return model.state.after_step(logs)

    return step
