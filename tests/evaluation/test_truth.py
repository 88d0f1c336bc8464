"""The scores tell an oracle, a copier and a model that ignores the text apart."""

from __future__ import annotations

import numpy as np
import pytest
from tiny import tiny_config

from mim_tf import metrics
from mim_tf.data.source import Source
from mim_tf.data.sources import load_source
from mim_tf.evaluation import truth

COUNT, SIZE = 40, 48


@pytest.fixture(scope="module")
def source():
    return load_source(tiny_config(data={"seed": 2}), "test")


def test_an_oracle_scores_at_the_bounds(source):
    answers = {
        wanted.picture.tobytes() + wanted.caption.encode(): wanted
        for wanted in truth.true_edits(source, COUNT, SIZE)
    }

    def edit(pictures, captions):
        found = [answers[p.tobytes() + c.encode()] for p, c in zip(pictures, captions, strict=True)]
        changed = [(right.picture != right.truth).any(-1, keepdims=True) for right in found]
        return np.stack([right.truth for right in found]), np.stack(changed).astype(np.float32)

    scores = truth.score(edit, source, COUNT, SIZE, batch=16)
    assert scores["accuracy"] >= 0.99 and scores["kept"] >= 0.99
    assert scores["background"] == 0 and scores["psnr"] == float("inf")
    assert scores["iou"] > 0.75  # one pixel of antialiasing about every part


def test_copying_scores_nothing_but_keeps_everything(source):
    def copy(pictures, captions):
        return pictures, np.zeros((*pictures.shape[:3], 1))

    scores = truth.score(copy, source, COUNT, SIZE, batch=16)
    assert scores["accuracy"] <= 0.02 and scores["kept"] >= 0.99
    assert scores["psnr_gain"] == 0 and scores["background"] == 0 and scores["iou"] == 0


def test_one_colour_for_every_caption_scores_at_chance(source):
    def paint_all_red(pictures, captions):
        red = np.broadcast_to(np.array([200, 30, 30], np.uint8), pictures.shape)
        return red, np.ones((*pictures.shape[:3], 1))

    scores = truth.score(paint_all_red, source, COUNT, SIZE, batch=16)
    assert scores["accuracy"] < 0.3 and scores["background"] > 0.1


def test_true_edits_are_the_same_every_time_and_change_what_they_mention(source):
    first, again = (list(truth.true_edits(source, 6, SIZE)) for _ in range(2))
    for a, b in zip(first, again, strict=True):
        assert a.caption == b.caption and np.array_equal(a.truth, b.truth)
        as_asked = a.read(a.picture)  # before the edit, the mentioned parts are not yet as asked
        assert a.mentioned and not any(as_asked[part] for part in a.mentioned)
        assert all(a.read(a.truth).values())
        assert not a.changed[a.background].any()


def test_a_source_without_truth_is_refused():
    config = tiny_config(data={"source": "folder", "root": "."})
    photographs = Source(config.data, "test", captions=(("a",), ("b",)), classes=("a", "b"))
    assert not photographs.has_truth
    with pytest.raises(ValueError, match="no true edits"):
        list(truth.true_edits(photographs, 1, SIZE))


def test_closed_forms():
    black, grey = np.zeros((4, 4, 3), np.uint8), np.full((4, 4, 3), 51, np.uint8)
    assert metrics.psnr(black, grey) == pytest.approx(20 * np.log10(5))
    assert metrics.psnr(black, black) == float("inf")
    mask = np.zeros((4, 4), bool)
    assert metrics.masked_difference(black, grey, mask) == 0
    mask[0] = True
    assert metrics.masked_difference(black, grey, mask) == pytest.approx(0.2)
    with pytest.raises(ValueError, match="expected uint8 pictures"):
        metrics.masked_difference(black / 255, grey / 255, mask)
    left, top = np.zeros((2, 2), bool), np.zeros((2, 2), bool)
    assert metrics.iou(left, top) == 1
    left[:, 0], top[0] = True, True
    assert metrics.iou(left, top) == pytest.approx(1 / 3)
