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


def test_the_sheet_has_columns_with_the_strongest_first(editor, monkeypatch):
    levels = np.random.default_rng(0).permutation(40) * 4 + 20
    painted = np.broadcast_to(levels[:, None, None, None, None], (40, 1, 32, 32, 3)).astype("u1")
    monkeypatch.setattr(memory_sheet, "paint_memories", lambda *_: painted)
    sheet = memory_sheet.sheet(editor, [np.zeros((32, 32, 3), np.uint8)], [])
    assert 0.5 < sheet.shape[0] / sheet.shape[1] < 2
    found = []
    for x in range(sheet.shape[1]):
        column = sheet[:, x, 0]
        if (column[18::36][:1] == 0).all():  # the input is on top of each column of pictures
            found.append([int(level) for level in column[18 + 36 :: 36] if level < 255])
    columns = [list(column) for column in dict.fromkeys(map(tuple, found)) if len(column) > 1]
    assert len(columns) == 3
    assert sum(columns, []) == sorted(levels.tolist(), reverse=True)


def test_a_model_without_memory_is_one_clear_line(tiny_run, tmp_path, capsys):
    from mim_tf.models.generator import make_generator

    path, vocabulary = tmp_path / "without", Run.open(tiny_run).vocabulary
    run = Run.create(path, tiny_config(model={"memory": False}), vocabulary)
    run.save_generator(make_generator(run.config, len(run.vocabulary)))
    assert memories.main(["--run", str(path), "--output", str(tmp_path / "a.png")]) == 1
    assert "model.memory=false" in capsys.readouterr().err
    assert not (tmp_path / "a.png").exists()


def test_a_preset_without_its_data_asks_for_pictures(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert memories.main(["--preset", "clothes-128", "--output", "sheet.png"]) == 1
    assert "error: give --image PICTURE; there are no test pictures: " in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
