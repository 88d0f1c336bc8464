"""LiteRT files: the Editor's pixels, GPU operators alone, and a client without TensorFlow."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from export import litert_edit, tflite
from export.gpu_operators import unsupported
from mim_tf.editor import Editor
from mim_tf.errors import UserError
from mim_tf.pictures import files, pixels

CAPTION = "This bird has BLUE wings, and a zebra's belly!"


@pytest.fixture(scope="module")
def editor(random_run):
    return Editor(random_run)


@pytest.fixture(scope="module")
def mobile(editor, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "mobile"
    tflite.export(editor, folder)
    return folder


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.png"
    smooth = np.random.default_rng(0).integers(0, 256, (12, 18, 3)).astype(np.uint8)
    Image.fromarray(smooth).resize((90, 61), Image.Resampling.BICUBIC).save(path)
    return path


@pytest.mark.parametrize(("variant", "limit"), [("float32", 5e-5), ("float16", 4e-3)])
def test_the_edit_is_the_editors(mobile, editor, photo, variant, limit):
    with Image.open(photo) as picture:
        found = litert_edit.Model(mobile, variant).edit(picture, CAPTION)
    picture = files.read(photo)
    square = pixels.resample(pixels.to_signed(pixels.square_crop(picture))[None], 32)
    edited, alpha, coarse, _ = editor.graph(square, editor.tokens([CAPTION]))
    for name, expected, width in (("fine", edited, 2), ("alpha", alpha, 1), ("coarse", coarse, 2)):
        assert found[name].shape == expected.shape[1:]
        assert np.abs(found[name] - expected[0]).max() <= limit * width
    if variant == "float32":
        expected = editor.edit(picture, CAPTION).picture.astype(int)
        difference = np.abs(np.asarray(litert_edit.to_picture(found["fine"])) - expected)
        assert difference.max() <= 1 and difference.mean() < 1e-2


def test_the_picture_is_prepared_as_the_editor_prepares_it(mobile, tmp_path):
    model = litert_edit.Model(mobile)
    exif = Image.Exif()
    exif[0x0112] = 6
    rng = np.random.default_rng(0)
    for name, mode, options in (("a.jpg", "RGB", {"exif": exif}), ("b.png", "RGBA", {})):
        channels = len(mode)
        array = rng.integers(0, 256, (50, 71, channels)).astype(np.uint8)
        path = tmp_path / name
        Image.fromarray(array, mode=None).save(path, **options)
        expected = pixels.to_signed(pixels.square_crop(files.read(path)))[None]
        with Image.open(path) as picture:
            np.testing.assert_allclose(
                model.square(picture), pixels.resample(expected, 32), atol=1e-5
            )


def test_grey_of_16_bits_is_not_clipped(mobile, tmp_path):
    wide = np.linspace(0, 65535, 40 * 40).reshape(40, 40).astype(np.uint16)
    path = tmp_path / "wide.png"
    Image.fromarray(wide).save(path)
    expected = pixels.resample(pixels.to_signed(files.read(path))[None], 32)
    with Image.open(path) as picture:
        found = litert_edit.Model(mobile).square(picture)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_variant_that_is_not_there_is_refused(mobile, tmp_path):
    folder = shutil.copytree(mobile, tmp_path / "mobile")
    (folder / "image_float16.tflite").unlink()
    with pytest.raises(ValueError, match=r"has no image_float16\.tflite"):
        litert_edit.Model(folder, "float16")


def test_tokens_are_the_vocabularys(mobile, editor):
    model = litert_edit.Model(mobile)
    for caption in (CAPTION, "a " * 40 + "red", "red\ufffdblue É"):
        np.testing.assert_array_equal(model.tokens(caption), editor.tokens([caption]))
    with pytest.raises(ValueError, match="no word that the model knows"):
        model.tokens("...")


def test_a_process_without_tensorflow_edits(mobile, photo, tmp_path):
    script = Path(litert_edit.__file__)
    blocked = "import sys, runpy\n" + "".join(
        f"sys.modules[{name!r}] = None\n" for name in ("tensorflow", "keras", "mim_tf", "export")
    )
    run = f"{blocked}sys.argv = sys.argv[1:]\nrunpy.run_path(sys.argv[0], run_name='__main__')"
    output = tmp_path / "edited.png"
    arguments = ["--model", mobile, "--image", photo, "--text", CAPTION, "--output", output]
    subprocess.run([sys.executable, "-c", run, script, *arguments], check=True, cwd=tmp_path)
    assert files.read(output).shape == (32, 32, 3)
    arguments[arguments.index(CAPTION)] = "?"
    done = subprocess.run(
        [sys.executable, "-c", run, script, *arguments], capture_output=True, text=True
    )
    assert done.returncode == 1 and done.stderr.splitlines()[-1].startswith("error: the caption")


def test_files_hold_the_weights(mobile, editor):
    generator = editor.generator
    text = generator.text_encoder.count_params() + generator.mtfg.count_params()
    image = generator.count_params() - text
    assert (mobile / "text.tflite").stat().st_size >= 4 * text
    assert (mobile / "image.tflite").stat().st_size >= 4 * image
    assert (mobile / "image_float16.tflite").stat().st_size >= 2 * image


def test_every_operator_of_the_image_runs_on_the_gpu(mobile):
    files = list(mobile.glob("image*.tflite"))
    assert len(files) >= 3
    for file in files:
        assert unsupported(file.read_bytes()) == [], file.name
    assert any("WHILE" in one for one in unsupported((mobile / "text.tflite").read_bytes()))


def test_metadata_tells_what_the_files_are(mobile, editor):
    metadata = json.loads((mobile / "metadata.json").read_text())
    assert set(metadata["files"]) == {one.name for one in mobile.glob("*.tflite")}
    image = metadata["files"]["image.tflite"]
    assert image["inputs"]["image"] == {"shape": [1, 32, 32, 3], "type": "float32"}
    assert image["outputs"]["coarse"]["shape"] == [1, 16, 16, 3]
    assert image["error"]["largest"] < 1e-4
    assert metadata["files"]["text.tflite"]["inputs"]["tokens"]["shape"] == [1, 16]
    words = json.loads((mobile / "vocabulary.json").read_text())["words"]
    assert tuple(words) == editor.run.vocabulary.words
    assert set(metadata["files"]["text.tflite"]["outputs"]) == {"h_hat", "mask", "attention"}
    swap_words = editor.run.config.data.swap_words
    assert metadata["deciding_words"] == [word for word in swap_words if word in words]


def test_memories_and_attention_are_the_generators(mobile, editor):
    memory = np.array(editor.generator.mtfg.memory)
    metadata = json.loads((mobile / "metadata.json").read_text())["memories"]
    assert metadata == {"file": "memories.bin", "shape": list(memory.shape)}
    table = np.fromfile(mobile / "memories.bin", "<f4").reshape(memory.shape)
    np.testing.assert_array_equal(table, memory)
    model = litert_edit.Model(mobile)
    read = model.text(tokens=model.tokens(CAPTION))
    expected = editor.generator.read(editor.tokens([CAPTION]))["attention"]
    np.testing.assert_allclose(read["attention"], expected, atol=1e-5)
    np.testing.assert_allclose(read["attention"] @ table, read["h_hat"], atol=1e-4)


def convert(function, *shapes):
    specs = [tf.TensorSpec(shape, tf.float32) for shape in shapes]
    concrete = tf.function(function).get_concrete_function(*specs)
    return tf.lite.TFLiteConverter.from_concrete_functions([concrete]).convert()


@pytest.mark.parametrize(
    ("function", "shape", "reason"),
    [
        (lambda x: tf.reverse(x, [1]), (1, 4, 4, 3), "REVERSE_V2 of .*not on the GPU"),
        (lambda x: tf.cast(tf.cast(x * 9, tf.int32), tf.float32), (1, 4, 4, 3), "an integer cast"),
        (lambda x: x[:, 1] + 1, (1, 4, 4, 3), "makes or drops an axis"),
        (lambda x: tf.reshape(x, (1, 2, 2, 4, 3)) * 2, (1, 4, 4, 3), "more than 4 dimensions"),
        (lambda x: x[:, :1] * x[:, :, :1], (1, 4, 4, 3), "do not broadcast"),
        (lambda x: x * 2, (2, 4, 4, 3), "batch is not 1"),
    ],
)
def test_what_the_gpu_does_not_run_is_found(function, shape, reason):
    import re

    found = unsupported(convert(function, shape))
    assert any(re.search(reason, one) for one in found), found


def test_a_network_that_the_gpu_does_not_run_is_refused(editor, tmp_path, monkeypatch):
    paint = editor.paint

    def planted(picture, h_hat, mask):
        return paint(tf.reverse(picture, [2]), h_hat, mask)

    monkeypatch.setattr(editor, "paint", planted)
    with pytest.raises(UserError, match="cannot run on a phone's GPU: REVERSE_V2 of"):
        tflite.export(editor, tmp_path / "mobile")
    assert list(tmp_path.iterdir()) == []


def test_only_an_earlier_export_is_replaced(editor, tmp_path, monkeypatch):
    monkeypatch.setattr(
        tflite, "_write", lambda editor, folder: (folder / "metadata.json").write_text("new") and {}
    )
    earlier, other = tmp_path / "earlier", tmp_path / "other"
    for folder, name in ((earlier, "metadata.json"), (other, "thesis.txt")):
        folder.mkdir()
        (folder / name).write_text("old")
    tflite.export(editor, earlier)
    assert (earlier / "metadata.json").read_text() == "new"
    with pytest.raises(UserError, match="is not an earlier export"):
        tflite.export(editor, other)
    assert (other / "thesis.txt").read_text() == "old"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["earlier", "other"]


@pytest.mark.parametrize(
    "model",
    [
        {"encoder": "vgg16", "encoder_layer": "block2_conv2", "encoder_weights": "none",
         "word_gates": False, "structure_skip": False, "refine_alpha": False,
         "compose": False, "fuse": True},
        {"memory": False, "tlu": False, "fuse": True},
        {"fine": False},
    ],
    ids=["paper", "baseline", "coarse alone"],
)  # fmt: skip
def test_every_kind_of_network_runs_on_the_gpu(model, tmp_path):
    from conftest import tiny_config

    from mim_tf.models.generator import make_generator
    from mim_tf.run import Run
    from mim_tf.text import Vocabulary

    train = {"warm_up": 0} if "word_gates" in model else {}
    config = tiny_config(model=model, train=train)
    run = Run.create(tmp_path / "run", config, Vocabulary(["a", "red", "bird"]))
    run.save_generator(make_generator(config, 5))
    editor = Editor(run)
    path = tflite.saved(editor, *tflite.image_function(editor), tmp_path / "image")
    model = tflite.convert(path, "float32")
    assert unsupported(model) == []
    squares = np.random.default_rng(0).uniform(-1, 1, (2, 32, 32, 3)).astype(np.float32)
    tokens = editor.tokens(["a red bird", "red"])
    read = tflite._texture(editor, tokens)
    texture = {name: read[name] for name in ("h_hat", "mask")}
    wanted = {
        name: one
        for name, one in tflite._expected(editor, squares, tokens).items()
        if name not in read
    }
    assert tflite.measure(model, {"image": squares, **texture}, wanted)["largest"] < 1e-4
