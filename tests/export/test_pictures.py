"""Decoding inside graphs: the pixels of `files.decode`, and refusals that name the item."""

from __future__ import annotations

import io

import numpy as np
import pytest
import tensorflow as tf
from crafted_pictures import animation, bomb
from PIL import Image

from export import pictures
from mim_tf.pictures import files, pixels, tensor_pixels

SIZE = 16


def encoded(image: Image.Image, form: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def photograph() -> np.ndarray:
    y, x = np.mgrid[:61, :83]
    smooth = np.stack([y * 4, x * 3, y + x], axis=-1)
    return (smooth + np.random.default_rng(0).integers(0, 40, smooth.shape)).astype(np.uint8)


def with_alpha(mode: str) -> Image.Image:
    image = Image.fromarray(photograph())
    image.putalpha(Image.fromarray(photograph()[..., 1]))
    return image.convert(mode)


def rotated(orientation: int, endian: str) -> bytes:
    exif = Image.Exif()
    exif.endian = endian
    exif[0x010E] = "a description that comes before"
    exif[0x0112] = orientation
    return encoded(Image.fromarray(photograph()), "JPEG", exif=exif)


PHOTO = Image.fromarray(photograph())


def moving(mode: str) -> bytes:
    image = with_alpha("RGBA").convert(mode)
    return animation(image, image.rotate(180))


FILES = {
    "png": encoded(PHOTO, "PNG"),
    "jpeg": encoded(PHOTO, "JPEG", quality=80),
    "progressive jpeg": encoded(PHOTO, "JPEG", progressive=True, quality=60),
    "webp": encoded(PHOTO, "WEBP"),
    "lossless webp": encoded(PHOTO, "WEBP", lossless=True),
    "grey jpeg": encoded(PHOTO.convert("L"), "JPEG"),
    "cmyk jpeg": encoded(PHOTO.convert("CMYK"), "JPEG"),
    "palette": encoded(PHOTO.convert("P"), "PNG"),
    "palette with a transparent colour": encoded(PHOTO.convert("P"), "PNG", transparency=3),
    "palette of 2": encoded(PHOTO.quantize(2), "PNG", bits=1),
    "palette of 4": encoded(PHOTO.quantize(4), "PNG", bits=2),
    "palette of 16": encoded(PHOTO.quantize(16), "PNG", bits=4),
    "palette of 16 with a transparent colour": encoded(
        PHOTO.quantize(16), "PNG", bits=4, transparency=3
    ),
    "one bit": encoded(PHOTO.convert("1"), "PNG"),
    "transparent png": encoded(with_alpha("RGBA"), "PNG"),
    "transparent grey png": encoded(with_alpha("LA"), "PNG"),
    "transparent webp": encoded(with_alpha("RGBA"), "WEBP"),
    **{f"exif {turn} {end}": rotated(turn, end) for turn in range(1, 9) for end in "<>"},
}


@pytest.fixture(scope="module")
def squares():
    return tf.function(
        lambda files: pictures.squares_of_files(files, SIZE),
        input_signature=[tf.TensorSpec([None], tf.string)],
    )


def test_every_kind_of_file_gives_the_pixels_of_pillow(squares):
    found = squares(tf.constant(list(FILES.values()))).numpy()
    for (name, data), square in zip(FILES.items(), found, strict=True):
        crop = pixels.square_crop(files.decode(data, name))
        expected = tensor_pixels.resample(pixels.to_signed(crop)[None], SIZE)[0]
        np.testing.assert_array_equal(square, expected, err_msg=name)


def test_the_number_of_pixels_is_read_from_the_header():
    for name, data in FILES.items():
        assert pictures._pixel_count(data, pictures._kind(data)) == 61 * 83, name


def test_no_files_give_no_squares(squares):
    assert squares(tf.zeros([0], tf.string)).shape == (0, SIZE, SIZE, 3)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (["png", b""], "item 1: no picture"),
        ([b"hello", "png", b"%PDF"], "item 0, 2: no picture"),
        (["png", FILES["jpeg"][:500], "jpeg"], "item 1: the picture is truncated or broken"),
        ([FILES["png"][:-40]], "item 0: the picture is truncated or broken"),
        (["webp", b"\xff\xd8\xff"], "item 1: the picture is truncated or broken"),
        (["png", FILES["webp"][:60], FILES["webp"][:90]], "item 1, 2: the picture is truncated"),
        ([encoded(PHOTO, "GIF"), "png", encoded(PHOTO, "BMP")], "item 0, 2: no picture"),
        (["png", moving("RGB"), moving("RGBA")], "item 1, 2: an animation; send a picture"),
        (
            ["png", bomb(10_000, 10_000)],
            "item 1: the picture has more than 64000000 pixels",
        ),
    ],
)
def test_refusals_name_the_items(squares, files, message):
    data = [FILES[file] if isinstance(file, str) else file for file in files]
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        squares(tf.constant(data))


@pytest.mark.parametrize("position", range(20, 104, 7))  # Exif ends before byte 104
def test_a_picture_with_broken_exif_is_still_decoded(squares, position):
    """Turned by 6 or not at all: Pillow gives up some directories that can still be read."""
    data = bytearray(rotated(6, ">"))
    data[position] ^= 0xFF
    (found,) = squares(tf.constant([bytes(data)])).numpy()
    turned, as_it_lies = squares(tf.constant([rotated(6, ">"), rotated(1, ">")])).numpy()
    assert (found == turned).all() or (found == as_it_lies).all()
    assert (turned != as_it_lies).any()


@pytest.mark.parametrize("position", [111, 118])  # of the tables by which pixels are quantized
def test_a_picture_with_damaged_tables_has_the_pixels_of_pillow(squares, position):
    data = bytearray(rotated(6, ">"))
    data[position] ^= 0xFF
    crop = pixels.square_crop(files.decode(bytes(data), "picture"))
    assert crop.shape == (61, 61, 3)
    (found,) = squares(tf.constant([bytes(data)])).numpy()
    expected = tensor_pixels.resample(pixels.to_signed(crop)[None], SIZE)[0]
    np.testing.assert_array_equal(found, expected)
