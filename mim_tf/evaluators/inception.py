"""Inception-v3 (Szegedy et al. 2015), as the evaluators of this field use it.

``keras.applications`` has the network, but in a form that cannot hold AttnGAN's weights: without
gamma in its batch normalisation, and with average pools that do not count the padding. PyTorch's,
which AttnGAN trained, has both. Layers carry torchvision's names, ``Mixed_5b.branch5x5_2.conv`` and
``.bn``; the names of Keras's and of TF-Slim's layers are translated to these.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import keras
from keras import ops

from mim_tf.errors import UserError

LOCAL, POOLED = 768, 2048  # channels of the 17 x 17 map, and of the pooled features
_EPSILON = 1e-3
_FILE = "inception_v3_weights_tf_dim_ordering_tf_kernels.h5"


class PaddedMean(keras.layers.Layer):
    """3x3 average pool, stride 1, which counts the padding's zeros as PyTorch does."""

    def call(self, x):
        x = ops.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
        return ops.average_pool(x, 3, strides=1, padding="valid")


def inception_v3(size: int, count_padding: bool) -> keras.Model:
    """The network without its head, random weights.

    Args:
        size: H = W of the pictures, at least 75.
        count_padding: average pools count zero padding (PyTorch) or not (TensorFlow).

    Returns:
        A model from pictures [B, H, W, 3] in [-1, 1] to ``[local, pooled]``: Mixed_6e
        [B, h, w, 768] (17 x 17 of 299) and the mean of Mixed_7c [B, 2048].
    """
    picture = keras.Input((size, size, 3))
    x = _conv(picture, "Conv2d_1a_3x3", 32, 3, 2, "valid")
    x = _conv(x, "Conv2d_2a_3x3", 32, 3, padding="valid")
    x = _conv(x, "Conv2d_2b_3x3", 64, 3)
    x = _max_pool(x)
    x = _conv(x, "Conv2d_3b_1x1", 80, 1)
    x = _conv(x, "Conv2d_4a_3x3", 192, 3, padding="valid")
    x = _max_pool(x)
    mean: Callable = PaddedMean() if count_padding else _mean_same()
    for name, pooled in (("Mixed_5b", 32), ("Mixed_5c", 64), ("Mixed_5d", 64)):
        x = _block_a(x, name, pooled, mean)
    x = _block_b(x, "Mixed_6a")
    for name, width in (("Mixed_6b", 128), ("Mixed_6c", 160), ("Mixed_6d", 160), ("Mixed_6e", 192)):
        x = _block_c(x, name, width, mean)
    local = x
    x = _block_d(x, "Mixed_7a")
    for name in ("Mixed_7b", "Mixed_7c"):
        x = _block_e(x, name, mean)
    return keras.Model(picture, [local, keras.layers.GlobalAveragePooling2D()(x)])


def conv_names(network: keras.Model) -> list[str]:
    """The 94 convolutions' names, without ``.conv``, in the order in which they were made."""
    names = [
        layer.name.removesuffix(".conv")
        for layer in network.layers
        if isinstance(layer, keras.layers.Conv2D)
    ]
    # Keras lists layers by their depth in the graph; they were made branch by branch.
    return sorted(names, key=_creation_order)


def set_conv(network: keras.Model, name: str, kernel, gamma, beta, mean, variance) -> None:
    """Set a convolution's kernel [h, w, in, out] and its batch normalisation; gamma None stands for
    1."""
    network.get_layer(f"{name}.conv").set_weights([kernel])
    norm = network.get_layer(f"{name}.bn")
    if gamma is None:
        gamma = ops.convert_to_numpy(ops.ones_like(norm.gamma))
    norm.set_weights([gamma, beta, mean, variance])


def load_keras(network: keras.Model, weights: str, key: str) -> keras.layers.Layer:
    """Take over the weights of Keras's Inception-v3.

    Args:
        network: of :func:`inception_v3`.
        weights: ``imagenet`` (downloaded), or the path of the same file.
        key: the configuration's key, for the error.

    Returns:
        Its last layer, the 1,000 classes.

    Raises:
        UserError: no download, no such file, or one that does not fit.
    """
    if weights != "imagenet" and not Path(weights).is_file():
        raise UserError(f"{key}: no file {weights}; fetch {_FILE} from Keras's applications")
    try:
        theirs = keras.applications.InceptionV3(weights=weights)
    except Exception as error:  # Keras raises a bare Exception when its download fails
        raise UserError(
            f"cannot load Inception-v3 weights ({type(error).__name__}); fetch {_FILE} from the "
            f"Keras applications release and give its path as {key}, or use encoder=small"
        ) from None
    copy_keras(network, theirs)
    return theirs.layers[-1]


def copy_keras(network: keras.Model, theirs: keras.Model) -> None:
    """Copy the weights of a ``keras.applications.InceptionV3`` into ours; both make their layers in
    the same order."""
    # Keras numbers the layers of a kind as it makes them: conv2d, conv2d_1, ...
    convs, norms = (
        sorted((layer for layer in theirs.layers if isinstance(layer, kind)), key=_number)
        for kind in (keras.layers.Conv2D, keras.layers.BatchNormalization)
    )
    for name, conv, norm in zip(conv_names(network), convs, norms, strict=True):
        set_conv(network, name, conv.get_weights()[0], None, *norm.get_weights())


