"""Blocks without paper names, and the initializers that several networks share."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import keras
from keras import ops


@contextlib.contextmanager
def computing_in(precision: str) -> Iterator[None]:
    """Layers that are made while this context is open compute in a Keras policy, ``float32``,
    ``mixed_bfloat16`` or ``mixed_float16``; their weights are float32 in each."""
    earlier = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(earlier)


class Network(keras.Model):
    """A model whose layers are built by its first call, which must be eager.

    Keras by itself would trace that call beforehand to build them, and once more in each model
    that holds another: five seconds for a training of the smallest networks.
    """

    def build(self, input_shape) -> None:
        pass


def conv(filters: int, kernel: int = 3, strides: int = 1, **kwargs) -> keras.layers.Conv2D:
    """A 'same' convolution, He-initialised for the leaky ReLU that follows it."""
    kwargs.setdefault("kernel_initializer", "he_normal")
    return keras.layers.Conv2D(filters, kernel, strides, padding="same", **kwargs)


def texture_initializer() -> keras.initializers.Initializer:
    """For projections of ``h-``, ``h^`` and ``h^f``, at 30 times the usual variance.

    These are averages of many memories, which hardly differ from caption to caption at first: at
    the usual scale the structure's features would outweigh them, and the network would learn what
    the words say much later.
    """
    return keras.initializers.VarianceScaling(30.0)


def output_initializer() -> keras.initializers.Initializer:
    """For the layers before a decoder's tanh, which start near zero: a tanh that starts saturated
    has no gradient to leave its extreme."""
    return keras.initializers.VarianceScaling(0.01)


def activate(x):
    """Leaky ReLU, slope 0.2: every mobile GPU runs it, and no unit's gradient is ever zero."""
    return ops.leaky_relu(x, 0.2)


def resize(x, size: int):
    """``[B, H, W, C]`` -> ``[B, size, size, C]``, bilinear; the paper's U when it enlarges."""
    if x.shape[1] == size and x.shape[2] == size:
        return x
    return ops.image.resize(x, (size, size), interpolation="bilinear")


def masked_mean(x, mask):
    """Mean over axis 1 of the entries that ``mask`` keeps.

    Args:
        x: ``[B, T, C]``.
        mask: ``[B, T]`` of 0 and 1 floats with at least one 1 in each row.
    """
    weights = ops.expand_dims(mask, -1)
    return ops.sum(x * weights, axis=1) / ops.sum(weights, axis=1)


class Norm(keras.layers.Layer):
    """Divide each position's channels by their root mean square, times a learned scale.

    It uses no statistics of the batch or of the picture, so training and inference are alike.
    """

    def build(self, input_shape) -> None:
        self.scale = self.add_weight(shape=(input_shape[-1],), initializer="ones", name="scale")

    def call(self, x):
        mean = ops.mean(ops.square(ops.cast(x, "float32")), axis=-1, keepdims=True)
        return x * ops.cast(ops.rsqrt(mean + 1e-6), x.dtype) * self.scale


class Residual(keras.layers.Layer):
    """``x + f(x)``: ``f`` normalises, then twice activates and convolves 3x3."""

    def __init__(self, filters: int, **kwargs) -> None:
        super().__init__(**kwargs)
        self.norm = Norm()
        self.first = conv(filters)
        self.second = conv(filters, kernel_initializer="zeros")

    def build(self, input_shape) -> None:
        self.norm.build(input_shape)
        self.first.build(input_shape)
        self.second.build(input_shape)

    def call(self, x):
        return x + self.second(activate(self.first(activate(self.norm(x)))))
