"""The scale of losses in float16."""

from __future__ import annotations

from collections.abc import Mapping

import tensorflow as tf

_START = 2.0**15
_PATIENCE = 2000  # steps without an overflow after which a larger scale is tried


class LossScale:
    """A factor of the losses in ``mixed_float16``, where small gradients would vanish; they are
    divided by it again before anything else is done with them.

    If a gradient overflows nevertheless, its update changes nothing and the factor is halved; after
    many steps without one it is doubled.

    Attributes:
        factor: a power of two.
        calm: steps since it was changed.
    """

    def __init__(self) -> None:
        self.factor = tf.Variable(_START, trainable=False, name="loss_scale")
        self.calm = tf.Variable(0, trainable=False, name="calm", dtype=tf.int64)

    def after_step(self, losses: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Follow the gradients of a step.

        Args:
            losses: with the norms of gradients, ``gradient...``; NaN where one has overflowed.

        Returns:
            The losses with 0 for such a norm, as long as there is a smaller factor to try, and the
            factor itself as ``loss_scale``.
        """
        norms = {name: value for name, value in losses.items() if name.startswith("gradient")}
        finite = {name: tf.math.is_finite(value) for name, value in norms.items()}
        calm, factor = tf.reduce_all(list(finite.values())), tf.identity(self.factor)
        told = {
            name: tf.where(finite[name] | (factor <= 1.0), norm, 0.0)
            for name, norm in norms.items()
        }
        grows = calm & (self.calm + 1 >= _PATIENCE)
        self.calm.assign(tf.where(calm & ~grows, self.calm + 1, 0))
        change = tf.where(grows, 2.0, 1.0)
        self.factor.assign(factor * tf.where(calm, change, 0.5))
        return {**losses, **told, "loss_scale": factor}
