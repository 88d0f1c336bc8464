"""Targeted edits of faces, as a classifier of attributes reads them."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from data_writers import HAIR, LIPS, options_of, write_celeba

from mim_tf.data.sets import celeba
from mim_tf.errors import UserError
from mim_tf.evaluation import targeted
from mim_tf.evaluation.task import Edits, Task

SIZE = 40


class PerfectReader:
    """Reads the faces of ``write_celeba`` without fail, and how bright their skin is."""

    attributes = (*HAIR, "Wearing_Lipstick", "Heavy_Makeup", "Pale_Skin", "Male")

    def read_attributes(self, pictures):
        found = []
        for picture in pictures:
            hair = [
                np.abs(picture[5, 20] - np.array(levels, float)).sum() for levels in HAIR.values()
            ]
            lips = np.abs(picture[35, 20] - np.array(LIPS, float)).sum() < 60
            found.append([*np.exp(-np.array(hair) / 50), lips, lips, picture[25, 3, 2] > 200, 0])
        return np.array(found, float)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    root = write_celeba(tmp_path_factory.mktemp("celeba"), 100)
    return celeba.load(options_of("celeba", root), "test")


@pytest.fixture(scope="module")
def task(source):
    pairs = targeted.draw_targeted(source, 0, None, SIZE, PerfectReader())
    return Task(source, pairs, SIZE, 0, targeted=True)


def measured(task, pictures):
    rows = [{} for _ in task.pairs]
    found = targeted.measure(task, Edits(pictures), task.originals(), PerfectReader(), rows)
    return found, rows


def test_what_is_asked_is_neither_said_nor_read(source, task):
    assert 10 < len(task.pairs) <= len(source) == 20
    for pair in task.pairs:
        has = source.attributes(pair.index)
        assert pair.caption.startswith("this man" if has["Male"] else "this woman")
        if "lipstick" in pair.caption:
            assert not has["Wearing_Lipstick"] and not has["Male"]
        else:
            name = pair.caption.split()[-2].capitalize() + "_Hair"
            assert not has[name] and not has["Wearing_Hat"]
    assert any("lipstick" in pair.caption for pair in task.pairs)


def test_a_copy_scores_nothing_and_what_is_painted_all(task):
    originals = task.originals()
    found, rows = measured(task, originals)
    assert (found["hit"], found["attributes_kept"]) == (0.0, 1.0)

    after = originals.copy()
    for place, row in enumerate(rows):
        if row["asked"] == "lipstick":
            after[place][30:] = LIPS
        else:
            after[place][:12] = HAIR[row["asked"].split()[0].capitalize() + "_Hair"]
    found, _ = measured(task, after)
    assert (found["hit"], found["attributes_kept"]) == (1.0, 1.0)
    after[:, 20:30, :10] = 255
    found, rows = measured(task, after)
    assert found["hit"] == 1.0
    # One of the attributes that were not meant has changed: of four for hair, of six for lips.
    for row in rows:
        others = 6 if row["asked"] == "lipstick" else 4
        assert row["attributes_kept"] == pytest.approx(1 - 1 / others, abs=1e-6)


@pytest.mark.parametrize("evaluators", [None, SimpleNamespace(attributes=())])
def test_faces_need_a_classifier_of_attributes(source, evaluators):
    with pytest.raises(UserError, match="read by a classifier of attributes; give --evaluators"):
        targeted.draw_targeted(source, 0, None, SIZE, evaluators)
