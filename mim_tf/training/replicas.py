"""What the replicas of a strategy share, so that together they make the update of one device.

Replica k of R has the rows k B to (k + 1) B - 1 of the global batch, as
:func:`mim_tf.data.pipeline.training_batches` deals them out. All of this is for code that runs
inside ``strategy.run``; with one replica nothing is exchanged.
"""

from __future__ import annotations

import tensorflow as tf


def number(replicas: int):
    """Which replica this is, 0 to R - 1."""
    if replicas == 1:
        return 0
    return tf.distribute.get_replica_context().replica_id_in_sync_group


def gathered(x, replicas: int):
    """``x`` [B, ...] of all replicas, [R B, ...]; gradients go back to the replica that they
    belong to."""
    if replicas == 1:
        return x
    # A sum in which each replica has rows of its own: unlike a gather it is the same operation, and
    # has the same gradient, in every strategy.
    rest = x.shape[1:]
    place = tf.reshape(tf.one_hot(number(replicas), replicas, dtype=x.dtype), [replicas, 1])
    rows = tf.reshape(place * tf.reshape(x, [1, -1]), [replicas * x.shape[0], *rest])
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, rows)


def rows_of(x, replicas: int):
    """This replica's rows [B, ...] of ``x`` [R B, ...]."""
    if replicas == 1:
        return x
    count = x.shape[0] // replicas
    return tf.reshape(
        tf.slice(x, [number(replicas) * count] + [0] * (len(x.shape) - 1), [count, *x.shape[1:]]),
        [count, *x.shape[1:]],
    )
