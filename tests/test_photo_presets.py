"""The presets for photographs: small, the same on both backends, and they do what they are told.

Photographs may not be shown here, so they edit drawings that look like some.
"""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from mim_tf.backends.litert import LiteRTBackend
from mim_tf.backends.tensorflow import TensorFlowBackend
from mim_tf.config_files import load_config
from mim_tf.data.sets import celeba_pairs
from mim_tf.data.sources import load_source
from mim_tf.editor import Editor
from mim_tf.pictures.colours import CLOTHES, RADIUS_SHARE, colour_at, commonest_colour
from mim_tf.places import PRESETS
from mim_tf.run import Run

NAMES = ("birds-photo-128", "clothes-128", "faces-128")


@pytest.fixture(scope="module")
def editors():
    """LiteRT's, as one gets them right after the installation."""
    return {name: Editor(LiteRTBackend(PRESETS / name / "litert")) for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_they_are_small(name):
    assert sum(one.stat().st_size for one in (PRESETS / name).rglob("*") if one.is_file()) < 10e6


def shirt() -> tuple[np.ndarray, np.ndarray]:
    """A grey shirt with folds on white, uint8 [160, 160, 3], and its pixels."""
    rng = np.random.default_rng(0)
    mask = np.zeros((160, 160), np.uint8)
    outline = [(55, 25), (105, 25), (140, 45), (128, 75), (112, 66), (112, 140), (48, 140),
               (48, 66), (32, 75), (20, 45)]  # fmt: skip
    cv2.fillPoly(mask, [np.array(outline)], 1)
    folds = 12 * np.sin(np.arange(160) / 6)[None, :, None]
    cloth = 130 + folds + rng.normal(0, 4, (160, 160, 1))
    picture = np.where(mask[..., None] > 0, np.repeat(cloth, 3, axis=2), 255)
    return np.clip(picture, 0, 255).astype(np.uint8), mask > 0


@pytest.mark.parametrize("colour", ["red", "yellow", "green", "navy blue"])
def test_a_shirt_gets_its_colour_and_keeps_its_folds(editors, colour):
    picture, mask = shirt()
    edit = np.asarray(editors["clothes-128"](picture, f"a {colour} shirt").image)
    inner = cv2.erode(mask.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    outer = cv2.dilate(mask.astype(np.uint8), np.ones((13, 13), np.uint8)) == 0
    assert commonest_colour(edit[inner], CLOTHES) == colour
    assert np.abs(edit[outer].astype(int) - picture[outer]).mean() < 2
    folds, left = picture[100, 60:100].mean(axis=-1), edit[100, 60:100].mean(axis=-1)
    assert np.corrcoef(folds, left)[0, 1] > 0.8


def test_birds_that_look_like_photographs_get_their_colours(editors):
    source = load_source(load_config("birds.yaml", "birds-photographic.yaml"), "test")
    asked = {"wings": "a bird with red wings", "belly": "a bird with a blue belly"}
    hits = []
    for index in range(12):
        picture, marks = source.original(index, 64), source.marks(index, 64)
        for part, caption in asked.items():
            if places := marks.points.get(part, ()):
                edit = np.asarray(editors["birds-photo-128"](picture, caption).image)
                radius = RADIUS_SHARE * max(marks.box[2:])
                wanted = caption.split()[-2]
                hits.append(any(colour_at(edit, place, radius) == wanted for place in places))
    assert len(hits) >= 20 and np.mean(hits) > 0.5


def face() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A drawn face, uint8 [160, 160, 3], where CelebA has its own; its hair, and its lips."""
    rng, size = np.random.default_rng(0), 160
    picture = rng.normal((70, 110, 170), 6, (size, size, 3))
    masks = []
    for colour, *ellipses in (
        ((40, 31, 27), ((80, 73), (57, 63))),
        ((222, 178, 150), ((80, 93), (37, 52))),
        ((190, 110, 105), ((80, 120), (13, 5))),
        ((40, 30, 30), ((65, 83), (5, 3)), ((95, 83), (5, 3))),
    ):
        mask = np.zeros((size, size), np.uint8)
        for centre, half in ellipses:
            cv2.ellipse(mask, centre, half, 0, 0, 360, 1, -1)
        picture[mask > 0] = rng.normal(colour, 5, (int(mask.sum()), 3))
        masks.append(mask > 0)
    blurred = cv2.GaussianBlur(picture, (0, 0), 1)
    return np.clip(blurred, 0, 255).astype(np.uint8), masks[0] & ~masks[1], masks[2]


@pytest.mark.parametrize("colour", ["blond", "grey", "brown"])
def test_hair_gets_its_colour_and_what_is_behind_stays(editors, colour):
    picture, hair, _ = face()
    edit = np.asarray(editors["faces-128"](picture, f"this woman has {colour} hair").image)
    inner = cv2.erode(hair.astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
    palette = celeba_pairs.palette("hair")
    assert commonest_colour(picture[inner], palette) == "black"
    assert commonest_colour(edit[inner], palette) == colour.replace("grey", "gray")
    corners = np.abs(edit[-30:].astype(int) - picture[-30:])[:, [*range(30), *range(130, 160)]]
    assert corners.mean() < 2


def test_lips_get_lipstick_and_hair_stays(editors):
    picture, hair, lips = face()
    edit = np.asarray(editors["faces-128"](picture, "the woman is wearing red lipstick").image)
    redder = edit[lips].mean(axis=0) - picture[lips].mean(axis=0)
    assert redder[1] < -40 and redder[0] > redder[1] + 30
    assert np.abs(edit[hair].astype(int) - picture[hair]).mean() < 2
    assert editors["faces-128"].warnings("this woman is wearing lipstick") == ()


@pytest.mark.parametrize("name", NAMES)
def test_both_backends_give_the_same(editors, name):
    caption = {
        "birds-photo-128": "a bird with a red head",
        "clothes-128": "red jeans",
        "faces-128": "this woman has blond hair and is wearing lipstick",
    }[name]
    picture, _ = shirt()
    by_tensorflow = Editor(Run.named(name))
    assert isinstance(by_tensorflow.backend, TensorFlowBackend)
    one, other = (
        np.asarray(editor(picture, caption).image).astype(int)
        for editor in (editors[name], by_tensorflow)
    )
    assert np.abs(one - other).max() <= 2
