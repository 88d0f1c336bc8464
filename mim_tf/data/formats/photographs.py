"""Photographs with captions on a disk: where they are, and how they become squares."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from mim_tf.data.formats.listing import Box, Record
from mim_tf.errors import UserError
from mim_tf.pictures import files, pixels

BOX_FACTOR = 0.75
"""Half the side of the square around a bird, in longer sides of its box (AttnGAN's rule)."""


class Photographs:
    """Callable ``(index, size) -> uint8 [size, size, 3]``; it can be sent to other processes."""

    def __init__(self, records: Sequence[Record], use_boxes: bool) -> None:
        self.paths = [str(record.path) for record in records]
        self.boxes = [record.box if use_boxes else None for record in records]

    def __call__(self, index: int, size: int) -> np.ndarray:
        return read_square(Path(self.paths[index]), size, self.boxes[index])


def read_square(path: Path, size: int, box: Box | None = None) -> np.ndarray:
    """Read a photograph as a square: cropped to its box, its centred square, resized.

    Returns:
        uint8 `[size, size, 3]`.

    Raises:
        UserError: it cannot be read, is broken or truncated, or the box misses it.
    """
    picture = _read(path)
    if box is not None:
        try:
            picture = crop_to_box(picture, box)
        except UserError as error:
            raise UserError(f"{path}: {error}") from error
    return resize_square(pixels.square_crop(picture), size)


def resize_square(square: np.ndarray, size: int) -> np.ndarray:
    """Resize uint8 `[S, S, 3]` to `[size, size, 3]`: the area rule down, bilinear up."""
    if square.shape[0] == size:
        return square
    # The area rule averages; it would repeat pixels where the picture has to grow.
    rule = cv2.INTER_AREA if square.shape[0] > size else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(square, (size, size), interpolation=rule), np.uint8)


def crop_to_box(picture: np.ndarray, box: Box, factor: float = BOX_FACTOR) -> np.ndarray:
    """The square around a box, cut off where the picture ends (so not always square); a view.

    Args:
        picture: uint8 `[H, W, 3]`.
        box: (x, y, width, height) in pixels.
        factor: half the square's side, in longer sides of the box.

    Raises:
        UserError: the square misses the picture.
    """
    x, y, width, height = box
    # Truncated where AttnGAN truncates, so that its crops and these are the same pixels.
    half = int(max(width, height) * factor)
    centre_x, centre_y = int(x + width / 2), int(y + height / 2)
    top, left = max(0, centre_y - half), max(0, centre_x - half)
    crop = picture[top : max(0, centre_y + half), left : max(0, centre_x + half)]
    if not crop.size:
        raise UserError(
            f"box {box} does not lie in a picture of {picture.shape[0]}x{picture.shape[1]}; "
            "correct bounding_boxes.txt"
        )
    return crop


def _read(path: Path) -> np.ndarray:
    """`files.read`, with OpenCV's decoder where it gives the same: whole JPEGs without EXIF.

    OpenCV fills the rest of a truncated JPEG with grey and says nothing, so a file without JPEG's
    end marker goes the careful way, and so does one that says which side is up.
    """
    try:
        data = path.read_bytes()
    except OSError:
        return files.read(path)
    if data[:3] == b"\xff\xd8\xff" and data[-2:] == b"\xff\xd9" and b"Exif\0" not in data[:256]:
        try:
            with Image.open(io.BytesIO(data)) as header:
                moderate = header.width * header.height <= files.MAX_PIXELS
            if moderate:
                picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
                if picture is not None:
                    return np.asarray(picture, np.uint8)
        except (OSError, ValueError, Image.DecompressionBombError, cv2.error):
            pass  # the careful way says what is wrong
    return files.decode(data, str(path))
