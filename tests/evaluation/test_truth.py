"""The scores tell an oracle, a copier and a model that ignores the text apart."""

from __future__ import annotations

import numpy as np
import pytest

from mim_tf import metrics
from mim_tf.evaluation import truth

COUNT, SIZE, SEED = 40, 48, 5


def scored(edit):
    return truth.score(edit, SEED, COUNT, SIZE, batch=16)


def test_an_oracle_scores_at_the_bounds():
    answers = {one.picture.tobytes() + one.caption.encode(): one
               for one in truth.requests(SEED, COUNT, SIZE)}  # fmt: skip

    def edit(pictures, captions):
        found = [answers[p.tobytes() + c.encode()] for p, c in zip(pictures, captions, strict=True)]
        changed = [(one.picture != one.truth).any(-1, keepdims=True) for one in found]
        return np.stack([one.truth for one in found]), np.stack(changed).astype(np.float32)

    scores = scored(edit)
    assert scores["accuracy"] >= 0.99 and scores["kept"] >= 0.99
    assert scores["background"] == 0 and scores["psnr"] == float("inf")
    assert scores["iou"] > 0.75  # one pixel of antialiasing about every part


def test_copying_scores_nothing_but_keeps_everything():
    scores = scored(lambda pictures, captions: (pictures, np.zeros((*pictures.shape[:3], 1))))
    assert scores["accuracy"] <= 0.02 and scores["kept"] >= 0.99
    assert scores["psnr_gain"] == 0 and scores["background"] == 0 and scores["iou"] == 0


def test_one_colour_for_every_caption_scores_at_chance():
    def paint_all_red(pictures, captions):
        red = np.broadcast_to(np.array([200, 30, 30], np.uint8), pictures.shape)
        return red, np.ones((*pictures.shape[:3], 1))

    scores = scored(paint_all_red)
    assert scores["accuracy"] < 0.3 and scores["background"] > 0.1


def test_requests_are_the_same_every_time_and_change_what_they_mention():
    first, again = (list(truth.requests(SEED, 6, SIZE)) for _ in range(2))
    for a, b in zip(first, again, strict=True):
        assert a.caption == b.caption and np.array_equal(a.truth, b.truth)
        assert all(a.scene.colours[part] != colour for part, colour in a.changes.items())


def test_closed_forms():
    black, grey = np.zeros((4, 4, 3), np.uint8), np.full((4, 4, 3), 51, np.uint8)
    assert metrics.psnr(black, grey) == pytest.approx(20 * np.log10(5))
    assert metrics.psnr(black, black) == float("inf")
    mask = np.zeros((4, 4), bool)
    assert metrics.masked_difference(black, grey, mask) == 0
    mask[0] = True
    assert metrics.masked_difference(black, grey, mask) == pytest.approx(0.2)
    left, top = np.zeros((2, 2), bool), np.zeros((2, 2), bool)
    assert metrics.iou(left, top) == 1
    left[:, 0], top[0] = True, True
    assert metrics.iou(left, top) == pytest.approx(1 / 3)
