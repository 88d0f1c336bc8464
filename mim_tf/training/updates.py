"""From losses to an update: the weighted sum of Eq. 20 and 21, clipping, all-reduce, and what keeps
an update from variables if it is not finite."""

from __future__ import annotations

import numpy as np
import tensorflow as tf


class Losses:
    """The losses of a step: values to be logged, and the weighted sum to be minimised.

    Values are tensors [B], a value for each sample of this replica, or scalars.
    """

    def __init__(self) -> None:
        self._logged: dict[str, tf.Tensor] = {}
        self._terms: dict[str, tf.Tensor] = {}

    def add(self, name: str, value, weight) -> None:
        """A loss: its value is logged, and ``weight`` times it is a term of the sum."""
        self.log(name, value)
        self._terms[name] = weight * value

    def log(self, name: str, value) -> None:
        """A value that is logged only."""
        self._logged[name] = value

    def total(self, replicas: int):
        """The weighted sum, averaged over the global batch; 0 where there is no term."""
        means = [tf.reduce_mean(term) for term in self._terms.values()]
        # Gradients are summed over the replicas.
        return tf.add_n([tf.zeros([]), *means]) / replicas

    def means(self) -> dict[str, tf.Tensor]:
        """What is logged: means over this replica's samples."""
        return {name: tf.reduce_mean(value) for name, value in self._logged.items()}


def dense(gradients, sources) -> list[tf.Tensor]:
    """Gradients as tensors of their sources' shapes.

    None, of what a total does not depend on, becomes zeros. An embedding's gradient is a list of
    rows, with a word as often as it stands in the batch: its norm, and sums of it, must be those of
    the whole table.
    """
    return [
        tf.zeros(source.shape) if gradient is None else tf.convert_to_tensor(gradient)
        for gradient, source in zip(gradients, sources, strict=True)
    ]


def update(
    optimizer, gradients, variables, total, sound, *, scale, clip_norm: float | None, replicas: int
):
    """One step of an optimizer, by the clipped gradient of the whole global batch. Where that, or
    ``total``, is not finite, nothing changes.

    Args:
        optimizer: :class:`mim_tf.training.optimizer.Adam`.
        gradients: this replica's, of :meth:`Losses.total`, as :func:`dense` takes them: a switch
            may leave out the network of a variable.
        variables: in the order of the gradients.
        total: this replica's.
        scale: of the gradients, a power of two by which they are divided.
        sound: a tensor; where it is false, nothing changes either.
        clip_norm: largest global norm; None: no clipping.

    Returns:
        The norm of the global batch's gradient, before it is clipped; NaN where nothing changes.
    """
    gradients = [gradient / scale for gradient in dense(gradients, variables)]
    if replicas > 1:  # all must agree whether the update counts
        context = tf.distribute.get_replica_context()
        *gradients, total = context.all_reduce(tf.distribute.ReduceOp.SUM, [*gradients, total])
    norm = tf.linalg.global_norm(gradients)
    # A finite loss can still have an infinite gradient: the root at 0, the logarithm near it.
    counts = sound & tf.math.is_finite(norm) & tf.math.is_finite(total)
    norm = tf.where(counts, norm, np.nan)
    if clip_norm is not None:
        gradients, _ = tf.clip_by_global_norm(gradients, clip_norm, use_norm=norm)
    else:
        gradients = [tf.where(counts, gradient, np.nan) for gradient in gradients]
    if replicas > 1:  # the gradients are summed already, and the optimizer sums them again
        gradients = [gradient / replicas for gradient in gradients]
    optimizer.apply(gradients, variables)
    optimizer.iterations.assign_sub(tf.where(counts, 0, 1))
    return norm
