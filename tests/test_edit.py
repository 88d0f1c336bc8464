"""Editing through the command line and the Editor."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import ExifTags, Image

from mim_tf import editor as editor_module
from mim_tf.captions import HARDLY_CHANGED
from mim_tf.edit import main
from mim_tf.editor import Editor
from mim_tf.errors import UserError
from mim_tf.pictures import files
from mim_tf.run import Run

TEXT = "this bird has blue wings"


@pytest.fixture(scope="module")
def editor(tiny_run):
    return Editor(Run.open(tiny_run))


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.png"
    rng = np.random.default_rng(0)
    files.write(path, rng.integers(0, 256, (50, 70, 3)).astype(np.uint8))
    return path


def run(*arguments) -> int:
    return main([str(one) for one in arguments])


def test_one_picture_to_one_file(tiny_run, photo, tmp_path, capsys):
    output = tmp_path / "out" / "edited.jpg"
    given = ["--run", tiny_run, "--image", photo, "--text", TEXT, "--output", output]
    assert run(*given, "--model-size") == 0
    assert files.read(output).shape == (32, 32, 3)
    assert capsys.readouterr().out.split() == [str(output)]


def test_words_it_does_not_know_are_named(tiny_run, photo, tmp_path, capsys):
    given = ["--run", tiny_run, "--image", photo, "--output", tmp_path / "edited.png"]
    caption = "this bird has Orange wingss, orange"
    assert run(*given, "--text", caption) == 1 and not (tmp_path / "edited.png").exists()
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {caption!r}: No word that the model knows says what to change")
    assert "does not know 'orange'" in line and "With --anyway" in line
    assert run(*given, "--text", caption, "--anyway") == 0
    said = capsys.readouterr().err
    assert "does not know 'orange'" in said and "'wingss'; did you mean 'wings'" in said
    assert run(*given, "--text", TEXT, "--overwrite") == 0
    assert "does not know" not in capsys.readouterr().err


def test_the_picture_itself_is_not_replaced(tiny_run, photo, capsys):
    before = photo.read_bytes()
    same = photo.parent / "." / photo.name
    assert run("--run", tiny_run, "--image", photo, "--text", TEXT, "--output", same) == 1
    assert "is the picture itself" in capsys.readouterr().err and photo.read_bytes() == before


def test_picture_and_caption_by_position(photo, tmp_path, monkeypatch, capsys):
    """With the default preset, into the present folder."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    assert run(photo, "Red wings!") == 0
    assert capsys.readouterr().out == "photo-red-wings.png\n"
    assert files.read(here / "photo-red-wings.png").shape == files.read(photo).shape
    for bad in ([], [photo], [photo, "red", "--text", "blue"], ["--image", photo]):
        assert run(*bad) == 1
        assert "give" in capsys.readouterr().err


def test_an_edit_does_not_replace_another_of_the_pictures(tiny_run, photo, tmp_path, capsys):
    clash = photo.with_name("photo-red.png")
    clash.write_bytes(photo.read_bytes())
    given = ["--run", tiny_run, "--image", photo, clash, "--text", "red", "--output", tmp_path]
    assert run(*given) == 1
    assert "is the picture itself" in capsys.readouterr().err
    assert clash.read_bytes() == photo.read_bytes()


def test_an_alpha_map_does_not_replace_one_of_the_pictures(tiny_run, photo, tmp_path, capsys):
    clash = photo.with_name("photo-red-alpha.png")
    clash.write_bytes(photo.read_bytes())
    given = ["--run", tiny_run, "--image", photo, clash, "--text", "red", "--output", tmp_path]
    assert run(*given, "--show-alpha", "--overwrite") == 1
    assert "is the picture itself" in capsys.readouterr().err
    assert clash.read_bytes() == photo.read_bytes()
    assert not (tmp_path / "photo-red.png").exists()


def test_an_alpha_map_does_not_replace_another_edit(tiny_run, photo, tmp_path):
    out = tmp_path / "out"
    given = ["--run", tiny_run, "--image", photo, "--text", "red", "red alpha", "--output", out]
    assert run(*given, "--show-alpha") == 0
    assert sorted(path.name for path in out.iterdir()) == [
        "photo-red-alpha-2-alpha.png",
        "photo-red-alpha-2.png",
        "photo-red-alpha.png",
        "photo-red.png",
    ]


def test_a_picture_behind_a_link_is_not_replaced(tiny_run, photo, tmp_path, capsys):
    link = tmp_path / "link.png"
    link.symlink_to(photo)
    before = photo.read_bytes()
    given = ["--run", tiny_run, "--image", photo, "--text", TEXT, "--output", link]
    assert run(*given, "--overwrite") == 1
    assert "is the picture itself" in capsys.readouterr().err
    assert photo.read_bytes() == before and link.is_symlink()


