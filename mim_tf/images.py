"""Pictures: encoded bytes <-> uint8 <-> [-1, 1], and all that is done to them outside the networks.

Pillow decodes and encodes. TensorFlow resizes and finds boundaries, so that an exported graph can
hold the very same operations.

Dimensions: `B` batch, `H` height, `W` width, `C` channels, `S` the side of the model's square.
"Picture" means a NumPy array, uint8 `[H, W, 3]`, RGB; "signed" means float32 in [-1, 1].
"""

import io
import os
import secrets
import struct
import warnings
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import tensorflow as tf
from PIL import Image

from mim_tf.errors import UserError

MAX_PIXELS = 64_000_000
"""Largest picture decoded by default, in pixels."""

# The formats that carry a magic number, are plain rasters and start no other program (EPS does).
READABLE_FORMATS = ("PNG", "JPEG", "MPO", "WEBP", "AVIF", "GIF", "BMP", "TIFF", "PPM", "JPEG2000")

_HALF_RANGE = 127.5

_WRITERS: dict[str, tuple[str, dict[str, Any]]] = {
    ".png": ("PNG", {}),
    # Without chroma subsampling: colours are what this program edits.
    ".jpg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".jpeg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".webp": ("WEBP", {"quality": 95}),
}

_EXIF_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# Bytes and files ---------------------------------------------------------------------------------


def decode(data: bytes, name: str, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Decode a PNG, JPEG, WebP (or AVIF, GIF, BMP, TIFF, PPM, JPEG 2000) file held in memory.

    Transparency is laid over white, greyscale (8 or 16 bits) becomes three equal channels, the
    EXIF orientation is applied, an animation gives its first frame. Colour profiles are ignored.

    Args:
        data: the whole file.
        name: what to call the picture in an error, usually its path.
        max_pixels: a header that announces more pixels is refused before anything is decoded.
            (Above about 178 million pixels Pillow's own `Image.MAX_IMAGE_PIXELS` refuses too.)

    Returns:
        uint8 `[H, W, 3]`, RGB, H and W at least 1.

    Raises:
        UserError: empty, not an image, broken or truncated, or too large.
    """
    if not data:
        raise UserError(f"{name}: the file is empty; give a PNG, JPEG or WebP picture")
    with _open(data, name, max_pixels) as image:
        width, height = image.size
        if width * height > max_pixels:
            raise _too_large(name, f"{width}x{height} pixels", max_pixels)
        try:
            image.load()
            return np.array(_to_rgb(_upright(image)), dtype=np.uint8)
        except MemoryError:
            raise
        except Exception as error:  # codecs raise whatever a broken file makes them trip over
            raise UserError(
                f"{name}: the picture is truncated or broken ({error}); get an intact copy"
            ) from error


def read(path: str | os.PathLike[str], max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Read a picture file; see `decode` for what is accepted and what comes back.

    Raises:
        UserError: what `decode` raises, and a file that is missing, a folder, or unreadable.
    """
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError as error:
        raise UserError(f"{path}: there is no such file; check the path") from error
    except IsADirectoryError as error:
        raise UserError(f"{path}: is a folder; give the path of one picture") from error
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        raise UserError(f"{path}: cannot be read ({_reason(error)})") from error
    return decode(data, str(path), max_pixels)


def encode_png(picture: np.ndarray) -> bytes:
    """Encode a uint8 `[H, W, 3]` picture as PNG, without loss."""
    return _encode(picture, "PNG", {})


def write(path: str | os.PathLike[str], picture: np.ndarray) -> None:
    """Write a uint8 `[H, W, 3]` picture as its suffix says: .png, .jpg, .jpeg or .webp.

    The folder is created where it is missing. The file appears whole or not at all: it is written
    under another name in the same folder, then renamed over what was there.

    Raises:
        UserError: an unknown suffix, a place that cannot be written, a picture too large for the
            format.
    """
    path = Path(path)
    if path.suffix.lower() not in _WRITERS:
        raise UserError(
            f"{path}: unknown picture suffix '{path.suffix}'; use one of {', '.join(_WRITERS)}"
        )
    form, options = _WRITERS[path.suffix.lower()]
    _check_picture(picture)
    try:
        data = _encode(picture, form, options)
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be encoded as {form} ({error}); try .png") from error
    _replace_file(path, data)


def _open(data: bytes, name: str, max_pixels: int) -> Image.Image:
    """Parse the header alone. The caller closes the image."""
    Image.init()
    formats = [form for form in READABLE_FORMATS if form in Image.OPEN]
    try:
        with warnings.catch_warnings():
            # `decode` has its own limit, and reports it in one line.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            return Image.open(io.BytesIO(data), formats=formats)
    except Image.DecompressionBombError as error:
        raise _too_large(name, "far too many pixels", max_pixels) from error
    except MemoryError:
        raise
    except Exception as error:  # as in `decode`
        raise UserError(
            f"{name}: not a picture this program can read, or a broken one; "
            "give an intact PNG, JPEG or WebP file"
        ) from error


def _too_large(name: str, found: str, max_pixels: int) -> UserError:
    return UserError(
        f"{name}: its header announces {found}, the limit is {max_pixels} pixels in all; "
        "make the picture smaller"
    )


def _upright(image: Image.Image) -> Image.Image:
    """Apply the EXIF orientation of an image that is already loaded (PNG has it at its end)."""
    try:
        turn = _UPRIGHT.get(image.getexif().get(_EXIF_ORIENTATION, 1))
    except (OSError, SyntaxError, ValueError, TypeError, LookupError, struct.error):
        # Broken EXIF beside sound pixels: show them as they are stored.
        return image
    return image if turn is None else image.transpose(turn)


def _to_rgb(image: Image.Image) -> Image.Image:
    """Bring an image of any mode to RGB, over white where it is transparent."""
    if image.mode.startswith("I") or image.mode == "F":
        return Image.fromarray(_grey_from_wide(np.asarray(image))).convert("RGB")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image).convert("RGB")
    return image.convert("RGB")


def _grey_from_wide(values: np.ndarray) -> np.ndarray:
    """Scale greyscale of more than 8 bits, `[H, W]`, to uint8 (Pillow's `convert` would clip it).

    Which value is white is not written in the file. Integers: 65535, as 16-bit PNG has it. Floats:
    the first of 1, 255, 65535 that holds the maximum. The maximum itself where none does.
    """
    candidates = (1.0, 255.0, 65535.0) if values.dtype.kind == "f" else (65535.0,)
    values = np.nan_to_num(values.astype(np.float64))
    top = float(values.max())
    white = next((candidate for candidate in candidates if top <= candidate), top)
    return np.rint(np.clip(values / white, 0.0, 1.0) * 255.0).astype(np.uint8)


def _check_picture(picture: np.ndarray) -> None:
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or not picture.size:
        raise ValueError(
            f"expected a uint8 picture [H, W, 3], got {picture.dtype} {list(picture.shape)}"
        )


def _encode(picture: np.ndarray, form: str, options: dict[str, Any]) -> bytes:
    _check_picture(picture)
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, form, **options)
    return buffer.getvalue()


