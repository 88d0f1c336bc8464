"""The weights that ship: they follow the text, and every command takes them by name."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from export import saved_model, tflite
from mim_tf import edit, metrics
from mim_tf.backends.litert import LiteRTBackend
from mim_tf.config_files import load_config
from mim_tf.data.birds import scenes
from mim_tf.data.sources import load_source
from mim_tf.editor import Editor
from mim_tf.evaluation import truth
from mim_tf.evaluators.folder import Evaluators
from mim_tf.pictures import files
from mim_tf.places import PRESETS
from mim_tf.run import Run

NAME = "birds-64"


@pytest.fixture(scope="module")
def editor():
    return Editor(Run.named(NAME))


@pytest.fixture(scope="module")
def unseen():
    """Birds of a seed that neither training nor the published table uses: scenes of seed 99."""
    return load_source(load_config("birds.yaml", overrides=["data.seed=49"]), "test")


def test_it_is_small():
    litert = sum(file.stat().st_size for file in (PRESETS / NAME / "litert").iterdir())
    assert litert < 1e6
    assert sum(one.stat().st_size for one in (PRESETS / NAME).rglob("*") if one.is_file()) < 10e6


def test_it_follows_the_text_and_keeps_the_rest(editor, unseen):
    scores = truth.score(editor.edit_batch, unseen, 60, 64)
    assert scores["accuracy"] > 0.85 and scores["kept"] > 0.95
    assert scores["psnr_gain"] > 5 and scores["background"] < 0.02 and scores["iou"] > 0.5


def test_another_colour_word_gives_another_colour(editor):
    scene = scenes.scene(99, 1, 64)
    for colour in scenes.COLOURS:
        picture = editor.edit(scene.render(), f"a bird with {colour} wings").picture
        colours = {**scene.colours, "wings": colour}
        assert scene.read_colour("wings", picture, colours) == colour


@pytest.mark.parametrize("form", ["{} {}", "make the {1} {0}"])
def test_terse_captions_are_followed(editor, form):
    right = []
    for index in range(24):
        scene = scenes.scene(99, index, 64)
        part = scenes.PARTS[index % 4]
        colour = list(scenes.COLOURS)[(index // 3) % 8]
        picture = editor.edit(scene.render(), form.format(colour, part)).picture
        right.append(scene.read_colour(part, picture, {**scene.colours, part: colour}) == colour)
    assert np.mean(right) > 0.8


def test_an_unknown_colour_changes_nothing(editor):
    pictures = np.stack([scenes.scene(99, index, 64).render() for index in range(24)])
    captions = [f"a bird with orange {scenes.PARTS[index % 4]}" for index in range(24)]
    edited, _ = editor.edit_batch(pictures, captions)
    assert metrics.difference(edited, pictures).mean() < 0.005
    assert editor.warnings("a bird with an orange head and a red belly")[0].startswith(
        "The model does not know 'orange'"
    )


@pytest.mark.parametrize("caption", ["paint the head red", "crown red", "red head"])
def test_the_head_is_the_crown(editor, caption):
    scene = scenes.scene(99, 1, 64)
    edited = editor.edit(scene.render(), caption).picture
    assert scene.read_colour("crown", edited, {**scene.colours, "crown": "red"}) == "red"
    assert editor.warnings(caption) == ()


def test_the_evaluators_that_ship_see_the_captions_in_its_edits(editor, unseen):
    evaluators = Evaluators.open(PRESETS / "evaluators" / "birds")
    todo = list(truth.true_edits(unseen, 40, 64))
    captions = [one.caption for one in todo]
    inputs = np.stack([one.picture for one in todo])
    edited, _ = editor.edit_batch(inputs, captions)
    texts = evaluators.text_codes(captions)
    sim, copied, true = (
        metrics.cosine(evaluators.image_codes(pictures), texts).mean()
        for pictures in (edited, inputs, np.stack([one.truth for one in todo]))
    )
    assert sim - copied > 0.7 * (true - copied) > 0.05


def test_the_command_takes_it_by_name(tmp_path):
    scene = scenes.scene(99, 2, 128)
    given, written = tmp_path / "bird.png", tmp_path / "edited.png"
    files.write(given, scene.render())
    arguments = ["--preset", NAME, "--image", str(given), "--text", "a bird with blue wings"]
    assert edit.main([*arguments, "--output", str(written), "--keep-size"]) == 0
    edited = files.read(written)
    assert edited.shape == (128, 128, 3)
    wings = scene.regions[..., scenes.PARTS.index("wings")] > 0.9
    elsewhere = scene.bird <= 0
    change = np.abs(edited.astype(float) - scene.render()).mean(axis=2)
    assert change[wings].mean() > 4 * change[elsewhere].mean()


def test_its_exports_draw_what_it_draws(editor, tmp_path):
    saved_model.export(editor, tmp_path / "mim")
    exported = tflite.export(editor, tmp_path / "mobile")
    assert exported["image.tflite"]["error"]["largest"] <= 1e-4
    by_output = exported["image_float16.tflite"]["error"]["by_output"]
    assert by_output["fine"] <= 4e-3 and by_output["alpha"] <= 8e-3
    scene = scenes.scene(99, 3, 64)
    caption = "a bird with yellow wings"
    expected = editor.edit(scene.render(), caption).picture
    served = tf.saved_model.load(str(tmp_path / "mim" / "1")).signatures["serving_default"]
    file = tf.constant([files.encode_png(scene.render())])
    out = served(image_bytes=file, caption=tf.constant([caption]))["image_bytes"]
    drawn = {"SavedModel": tf.io.decode_png(out.numpy()[0]).numpy()}
    for variant in ("float32", "float16", "dynamic"):
        light = Editor(LiteRTBackend(tmp_path / "mobile", variant))
        drawn[f"LiteRT {variant}"] = light.edit(scene.render(), caption).picture
    colours = {**scene.colours, "wings": "yellow"}
    for form, picture in drawn.items():
        assert scene.read_colour("wings", picture, colours) == "yellow", form
        # A level of rounding; lower precision may also move the rim of a sharp alpha.
        far = np.mean(np.abs(picture.astype(int) - expected) > 1)
        assert far <= (0.05 if form in ("LiteRT float16", "LiteRT dynamic") else 0), form
