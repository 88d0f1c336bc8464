"""Pictures: decoding of odd files, atomic writing, value ranges, boundary, composite, grids."""

import io
import struct
import warnings
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from mim_tf.errors import UserError, entry_point
from mim_tf.models.boundary import boundary
from mim_tf.pictures import files, pixels, tensor_pixels

RED = (200, 30, 10)


def encoded(image: Image.Image, form: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def decode(image: Image.Image, form: str, **options) -> np.ndarray:
    return files.decode(encoded(image, form, **options), "picture")


def refusal(data: bytes, **options) -> str:
    with pytest.raises(UserError) as caught:
        files.decode(data, "some/picture", **options)
    message = str(caught.value)
    assert message.startswith("some/picture: ") and "\n" not in message
    return message


def png_of_size(width: int, height: int) -> bytes:
    """A PNG of nothing but a header and an end."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


@pytest.fixture(scope="module")
def photograph() -> np.ndarray:
    """uint8 [60, 80, 3]: smooth, with a little noise."""
    y, x = np.mgrid[:60, :80]
    smooth = np.stack([y * 4, x * 3, y + x], axis=-1)
    return (smooth + np.random.default_rng(0).integers(0, 9, smooth.shape)).astype(np.uint8)


# Decoding ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["PNG", "WEBP", "BMP", "TIFF", "PPM"])
def test_lossless_formats_decode_to_the_same_bytes(photograph, form):
    options = {"lossless": True} if form == "WEBP" else {}
    decoded = decode(Image.fromarray(photograph), form, **options)
    assert decoded.dtype == np.uint8
    np.testing.assert_array_equal(decoded, photograph)


def test_jpeg(photograph):
    decoded = decode(Image.fromarray(photograph), "JPEG", quality=95, subsampling=0)
    assert np.abs(decoded.astype(int) - photograph).mean() < 3


def test_result_can_be_written_to(photograph):
    decode(Image.fromarray(photograph), "PNG")[0, 0] = 0


def test_greyscale_becomes_three_equal_channels(photograph):
    grey = photograph[..., 0]
    decoded = decode(Image.fromarray(grey), "PNG")
    np.testing.assert_array_equal(decoded, np.repeat(grey[..., None], 3, axis=2))


def test_one_bit():
    bits = np.array([[True, False, True], [False, True, False]])
    decoded = decode(Image.fromarray(bits), "PNG")
    np.testing.assert_array_equal(decoded[..., 1], np.where(bits, 255, 0))


def test_sixteen_bit_greyscale_is_scaled():
    values = np.array([[0, 257, 32896, 65535, 300]], np.uint16)
    data = encoded(Image.fromarray(values), "PNG")
    assert Image.open(io.BytesIO(data)).mode.startswith("I")
    np.testing.assert_array_equal(files.decode(data, "x")[0, :, 0], [0, 1, 128, 255, 1])


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([[0, 257, 65535]], np.int32), [0, 1, 255]),
        (np.array([[0, 100_000, 200_000]], np.int32), [0, 128, 255]),
        (np.array([[0.0, 0.2, 1.0]], np.float32), [0, 51, 255]),
        (np.array([[-3.0, 51.0, 255.0]], np.float32), [0, 51, 255]),
        (np.array([[np.nan, 0.2, np.inf, -np.inf]], np.float32), [0, 51, 255, 0]),
        (np.array([[np.nan, np.inf]], np.float32), [0, 255]),
    ],
)
def test_wide_tiff_is_scaled(values, expected):
    np.testing.assert_array_equal(decode(Image.fromarray(values), "TIFF")[0, :, 2], expected)


def test_palette():
    image = Image.new("P", (2, 1))
    image.putpalette([*RED, 0, 0, 255])
    image.putdata([0, 1])
    np.testing.assert_array_equal(decode(image, "PNG"), [[RED, (0, 0, 255)]])


def test_transparency_lies_over_white():
    palette = Image.new("P", (2, 1))
    palette.putpalette([*RED, 0, 0, 255])
    palette.putdata([0, 1])
    for form in ("PNG", "GIF"):
        np.testing.assert_array_equal(
            decode(palette, form, transparency=1), [[RED, (255, 255, 255)]]
        )
    rgba = Image.new("RGBA", (3, 1))
    rgba.putdata([(*RED, 255), (*RED, 0), (0, 0, 0, 128)])
    np.testing.assert_array_equal(decode(rgba, "PNG"), [[RED, [255] * 3, [127] * 3]])
    grey = Image.new("LA", (2, 1))
    grey.putdata([(10, 255), (10, 0)])
    np.testing.assert_array_equal(decode(grey, "PNG"), [[[10] * 3, [255] * 3]])
    keyed = Image.new("RGB", (2, 1))
    keyed.putdata([RED, (1, 2, 3)])
    np.testing.assert_array_equal(decode(keyed, "PNG", transparency=(1, 2, 3)), [[RED, [255] * 3]])


def test_cmyk_jpeg_is_not_a_negative():
    # Pillow writes CMYK as Adobe does, inverted and with Adobe's marker.
    data = encoded(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG", quality=95)
    assert b"Adobe" in data
    assert np.abs(files.decode(data, "x").astype(int) - [255, 0, 0]).max() <= 4


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF"])
def test_exif_orientation(photograph, form, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(photograph)
    expected = {
        1: photograph,
        2: photograph[:, ::-1],
        3: photograph[::-1, ::-1],
        4: photograph[::-1],
        5: photograph.swapaxes(0, 1),
        6: np.rot90(photograph, -1),
        7: photograph[::-1, ::-1].swapaxes(0, 1),
        8: np.rot90(photograph),
    }[orientation]
    decoded = decode(stored, form, exif=exif)
    assert decoded.shape == expected.shape
    assert np.abs(decoded.astype(int) - expected).mean() < (8 if form == "JPEG" else 1e-9)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_broken_exif_does_not_cost_the_picture(photograph):
    data = encoded(Image.fromarray(photograph), "PNG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xffrubbish")
    np.testing.assert_array_equal(files.decode(data, "x"), photograph)


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG"])
def test_animation_gives_its_first_frame(form):
    frames = [Image.new("RGB", (8, 6), colour) for colour in (RED, "blue", "lime")]
    options = {"lossless": True} if form == "WEBP" else {}
    data = encoded(frames[0], form, save_all=True, append_images=frames[1:], **options)
    assert getattr(Image.open(io.BytesIO(data)), "n_frames", 1) == 3
    np.testing.assert_array_equal(files.decode(data, "x"), np.full((6, 8, 3), RED))


# Refusals ----------------------------------------------------------------------------------------


def test_empty():
    assert "empty" in refusal(b"")


@pytest.mark.parametrize(
    "data",
    [b"x", b"not an image " * 50, bytes(500), b"<svg xmlns='http://www.w3.org/2000/svg'/>",
     b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n"],
)  # fmt: skip
def test_not_an_image(data):
    assert "not a picture" in refusal(data)


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("part", [0.02, 0.3, 0.5, 0.7, 0.9, 0.99])
def test_truncated_jpeg(photograph, part, progressive):
    data = encoded(Image.fromarray(photograph), "JPEG", progressive=progressive)
    refusal(data[: int(part * len(data))])


@pytest.mark.parametrize("form", ["PNG", "WEBP", "GIF", "TIFF"])
@pytest.mark.parametrize("part", [0.02, 0.5, 0.9])
def test_truncated_other_formats(photograph, form, part):
    data = encoded(Image.fromarray(photograph), form)
    refusal(data[: int(part * len(data))])


@pytest.mark.parametrize("size", [(50_000, 50_000), (10_000, 10_000), (64_000_001, 1)])
def test_bomb_is_refused_by_its_header(size):
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # one line, not Pillow's warning and one line
        assert f"{files.MAX_PIXELS} pixels" in refusal(png_of_size(*size))


def test_max_pixels(photograph):
    data = encoded(Image.fromarray(photograph), "PNG")
    assert "80x60" in refusal(data, max_pixels=80 * 60 - 1)
    assert files.decode(data, "x", max_pixels=80 * 60).shape == (60, 80, 3)


@pytest.mark.parametrize("size", [(0, 5), (5, 0)])
def test_zero_size(size):
    refusal(png_of_size(*size))


def test_read(tmp_path, photograph):
    path = tmp_path / "a.png"
    files.write(path, photograph)
    np.testing.assert_array_equal(files.read(path), photograph)
    with pytest.raises(UserError, match="limit is 10 pixels"):
        files.read(path, max_pixels=10)


@pytest.mark.parametrize(
    ("name", "reason"), [("absent.png", "no such file"), ("", "is a folder"), ("a\0b", "read")]
)
def test_read_refuses(tmp_path, name, reason):
    with pytest.raises(UserError, match=reason):
        files.read(f"{tmp_path}/{name}")


# Writing -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.png", "a.PNG", "new/folder/a.jpg", "a.jpeg", "a.webp"])
def test_write_and_read_back(tmp_path, photograph, name):
    files.write(tmp_path / name, photograph)
    back = files.read(tmp_path / name).astype(int)
    exact = name.lower().endswith("png")
    assert np.abs(back - photograph).mean() <= (0 if exact else 3)


def test_encode_png(photograph):
    np.testing.assert_array_equal(files.decode(files.encode_png(photograph), "x"), photograph)


def test_write_replaces_and_leaves_nothing_else(tmp_path, photograph):
    path = tmp_path / "a.png"
    path.write_bytes(b"old")
    files.write(path, photograph)
    assert [file.name for file in tmp_path.iterdir()] == ["a.png"]
    plain = tmp_path / "plain"
    plain.touch()
    assert path.stat().st_mode == plain.stat().st_mode


def test_failed_write_leaves_the_old_file(tmp_path, photograph, monkeypatch):
    path = tmp_path / "a.png"
    path.write_bytes(b"old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.Path, "replace", full)
    with pytest.raises(UserError, match="No space left"):
        files.write(path, photograph)
    assert [file.name for file in tmp_path.iterdir()] == ["a.png"]
    assert path.read_bytes() == b"old"


def test_write_refuses(tmp_path, photograph):
    for name in ("a.xyz", "a"):
        with pytest.raises(UserError, match="suffix"):
            files.write(tmp_path / name, photograph)
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(UserError, match="cannot be written"):
        files.write(tmp_path / "folder.png", photograph)
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be written"):
        files.write(tmp_path / "file" / "a.png", photograph)
    with pytest.raises(UserError, match="cannot be encoded"):
        files.write(tmp_path / "a.webp", np.zeros((1, 16_400, 3), np.uint8))
    with pytest.raises(ValueError, match="uint8"):
        files.write(tmp_path / "a.png", photograph.astype(np.float32))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["file", "folder.png"]


# Value ranges ------------------------------------------------------------------------------------


def test_every_level_survives_the_round_trip():
    levels = np.arange(256, dtype=np.uint8)
    signed = pixels.to_signed(levels)
    assert signed.dtype == np.float32 and signed[0] == -1.0 and signed[-1] == 1.0
    np.testing.assert_array_equal(pixels.to_uint8(signed), levels)
    as_tensor = tensor_pixels.to_signed(tf.constant(levels))
    np.testing.assert_array_equal(as_tensor, signed)
    np.testing.assert_array_equal(tensor_pixels.to_uint8(as_tensor), levels)
    np.testing.assert_array_equal(pixels.to_signed(levels.astype(np.float64)), signed)


def test_to_uint8_clips_and_rounds_alike_in_graph():
    x = np.concatenate([np.linspace(-1.5, 1.5, 5001), np.arange(256) / 127.5 - 1 + 0.5 / 127.5])
    x = x.astype(np.float32)
    graph = tf.function(tensor_pixels.to_uint8)
    np.testing.assert_array_equal(pixels.to_uint8(x), graph(x))
    assert list(pixels.to_uint8(np.array([-9.0, 0.0, 9.0, np.inf]))) == [0, 128, 255, 255]
    with pytest.raises(ValueError, match="not finite"):
        pixels.to_uint8(np.array([np.nan]))


# Size and crop -----------------------------------------------------------------------------------


def test_resize():
    batch = np.random.default_rng(0).uniform(-1, 1, (2, 12, 8, 3)).astype(np.float32)
    np.testing.assert_array_equal(tensor_pixels.resample(batch, (12, 8)), batch)
    assert tensor_pixels.resample(batch, 4).shape == (2, 4, 4, 3)
    assert tensor_pixels.resample(batch, (6, 16)).shape == (2, 6, 16, 3)
    square = batch[:, :8]
    np.testing.assert_array_equal(pixels.resample(square, 8), square)
    checks = np.indices((16, 16)).sum(0)[None, :, :, None] % 2 * 2.0 - 1
    for resample in (pixels.resample, tensor_pixels.resample):
        inner = resample(checks, 4)[:, 1:-1, 1:-1]
        assert np.abs(inner).max() < 0.05  # antialiased: the pattern averages out


@pytest.mark.parametrize("side", [5, 31, 64, 65, 200, 1111])
def test_numpy_and_tensors_resample_alike(side):
    batch = np.random.default_rng(side).uniform(-1, 1, (2, side, side, 3)).astype(np.float32)
    expected = tensor_pixels.resample(batch, 64)
    np.testing.assert_allclose(pixels.resample(batch, 64), expected, atol=2e-6)


@pytest.mark.parametrize("side", [5, 31, 64, 65, 200, 1111])
def test_numpy_and_tensors_add_the_same_change(side):
    rng = np.random.default_rng(side)
    square = rng.integers(0, 256, (side, side, 3), dtype=np.uint8)
    before, after = rng.uniform(-1, 1, (2, 32, 32, 3)).astype(np.float32)
    alpha = np.where(rng.random((32, 32, 1)) < 0.5, 0, rng.random((32, 32, 1)))
    weight = rng.random((side, side, 1)).astype(np.float32)
    found = pixels.add_change(square, before, after, alpha, weight).astype(int)
    expected = tensor_pixels.add_change(square, before, after, alpha, weight).numpy()
    # Where a value lies within rounding of a half or of alpha's limit, the two may part.
    assert np.mean(found != expected) < 1e-3


@pytest.mark.parametrize("start", [0, 1, 7])
@pytest.mark.parametrize("beyond", [0, 1, 9])
@pytest.mark.parametrize("side", [1, 5, 64, 333])
def test_a_change_fades_where_the_picture_goes_on(side, start, beyond):
    found = pixels.faded(side, start, start + side + beyond)
    tensors = (tf.constant(value) for value in (side, start, start + side + beyond))
    np.testing.assert_allclose(found, tensor_pixels.faded(*tensors), rtol=1e-6)
    assert found.dtype == np.float32 and found.max() <= 1 and found.min() > 0
    if side > 16:
        assert (found[0] < 0.2) == (start > 0) and (found[-1] < 0.2) == (beyond > 0)
        assert (found[side // 8 + 1 : -side // 8 - 1] == 1).all()


def test_an_edit_shows_where_enough_of_it_is_seen():
    before = np.zeros((3, 64, 64, 3), np.float32)
    after = before.copy()
    after[0] = 7 / 127.5  # everywhere, and too little
    after[1, 0, :2, 1] = 50 / 127.5  # two pixels of 4,096
    after[2, 0, :3, 1] = -50 / 127.5
    expected = [False, False, True]
    assert [pixels.shows(*pair) for pair in zip(before, after, strict=True)] == expected
    assert tensor_pixels.shows(tf.constant(before), tf.constant(after)).numpy().tolist() == expected


def test_resize_to_the_same_size_when_the_size_is_unknown():
    batch = np.random.default_rng(0).uniform(-1, 1, (1, 9, 7, 3)).astype(np.float32)
    graph = tf.function(
        lambda x: tensor_pixels.resample(x, (9, 7)),
        input_signature=[tf.TensorSpec((None, None, None, 3), tf.float32)],
    )
    np.testing.assert_array_equal(graph(batch), batch)


@pytest.mark.parametrize(
    ("shape", "crop"), [((10, 20), (0, 5, 10)), ((21, 10), (5, 0, 10)), ((7, 7), (0, 0, 7))]
)
def test_fit(shape, crop):
    picture = np.arange(np.prod(shape) * 3, dtype=np.int64).reshape(*shape, 3).astype(np.uint8)
    assert pixels.fit(picture) == crop
    y, x, side = crop
    np.testing.assert_array_equal(pixels.square_crop(picture), picture[y : y + side, x : x + side])


# Boundary ----------------------------------------------------------------------------------------


def test_boundary_is_zero_on_constants_up_to_the_border():
    colours = np.random.default_rng(0).uniform(-1, 1, (8, 1, 1, 3))
    pictures = np.broadcast_to(colours, (8, 9, 11, 3)).astype(np.float32)
    result = boundary(pictures)
    assert result.shape == (8, 9, 11, 1) and result.dtype == tf.float32
    assert np.abs(result).max() == 0.0
    assert boundary(pictures[:, :1, :1]).shape == (8, 1, 1, 1)


def test_boundary_fires_on_an_edge_of_equal_luminance():
    luminance = np.array([0.299, 0.587, 0.114])
    red = np.array([0.5, -0.5, 0.0])
    green = red + [-0.587, 0.299, 0.0]
    assert np.isclose(luminance @ red, luminance @ green)
    picture = np.empty((1, 8, 8, 3), np.float32)
    picture[:, :, :4], picture[:, :, 4:] = red, green
    result = boundary(picture)[0, :, :, 0].numpy()
    assert result[:, 3:5].min() > 0.7
    assert result[:, [0, 1, 2, 5, 6, 7]].max() == 0.0


def test_boundary_range_contrast_and_direction():
    rng = np.random.default_rng(0)
    noise = boundary(rng.choice([-1.0, 1.0], (2, 16, 16, 3))).numpy()
    assert noise.min() >= 0.0 and noise.max() < 1.0

    def edge(contrast: float) -> float:
        picture = np.zeros((1, 8, 8, 3), np.float32)
        picture[:, 4:] = contrast
        np.testing.assert_allclose(
            boundary(picture), np.swapaxes(boundary(picture.swapaxes(1, 2)), 1, 2)
        )
        return float(np.max(boundary(picture)))

    assert np.isclose(edge(0.2), 0.5, atol=0.01)  # a step of 0.2 has the magnitude 0.1
    assert edge(1.0) < 2 * edge(0.2)  # five times the contrast, less than twice the response


def test_boundary_gradient_is_finite_on_a_flat_picture():
    flat = tf.Variable(tf.zeros((1, 6, 6, 3)))
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(boundary(flat))
    assert np.isfinite(tape.gradient(total, flat)).all()


def test_boundary_uses_operations_of_the_tflite_gpu_delegate():
    allowed = {
        "Placeholder", "Const", "Cast", "StridedSlice", "ConcatV2", "DepthwiseConv2dNative",
        "Square", "AddV2", "Split", "Maximum", "Sqrt", "Sub", "Relu", "RealDiv", "Identity",
    }  # fmt: skip
    graph = tf.function(boundary).get_concrete_function(tf.TensorSpec((1, 8, 8, 3))).graph
    assert {operation.type for operation in graph.get_operations()} <= allowed


# Composite ---------------------------------------------------------------------------------------


def test_composite_keeps_untouched_bytes():
    rng = np.random.default_rng(0)
    original = rng.integers(0, 256, (90, 140, 3), dtype=np.uint8)
    crop = pixels.fit(original)
    small = pixels.to_signed(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8))
    alpha = np.zeros((32, 32, 1), np.float32)
    alpha[8:16, 8:16] = 1.0
    edited = rng.uniform(-1, 1, small.shape).astype(np.float32)  # differs everywhere
    result = pixels.same_size_composite(original, small, edited, alpha, crop)
    assert result.dtype == np.uint8 and result.shape == original.shape
    changed = (result != original).any(-1)
    y, x, side = crop
    outside = np.ones(changed.shape, bool)
    lo, hi = int(7 * side / 32), int(17 * side / 32) + 1
    outside[y + lo : y + hi, x + lo : x + hi] = False
    assert changed.any() and not changed[outside].any()
    same = pixels.same_size_composite(original, small, edited, np.zeros_like(alpha), crop)
    np.testing.assert_array_equal(same, original)


@pytest.mark.parametrize("side", [16, 32, 100])
def test_composite_adds_the_change(side):
    original = np.full((side, side, 3), 100, np.uint8)
    original[::2, ::2] = 110  # detail that the model never saw
    before = np.zeros((32, 32, 3), np.float32)
    after = np.full_like(before, 20 / 127.5)
    crop = pixels.fit(original)
    result = pixels.same_size_composite(original, before, after, np.ones((32, 32, 1)), crop)
    np.testing.assert_array_equal(result, original + 20)
    bright = pixels.same_size_composite(original, before, before + 1.9, np.ones((32, 32, 1)), crop)
    assert (bright == 255).all()
    wide = np.pad(original, ((0, 0), (40, 40), (0, 0)), mode="edge")
    faded = pixels.same_size_composite(wide, before, after, np.ones((32, 32, 1)), pixels.fit(wide))
    change = faded.astype(int) - wide
    assert (change[:, :40] == 0).all() and (change[:, -40:] == 0).all()
    assert (change[:, 40] < 10).all() and (change[:, 40 + side // 2] == 20).all()


def test_composite_refuses_a_crop_outside():
    square = np.zeros((8, 8, 3), np.float32)
    with pytest.raises(ValueError, match="does not lie"):
        pixels.same_size_composite(
            np.zeros((10, 10, 3), np.uint8), square, square, square[..., :1], (5, 0, 8)
        )


# Errors ------------------------------------------------------------------------------------------


def test_entry_point(capsys):
    def command(argv=None) -> int:
        raise {"user": UserError("bad\nfile"), "stop": KeyboardInterrupt(), "bug": KeyError("x")}[
            argv[0]
        ]

    main = entry_point(command)
    assert main(["user"]) == 1
    assert capsys.readouterr() == ("", "error: bad file\n")
    assert main(["stop"]) == 130
    assert capsys.readouterr() == ("", "interrupted\n")
    with pytest.raises(KeyError):
        main(["bug"])
    assert entry_point(lambda argv: 0)(None) == 0
