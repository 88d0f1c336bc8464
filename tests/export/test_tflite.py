"""LiteRT files: the Editor's pixels, only GPU operators, and an editor without TensorFlow."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from export import litert_accuracy, litert_conversion, tflite
from export.gpu_operators import unsupported
from mim_tf.backends.litert import LiteRTBackend
from mim_tf.checksums import write_sums
from mim_tf.editor import Editor
from mim_tf.errors import UserError
from mim_tf.pictures import files, pixels, tensor_pixels

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
    light = Editor(LiteRTBackend(mobile, variant))
    picture = files.read(photo)
    square = pixels.to_signed(pixels.square_crop(picture))[None]
    found = light.backend(light.backend.resample(square, 32), light.tokens([CAPTION]))
    expected = editor.graph(tensor_pixels.resample(square, 32), editor.tokens([CAPTION]))
    widths = (2, 1, 2, 1)  # of the ranges of edit, alpha, coarse and boundary
    for array, wanted, width in zip(found, expected, widths, strict=True):
        assert array.shape == wanted.shape
        assert np.abs(array - wanted).max() <= limit * width
    for keep_size in (True, False):
        edit, full = (side.edit(picture, CAPTION, keep_size) for side in (light, editor))
        assert edit.picture.shape == full.picture.shape and edit.warnings == full.warnings
        difference = np.abs(edit.picture.astype(int) - full.picture)
        assert difference.max() <= (1 if variant == "float32" else 2)
        assert variant != "float32" or difference.mean() < 1e-2


def test_a_missing_variant_is_refused(mobile, tmp_path):
    folder = shutil.copytree(mobile, tmp_path / "mobile")
    (folder / "image_float16.tflite").unlink()
    with pytest.raises(UserError, match=r"has no image_float16\.tflite"):
        LiteRTBackend(folder, "float16")
    assert LiteRTBackend(folder).size == 32  # by default another one is taken
    (folder / "image.tflite").write_bytes(b"no model")
    with pytest.raises(UserError, match=r"image\.tflite was damaged or changed"):
        LiteRTBackend(folder)
    write_sums(folder, ["image.tflite"])
    with pytest.raises(UserError, match=r"image\.tflite is no LiteRT file"):
        LiteRTBackend(folder)
    (folder / "metadata.json").write_text("{}")
    with pytest.raises(UserError, match="has no 'size'"):
        LiteRTBackend(folder)


def test_tokens_are_the_vocabularys(mobile, editor):
    light = Editor(LiteRTBackend(mobile))
    for caption in (CAPTION, "a " * 12 + "red", "red\ufffdblue É"):
        np.testing.assert_array_equal(light.tokens([caption]), editor.tokens([caption]))
    with pytest.raises(UserError, match="has no words"):
        light.tokens(["..."])


def test_a_process_without_tensorflow_edits(mobile, photo, tmp_path):
    blocked = "import sys\n" + "".join(
        f"sys.modules[{name!r}] = None\n"
        for name in ("tensorflow", "keras", "scipy", "cv2", "pydantic", "yaml", "h5py", "export")
    )
    command = f"{blocked}from mim_tf.edit import main\nsys.exit(main(sys.argv[1:]))"
    output = tmp_path / "edited.png"
    arguments = ["--preset", mobile, "--image", photo, "--text", CAPTION, "--output", output]
    subprocess.run([sys.executable, "-c", command, *arguments], check=True)
    assert files.read(output).shape == files.read(photo).shape
    arguments[arguments.index(CAPTION)] = "?"
    done = subprocess.run(
        [sys.executable, "-c", command, *arguments, "--overwrite"], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr == "error: '?': The caption has no words; say what to change.\n"


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
    offences = unsupported((mobile / "text.tflite").read_bytes())
    assert any("WHILE" in offence for offence in offences)


def test_the_metadata_describes_the_files(mobile, editor):
    metadata = json.loads((mobile / "metadata.json").read_text())
    assert set(metadata["files"]) == {path.name for path in mobile.glob("*.tflite")}
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
    tokens = editor.tokens([CAPTION])
    read = LiteRTBackend(mobile, "float32")._text(tokens=tokens)
    expected = editor.generator.encode_text(tokens)["attention"]
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
def test_operators_that_the_gpu_does_not_run_are_found(function, shape, reason):
    import re

    found = unsupported(convert(function, shape))
    assert any(re.search(reason, offence) for offence in found), found


def test_a_network_that_the_gpu_does_not_run_is_refused(editor, tmp_path, monkeypatch):
    paint = editor.paint

    def with_reverse(picture, h_hat, mask):
        return paint(tf.reverse(picture, [2]), h_hat, mask)

    monkeypatch.setattr(editor.backend, "paint", with_reverse)
    with pytest.raises(UserError, match="cannot run on a phone's GPU: REVERSE_V2 of"):
        tflite.export(editor, tmp_path / "mobile")
    assert list(tmp_path.iterdir()) == []


def test_an_export_that_nothing_opens_is_refused(editor, tmp_path):
    with pytest.raises(UserError, match="--variants dynamic int8: add float16 or float32"):
        tflite.export(editor, tmp_path / "mobile", ["dynamic", "int8"])
    assert list(tmp_path.iterdir()) == []


def test_only_an_earlier_export_is_replaced(editor, tmp_path, monkeypatch):
    monkeypatch.setattr(
        tflite, "_write", lambda _, folder, __: (folder / "metadata.json").write_text("new") and {}
    )
    earlier, other, app = tmp_path / "earlier", tmp_path / "other", tmp_path / "app"
    for folder, name in ((other, "thesis.txt"), (app, "metadata.json")):
        folder.mkdir()
        (folder / name).write_text("old")
    for _ in range(2):
        tflite.export(editor, earlier)
        assert (earlier / "metadata.json").read_text() == "new"
        (earlier / "metadata.json").write_text("changed")
    for folder in (other, app):
        with pytest.raises(UserError, match="is not an earlier export"):
            tflite.export(editor, folder)
    (earlier / "photos").mkdir()
    (earlier / "photos" / "thesis.txt").write_text("mine")
    with pytest.raises(UserError, match="holds photos/thesis.txt besides an earlier export"):
        tflite.export(editor, earlier)
    assert (earlier / "photos" / "thesis.txt").read_text() == "mine"
    assert (other / "thesis.txt").read_text() == (app / "metadata.json").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["app", "earlier", "other"]


@pytest.mark.parametrize(
    "sections",
    [
        {"model": {"encoder": "vgg16", "encoder_layer": "block2_conv2", "encoder_weights": "none"},
         "deviations": {"word_gates": False, "structure_skip": False, "refine_alpha": False,
                        "compose": False, "fuse": True, "warm_up": 0}},
        {"model": {"memory": False, "tlu": False}, "deviations": {"fuse": True}},
        {"model": {"fine": False}},
    ],
    ids=["paper", "baseline", "coarse alone"],
)  # fmt: skip
def test_every_kind_of_network_runs_on_the_gpu(sections, tmp_path):
    from tiny import tiny_config

    from mim_tf.models.generator import make_generator
    from mim_tf.run import Run
    from mim_tf.text import Vocabulary

    config = tiny_config(**sections)
    run = Run.create(tmp_path / "run", config, Vocabulary(["a", "red", "bird"]))
    run.save_generator(make_generator(config, 5))
    editor = Editor(run)
    function, specs = litert_conversion.image_function(editor)
    path = litert_conversion.save_function(editor, function, specs, tmp_path / "image")
    model = litert_conversion.convert(path, "float32")
    assert unsupported(model) == []
    squares = np.random.default_rng(0).uniform(-1, 1, (2, 32, 32, 3)).astype(np.float32)
    tokens = editor.tokens(["a red bird", "red"])
    read = tflite._word_features(editor, tokens)
    words = {name: read[name] for name in ("h_hat", "mask")}
    expected = {
        name: array
        for name, array in tflite._expected(editor, squares, tokens).items()
        if name not in read
    }
    error = litert_accuracy.measure(model, {"image": squares, **words}, expected)
    assert error["largest"] < 1e-4
