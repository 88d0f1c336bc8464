"""From losses to an update: the weighted sum of Eq. 20 and 21, checks, clipping, all-reduce."""

from __future__ import annotations

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
        """The weighted sum, averaged over the global batch.

        Raises:
            InvalidArgumentError: a term is not finite; the message begins with its name.
        """
        means = [
            tf.debugging.check_numerics(tf.reduce_mean(term), name)
            for name, term in self._terms.items()
        ]
        # Gradients are summed over the replicas.
        return tf.add_n(means) / replicas

    def means(self) -> dict[str, tf.Tensor]:
        """What is logged: means over this replica's samples."""
        return {name: tf.reduce_mean(value) for name, value in self._logged.items()}


def update(optimizer, gradients, variables, *, clip_norm: float | None, replicas: int) -> None:
    """One step of an optimizer, by the clipped gradient of the whole global batch.

    Args:
        gradients: this replica's, of :meth:`Losses.total`; None for a variable that no loss
            depends on, because a switch leaves its network out: it counts as zero.
        variables: in the order of the gradients.
        clip_norm: largest global norm; None: no clipping.

    Raises:
        InvalidArgumentError: a gradient is not finite. No variable has changed then.
    """
    # An embedding's gradient is a list of rows, with a word as often as it stands in the batch. Its
    # norm, and the sum over the replicas, must be those of the whole table.
    gradients = [
        tf.zeros_like(variable.value) if gradient is None else tf.convert_to_tensor(gradient)
        for gradient, variable in zip(gradients, variables, strict=True)
    ]
    if replicas > 1:
        context = tf.distribute.get_replica_context()
        gradients = context.all_reduce(tf.distribute.ReduceOp.SUM, gradients)
    # A finite loss can still have an infinite gradient: the root at 0, the logarithm near it.
    norm = tf.debugging.check_numerics(tf.linalg.global_norm(gradients), "gradient")
    if clip_norm is not None:
        gradients, _ = tf.clip_by_global_norm(gradients, clip_norm, use_norm=norm)
    else:  # without this the variables could be assigned before the check fails
        with tf.control_dependencies([norm]):
            gradients = [tf.identity(gradient) for gradient in gradients]
    if replicas > 1:  # the gradients are summed already, and the optimizer sums them again
        gradients = [gradient / replicas for gradient in gradients]
    optimizer.apply(gradients, variables)
