"""Photographs with captions on the disk: where they lie, and how they are cropped to squares."""

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
from mim_tf.storage import read_plain

BOX_FACTOR = 0.75
"""Half the side of the crop, as a multiple of the longer side of the bounding box (AttnGAN's)."""


class Photographs:
    """Callable ``(index, size) -> uint8 [size, size, 3]`` that reads a photograph from the disk.

    It holds plain values only, so that it can be pickled for other processes.

    Args:
        records: the photographs, in the order of their indices.
        use_boxes: whether to crop to the bounding boxes.
    """

    def __init__(self, records: Sequence[Record], *, use_boxes: bool) -> None:
        self.paths = [str(record.path) for record in records]
        self.boxes = [record.box if use_boxes else None for record in records]

    def __call__(self, index: int, size: int) -> np.ndarray:
        return read_square(Path(self.paths[index]), size, self.boxes[index])

    def square(self, index: int) -> tuple[int, int, int]:
        """Where the square that is cut out of a photograph lies in it: (y, x, side), in pixels.

        Raises:
            UserError: as :func:`read_square`.
        """
        path, box = Path(self.paths[index]), self.boxes[index]
        picture = _read(path)
        rows, columns = _reach(picture, box, path)
        y, x, side = pixels.fit(picture[rows, columns])
        return rows.start + y, columns.start + x, side


def read_square(path: Path, size: int, box: Box | None = None) -> np.ndarray:
    """Read a photograph, crop it to its bounding box and to the centred square, and resize it.

    Args:
        path: the file.
        size: side of the result in pixels.
        box: (x, y, width, height) of the bounding box in pixels; None for no such crop.

    Returns:
        uint8 `[size, size, 3]`.

    Raises:
        UserError: the file cannot be read, is broken or truncated, or the box lies outside of it.
    """
    picture = _read(path)
    return resize_square(pixels.square_crop(picture[_reach(picture, box, path)]), size)


def _reach(picture: np.ndarray, box: Box | None, path: Path) -> tuple[slice, slice]:
    """Rows and columns of what is left of a photograph after the crop to its box."""
    if box is None:
        return slice(0, picture.shape[0]), slice(0, picture.shape[1])
    try:
        return reach_of_box(picture, box)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


def resize_square(square: np.ndarray, size: int) -> np.ndarray:
    """Resize uint8 `[S, S, 3]` to `[size, size, 3]`: area averaging down, bilinear up."""
    if square.shape[0] == size:
        return square
    # Area averaging avoids aliasing, but would only repeat pixels in an enlarged picture.
    interpolation = cv2.INTER_AREA if square.shape[0] > size else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(square, (size, size), interpolation=interpolation), np.uint8)


def crop_to_box(picture: np.ndarray, box: Box, factor: float = BOX_FACTOR) -> np.ndarray:
    """The part of a picture that :func:`reach_of_box` gives, a view."""
    return picture[reach_of_box(picture, box, factor)]


def reach_of_box(picture: np.ndarray, box: Box, factor: float = BOX_FACTOR) -> tuple[slice, slice]:
    """Rows and columns of a square around the centre of a bounding box.

    Where the square reaches beyond the picture, the crop ends with the picture, so it is not always
    a square.

    Args:
        picture: uint8 `[H, W, 3]`.
        box: (x, y, width, height) in pixels.
        factor: half the square's side, as a multiple of the box's longer side.

    Raises:
        UserError: the square lies outside of the picture.
    """
    x, y, width, height = box
    # Rounded towards zero as AttnGAN does, so that both crops have the same pixels.
    half = int(max(width, height) * factor)
    centre_x, centre_y = int(x + width / 2), int(y + height / 2)
    top, left = max(0, centre_y - half), max(0, centre_x - half)
    bottom, right = min(picture.shape[0], centre_y + half), min(picture.shape[1], centre_x + half)
    if bottom <= top or right <= left:
        raise UserError(
            f"box {box} does not lie in a picture of {picture.shape[0]}x{picture.shape[1]}; "
            "correct bounding_boxes.txt"
        )
    return slice(top, bottom), slice(left, right)


def _read(path: Path) -> np.ndarray:
    """Like `files.read`, but intact JPEG files without EXIF data are decoded by OpenCV.

    It is faster and gives the same pixels. A truncated JPEG it fills up with grey without an error,
    so files without JPEG's end marker are left to `files.decode`, and so are files with EXIF data,
    which may hold an orientation.
    """
    try:
        data = read_plain(path, files.MAX_BYTES)
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
            pass  # files.decode then names the defect
    return files.decode(data, str(path))
