"""The SavedModel: the Editor's pixels, in a process that has no mim_tf."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from export import saved_model as export_module
from mim_tf.captions import HARDLY_CHANGED
from mim_tf.editor import Editor
from mim_tf.errors import UserError
from mim_tf.evaluators.folder import fingerprint
from mim_tf.pictures import files, pixels, tensor_pixels
from mim_tf.run import Run

CAPTIONS = ["this bird has blue wings", "A RED bird, with a white belly!", "the green bird"]

FRESH = """
import sys
for name in ("mim_tf", "export"):
    sys.modules[name] = None  # importing it raises
import numpy as np, tensorflow as tf, tensorflow_text
model = tf.saved_model.load(sys.argv[1])
data = np.load(sys.argv[2], allow_pickle=False)
files = [bytes(data[f"file{i}"]) for i in range(3)]
captions = [str(caption).encode() for caption in data["captions"]]
results = {}
for name in ("serving_default", "edit_keep_size"):
    out = model.signatures[name](image_bytes=tf.constant(files), caption=tf.constant(captions))
    for i, png in enumerate(out["image_bytes"].numpy()):
        results[f"{name}{i}"] = tf.io.decode_png(png).numpy()
np.savez(sys.argv[3], **results)
"""


@pytest.fixture(scope="module")
def editor(random_run):
    return Editor(random_run)


@pytest.fixture(scope="module")
def model(saved_model):
    return tf.saved_model.load(str(saved_model / "1"))


@pytest.fixture(scope="module")
def photos():
    rng = np.random.default_rng(0)
    sizes = [(50, 70), (32, 32), (41, 20)]
    return [rng.integers(0, 256, (*size, 3)).astype(np.uint8) for size in sizes]


def test_a_fresh_process_without_mim_tf_gives_the_editors_pixels(
    saved_model, editor, photos, tmp_path
):
    encoded = {
        f"file{i}": np.frombuffer(files.encode_png(photo), np.uint8)
        for i, photo in enumerate(photos)
    }
    np.savez(tmp_path / "in.npz", captions=np.array(CAPTIONS), **encoded)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run(
        [sys.executable, "-c", FRESH, saved_model / "1", tmp_path / "in.npz",
         tmp_path / "out.npz"],
        cwd=tmp_path, env=environment, check=True,
    )  # fmt: skip
    found = np.load(tmp_path / "out.npz")
    for name, keep_size in (("serving_default", False), ("edit_keep_size", True)):
        for index, edit in enumerate(editor.edit_many(photos, CAPTIONS, keep_size)):
            difference = np.abs(found[f"{name}{index}"].astype(int) - edit.picture)
            # Another process may add floats in another order: a level here and there may round
            # the other way.
            assert difference.max() <= 1 and (difference > 0).mean() < 1e-3
            assert not keep_size or edit.picture.shape == photos[index].shape


def test_different_captions_give_different_pictures(model, photos):
    edit = model.signatures["serving_default"]
    file = files.encode_png(photos[0])
    out = edit(image_bytes=tf.constant([file] * 2), caption=tf.constant(CAPTIONS[:2]))
    first, second = (files.decode(png, "result") for png in out["image_bytes"].numpy())
    assert (first != second).any()


def test_signatures_agree_with_each_other(model, editor):
    rng = np.random.default_rng(1)
    pictures = rng.integers(0, 256, (2, 40, 33, 3)).astype(np.uint8)
    captions = tf.constant(CAPTIONS[:2])
    by_caption = model.signatures["edit_tensors"](images=tf.constant(pictures), caption=captions)
    by_floats = model.signatures["edit_floats"](
        images=tensor_pixels.to_signed(tf.constant(pictures)), caption=captions
    )
    squares = tf.concat(
        [
            tensor_pixels.resample(pixels.to_signed(pixels.square_crop(picture))[None], 32)
            for picture in pictures
        ],
        0,
    )
    by_tokens = model.signatures["edit_tokens"](
        images=squares, tokens=tf.constant(editor.tokens(CAPTIONS[:2]))
    )
    words = model.signatures["encode_text"](caption=captions)
    by_texture = model.signatures["edit_texture"](images=squares, **words)
    for name, shape in (("coarse", (2, 16, 16, 3)), ("fine", (2, 32, 32, 3)),
                        ("alpha", (2, 32, 32, 1))):  # fmt: skip
        assert by_caption[name].shape == shape
        np.testing.assert_allclose(by_caption[name], by_floats[name], atol=1e-5)
        np.testing.assert_allclose(by_caption[name], by_tokens[name], atol=1e-5)
        np.testing.assert_allclose(by_caption[name], by_texture[name], atol=1e-5)
    edits = editor.edit_many(list(pictures), CAPTIONS[:2])
    for index, edit in enumerate(edits):
        np.testing.assert_array_equal(pixels.to_uint8(by_caption["fine"][index]), edit.picture)
        np.testing.assert_allclose(by_caption["alpha"][index], edit.alpha, atol=1e-5)


def edit_inputs(file, captions, **options):
    """Arguments of the signature ``edit``."""
    count = len(captions)
    given = {"strength": 1.0, "anyway": False, "keep_size": True} | options
    return {
        "image_bytes": tf.constant([file] * count),
        "caption": tf.constant(captions),
        **{name: tf.constant([value] * count) for name, value in given.items()},
    }


@pytest.mark.parametrize("keep_size", [True, False])
@pytest.mark.parametrize("strength", [0.0, 0.5, 1.5])
def test_edit_takes_the_editors_options(model, editor, photos, strength, keep_size):
    captions = ["a red bird", "orange wings"]
    file = files.encode_png(photos[0])
    options = {"strength": strength, "keep_size": keep_size}
    out = model.signatures["edit"](**edit_inputs(file, captions, anyway=True, **options))
    edits = editor([photos[0]] * 2, captions, anyway=True, **options)
    for png, told, edit in zip(out["image_bytes"].numpy(), out["warnings"].numpy(), edits,
                               strict=True):  # fmt: skip
        found = files.decode(png, "result").astype(int)
        assert found.shape == edit.picture.shape and np.abs(found - edit.picture).max() <= 1
        assert told.decode().splitlines() == list(edit.warnings)
    with pytest.raises(tf.errors.InvalidArgumentError, match="item 0: No word that the model"):
        model.signatures["edit"](**edit_inputs(file, captions[1:], **options))


@pytest.mark.parametrize("strength", [-0.1, 1.6, float("nan")])
def test_a_strength_out_of_range_is_an_invalid_argument(model, photos, strength):
    inputs = edit_inputs(files.encode_png(photos[0]), ["a red bird"], strength=strength)
    with pytest.raises(tf.errors.InvalidArgumentError, match="item 0: strength is not from 0 to"):
        model.signatures["edit"](**inputs)


def test_warnings_are_the_editors(model, editor, photos):
    captions = ["a red bird", "a red bird with zebra stripes, not blue"]
    encoded = tf.constant([files.encode_png(photos[0])] * 2)
    for name in ("serving_default", "edit_keep_size"):
        out = model.signatures[name](image_bytes=encoded, caption=tf.constant(captions))
        told = [text.decode().splitlines() for text in out["warnings"].numpy()]
        assert told == [list(editor.warnings(caption)) for caption in captions]
        assert told[0] == [] and len(told[1]) == 2


def test_an_edit_that_changed_nothing_is_told(editor, photos, tmp_path):
    """Where every pixel keeps its alpha of zero; exported anew, since the weights are others."""
    offset = editor.generator.icm.tlu.offset
    before = offset.numpy()
    offset.assign(-100.0)
    try:
        base = export_module.export(editor, tmp_path / "mim")
    finally:
        offset.assign(before)
    edit = tf.saved_model.load(str(base)).signatures["edit"]
    file, captions = files.encode_png(photos[0]), ["a red bird", "a red zebra"]
    for keep_size in (True, False):
        out = edit(**edit_inputs(file, captions, keep_size=keep_size))
        told = [text.decode().splitlines() for text in out["warnings"].numpy()]
        assert told == [[*editor.warnings(caption), HARDLY_CHANGED] for caption in captions]
    still = edit(**edit_inputs(file, captions[:1], strength=0.0))
    assert still["warnings"].numpy().tolist() == [b""]


@pytest.mark.parametrize(
    ("captions", "message"),
    [
        (["a red bird", ""], "item 1: The caption has no words"),
        (["...", "a red bird"], "item 0: The caption has no words"),
        (["zebra crossing", "a red bird"], "item 0: The model knows no word of this caption"),
        (["orange wings", "..."], "With .'anyway.' .* all the same. item 1: The caption has no"),
        (["a red bird"], "as many pictures as captions"),
    ],
)
def test_bad_captions_are_invalid_arguments(model, photos, captions, message):
    encoded = tf.constant([files.encode_png(photos[0])] * 2)
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        model.signatures["serving_default"](image_bytes=encoded, caption=tf.constant(captions))


@pytest.mark.parametrize("name", ["encode_text", "edit_tensors"])
def test_every_signature_that_takes_a_caption_refuses_it(model, name):
    inputs = {"caption": tf.constant(["a orange bird"])}
    if name == "edit_tensors":
        inputs["images"] = tf.zeros([1, 8, 8, 3], tf.uint8)
    with pytest.raises(tf.errors.InvalidArgumentError, match="No word that the model knows says"):
        model.signatures[name](**inputs)


def test_bad_pictures_are_invalid_arguments(model, photos):
    edit = model.signatures["serving_default"]
    good = files.encode_png(photos[0])
    with pytest.raises(tf.errors.InvalidArgumentError, match="item 1: no picture"):
        edit(image_bytes=tf.constant([good, b"rubbish"]), caption=tf.constant(CAPTIONS[:2]))
    for strength, message in ((1.0, "item 0: no picture"), (2.0, "item 0: strength")):
        for _ in range(20):  # whichever part of the graph is first
            with pytest.raises(tf.errors.InvalidArgumentError, match=message):
                model.signatures["edit"](**edit_inputs(b"rubbish", CAPTIONS[:1], strength=strength))
    again = edit(image_bytes=tf.constant([good]), caption=tf.constant(CAPTIONS[:1]))
    assert again["image_bytes"].shape == (1,)


def test_it_runs_in_a_session_as_tensorflow_serving_runs_it(saved_model, model, photos):
    file = files.encode_png(photos[0])
    with tf.compat.v1.Session(graph=tf.Graph()) as session:
        graph = tf.compat.v1.saved_model.load(session, ["serve"], str(saved_model / "1"))
        signature = graph.signature_def["serving_default"]
        names = {name: info.name for name, info in signature.inputs.items()}
        assert set(names) == {"image_bytes", "caption"}
        feed = {names["image_bytes"]: [file], names["caption"]: CAPTIONS[:1]}
        out = session.run(signature.outputs["image_bytes"].name, feed)
        with pytest.raises(tf.errors.InvalidArgumentError, match="item 0: no picture"):
            session.run(
                signature.outputs["image_bytes"].name, {**feed, names["image_bytes"]: [b"x"]}
            )
    eager = model.signatures["serving_default"](
        image_bytes=tf.constant([file]), caption=tf.constant(CAPTIONS[:1])
    )
    assert out[0] == eager["image_bytes"].numpy()[0]


def test_warm_up_requests_parse_and_run(saved_model, model):
    from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

    records = list(tf.data.TFRecordDataset(str(saved_model / "1" / export_module.WARMUP)))
    assert 1 <= len(records) <= 1000
    for record in records:
        request = PredictionLog.FromString(record.numpy()).predict_log.request
        assert request.model_spec.name == "mim"
        inputs = {
            name: tf.constant(tf.make_ndarray(proto)) for name, proto in request.inputs.items()
        }
        outputs = model.signatures[request.model_spec.signature_name](**inputs)
        count = next(iter(inputs.values())).shape[0]
        assert all(output.shape[0] == count for output in outputs.values())


def test_assets_and_weights_are_in_the_export(saved_model, editor):
    version = saved_model / "1"
    words = json.loads((version / "assets" / "vocabulary.json").read_text())["words"]
    assert tuple(words) == editor.run.vocabulary.words
    card = json.loads((version / "assets" / "model_card.json").read_text())
    assert card["trained_on"]["source"] == "birds" and card["sizes"] == {"coarse": 16, "fine": 32}
    assert card["parameters"] == editor.generator.count_params() and card["metrics"] is None
    stored = sum(path.stat().st_size for path in (version / "variables").iterdir())
    assert stored >= 4 * editor.generator.count_params()


def test_the_next_export_is_the_next_version(random_run, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(export_module, "_write", lambda editor, path, name: None)
    base = tmp_path / "models" / "bird"
    (base / "7").mkdir(parents=True)
    (base / "notes").mkdir()
    (base / "²").mkdir()  # a digit, but no number
    arguments = ["--run", str(random_run.path), "--output", str(base)]
    assert export_module.main(arguments) == 0
    assert capsys.readouterr().out.strip() == str(base / "8")
    assert sorted(path.name for path in base.iterdir()) == ["7", "8", "notes", "²"]


def test_a_failed_export_leaves_nothing(editor, tmp_path, monkeypatch):
    def fail(editor, path, name):
        (path / "variables").mkdir(parents=True)
        raise RuntimeError("no space")

    monkeypatch.setattr(export_module, "_write", fail)
    with pytest.raises(RuntimeError, match="no space"):
        export_module.export(editor, tmp_path / "mim")
    assert list((tmp_path / "mim").iterdir()) == []


def test_a_full_disk_is_one_line(editor, tmp_path, monkeypatch):
    def fail(editor, path, name):
        raise tf.errors.ResourceExhaustedError(None, None, "no space left\nat all")

    monkeypatch.setattr(export_module, "_write", fail)
    with pytest.raises(UserError, match="cannot be written .*no space left"):
        export_module.export(editor, tmp_path / "mim")


def test_the_model_card_holds_the_metrics_of_these_weights_alone(random_run, tmp_path, capsys):
    path = tmp_path / "run"
    shutil.copytree(random_run.path, path)
    editor = Editor(Run.open(path))
    (path / "evaluation").mkdir()
    (path / "evaluation" / "metrics.json").write_text('{"count": 3}')
    with pytest.raises(UserError, match="evaluation: cannot be read"):
        export_module.model_card(editor)
    about = {"split": "test", "count": 3, "data": {"source": "birds"}, "evaluators": {}}
    for weights in (fingerprint(editor.generator), "others"):
        manifest = {**about, "model": {"weights_sha256": weights}}
        (path / "evaluation" / "manifest.json").write_text(json.dumps(manifest))
        metrics = export_module.model_card(editor)["metrics"]
        assert metrics == ({"count": 3, "measured_on": about} if weights != "others" else None)
    assert "is of other weights: the model card has no metrics" in capsys.readouterr().err


def test_mistakes_are_one_line(random_run, tmp_path, capsys):
    occupied = tmp_path / "file"
    occupied.write_text("")
    arguments = ["--run", str(random_run.path), "--output", str(occupied)]
    assert export_module.main(arguments) == 1
    assert export_module.main(["--preset", "nothing", "--output", str(tmp_path / "m")]) == 1
    errors = capsys.readouterr().err.strip().splitlines()
    assert [line[:6] for line in errors] == ["error:"] * 2 and "no preset nothing" in errors[1]


def test_a_model_that_needs_opencv_is_refused(tmp_path):
    from tiny import tiny_config

    from export import tflite
    from mim_tf.models.generator import make_generator
    from mim_tf.run import Run
    from mim_tf.text import Vocabulary

    config = tiny_config(model={"boundary": "canny"})
    run = Run.create(tmp_path / "run", config, Vocabulary(["a", "red", "bird"]))
    run.save_generator(make_generator(config, 5))
    for export in (export_module.export, tflite.export):
        with pytest.raises(UserError, match="canny is OpenCV's and cannot be exported"):
            export(Editor(run), tmp_path / "out")
    assert not (tmp_path / "out").exists()
