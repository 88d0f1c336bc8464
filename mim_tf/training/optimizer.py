"""Adam that can be told on the device to leave everything as it is."""

from __future__ import annotations

import keras
import tensorflow as tf


class Adam(keras.optimizers.Adam):
    """Adam for which a gradient that is not a number changes nothing: neither the variable nor
    what Adam remembers of it.

    So a step that must not count needs no branch, and nobody has to wait for the device to know.
    """

    def update_step(self, gradient, variable, learning_rate):
        rate = tf.where(tf.math.is_nan(gradient), 0.0, learning_rate)
        super().update_step(gradient, variable, rate)

    def assign_add(self, variable, value):
        """Both running means of Adam are moved by this."""
        super().assign_add(variable, tf.where(tf.math.is_nan(value), tf.zeros_like(value), value))