@pytest.mark.parametrize("name", ["edited.png", "edited-alpha.png"])
def test_a_file_that_exists_needs_overwrite(tiny_run, photo, tmp_path, capsys, name):
    existing = tmp_path / name
    existing.write_bytes(b"kept")
    given = ["--run", tiny_run, "--image", photo, "--text", TEXT, "--show-alpha",
             "--output", tmp_path / "edited.png"]  # fmt: skip
    assert run(*given) == 1
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: ") and str(existing) in error and "--overwrite" in error
    assert existing.read_bytes() == b"kept"
    assert run(*given, "--overwrite") == 0
    assert files.read(existing).ndim == 3


def test_own_size_by_default_and_alpha(tiny_run, photo, tmp_path):
    output = tmp_path / "edited.png"
    assert run("--run", tiny_run, "--image", photo, "--text", TEXT, "--output", output,
               "--show-alpha") == 0  # fmt: skip
    edited, original = files.read(output), files.read(photo)
    assert edited.shape == original.shape
    # Only the centred square can change.
    np.testing.assert_array_equal(edited[:, :10], original[:, :10])
    np.testing.assert_array_equal(edited[:, 60:], original[:, 60:])
    assert files.read(tmp_path / "edited-alpha.png").shape == (32, 32, 3)


def test_a_folder_and_several_captions(tiny_run, tmp_path):
    for name in ("a.png", "b.webp"):
        files.write(tmp_path / "in" / name, np.full((40, 40, 3), 99, np.uint8))
    out = tmp_path / "out"
    texts = [TEXT, "a red bird", TEXT]
    assert (
        run("--run", tiny_run, "--image", tmp_path / "in", "--text", *texts, "--output", out) == 0
    )
    assert sorted(path.name for path in out.iterdir()) == [
        "a-a-red-bird.png",
        "a-this-bird-has-blue-wings.png",
        "b-a-red-bird.webp",
        "b-this-bird-has-blue-wings.webp",
    ]


@pytest.mark.parametrize(
    ("name", "output", "form"),
    [
        ("a.JPG", "a-red.JPG", "JPEG"),
        ("a.webp", "a-red.webp", "WEBP"),
        ("a.bmp", "a-red.png", "PNG"),
    ],
)
def test_an_edit_has_the_format_and_the_exif_of_its_picture(
    tiny_run, tmp_path, monkeypatch, name, output, form
):
    exif = Image.Exif()
    exif[ExifTags.Base.Make], exif[ExifTags.Base.Orientation] = "Box", 8
    Image.new("RGB", (50, 40), "gray").save(tmp_path / name, exif=exif)
    monkeypatch.chdir(tmp_path)
    assert run("--run", tiny_run, tmp_path / name, "red") == 0
    with Image.open(tmp_path / output) as edited:
        assert edited.format == form
        if form != "PNG":  # the bitmap has no EXIF
            found = edited.getexif()
            assert edited.size == (40, 50) and found[ExifTags.Base.Orientation] == 1
            assert found[ExifTags.Base.Make] == "Box"


def test_pictures_of_one_name_do_not_overwrite_each_other(tiny_run, tmp_path):
    for folder in ("x", "y"):
        files.write(tmp_path / folder / "a.png", np.full((40, 40, 3), 99, np.uint8))
    out = tmp_path / "out"
    paths = [tmp_path / "x" / "a.png", tmp_path / "y" / "a.png"]
    assert run("--run", tiny_run, "--image", *paths, "--text", TEXT, "--output", out) == 0
    assert len(list(out.iterdir())) == 2


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "I;16", "1", "LA"])
def test_every_mode_is_edited(editor, mode):
    pixels = Image.fromarray(
        np.arange(48 * 40 * 3, dtype=np.uint32).reshape(48, 40, 3).astype("u1")
    )
    image = (
        Image.fromarray(np.arange(48 * 40, dtype=np.uint16).reshape(48, 40) * 30)
        if mode == "I;16"
        else pixels.convert(mode)
    )
    buffer = io.BytesIO()
    image.save(buffer, "TIFF" if mode == "CMYK" else "PNG")
    edit = editor.edit(files.decode(buffer.getvalue(), mode), TEXT, keep_size=True)
    assert edit.picture.shape == (48, 40, 3)


def test_batches_equal_single_edits(editor):
    rng = np.random.default_rng(1)
    pictures = [rng.integers(0, 256, (32 + 8 * n, 40, 3)).astype(np.uint8) for n in range(3)]
    captions = [TEXT, "a bird with a red tail", "white belly"]
    together = editor.edit_many(pictures, captions)
    for one, picture, caption in zip(together, pictures, captions, strict=True):
        alone = editor.edit(picture, caption)
        assert np.abs(one.picture.astype(int) - alone.picture.astype(int)).max() <= 1


def test_where_alpha_is_zero_the_original_stays_and_it_is_told(
    editor, tmp_path, capsys, monkeypatch
):
    picture = np.random.default_rng(2).integers(0, 256, (90, 90, 3)).astype(np.uint8)
    offset = editor.generator.icm.tlu.offset
    before = offset.numpy()
    offset.assign(-100.0)
    try:
        edit = editor(picture, TEXT)
        assert edit.warnings == (HARDLY_CHANGED,)
        np.testing.assert_array_equal(edit.picture, picture)
        assert editor(picture, TEXT, keep_size=False).warnings == (HARDLY_CHANGED,)
        monkeypatch.setattr(editor_module, "load", lambda *_: editor)
        files.write(tmp_path / "in.png", picture)
        assert run(tmp_path / "in.png", TEXT, "--output", tmp_path / "out.png") == 0
        told = capsys.readouterr().err
        assert told == f"{tmp_path / 'in.png'}, {TEXT!r}: {HARDLY_CHANGED}\n"
    finally:
        offset.assign(before)


