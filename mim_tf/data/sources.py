"""A source: pictures with captions, whatever data set they come from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mim_tf.config import Config
from mim_tf.data import bird_captions, birds, cub
from mim_tf.errors import UserError

Split = Literal["train", "test"]

# The splits of the procedural birds draw from seeds that can never meet.
_SPLIT_SEEDS = {"train": 0, "test": 1}
_TEST_COUNT = 1000


@dataclass(frozen=True)
class Source:
    """Pictures with their captions.

    Attributes:
        captions: for each picture, its captions.
        classes: for each picture, its class; every picture its own where there are none.
        picture: index and size -> uint8 [size, size, 3]; the caller may ask for a margin.
        name: what the user calls it.
    """

    name: str
    captions: tuple[tuple[str, ...], ...]
    classes: tuple[str, ...]
    picture: Callable[[int, int], np.ndarray]

    def __len__(self) -> int:
        return len(self.captions)


def load_source(config: Config, split: Split) -> Source:
    """The source that a configuration names.

    Raises:
        UserError: the data set's folder is missing or incomplete.
    """
    if config.data.source == "birds":
        return _birds(config, split)
    return _cub(config, split)


def bird_seed(config: Config, split: Split) -> int:
    """The seed of a split's scenes: :func:`mim_tf.data.birds.scene` with it gives its pictures."""
    return 2 * config.data.seed + _SPLIT_SEEDS[split]


def _birds(config: Config, split: Split) -> Source:
    seed = bird_seed(config, split)
    count = config.data.count if split == "train" else _TEST_COUNT
    captions = []
    for index in range(count):
        rng = np.random.default_rng([seed, index, 1])
        colours = birds.scene_colours(seed, index)
        captions.append(
            tuple(bird_captions.draw_caption(rng, colours) for _ in range(config.data.captions))
        )
    return Source(
        "birds",
        tuple(captions),
        tuple(str(index) for index in range(count)),
        lambda index, size: birds.scene(seed, index, size).render(),
    )


def _cub(config: Config, split: Split) -> Source:
    assert config.data.root is not None  # checked by Config
    records = cub.load(config.data.root, split)
    if len(records) < 2:
        raise UserError(f"{config.data.root}: only {len(records)} pictures in the {split} split")
    return Source(
        "cub",
        tuple(record.captions for record in records),
        tuple(record.class_name for record in records),
        lambda index, size: cub.load_picture(records[index], size, config.data.crop_to_box),
    )
