"""Decodes picture files and encodes results inside a graph, for the SavedModel.

It does with TensorFlow what `mim_tf.pictures` does with Pillow. The pixels are those of
`files.decode` for PNG, JPEG and WebP files of 8 bits per channel, with transparency and the EXIF
orientation of JPEG files.

Dimensions: B batch, H height, W width, S side of the model's square.
"""

from __future__ import annotations

import tensorflow as tf

from mim_tf.pictures import tensor_pixels
from mim_tf.pictures.files import BROKEN, MAX_PIXELS, SERVED_FORMATS

# Bytes at the beginning of a file that hold the format and, except in JPEG, the size.
_HEADER = 32
# Bytes at the beginning of a JPEG file in which EXIF data is searched: it belongs to the file's
# first segments, and a segment holds at most 65,533 bytes.
_EXIF_WITHIN = 1 << 17
_ORIENTATION = 0x0112


def refuse(bad, message: str):
    """Raise INVALID_ARGUMENT where any of ``bad`` [B] is true, with the indices of those items.

    Returns:
        In a graph, the operation that does.
    """
    which = tf.strings.reduce_join(tf.strings.as_string(tf.where(bad)[:, 0]), separator=", ")
    return _refuse(bad, tf.strings.join(["item ", which, f": {message}"]))


def refuse_each(bad, messages) -> None:
    """:func:`refuse` with a message of its own for each item, [B]."""
    which = tf.where(bad)[:, 0]
    texts = tf.strings.join(
        ["item ", tf.strings.as_string(which), ": ", tf.gather(messages, which)]
    )
    _refuse(bad, tf.strings.reduce_join(texts, separator=" "))


def _refuse(bad, text):
    return tf.debugging.Assert(tf.logical_not(tf.reduce_any(bad)), [text], summarize=1)


def squares_of_files(files, size: int, max_pixels: int = MAX_PIXELS):
    """Whole picture files of any sizes, ``files`` [B], to squares [B, S, S, 3] in [-1, 1].

    Raises INVALID_ARGUMENT, with the indices of the items, where a file is not a picture, is an
    animation or broken, or has more than ``max_pixels`` pixels.
    """
    count = tf.shape(files)[0]
    kinds = tf.map_fn(_kind, files, fn_output_signature=tf.int32)
    checks = [
        refuse(kinds == _NONE, "no picture this model can read; send a PNG, JPEG or WebP file"),
        refuse(kinds == _ANIMATION, "an animation; send a picture that stands still"),
    ]

    def decode(index, data, kind):
        pixel_count = _pixel_count(data, kind)
        square = tf.cond(
            (kind < 0) | (pixel_count > max_pixels),
            lambda: tf.zeros([size, size, 3]),
            lambda: squares(_decode(data, kind)[None], size)[0],
        )
        return index, pixel_count, square

    # A codec's error would end the whole call without naming the item. As a data set that ignores
    # errors, broken items are left out, and the indices of the others show which.
    dataset = tf.data.Dataset.from_tensor_slices((tf.range(count), files, kinds))
    dataset = dataset.map(decode, num_parallel_calls=tf.data.AUTOTUNE).ignore_errors()
    # An additional element at the end, so that a batch can be made where all items are broken.
    last = tf.data.Dataset.from_tensors((-1, tf.constant(0, tf.int64), tf.zeros([size, size, 3])))
    dataset = dataset.concatenate(last).batch(tf.cast(count, tf.int64) + 1)
    indices, pixel_counts, result = tf.data.Dataset.get_single_element(dataset)
    intact = tf.scatter_nd(indices[:-1, None], tf.ones_like(indices[:-1]), [count]) > 0
    checks += [
        refuse(tf.logical_not(intact), BROKEN),
        refuse(
            pixel_counts[:-1] > max_pixels,
            f"the picture has more than {max_pixels} pixels; shrink it",
        ),
    ]
    # What is computed from the squares waits for the checks, whatever order a server runs it in.
    with tf.control_dependencies(checks):
        return tf.reshape(result[:-1], [-1, size, size, 3])


