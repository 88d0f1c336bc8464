"""Encoded pictures to the model's squares inside a graph: what `mim_tf.pictures` does with Pillow.

The pixels are those of `files.decode` for PNG, JPEG and WebP of 8 bits a channel,
transparency and the EXIF orientation of JPEG included.

Dimensions: B batch, H height, W width, S side of the model's square.
"""

from __future__ import annotations

import tensorflow as tf

from mim_tf.pictures import files, tensor_pixels

# No format's header, as far as it is read here, is longer.
_HEADER = 32
# Exif comes first in a JPEG file, and its segment holds at most 65,533 bytes.
_EXIF_WITHIN = 1 << 17
_ORIENTATION = 0x0112


def refuse(bad, message: str) -> None:
    """Raise INVALID_ARGUMENT, naming by index the items whose ``bad`` [B] is true."""
    which = tf.strings.reduce_join(tf.strings.as_string(tf.where(bad)[:, 0]), separator=", ")
    text = tf.strings.join(["item ", which, f": {message}"])
    tf.debugging.Assert(tf.logical_not(tf.reduce_any(bad)), [text], summarize=1)


def squares_of_files(files, size: int, max_pixels: int = files.MAX_PIXELS):
    """``files`` [B], whole picture files of any sizes -> [B, S, S, 3] in [-1, 1].

    Raises INVALID_ARGUMENT with the item's index: no picture, broken, or too many pixels.
    """
    count = tf.shape(files)[0]
    kinds = tf.map_fn(_kind, files, fn_output_signature=tf.int32)
    refuse(kinds < 0, "no picture this model can read; send a PNG, JPEG or WebP file")

    # A codec's error ends the whole call without a word on the item. In a data set the item is
    # left out instead, and its index tells.
    def one(index, data, kind):
        pixels = _pixels(data, kind)
        square = tf.cond(
            pixels > max_pixels,
            lambda: tf.zeros([size, size, 3]),
            lambda: squares(_decode(data, kind)[None], size)[0],
        )
        return index, pixels, square

    found = tf.data.Dataset.from_tensor_slices((tf.range(count), files, kinds))
    found = found.map(one, num_parallel_calls=tf.data.AUTOTUNE).ignore_errors()
    # One more, so that there is something to batch when all are broken.
    last = tf.data.Dataset.from_tensors((-1, tf.constant(0, tf.int64), tf.zeros([size, size, 3])))
    found = found.concatenate(last).batch(tf.cast(count, tf.int64) + 1)
    index, pixels, result = tf.data.Dataset.get_single_element(found)
    whole = tf.scatter_nd(index[:-1, None], tf.ones_like(index[:-1]), [count]) > 0
    refuse(tf.logical_not(whole), "the picture is truncated or broken; send an intact file")
    refuse(pixels[:-1] > max_pixels, f"the picture has more than {max_pixels} pixels; shrink it")
    return tf.reshape(result[:-1], [-1, size, size, 3])


def squares(pictures, size: int):
    """Largest centred squares [B, S, S, 3] in [-1, 1].

    Args:
        pictures: [B, H, W, 3], uint8, or floats in [-1, 1].
        size: S.
    """
    shape = tf.shape(pictures)
    side = tf.minimum(shape[1], shape[2])
    y, x = (shape[1] - side) // 2, (shape[2] - side) // 2
    crops = pictures[:, y : y + side, x : x + side]
    signed = tensor_pixels.to_signed(crops) if crops.dtype == tf.uint8 else crops
    return tensor_pixels.resample(signed, size)


def composites(files, model_input, edited, alpha):
    """`pixels.same_size_composite` of ``files`` [B], which :func:`squares_of_files` has accepted.

    Args:
        files: [B].
        model_input, edited: [B, S, S, 3] in [-1, 1].
        alpha: [B, S, S, 1] in [0, 1].

    Returns:
        PNG files [B] of the originals' sizes.
    """

    def one(inputs):
        data, model_input, edited, alpha = inputs
        picture = _decode(data, _kind(data))
        height, width = tf.shape(picture)[0], tf.shape(picture)[1]
        side = tf.minimum(height, width)
        y, x = (height - side) // 2, (width - side) // 2
        square = tensor_pixels.add_change(
            picture[y : y + side, x : x + side], model_input, edited, alpha
        )
        middle = tf.concat(
            [picture[y : y + side, :x], square, picture[y : y + side, x + side :]], 1
        )
        return tf.io.encode_png(tf.concat([picture[:y], middle, picture[y + side :]], 0))

    return tf.map_fn(one, (files, model_input, edited, alpha), fn_output_signature=tf.string)


def encode_png(pictures):
    """``pictures`` [B, H, W, 3] in [-1, 1] -> PNG files [B]."""
    return tf.map_fn(
        tf.io.encode_png, tensor_pixels.to_uint8(pictures), fn_output_signature=tf.string
    )


_JPEG, _PNG, _WEBP = range(3)


def _header(data):
    """The first bytes, int64, filled up with zeros."""
    start = tf.strings.substr(data + b"\0" * _HEADER, 0, _HEADER)
    return tf.ensure_shape(tf.cast(tf.io.decode_raw(start, tf.uint8), tf.int64), [_HEADER])


def _kind(data):
    """Index of the format by its magic number, -1 for none."""
    header = _header(data)
    magics = (
        (_JPEG, b"\xff\xd8\xff"),
        (_PNG, b"\x89PNG\r\n\x1a\n"),
        (_WEBP, b"RIFF"),
    )
    kind = tf.constant(-1)
    for index, magic in magics:
        same = tf.reduce_all(header[: len(magic)] == list(magic))
        kind = tf.where(same, index, kind)
    return kind