# The branches of the blocks, in the order in which Keras makes them.
_BRANCHES = ("1x1", "5x5", "3x3", "7x7", "3x3dbl", "7x7dbl", "7x7x3", "_pool")


def _creation_order(name: str) -> tuple[str, int, str]:
    """A convolution's sort key: its block, its branch, and its step in the branch."""
    block, _, branch = name.partition(".branch")
    kind, _, step = branch.partition("_") if branch != "_pool" else (branch, "", "")
    return block, _BRANCHES.index(kind) if branch else 0, step


def _number(layer: keras.layers.Layer) -> int:
    """The number at the end of a layer's name; 0 where it has none."""
    tail = layer.name.rsplit("_", 1)[-1]
    return int(tail) if tail.isdigit() else 0


def _mean_same() -> Callable:
    return lambda x: keras.layers.AveragePooling2D(3, 1, "same")(x)


def _max_pool(x):
    return keras.layers.MaxPooling2D(3, 2)(x)


def _conv(x, name: str, filters: int, kernel, strides: int = 1, padding: str = "same"):
    conv = keras.layers.Conv2D(
        filters, kernel, strides, padding=padding, use_bias=False, name=f"{name}.conv"
    )
    norm = keras.layers.BatchNormalization(epsilon=_EPSILON, momentum=0.9, name=f"{name}.bn")
    return keras.layers.ReLU()(norm(conv(x)))


def _join(*branches):
    return keras.layers.Concatenate()(list(branches))


def _block_a(x, name: str, pooled: int, mean: Callable):
    single = _conv(x, f"{name}.branch1x1", 64, 1)
    five = _conv(x, f"{name}.branch5x5_1", 48, 1)
    five = _conv(five, f"{name}.branch5x5_2", 64, 5)
    double = _conv(x, f"{name}.branch3x3dbl_1", 64, 1)
    double = _conv(double, f"{name}.branch3x3dbl_2", 96, 3)
    double = _conv(double, f"{name}.branch3x3dbl_3", 96, 3)
    return _join(single, five, double, _conv(mean(x), f"{name}.branch_pool", pooled, 1))


def _block_b(x, name: str):
    three = _conv(x, f"{name}.branch3x3", 384, 3, 2, "valid")
    double = _conv(x, f"{name}.branch3x3dbl_1", 64, 1)
    double = _conv(double, f"{name}.branch3x3dbl_2", 96, 3)
    double = _conv(double, f"{name}.branch3x3dbl_3", 96, 3, 2, "valid")
    return _join(three, double, _max_pool(x))


def _block_c(x, name: str, width: int, mean: Callable):
    single = _conv(x, f"{name}.branch1x1", 192, 1)
    seven = _conv(x, f"{name}.branch7x7_1", width, 1)
    seven = _conv(seven, f"{name}.branch7x7_2", width, (1, 7))
    seven = _conv(seven, f"{name}.branch7x7_3", 192, (7, 1))
    double = _conv(x, f"{name}.branch7x7dbl_1", width, 1)
    double = _conv(double, f"{name}.branch7x7dbl_2", width, (7, 1))
    double = _conv(double, f"{name}.branch7x7dbl_3", width, (1, 7))
    double = _conv(double, f"{name}.branch7x7dbl_4", width, (7, 1))
    double = _conv(double, f"{name}.branch7x7dbl_5", 192, (1, 7))
    return _join(single, seven, double, _conv(mean(x), f"{name}.branch_pool", 192, 1))


def _block_d(x, name: str):
    three = _conv(x, f"{name}.branch3x3_1", 192, 1)
    three = _conv(three, f"{name}.branch3x3_2", 320, 3, 2, "valid")
    seven = _conv(x, f"{name}.branch7x7x3_1", 192, 1)
    seven = _conv(seven, f"{name}.branch7x7x3_2", 192, (1, 7))
    seven = _conv(seven, f"{name}.branch7x7x3_3", 192, (7, 1))
    seven = _conv(seven, f"{name}.branch7x7x3_4", 192, 3, 2, "valid")
    return _join(three, seven, _max_pool(x))


def _block_e(x, name: str, mean: Callable):
    single = _conv(x, f"{name}.branch1x1", 320, 1)
    three = _conv(x, f"{name}.branch3x3_1", 384, 1)
    three_a = _conv(three, f"{name}.branch3x3_2a", 384, (1, 3))
    three_b = _conv(three, f"{name}.branch3x3_2b", 384, (3, 1))
    double = _conv(x, f"{name}.branch3x3dbl_1", 448, 1)
    double = _conv(double, f"{name}.branch3x3dbl_2", 384, 3)
    double_a = _conv(double, f"{name}.branch3x3dbl_3a", 384, (1, 3))
    double_b = _conv(double, f"{name}.branch3x3dbl_3b", 384, (3, 1))
    pool = _conv(mean(x), f"{name}.branch_pool", 192, 1)
    return _join(single, three_a, three_b, double_a, double_b, pool)