def squares(pictures, size: int):
    """The largest centred squares of pictures, resized: [B, S, S, 3] in [-1, 1].

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


def results(files, model_input, edited, alpha, keep_size):
    """The edited pictures, as `Editor.edit_many` gives them.

    Args:
        files: [B], picture files that :func:`squares_of_files` has accepted.
        model_input, edited: [B, S, S, 3] in [-1, 1].
        alpha: [B, S, S, 1] in [0, 1].
        keep_size: bool [B], whether the change is put into the picture at its own size, as
            `pixels.same_size_composite` does; else the result is the square.

    Returns:
        PNG files [B].
    """

    def result(item):
        data, model_input, edited, alpha, keep_size = item
        return tf.cond(
            keep_size,
            lambda: _own_size(data, model_input, edited, alpha),
            lambda: _square(edited),
        )

    items = (files, model_input, edited, alpha, keep_size)
    return tf.map_fn(result, items, fn_output_signature=tf.string)


def _own_size(data, model_input, edited, alpha):
    """A PNG file of the size of the picture file ``data``."""
    picture = _decode(data, _kind(data))
    height, width = tf.shape(picture)[0], tf.shape(picture)[1]
    side = tf.minimum(height, width)
    y, x = (height - side) // 2, (width - side) // 2
    rows, columns = (tensor_pixels.faded(side, *axis) for axis in ((y, height), (x, width)))
    weight = rows[:, None, None] * columns[None, :, None]
    before = picture[y : y + side, x : x + side]
    square = tensor_pixels.add_change(before, model_input, edited, alpha, weight)
    middle = tf.concat([picture[y : y + side, :x], square, picture[y : y + side, x + side :]], 1)
    whole = tf.concat([picture[:y], middle, picture[y + side :]], 0)
    return tf.io.encode_png(whole)


def _square(edited):
    """A PNG file of S x S pixels."""
    return tf.io.encode_png(tensor_pixels.to_uint8(edited))


_JPEG, _PNG, _WEBP = range(len(SERVED_FORMATS))  # in their order
_NONE, _ANIMATION = -1, -2


def _header(data):
    """The first `_HEADER` bytes of a file as int64, filled up with zeros."""
    start = tf.strings.substr(data + b"\0" * _HEADER, 0, _HEADER)
    return tf.ensure_shape(tf.cast(tf.io.decode_raw(start, tf.uint8), tf.int64), [_HEADER])


def _kind(data):
    """The file's format by its magic number: `_JPEG`, `_PNG`, `_WEBP`, or `_NONE` for any other.

    `_ANIMATION` for an animated WebP file: TensorFlow's decoder may write beyond its memory there.
    """
    header = _header(data)
    kind = tf.constant(_NONE)
    for index, magic in enumerate(SERVED_FORMATS.values()):
        same = tf.reduce_all(header[: len(magic)] == list(magic))
        kind = tf.where(same, index, kind)
    extended = tf.reduce_all(header[12:16] == list(b"VP8X"))
    animated = extended & (tf.bitwise.bitwise_and(header[20], 2) > 0)
    return tf.where((kind == _WEBP) & animated, _ANIMATION, kind)


def _pixel_count(data, kind):
    """Height times width by the file's header, int64; 0 where there is no picture."""
    header = _header(data)

    def big(start, length):
        return _number(header[start : start + length], little=False)

    def little(start, length):
        return _number(header[start : start + length], little=True)

    def jpeg():
        shape = tf.cast(tf.image.extract_jpeg_shape(data), tf.int64)
        return shape[0] * shape[1]

    def webp():
        # WebP has three headers: "VP8X" (extended), "VP8L" (lossless) and "VP8 " (lossy).
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
        default=lambda: tf.constant(0, tf.int64),
    )


@tf.function(input_signature=[tf.TensorSpec([], tf.string), tf.TensorSpec([], tf.int32)])
def _decode(data, kind):
    """A file's pixels: uint8 [H, W, 3], upright, and over white where it is transparent.

    One white pixel where there is no picture.
    """

    def flat(stored):
        """[H, W, 3], of what was decoded with as many channels as it has, 3 or 4."""
        return tf.cond(tf.shape(stored)[-1] == 4, lambda: _over_white(stored), lambda: stored)

    def png():
        header = _header(data)
        depth, colour = header[24], header[25]
        # Where grey or a palette of fewer than 8 bits has no alpha, TensorFlow would fill in a
        # wrong one.
        return tf.case(
            [
                (colour == 3, lambda: flat(tf.io.decode_png(data, channels=0))),
                ((depth < 8) & (colour == 0), lambda: tf.io.decode_png(data, channels=3)),
            ],
            default=lambda: _over_white(tf.io.decode_png(data, channels=4)),
        )

    def webp():
        return flat(tf.io.decode_image(data, expand_animations=False))

    picture = tf.switch_case(
        kind,
        {
            # TensorFlow's default is a faster transform, whose pixels are off by up to 9 levels.
            _JPEG: lambda: _upright(
                tf.io.decode_jpeg(data, channels=3, dct_method="INTEGER_ACCURATE"), data
            ),
            _PNG: png,
            _WEBP: webp,
        },
        default=lambda: tf.fill([1, 1, 3], tf.constant(255, tf.uint8)),
    )
    return tf.ensure_shape(picture, [None, None, 3])


