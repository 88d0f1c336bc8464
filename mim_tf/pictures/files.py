"""Picture files: encoded bytes <-> uint8 pictures, by Pillow.

"Picture" means a NumPy array, uint8 `[H, W, 3]`, RGB.
"""

import io
import os
import struct
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from PIL import Image

from mim_tf.errors import UserError
from mim_tf.pictures.extras import Extras
from mim_tf.pictures.pixels import check_picture
from mim_tf.storage import read_plain, replacing_file

MAX_PIXELS = 64_000_000
"""Largest picture decoded by default, in pixels."""
# As many in 16 bits, RGBA and uncompressed: no picture within the limit needs a longer file.
MAX_BYTES = 8 * MAX_PIXELS

# The formats that carry a magic number, are plain rasters and start no other program (EPS does).
READABLE_FORMATS = ("PNG", "JPEG", "MPO", "WEBP", "AVIF", "GIF", "BMP", "TIFF", "PPM", "JPEG2000")

# What the SavedModel decodes, by which bytes such files begin, and what the server in front of it
# has to say as it does.
SERVED_FORMATS = {"JPEG": b"\xff\xd8\xff", "PNG": b"\x89PNG\r\n\x1a\n", "WEBP": b"RIFF"}
BROKEN = "the picture is truncated or broken; send an intact file"

_WRITERS: dict[str, tuple[str, dict[str, Any]]] = {
    ".png": ("PNG", {}),
    # Without chroma subsampling: colours are what this program edits.
    ".jpg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".jpeg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".webp": ("WEBP", {"quality": 95}),
}

T = TypeVar("T")

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
    return _decode(data, name, max_pixels, _pixels)


def _decode(data: bytes, name: str, max_pixels: int, take: Callable[[Image.Image], T]) -> T:
    """What ``take`` makes of the loaded image; see `decode`."""
    if not data:
        raise UserError(f"{name}: the file is empty; give a PNG, JPEG or WebP picture")
    with _open(data, name, max_pixels) as image:
        width, height = image.size
        if width * height > max_pixels:
            raise _too_large(name, f"{width}x{height} pixels", max_pixels)
        return _taken(image, name, take)


def _taken(image: Image.Image, name: str, take: Callable[[Image.Image], T]) -> T:
    """What ``take`` makes of an open image, once it is loaded."""
    try:
        with warnings.catch_warnings():
            # Of broken EXIF data and the like, beside pixels that are sound.
            warnings.simplefilter("ignore")
            image.load()
            if not all(image.size):
                raise ValueError(f"{image.width}x{image.height} pixels")
            return take(image)
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
    return decode(_content(path), str(path), max_pixels)


def _content(path: str | os.PathLike[str]) -> bytes:
    try:
        return read_plain(Path(path), MAX_BYTES)
    except FileNotFoundError as error:
        raise UserError(f"{path}: there is no such file; check the path") from error
    except IsADirectoryError as error:
        raise UserError(f"{path}: is a folder; give the path of one picture") from error
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        raise UserError(f"{path}: cannot be read ({_reason(error)})") from error


def with_extras(picture: Any, name: str = "the picture") -> tuple[np.ndarray, Extras]:
    """A picture as a caller of the Python interface may give it, as uint8 `[H, W, 3]`, and what
    its file carries besides.

    Args:
        picture: a path; a PIL image of any mode; or a uint8 array, grey `[H, W]` or `[H, W, 1]`,
            RGB `[H, W, 3]` or RGBA `[H, W, 4]`. Transparency and orientation as in `decode`.
        name: what to call it in an error.

    Raises:
        UserError: what `read` raises; an array of another type or shape; anything else.
    """
    if isinstance(picture, str | os.PathLike):
        return _decode(_content(picture), str(picture), MAX_PIXELS, _with_extras)
    if isinstance(picture, Image.Image):
        return _taken(picture, name, _with_extras)
    if not isinstance(picture, np.ndarray):
        raise UserError(
            f"{name}: a {type(picture).__name__} is no picture; give a path, a PIL image or a "
            "uint8 NumPy array"
        )
    if picture.dtype != np.uint8:
        # Which range its values have is not written in an array, and a wrong guess paints black.
        raise UserError(
            f"{name}: an array of {picture.dtype}; give uint8 levels from 0 to 255: of values in "
            "[0, 1] they are (array * 255).round().astype('uint8')"
        )
    shape = picture.shape
    if not picture.size or len(shape) < 2 or shape[2:] not in ((), (1,), (3,), (4,)):
        raise UserError(
            f"{name}: an array of shape {list(shape)}; give [H, W] (grey), [H, W, 3] (RGB) or "
            "[H, W, 4] (RGBA), and several pictures as a list"
        )
    grey = picture[..., 0] if shape[2:] == (1,) else picture
    return _with_extras(Image.fromarray(np.ascontiguousarray(grey)))


def encode_png(picture: np.ndarray) -> bytes:
    """Encode a uint8 `[H, W, 3]` picture as PNG, without loss."""
    return _encode(picture, "PNG", {})


def write(path: str | os.PathLike[str], picture: np.ndarray, extras: Extras | None = None) -> None:
    """Write a uint8 `[H, W, 3]` picture as its suffix says: .png, .jpg, .jpeg or .webp.

    ``extras`` are the EXIF and the ICC profile that the file shall carry.

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
    check_picture(picture)
    height, width = picture.shape[:2]
    try:
        if extras is not None:
            options = options | extras.options(width, height)
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
            warnings.simplefilter("ignore")
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


def _pixels(image: Image.Image) -> np.ndarray:
    """A loaded image as an upright RGB picture."""
    return np.array(_to_rgb(_upright(image)), dtype=np.uint8)


def _with_extras(image: Image.Image) -> tuple[np.ndarray, Extras]:
    return _pixels(image), Extras.of(image)


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
    the first of 1, 255, 65535 that holds the maximum. The maximum itself where none does. What is
    not a number is black, what is infinite is the end of the scale that it lies beyond.
    """
    candidates = (1.0, 255.0, 65535.0) if values.dtype.kind == "f" else (65535.0,)
    values = values.astype(np.float64)
    finite = values[np.isfinite(values)]
    top = float(finite.max()) if finite.size else 1.0
    white = next((candidate for candidate in candidates if top <= candidate), top)
    return np.rint(np.clip(np.nan_to_num(values / white), 0.0, 1.0) * 255.0).astype(np.uint8)


def _encode(picture: np.ndarray, form: str, options: dict[str, Any]) -> bytes:
    check_picture(picture)
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, form, **options)
    return buffer.getvalue()


def _replace_file(path: Path, data: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing_file(path) as temporary:
            temporary.write_bytes(data)
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path}: cannot be written ({_reason(error)}); choose another place"
        ) from error


def _reason(error: Exception) -> str:
    """What went wrong, without the path that the message already names."""
    return getattr(error, "strerror", None) or str(error)