def _pixels(data, kind):
    """Height times width as the header announces them, int64."""
    header = _header(data)

    def big(start, length):
        return _number(header[start : start + length], little=False)

    def little(start, length):
        return _number(header[start : start + length], little=True)

    def jpeg():
        shape = tf.cast(tf.image.extract_jpeg_shape(data), tf.int64)
        return shape[0] * shape[1]

    def webp():
        packed = little(21, 4)
        mask = (1 << 14) - 1
        lossless = ((packed & mask) + 1) * ((tf.bitwise.right_shift(packed, 14) & mask) + 1)
        lossy = (little(26, 2) & mask) * (little(28, 2) & mask)
        extended = (little(24, 3) + 1) * (little(27, 3) + 1)
        by_letter = tf.where(header[15] == ord("X"), extended, lossy)
        return tf.where(header[15] == ord("L"), lossless, by_letter)

    return tf.switch_case(
        kind,
        {
            _JPEG: jpeg,
            _PNG: lambda: big(16, 4) * big(20, 4),
            _WEBP: webp,
        },
    )


@tf.function(input_signature=[tf.TensorSpec([], tf.string), tf.TensorSpec([], tf.int32)])
def _decode(data, kind):
    """One file -> uint8 [H, W, 3], upright, over white."""

    def png():
        header = _header(data)
        depth, colour = header[24], header[25]
        # TensorFlow fills in a wrong alpha where grey has fewer than 8 bits.
        return tf.cond(
            (depth < 8) & (colour == 0),
            lambda: tf.io.decode_png(data, channels=3),
            lambda: _over_white(tf.io.decode_png(data, channels=4)),
        )

    def webp():
        stored = tf.io.decode_image(data, expand_animations=False)  # 3 channels, or 4
        return tf.cond(tf.shape(stored)[-1] == 4, lambda: _over_white(stored), lambda: stored)

    picture = tf.switch_case(
        kind,
        {
            # The default transform of TensorFlow is the fast one, up to 9 levels off.
            _JPEG: lambda: _upright(
                tf.io.decode_jpeg(data, channels=3, dct_method="INTEGER_ACCURATE"), data
            ),
            _PNG: png,
            _WEBP: webp,
        },
    )
    return tf.ensure_shape(picture, [None, None, 3])


def _over_white(picture):
    """uint8 [H, W, 4] -> [H, W, 3], with Pillow's rounding."""
    colour, alpha = tf.cast(picture[..., :3], tf.int32), tf.cast(picture[..., 3:], tf.int32)
    share = 128 * alpha
    mixed = colour * share + 255 * (255 * 128 - share) + 0x80 * 128
    mixed = tf.bitwise.right_shift(tf.bitwise.right_shift(mixed, 8) + mixed, 8)
    return tf.cast(tf.bitwise.right_shift(mixed, 7), tf.uint8)


def _number(digits, little: bool):
    """Bytes [n] -> the integer they spell."""
    count = digits.shape[0]
    places = [256 ** (k if little else count - 1 - k) for k in range(count)]
    return tf.reduce_sum(digits * tf.constant(places, tf.int64))


def _upright(picture, data):
    """Apply the EXIF orientation of a JPEG file."""
    turn = _orientation(data)

    def is_one_of(*turns):
        return tf.reduce_any(turn == tf.constant(turns, tf.int64))

    picture = tf.cond(turn >= 5, lambda: tf.transpose(picture, [1, 0, 2]), lambda: picture)
    picture = tf.cond(is_one_of(2, 3, 6, 7), lambda: picture[:, ::-1], lambda: picture)
    return tf.cond(is_one_of(3, 4, 7, 8), lambda: picture[::-1], lambda: picture)


def _orientation(data):
    """The EXIF orientation 1..8 of a JPEG file; 1 where there is none or it is broken."""
    start = tf.strings.substr(data, 0, _EXIF_WITHIN)
    stream = tf.cast(tf.io.decode_raw(start, tf.uint8), tf.int64)
    end = tf.size(stream, tf.int64)

    def at(position, length, little=False):
        """The number at a position; zeros lie behind the end."""
        places = position + tf.range(length, dtype=tf.int64)
        inside = (places >= 0) & (places < end)
        digits = tf.gather(stream, tf.clip_by_value(places, 0, end - 1))
        digits = tf.ensure_shape(tf.where(inside, digits, 0), [length])
        return tf.where(little, _number(digits, True), _number(digits, False))

    exif = int.from_bytes(b"Exif", "big")

    def is_exif(position):
        return (at(position, 2) == 0xFFE1) & (at(position + 4, 4) == exif)

    def goes_on(position):
        marker = at(position, 2)
        segment = (marker >= 0xFFC0) & (marker < 0xFFFF) & (marker != 0xFFDA)
        return segment & tf.logical_not(is_exif(position))

    segment = tf.while_loop(
        goes_on, lambda position: (position + 2 + at(position + 2, 2),), [tf.constant(2, tf.int64)]
    )[0]
    tiff = segment + 10
    little = at(tiff, 2) == int.from_bytes(b"II", "big")
    directory = tiff + at(tiff + 4, 4, little)
    count = at(directory, 2, little)

    def other(entry):
        return (entry < count) & (at(directory + 2 + 12 * entry, 2, little) != _ORIENTATION)

    entry = tf.while_loop(other, lambda entry: (entry + 1,), [tf.constant(0, tf.int64)])[0]
    turn = at(directory + 2 + 12 * entry + 8, 2, little)
    found = is_exif(segment) & (entry < count) & (turn >= 1) & (turn <= 8)
    return tf.where(found, turn, 1)