@pytest.mark.parametrize("keep_size", [True, False])
def test_strength_scales_the_change(editor, keep_size):
    """The change is scaled, and clipped only then."""
    picture = np.random.default_rng(3).integers(90, 160, (48, 70, 3)).astype(np.uint8)
    none, half, whole, more = (
        editor(picture, TEXT, keep_size=keep_size, strength=value) for value in (0, 0.5, 1, 1.5)
    )
    change = whole.picture.astype(float) - none.picture
    inner = (whole.picture > 0) & (whole.picture < 255)  # where nothing was clipped
    assert np.abs(change[inner]).max() > 10
    assert np.abs((half.picture - none.picture.astype(float) - change / 2)[inner]).max() <= 1
    expected = np.clip(none.picture + 1.5 * change, 0, 255)
    assert np.abs(more.picture - expected)[inner].max() <= 1.5
    assert not keep_size or (none.picture == picture).all()
    assert none.warnings == ()  # nothing was asked to change
    np.testing.assert_array_equal(whole.picture, editor.edit(picture, TEXT, keep_size).picture)
    np.testing.assert_array_equal(half.alpha, whole.alpha)


@pytest.mark.parametrize("strength", [-0.1, 1.51, float("nan"), "strong", "0.5", None])
def test_a_strength_out_of_range_is_one_line(editor, strength):
    with pytest.raises(UserError, match=rf"strength {strength}: give a number from 0 .* to 1\.5"):
        editor(np.zeros((8, 8, 3), np.uint8), TEXT, strength=strength)


def truncated_jpeg() -> bytes:
    buffer = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    Image.fromarray(noise).save(buffer, "JPEG")
    return buffer.getvalue()[:700]


def bomb() -> bytes:
    buffer = io.BytesIO()
    Image.new("1", (20000, 20000)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "empty"),
        (b"hello", "not a picture"),
        (truncated_jpeg(), "truncated"),
        (bomb(), "limit"),
    ],
    ids=["empty", "text", "truncated", "bomb"],
)
def test_a_bad_picture_is_one_line_and_exit_1(tiny_run, tmp_path, capsys, content, expected):
    bad, output = tmp_path / "bad.jpg", tmp_path / "out.png"
    bad.write_bytes(content)
    assert run("--run", tiny_run, "--image", bad, "--text", TEXT, "--output", output) == 1
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and str(bad) in errors[0] and expected in errors[0]
    assert not output.exists()


def test_links_in_a_circle_are_one_line_and_exit_1(tiny_run, tmp_path, capsys):
    (tmp_path / "a.png").symlink_to(tmp_path / "a.png")
    output = tmp_path / "b.png"
    assert run("--run", tiny_run, tmp_path / "a.png", TEXT, "--output", output) == 1
    assert "a.png: cannot be read (Too many levels" in capsys.readouterr().err


def test_one_bad_picture_does_not_keep_the_others(tiny_run, photo, tmp_path, capsys):
    (tmp_path / "bad.png").write_bytes(b"no")
    out = tmp_path / "out"
    paths = [tmp_path / "bad.png", photo]
    assert run("--run", tiny_run, "--image", *paths, "--text", TEXT, "--output", out) == 1
    assert len(list(out.iterdir())) == 1 and "bad.png" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"--text": "..."}, "has no words"),
        ({"--text": "zebra quagga"}, "knows no word of this caption"),
        ({"--run": "nowhere"}, "is no run directory"),
        ({"--image": "missing.png"}, "missing.png"),
        ({"--output": "out.tiff"}, "suffix"),
        ({"--strength": "1.6"}, "strength 1.6: give a number from 0 (no change) to 1.5"),
        ({"--strength": "nan"}, "strength nan: give a number"),
        ({"--output": "/proc/none/out.png"}, "cannot be written"),
    ],
    ids=str,
)
def test_a_bad_request_is_one_line_and_exit_1(tiny_run, photo, tmp_path, capsys, change, expected):
    request = {"--run": tiny_run, "--image": photo, "--text": TEXT, "--output": tmp_path / "o.png"}
    assert run(*(part for pair in (request | change).items() for part in pair)) == 1
    lines = capsys.readouterr().err.strip().splitlines()
    assert lines[-1].startswith("error: ") and expected in lines[-1]


def test_an_unknown_preset_is_one_line(photo, tmp_path, capsys):
    assert run("--preset", "nothing", "--image", photo, "--text", TEXT,
               "--output", tmp_path / "o.png") == 1  # fmt: skip
    assert "no preset nothing" in capsys.readouterr().err
