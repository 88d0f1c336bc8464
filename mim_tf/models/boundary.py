"""Boundary image B (Sec. 3, Fig. 3), by Sobel in the graph or by OpenCV's Canny.

Dimensions: `B` batch, `H` height, `W` width, `C` channels. Pictures are float32 in [-1, 1].
"""

import cv2
import numpy as np
import tensorflow as tf

from mim_tf.pictures import tensor_pixels

BOUNDARY_HALF = 0.1
"""The gradient magnitude that `boundary` maps to 1/2; a step of 2 (black to white) has 1."""

_GRADIENT_EPSILON = 1e-6
_CANNY_THRESHOLDS = (100, 200)  # of the gradient's magnitude, on 0..255: OpenCV's usual pair


def boundary(pictures: tf.Tensor) -> tf.Tensor:
    """Boundary image B (Section 3, Fig. 3): where the edges are, with strong and weak ones made
    alike.

    Per channel the Sobel gradient magnitude `m`, the maximum over the channels (so a red to green
    edge of equal luminance counts), then `m / (m + BOUNDARY_HALF)`. The picture's own border is no
    edge. Differentiable everywhere.

    Deviation: the paper does not name its boundary detector.

    Only operations that TFLite runs on a GPU: slice, concatenation, depthwise convolution, split
    and element-wise maths.

    Args:
        pictures: float `[B, H, W, 3]` in [-1, 1].

    Returns:
        float32 `[B, H, W, 1]` in [0, 1).
    """
    padded = _repeat_edges(tf.cast(pictures, tf.float32))
    sobel = np.outer([1.0, 2.0, 1.0], [-1.0, 0.0, 1.0]).astype(np.float32) / 8.0
    across = _depthwise(padded, sobel)
    down = _depthwise(padded, sobel.T)
    # The largest square is that of the largest gradient: one root in place of three.
    red, green, blue = tf.split(tf.square(across) + tf.square(down), 3, axis=3)
    energy = tf.maximum(tf.maximum(red, green), blue)
    # Epsilon keeps the root's slope finite at 0; subtracting its root keeps a flat area at 0.
    floor = float(np.sqrt(np.float32(_GRADIENT_EPSILON)))
    magnitude = tf.nn.relu(tf.sqrt(energy + _GRADIENT_EPSILON) - floor)
    return magnitude / (magnitude + BOUNDARY_HALF)


def canny(pictures: tf.Tensor) -> tf.Tensor:
    """The other boundary image: Canny's edges by OpenCV, one pixel wide, 0 or 1.

    It runs outside the graph: it can be neither differentiated nor exported.

    Args:
        pictures: float `[B, H, W, 3]` in [-1, 1].

    Returns:
        float32 `[B, H, W, 1]`.
    """

    def edges(batch: np.ndarray) -> np.ndarray:
        found = [cv2.Canny(picture, *_CANNY_THRESHOLDS) for picture in batch]
        return (np.stack(found)[..., None] > 0).astype(np.float32)

    drawn = tf.numpy_function(edges, [tensor_pixels.to_uint8(pictures)], tf.float32, stateful=False)
    drawn.set_shape([*pictures.shape[:3], 1])
    return tf.stop_gradient(drawn)


def boundary_image(pictures: tf.Tensor, detector: str) -> tf.Tensor:
    """B by the detector of ``model.boundary``: `boundary` for "sobel", `canny` for "canny"."""
    return canny(pictures) if detector == "canny" else boundary(pictures)


def _repeat_edges(x: tf.Tensor) -> tf.Tensor:
    """`[B, H, W, C]` to `[B, H + 2, W + 2, C]`: the outermost rows and columns twice."""
    x = tf.concat([x[:, :1, :, :], x, x[:, -1:, :, :]], axis=1)
    return tf.concat([x[:, :, :1, :], x, x[:, :, -1:, :]], axis=2)


def _depthwise(x: tf.Tensor, kernel: np.ndarray) -> tf.Tensor:
    """Apply one 3x3 kernel to each of 3 channels."""
    filters = np.repeat(kernel[:, :, None, None], 3, axis=2)  # [3, 3, 3, 1]
    return tf.nn.depthwise_conv2d(x, filters, strides=[1, 1, 1, 1], padding="VALID")