def _over_white(picture):
    """RGBA, uint8 [H, W, 4], over white, [H, W, 3]; rounded as Pillow's alpha_composite rounds."""
    colour, alpha = tf.cast(picture[..., :3], tf.int32), tf.cast(picture[..., 3:], tf.int32)
    share = 128 * alpha
    mixed = colour * share + 255 * (255 * 128 - share) + 0x80 * 128
    mixed = tf.bitwise.right_shift(tf.bitwise.right_shift(mixed, 8) + mixed, 8)
    return tf.cast(tf.bitwise.right_shift(mixed, 7), tf.uint8)


def _number(digits, *, little: bool):
    """The integer of bytes [n], in little-endian or big-endian order."""
    count = digits.shape[0]
    places = [256 ** (k if little else count - 1 - k) for k in range(count)]
    return tf.reduce_sum(digits * tf.constant(places, tf.int64))


def _upright(picture, data):
    """Turn and mirror a picture as the EXIF orientation of its JPEG file says."""
    orientation = _orientation(data)

    def is_in(*orientations):
        return tf.reduce_any(orientation == tf.constant(orientations, tf.int64))

    picture = tf.cond(orientation >= 5, lambda: tf.transpose(picture, [1, 0, 2]), lambda: picture)
    picture = tf.cond(is_in(2, 3, 6, 7), lambda: picture[:, ::-1], lambda: picture)
    return tf.cond(is_in(3, 4, 7, 8), lambda: picture[::-1], lambda: picture)


def _orientation(data):
    """The EXIF orientation 1..8 of a JPEG file; 1 where there is none or the data is broken."""
    start = tf.strings.substr(data, 0, _EXIF_WITHIN)
    stream = tf.cast(tf.io.decode_raw(start, tf.uint8), tf.int64)
    end = tf.size(stream, tf.int64)

    def at(position, length, *, little=False):
        """The integer in ``length`` bytes from a position; bytes beyond the end count as 0."""
        places = position + tf.range(length, dtype=tf.int64)
        inside = (places >= 0) & (places < end)
        digits = tf.gather(stream, tf.clip_by_value(places, 0, end - 1))
        digits = tf.ensure_shape(tf.where(inside, digits, 0), [length])
        return tf.where(little, _number(digits, little=True), _number(digits, little=False))

    exif = int.from_bytes(b"Exif", "big")

    def is_exif(position):
        return (at(position, 2) == 0xFFE1) & (at(position + 4, 4) == exif)

    def is_other_segment(position):
        """Whether a segment begins here that is neither EXIF data nor the scan (0xFFDA)."""
        marker = at(position, 2)
        segment = (marker >= 0xFFC0) & (marker < 0xFFFF) & (marker != 0xFFDA)
        return segment & tf.logical_not(is_exif(position))

    segment = tf.while_loop(
        is_other_segment,
        lambda position: (position + 2 + at(position + 2, 2),),
        [tf.constant(2, tf.int64)],
    )[0]
    # The EXIF segment holds a TIFF header: the byte order, and the offset of a directory of entries
    # of 12 bytes each, in which a tag's number comes first and its value last.
    tiff = segment + 10
    little = at(tiff, 2) == int.from_bytes(b"II", "big")
    directory = tiff + at(tiff + 4, 4, little=little)
    count = at(directory, 2, little=little)

    def is_other_entry(entry):
        tag = at(directory + 2 + 12 * entry, 2, little=little)
        return (entry < count) & (tag != _ORIENTATION)

    entry = tf.while_loop(is_other_entry, lambda entry: (entry + 1,), [tf.constant(0, tf.int64)])[0]
    orientation = at(directory + 2 + 12 * entry + 8, 2, little=little)
    found = is_exif(segment) & (entry < count) & (orientation >= 1) & (orientation <= 8)
    return tf.where(found, orientation, 1)
