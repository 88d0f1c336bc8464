"""Measures of edited photographs, on pictures whose values follow by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mim_tf.evaluation.points import ASKED_PARTS, hit, kept, may_ask, outside, radius_of
from mim_tf.pictures.colours import COLOURS

BOX = (10.0, 10.0, 20.0, 10.0)
POINTS = {"crown": ((13.0, 15.0),), "wings": ((20.0, 15.0), (27.0, 15.0)), "tail": ()}
RADIUS = 1.0


@pytest.fixture
def before() -> np.ndarray:
    """A brown bird that fills its box, on grey; 40 pixels wide, 30 high."""
    picture = np.full((30, 40, 3), COLOURS["grey"], np.uint8)
    picture[10:20, 10:30] = COLOURS["brown"]
    return picture


def measured(before, after, part, colour):
    return (
        hit(after, POINTS[part], colour, RADIUS),
        kept(before, after, POINTS, part, RADIUS),
        outside(before, after, BOX),
    )


def test_a_copy_hits_nothing_and_changes_nothing(before):
    for part in ("crown", "wings"):
        for colour in COLOURS:
            asked = may_ask(before, POINTS[part], colour, RADIUS)
            assert asked == (colour != "brown")
            if asked:
                assert measured(before, before, part, colour) == (False, 0.0, 0.0)


def test_the_asked_colour_at_one_point_is_a_hit(before):
    after = before.copy()
    after[12:18, 25:29] = COLOURS["red"]  # one wing of two
    assert measured(before, after, "wings", "red") == (True, 0.0, 0.0)
    assert not hit(after, POINTS["wings"], "blue", RADIUS)
    change = np.abs(np.subtract(COLOURS["red"], COLOURS["brown"])).mean() / 255
    assert kept(before, after, POINTS, "crown", RADIUS) == pytest.approx(change / 2)


def test_changes_outside_the_box_are_a_mean_over_what_lies_outside(before):
    after = before.copy()
    after[10:20, 10:30] = 255  # inside does not count
    assert outside(before, after, BOX) == 0.0
    after[0, :] = np.array(COLOURS["grey"]) + 51
    assert outside(before, after, BOX) == pytest.approx(0.2 * 40 / (40 * 30 - 20 * 10))
    assert outside(before + np.uint8(1), before, BOX) == pytest.approx(1 / 255)  # no wrap at 0


def test_a_pixel_of_both_discs_belongs_to_the_asked_part(before):
    after = before.copy()
    after[15, 13] += 100
    points = {"crown": ((13.5, 15.5),), "throat": ((13.5, 16.5),)}
    assert kept(before, after, points, "crown", RADIUS) == 0.0
    assert kept(before, after, {"throat": points["throat"]}, "crown", RADIUS) == pytest.approx(
        100 / 255 / 5
    )


def test_what_cannot_be_measured(before):
    assert not may_ask(before, POINTS["tail"], "red", RADIUS)  # hidden
    assert not may_ask(before, ((-9.0, 5.0),), "red", RADIUS)
    assert not hit(before, POINTS["tail"], "brown", RADIUS)
    assert math.isnan(kept(before, before, {"crown": POINTS["crown"]}, "crown", RADIUS))
    assert math.isnan(outside(before, before, (0.0, 0.0, 40.0, 30.0)))
    with pytest.raises(ValueError, match="cannot be compared"):
        outside(before, before[1:], BOX)


def test_the_radius_follows_the_box():
    assert radius_of((5.0, 5.0, 100.0, 200.0)) == pytest.approx(6.0)
    assert {"crown", "belly", "wings", "tail"} <= set(ASKED_PARTS)
