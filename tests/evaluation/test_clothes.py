"""Targeted edits of clothes on white."""

from __future__ import annotations

import numpy as np
import pytest
from data_writers import options_of, write_clothes

from mim_tf.data.sets import folder
from mim_tf.errors import UserError
from mim_tf.evaluation import targeted
from mim_tf.evaluation.clothes import colour_of, garment
from mim_tf.evaluation.task import Edits, Task
from mim_tf.pictures.colours import (
    CLOTHES,
    COLOURS,
    SHOP_COLOURS,
    commonest_colour,
    nearest_colour,
)

SIZE = 64


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    root = write_clothes(tmp_path_factory.mktemp("clothes"), 16)
    return folder.load(options_of("folder", root), "test")


@pytest.fixture(scope="module")
def task(source):
    return Task(source, targeted.draw_targeted(source, 0, None, SIZE), SIZE, 0, targeted=True)


def measured(task, pictures):
    rows = [{} for _ in task.pairs]
    found = targeted.measure(task, Edits(pictures), task.originals(), None, rows)
    return found, rows


def test_every_name_is_its_own_as_elsewhere_and_as_a_shop_has_it():
    assert {name for name, _ in CLOTHES} == set(SHOP_COLOURS) == {*COLOURS, "navy blue"}
    for name, levels in (*COLOURS.items(), *SHOP_COLOURS.items()):
        assert commonest_colour(np.array([levels]), CLOTHES) == name
        # With light and shade upon it.
        shaded = np.clip(np.array(levels) + np.arange(-12, 14, 2)[:, None], 0, 255)
        assert commonest_colour(shaded, CLOTHES) == name
    stripes = np.array([COLOURS["red"]] * 5 + [COLOURS["green"]] * 4)
    assert commonest_colour(stripes, CLOTHES) == "red" != nearest_colour(stripes.mean(axis=0))


def test_the_garment_is_the_middle_of_what_is_not_background():
    picture = np.full((64, 64, 3), 250, np.uint8)
    picture[8:56, 16:48] = COLOURS["blue"]
    picture[28:36, 28:36] = 255  # a white print belongs to the garment
    inside, background = garment(picture)
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    # Eroded by 2 pixels to 10..53 and 18..45, of which the middle half counts.
    assert (rows[0], rows[-1], columns[0], columns[-1]) == (21, 42, 25, 38)
    assert inside[30, 30] and background[0, 0] and not background[7, 30] and background[5, 30]
    assert colour_of(picture, inside) == "blue"
    assert garment(np.full((64, 64, 3), 250, np.uint8)) is None
    assert garment(np.full((64, 64, 3), 120, np.uint8)) is None
    picture[:, :16] = 90  # a wall beside it
    picture[:16] = 90
    assert garment(picture) is None


def test_what_is_asked_and_what_scores(task):
    assert len(task.pairs) == 13  # the last picture does not lie on white
    asked = [pair.caption for pair in task.pairs]
    assert len({caption.rsplit(" ", 1)[0] for caption in asked}) >= 12
    assert any(caption.endswith(" jeans") and caption[:2] != "a " for caption in asked)
    originals = task.originals()
    found, rows = measured(task, originals)
    assert (found["hit"], found["background"]) == (0.0, 0.0)

    after = originals.copy()
    for place, row in enumerate(rows):
        after[place][(originals[place] < 240).any(axis=-1)] = SHOP_COLOURS[row["asked"]]
    found, _ = measured(task, after)
    assert (found["hit"], found["background"]) == (1.0, 0.0)
    assert [group["count"] >= 1 for group in found["groups"].values()] == [True] * 12
    after[:, 0] = 0
    assert measured(task, after)[0]["background"] == pytest.approx(1 / 64 / 0.55, rel=0.2)


def test_pictures_that_cannot_be_asked_are_counted(source):
    with pytest.raises(
        UserError, match="of the 14 pictures of the test split 13 can be asked.*on white"
    ):
        targeted.draw_targeted(source, 0, 14, SIZE)