def _replace_file(path: Path, data: bytes) -> None:
    # Not `tempfile`: its files are readable by their owner alone, and the rename would keep that.
    temporary = path.parent / f".{secrets.token_hex(8)}.tmp"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_bytes(data)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path}: cannot be written ({_reason(error)}); choose another place"
        ) from error


def _reason(error: Exception) -> str:
    """What went wrong, without the path that the message already names."""
    return getattr(error, "strerror", None) or str(error)


# Value ranges ------------------------------------------------------------------------------------


def to_signed(x: Any) -> Any:
    """Map 0..255 (uint8 or float, any shape) to float32 [-1, 1].

    A NumPy array gives a NumPy array, a tensor a tensor, in a graph too. The same values.
    """
    if isinstance(x, np.ndarray):
        signed = np.divide(x, np.float32(_HALF_RANGE), dtype=np.float32)
        return np.subtract(signed, np.float32(1.0), out=signed if signed.ndim else None)
    return tf.cast(x, tf.float32) / _HALF_RANGE - 1.0


def from_signed(x: tf.Tensor) -> tf.Tensor:
    """Map [-1, 1] back to 0..255, in floats: what ImageNet's networks subtract their means from."""
    return (x + 1.0) * _HALF_RANGE


def to_uint8(x: Any) -> np.ndarray:
    """Map [-1, 1] (array or eager tensor, any shape) to a NumPy uint8 array; halves go to even.

    What lies outside the range is clipped. In a graph use `to_uint8_tensor`, which rounds alike.

    Raises:
        ValueError: a value that is not finite.
    """
    levels = (np.asarray(x, dtype=np.float32) + np.float32(1.0)) * np.float32(_HALF_RANGE)
    if np.isnan(levels).any():
        raise ValueError("the picture holds values that are not finite")
    return np.rint(np.clip(levels, 0.0, 255.0)).astype(np.uint8)


def to_uint8_tensor(x: tf.Tensor) -> tf.Tensor:
    """`to_uint8` for graphs: a float tensor in [-1, 1] to a uint8 tensor, with the same values."""
    levels = (tf.cast(x, tf.float32) + 1.0) * _HALF_RANGE
    return tf.cast(tf.round(tf.clip_by_value(levels, 0.0, 255.0)), tf.uint8)


