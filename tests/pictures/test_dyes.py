"""Dyed parts have the colour asked for and keep their shading; objects are found."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from mim_tf.pictures.colours import COLOURS, nearest_colour
from mim_tf.pictures.dyes import dye
from mim_tf.pictures.segmentation import nearest_points, object_mask


@pytest.fixture
def shaded():
    """A brown patch 40 x 40 with light from the left, and which half of it is to be dyed."""
    light = np.linspace(1.3, 0.7, 40)[None, :, None]
    picture = np.clip(np.array(COLOURS["brown"]) * light * np.ones((40, 1, 1)), 0, 255)
    where = np.zeros((40, 40), np.float32)
    where[10:30] = 1
    return picture.astype(np.uint8), where


@pytest.mark.parametrize("name", COLOURS)
def test_a_dyed_part_has_the_colour_and_nothing_else_changes(shaded, name):
    picture, where = shaded
    dyed = dye(picture, where, np.array(COLOURS[name]))
    assert nearest_colour(dyed[where > 0].mean(axis=0)) == name
    assert np.array_equal(dyed[where == 0], picture[where == 0])


def test_shading_stays_and_a_soft_edge_is_between(shaded):
    picture, where = shaded
    dyed = dye(picture, where, np.array(COLOURS["blue"]))
    rows = dyed[20].mean(axis=-1)
    assert np.all(np.diff(rows) <= 0) and rows[0] > rows[-1] + 20  # light still comes from the left
    half = dye(picture, where / 2, np.array(COLOURS["blue"]))
    between = (dyed[20].astype(int) + picture[20]) / 2
    assert np.abs(half[20] - between).max() <= 1


def test_an_empty_part_leaves_the_picture(shaded):
    picture, where = shaded
    assert np.array_equal(dye(picture, 0 * where, np.array([255, 0, 0])), picture)


def test_an_object_is_told_from_its_background():
    rng = np.random.default_rng(0)
    picture = np.clip(rng.normal([60, 120, 60], 12, (64, 64, 3)), 0, 255).astype(np.uint8)
    truth = np.zeros((64, 64), np.uint8)
    cv2.ellipse(truth, (32, 34), (18, 11), 20, 0, 360, 1, -1)
    colours = np.clip(rng.normal([170, 90, 40], 12, (64, 64, 3)), 0, 255).astype(np.uint8)
    picture[truth > 0] = colours[truth > 0]
    points = [(24.0, 31.0), (32.0, 34.0), (41.0, 37.0)]
    found = object_mask(picture, points, (13, 20, 38, 28))
    union = (found | (truth > 0)).sum()
    assert (found & (truth > 0)).sum() / union > 0.9
    assert np.array_equal(found, object_mask(picture, points, (13, 20, 38, 28)))


def test_pixels_go_to_the_nearest_point():
    nearest = nearest_points((4, 8), [(1.0, 2.0), (7.0, 2.0)])
    assert np.array_equal(nearest, np.repeat([[0] * 4 + [1] * 4], 4, axis=0))
