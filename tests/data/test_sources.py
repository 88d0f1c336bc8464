"""The registry: a new data set is one module, and nothing else has to know of it."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from tiny import tiny_config

from mim_tf.data import sets
from mim_tf.data.pipeline import Sampler
from mim_tf.data.sources import find_set, load_source, set_names
from mim_tf.errors import UserError
from mim_tf.evaluation.pairs import draw_pairs
from mim_tf.training.start import build_vocabulary

TOYS = """
from dataclasses import replace

import numpy as np

from mim_tf.config import DataConfig
from mim_tf.config_fields import Count
from mim_tf.data.source import Source


class Options(DataConfig):
    toys: Count = 6


def describe(options, split):
    return Source(options, split)


def load(options, split):
    names = tuple(map(str, range(options.toys)))
    captions = tuple((f"toy {name}",) for name in names)
    return replace(describe(options, split), ids=names, captions=captions, classes=names,
                   picture=lambda index, size: np.full((size, size, 3), index, np.uint8))
"""


@pytest.fixture
def toys(tmp_path, monkeypatch):
    (tmp_path / "toys.py").write_text(TOYS)
    monkeypatch.setattr(sets, "__path__", [*sets.__path__, str(tmp_path)])
    yield
    sys.modules.pop("mim_tf.data.sets.toys", None)


def test_a_module_in_sets_is_a_data_set(toys):
    config = tiny_config(data={"source": "toys", "toys": 5})
    source = load_source(config, "train")
    assert (source.name, len(source), source.settings) == ("toys", 5, {"data.toys": 5})
    batch = Sampler(source, build_vocabulary(source, config), config)(0, 5)
    assert sorted(batch[0][:, 0, 0, 0]) == [0, 1, 2, 3, 4]
    pairs = draw_pairs(load_source(config, "test"), 0, 3)
    assert all(pair.caption != pair.own for pair in pairs)
    np.testing.assert_array_equal(source.original(3, 8), np.full((8, 8, 3), 3))
    with pytest.raises(UserError, match="unknown key data.toy; did you mean data.toys"):
        tiny_config(data={"source": "toys", "toy": 5})


def test_an_unknown_set_lists_those_that_exist_and_helpers_are_none():
    assert "birds" in set_names() and "splits" not in set_names()
    for name in ("toys", "splits", "..records", ""):
        with pytest.raises(UserError, match=r"is no data set; there are: birds, "):
            find_set(name)