def as_picture(cell: np.ndarray) -> np.ndarray:
    """A picture as it is; a map as a grey picture."""
    cell = np.asarray(cell)
    if cell.ndim == 2:
        cell = cell[:, :, None]
    if cell.ndim == 3 and cell.shape[2] == 1:
        if cell.dtype != np.uint8:
            cell = np.rint(np.clip(np.nan_to_num(cell), 0.0, 1.0) * 255.0).astype(np.uint8)
        cell = cell.repeat(3, axis=2)
    _check_picture(cell)
    return cell


# Size and crop -----------------------------------------------------------------------------------


def resize(batch: Any, size: int | tuple[int, int]) -> tf.Tensor:
    """Resize float pictures `[B, H, W, C]` to `[B, *size, C]`, bilinear, antialiased; float32.

    A batch that has the size already comes back with the same values.

    Args:
        size: (height, width), or one number for both.
    """
    batch = tf.cast(batch, tf.float32)
    target = (size, size) if isinstance(size, int) else (size[0], size[1])
    if tuple(batch.shape[1:3]) == target:
        return batch
    return tf.image.resize(batch, target, method="bilinear", antialias=True)


def fit(picture: np.ndarray) -> tuple[int, int, int]:
    """The largest centred square of a `[H, W, ...]` picture, as (y, x, side)."""
    height, width = picture.shape[:2]
    side = min(height, width)
    return (height - side) // 2, (width - side) // 2, side


def square_crop(picture: np.ndarray, crop: tuple[int, int, int] | None = None) -> np.ndarray:
    """The square (y, x, side) of a picture, by default the one that `fit` names; a view."""
    y, x, side = fit(picture) if crop is None else crop
    return picture[y : y + side, x : x + side]


def same_size_composite(
    original: np.ndarray,
    model_input: np.ndarray,
    edited: np.ndarray,
    alpha: np.ndarray,
    crop: tuple[int, int, int],
) -> np.ndarray:
    """Put the model's change, not its pixels, back into the picture at its own resolution.

    Inside the crop, `out = original + up(edited - model_input)`, so the original's fine detail
    stays. `edited` is the model's output, which alpha has already blended with the input: the
    change is alpha-weighted as it is, and alpha serves here to tell what was not edited at all.
    For a model that does not blend, pass an alpha of ones.

    Args:
        original: uint8 `[H, W, 3]`.
        model_input: `[S, S, 3]` in [-1, 1], the crop of the original as the model saw it.
        edited: `[S, S, 3]` in [-1, 1].
        alpha: `[S, S, 1]` in [0, 1].
        crop: (y, x, side), where the model's square lies in the original.

    Returns:
        uint8 `[H, W, 3]`. Outside the crop, and where the upsampled alpha is below 1/255 (a change
        of at most one level), the bytes are the original's own.
    """
    _check_picture(original)
    y, x, side = crop
    height, width = original.shape[:2]
    if side < 1 or y < 0 or x < 0 or y + side > height or x + side > width:
        raise ValueError(f"crop {crop} does not lie in a picture of {height}x{width}")
    result = original.copy()
    inside = square_crop(result, crop)  # a view: writing to it writes to the result
    inside[:] = add_change(inside, model_input, edited, alpha).numpy()
    return result


def add_change(square: Any, model_input: Any, edited: Any, alpha: Any) -> tf.Tensor:
    """The square of `same_size_composite`, for graphs too.

    Args:
        square: uint8 `[side, side, 3]`, the crop of the original.
        model_input, edited, alpha: as for `same_size_composite`.

    Returns:
        uint8 `[side, side, 3]`.
    """
    side = tf.shape(square)[:2]
    change = (tf.cast(edited, tf.float32) - tf.cast(model_input, tf.float32)) * _HALF_RANGE
    change = _resample(change, side, "bicubic")
    touched = _resample(tf.cast(alpha, tf.float32), side, "bilinear") >= 1.0 / 255.0
    levels = tf.clip_by_value(tf.cast(square, tf.float32) + change, 0.0, 255.0)
    return tf.where(touched, tf.cast(tf.round(levels), tf.uint8), square)


def _resample(square: tf.Tensor, side: tf.Tensor, method: str) -> tf.Tensor:
    """`[S, S, C]` to `[*side, C]`, float32."""
    return tf.image.resize(square[None], side, method=method, antialias=True)[0]


# Boundary ----------------------------------------------------------------------------------------

BOUNDARY_HALF = 0.1
"""The gradient magnitude that `boundary` maps to 1/2; a step of 2 (black to white) has 1."""

_GRADIENT_EPSILON = 1e-6
_CANNY_THRESHOLDS = (100, 200)  # of the gradient's magnitude, on 0..255: OpenCV's usual pair


def boundary(pictures: tf.Tensor) -> tf.Tensor:
    """Boundary image B (Section 3, Fig. 3): where something ends, hardly how strongly.

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
    # The maximum before the root: the order of the channels is the same, the root is taken once.
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

    drawn = tf.numpy_function(edges, [to_uint8_tensor(pictures)], tf.float32, stateful=False)
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
