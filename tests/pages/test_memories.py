"""The memory sheet: one row a slot, attention that sums to 1, clear errors."""

from __future__ import annotations

import numpy as np
import pytest
from tiny import tiny_config

from mim_tf import memories
from mim_tf.data.birds import scenes
from mim_tf.editor import Editor
from mim_tf.pages import memory_sheet
from mim_tf.pictures import files
from mim_tf.run import Run

CAPTION = "a bird with red wings"


@pytest.fixture(scope="module")
def editor(tiny_run):
    return Editor(Run.open(tiny_run))


def test_every_slot_is_painted_on_every_picture(editor):
    pictures = [scenes.scene(3, index, 48).render() for index in range(2)]
    painted = memory_sheet.paint_memories(editor, pictures)
    assert painted.shape == (6, 2, 32, 32, 3) and painted.dtype == np.uint8
    assert not np.array_equal(painted[0], painted[1])


def test_painting_a_memory_is_a_word_that_reads_nothing_else(editor):
    picture = scenes.scene(3, 0, 32).render()
    painted = memory_sheet.paint_memories(editor, [picture])
    memory = editor.generator.mtfg.memory
    before = memory.numpy()
    try:
        memory.assign(np.repeat(before[2:3], len(before), axis=0))  # whoever reads, reads slot 2
        edited = editor.edit(picture, "red").picture
    finally:
        memory.assign(before)
    assert np.abs(edited.astype(int) - painted[2, 0].astype(int)).max() <= 1


def test_attention_of_each_word_sums_to_1(editor):
    reading = memory_sheet.read_memories(editor, CAPTION)
    assert reading.words == CAPTION.split()
    assert reading.attention.shape == (5, 6)
    assert reading.attention.sum(axis=1) == pytest.approx(np.ones(5), abs=1e-5)
    assert reading.lines()[3].startswith("red")


def test_the_command_writes_the_sheet(tiny_run, tmp_path, capsys):
    output = tmp_path / "sheet.png"
    given = ["--run", str(tiny_run), "--output", str(output), "--text", CAPTION]
    assert memories.main(given) == 0
    assert "wings" in capsys.readouterr().out
    height, width, _ = files.read(output).shape
    assert height > 7 * 32 and width > 4 * 32


def test_a_model_without_memory_is_one_clear_line(tiny_run, tmp_path, capsys):
    from mim_tf.models.generator import make_generator

    path, vocabulary = tmp_path / "without", Run.open(tiny_run).vocabulary
    run = Run.create(path, tiny_config(model={"memory": False}), vocabulary)
    run.save_generator(make_generator(run.config, len(run.vocabulary)))
    assert memories.main(["--run", str(path), "--output", str(tmp_path / "a.png")]) == 1
    assert "model.memory=false" in capsys.readouterr().err
    assert not (tmp_path / "a.png").exists()
