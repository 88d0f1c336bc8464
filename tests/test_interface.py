"""The Python interface: `mim_tf.load`, an editor, its edits; two backends, one picture."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

import mim_tf
from mim_tf import __main__ as commands
from mim_tf.data.birds import scenes
from mim_tf.pictures import files
from mim_tf.places import CONFIGS, PRESETS

TEXT = "a bird with red wings"


@pytest.fixture(scope="module")
def editor():
    return mim_tf.load("birds-64")


@pytest.fixture(scope="module")
def bird() -> np.ndarray:
    return scenes.scene(99, 5, 96).render()


def test_the_interface_is_what_all_names():
    assert mim_tf.__all__ == ["Edit", "Editor", "UserError", "__version__", "load"]
    assert all(hasattr(mim_tf, name) for name in mim_tf.__all__)
    with pytest.raises(AttributeError, match="nothing"):
        mim_tf.nothing  # noqa: B018


def test_importing_it_imports_no_other_package():
    line = (
        "import mim_tf, sys; print({m.split('.')[0] for m in sys.modules} & "
        "{'numpy', 'PIL', 'tensorflow', 'pydantic', 'ai_edge_litert'})"
    )
    done = subprocess.run([sys.executable, "-c", line], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_paths_pil_pictures_and_arrays_give_the_same_edit(editor, bird, tmp_path):
    path = tmp_path / "bird.png"
    Image.fromarray(bird).save(path)
    opaque = np.concatenate([bird, np.full((96, 96, 1), 255, np.uint8)], axis=2)
    turned = bird[:, ::-1].copy()[:, ::-1]  # not contiguous in memory
    edits = [
        editor(picture, TEXT)
        for picture in (
            path,
            str(path),
            Image.fromarray(bird),
            bird,
            opaque,
            turned,
        )
    ]
    assert edits[0].image.size == (96, 96) and edits[0].alpha.shape == (64, 64, 1)
    assert edits[0].alpha.dtype == np.float32 and edits[0].warnings == ()
    assert (edits[0].picture != bird).any()
    for edit in edits[1:]:
        np.testing.assert_array_equal(edit.picture, edits[0].picture)


def test_an_edit_is_saved_with_the_exif_of_its_picture(editor, bird, tmp_path):
    exif = Image.Exif()
    exif[ExifTags.Base.Make], exif[ExifTags.Base.Orientation] = "Box", 3
    Image.fromarray(bird).save(tmp_path / "bird.jpg", exif=exif)
    first = editor(tmp_path / "bird.jpg", TEXT)
    edits = {"path": first, "edit": editor(first.image, "blue tail")}
    edits["list"] = editor([tmp_path / "bird.jpg"], TEXT)[0]
    for name, edit in edits.items():
        edit.save(tmp_path / f"{name}.jpg")
        with Image.open(tmp_path / f"{name}.jpg") as saved:
            found = saved.getexif()
            assert (found[ExifTags.Base.Make], found[ExifTags.Base.Orientation]) == ("Box", 1)
    with pytest.raises(mim_tf.UserError, match="unknown picture suffix"):
        first.save(tmp_path / "bird.tiff")


def test_grey_is_three_equal_channels(editor, bird):
    grey = bird[..., 1]
    expected = editor(grey[..., None].repeat(3, axis=2), TEXT).picture
    for picture in (grey, grey[..., None], Image.fromarray(grey)):
        np.testing.assert_array_equal(editor(picture, TEXT).picture, expected)


def test_a_picture_keeps_its_size_unless_told(editor, bird):
    wide = np.pad(bird, ((0, 0), (20, 30), (0, 0)))
    assert editor(wide, TEXT).picture.shape == (96, 146, 3)
    assert editor(wide, TEXT, keep_size=False).picture.shape == (64, 64, 3)


def test_lists_take_one_caption_or_one_each(editor, bird):
    pictures = [bird, Image.fromarray(bird[:, ::-1].copy())]
    both = editor(pictures, ["blue wings", "a red belly and a zzz"])
    np.testing.assert_array_equal(both[0].picture, editor(bird, "blue wings").picture)
    assert both[0].warnings == ()
    assert len(both[1].warnings) == 1 and "does not know 'zzz'" in both[1].warnings[0]
    assert len(editor(pictures, TEXT)) == 2
    assert editor([], TEXT) == []


@pytest.mark.parametrize(
    ("picture", "text", "expected"),
    [
        (np.zeros((8, 8, 3), np.float32), TEXT, "array of float32; give uint8"),
        (np.zeros((8, 8, 3), np.int64), TEXT, "array of int64"),
        (np.zeros((2, 8, 8, 3), np.uint8), TEXT, "several pictures as a list"),
        (np.zeros((8, 8, 2), np.uint8), TEXT, r"shape \[8, 8, 2\]"),
        (np.zeros((0, 8, 3), np.uint8), TEXT, r"shape \[0, 8, 3\]"),
        (3, TEXT, "a int is no picture"),
        ("nowhere.png", TEXT, "nowhere.png: there is no such file"),
        (np.zeros((8, 8), np.uint8), "", "has no words"),
        (np.zeros((8, 8), np.uint8), ["red", "blue"], "one picture takes one caption"),
        (np.zeros((8, 8), np.uint8), None, "one picture takes one caption"),
        ([np.zeros((8, 8), np.uint8)], None, "a caption is a text; give one"),
        ([np.zeros((8, 8), np.uint8)], [None], "a caption is a text; give one"),
        ([np.zeros((8, 8), np.uint8)], ["red", "blue"], "2 captions for 1 pictures"),
        ([np.zeros((8, 8), np.uint8), np.zeros((8, 8))], "red", "picture 2: an array of float64"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_picture_or_caption_is_one_line(editor, picture, text, expected):
    with pytest.raises(mim_tf.UserError, match=expected):
        editor(picture, text)


@pytest.mark.parametrize("model", [None, 3])
def test_what_is_no_model_is_one_line(model):
    with pytest.raises(mim_tf.UserError, match=f"not a {type(model).__name__}; .* birds-64"):
        mim_tf.load(model)


def test_the_backends_draw_the_same(editor):
    network = mim_tf.load("birds-64", backend="tensorflow")
    assert type(editor.backend) is not type(network.backend)
    largest = 0
    for index, caption in enumerate((TEXT, "blue crown", "make the tail yellow", "white belly")):
        picture = scenes.scene(99, 40 + index, 64 + 50 * index).render()
        for keep_size in (True, False):
            light, full = (one(picture, caption, keep_size=keep_size) for one in (editor, network))
            difference = np.abs(light.picture.astype(int) - full.picture)
            largest = max(largest, int(difference.max()))
            np.testing.assert_allclose(light.alpha, full.alpha, atol=1e-2)
            np.testing.assert_allclose(light.boundary, full.boundary, atol=1e-3)
            assert np.abs(light.coarse.astype(int) - full.coarse).max() <= 2
    assert largest <= 2


def test_a_folder_with_litert_files_needs_no_tensorflow():
    light = mim_tf.load(PRESETS / "birds-64" / "litert")  # an export by itself is a model, too
    assert light.backend.size == 64
    with pytest.raises(mim_tf.UserError, match="choose one of litert, tensorflow"):
        mim_tf.load("birds-64", backend="torch")  # type: ignore[arg-type]


def test_a_run_without_litert_files_is_edited_by_tensorflow(tiny_run, bird):
    assert mim_tf.load(tiny_run)(bird, "a bird", keep_size=False).picture.shape == (32, 32, 3)
    with pytest.raises(mim_tf.UserError, match="has no LiteRT files; make them with"):
        mim_tf.load(tiny_run, backend="litert")


def test_litert_files_of_other_weights_are_refused(tmp_path):
    folder = shutil.copytree(PRESETS / "birds-64", tmp_path / "birds-64")
    mim_tf.load(folder)
    with (folder / "generator.weights.h5").open("ab") as weights:
        weights.write(b"more")
    with pytest.raises(mim_tf.UserError, match="exported from other weights"):
        mim_tf.load(folder)


def test_a_name_is_a_preset_and_a_path_is_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("birds-64").mkdir()
    assert mim_tf.load("birds-64").size == 64
    for folder in ("./birds-64", Path("birds-64")):
        with pytest.raises(mim_tf.UserError, match="is no run directory: it has no config.yaml"):
            mim_tf.load(folder)
    with pytest.raises(mim_tf.UserError, match="there are the presets birds-64"):
        mim_tf.load("bird-64")


# The command `mim` ------------------------------------------------------------------------------


def test_every_command_is_listed_with_a_line(capsys):
    assert commands.main([]) == 0
    listed = {line.split()[0] for line in capsys.readouterr().out.splitlines() if line[:2] == "  "}
    package = Path(mim_tf.__file__).parent
    # A command is a module with a `main` of its own.
    written = {path.stem for path in package.glob("*.py") if "\ndef main(" in path.read_text()}
    assert listed == {name.replace("_", "-") for name in written - {"__main__"}} | {"export"}


COMMANDS = [name.replace("_", "-") for name in commands.COMMANDS if name != "export"]


@pytest.mark.parametrize("name", [*COMMANDS, "export saved-model", "export tflite"])
def test_every_command_is_started(name, capsys):
    with pytest.raises(SystemExit) as ended:
        commands.main([*name.split(), "--help"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("usage: python -m")


@pytest.mark.parametrize("name", ["edit", "export saved-model", "export tflite"])
def test_the_help_ends_with_an_example(name, capsys):
    with pytest.raises(SystemExit):
        commands.main([*name.split(), "--help"])
    _, found, example = capsys.readouterr().out.rpartition("example")
    assert found and "python -m" in example


def test_version_and_unknown_commands(capsys):
    assert commands.main(["--version"]) == 0
    assert capsys.readouterr().out == f"mim-tf {mim_tf.__version__}\n"
    assert commands.main(["paint"]) == 1
    assert commands.main(["export"]) == 1
    errors = capsys.readouterr().err.splitlines()
    assert errors[0].startswith("error: there is no command paint; there are: edit, train")
    assert errors[1:] == ["error: mim export needs what to write: saved-model or tflite"]


def test_what_ships_is_found():
    assert (CONFIGS / "birds.yaml").is_file() and (PRESETS / "birds-64").is_dir()


def test_a_command_run_as_a_module_says_in_one_line_which_package_is_missing(tmp_path):
    """Its first imports come before what reports mistakes."""
    (tmp_path / "pydantic.py").write_text("raise ModuleNotFoundError(name='pydantic')")
    path = os.pathsep.join([str(tmp_path), str(Path(mim_tf.__file__).parents[1])])
    done = subprocess.run(
        [sys.executable, "-m", "mim_tf.train", "--config", "birds.yaml"],
        capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith(
        "error: this needs pydantic: install mim-tf with what [train] adds"
    )
    assert done.stderr.endswith('pip install ".[train]"\n') and done.stderr.count("\n") == 1


@pytest.mark.parametrize("broken", ["cut", "empty", "odd"])
def test_a_broken_image_is_one_line(bird, tmp_path, broken):
    if broken == "cut":
        Image.fromarray(bird).save(tmp_path / "bird.jpg")
        whole = (tmp_path / "bird.jpg").read_bytes()
        (tmp_path / "bird.jpg").write_bytes(whole[: len(whole) // 2])
        picture = Image.open(tmp_path / "bird.jpg")
    else:
        picture = Image.new("RGB", (0, 5)) if broken == "empty" else Image.new("La", (5, 5))
    with pytest.raises(mim_tf.UserError, match="the picture is truncated or broken"):
        files.with_extras(picture)
