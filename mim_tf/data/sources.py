"""Which source a configuration names, and whether it is as complete as it was published."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np

from mim_tf.config import Config
from mim_tf.data.birds import captions as bird_captions
from mim_tf.data.birds import scenes
from mim_tf.data.formats.photographs import Listing, Photographs
from mim_tf.data.records import load_records
from mim_tf.data.sets import celeba, cub, deepfashion, flowers, folder
from mim_tf.data.source import Source, Split
from mim_tf.errors import UserError

__all__ = ["Source", "Split", "bird_seed", "load_raw", "load_source"]

# The splits of the procedural birds draw from seeds that can never meet.
_SPLIT_SEEDS = {"train": 0, "test": 1}
_TEST_COUNT = 1000

PUBLISHED = {
    "cub": {"train": 8855, "test": 2933},
    "flowers": {"train": 7034, "test": 1155},
    "celeba": {"train": 153_640, "test": 38_410},
    "deepfashion": {"train": 63_183, "test": 15_796},
}
"""Pictures with captions in each split, complete."""

_PUBLISHERS = {
    "cub": "CUB_200_2011.tgz from https://data.caltech.edu/records/65de6-vp158, captions and "
    "splits from https://github.com/reedscot/cvpr2016 or AttnGAN's scenes.zip",
    "flowers": "102flowers.tgz from https://www.robots.ox.ac.uk/~vgg/data/flowers/102/, captions "
    "and splits from https://github.com/reedscot/cvpr2016",
    "celeba": "https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html",
    "deepfashion": "https://mmlab.ie.cuhk.edu.hk/projects/DeepFashion.html (Fashion Synthesis)",
}


def load_source(config: Config, split: Split) -> Source:
    """The source that a configuration names, from prepared records where it names some.

    Raises:
        UserError: the data set's folder is missing, incomplete or broken.
    """
    if config.data.records is not None:
        return load_records(config, split)
    return load_raw(config, split)


def load_raw(config: Config, split: Split) -> Source:
    """The source as its publisher made it, even where the configuration names records.

    Raises:
        UserError: the data set's folder is missing, incomplete or broken.
    """
    data = config.data
    if data.source == "birds":
        return _birds(config, split)
    assert data.root is not None  # checked by Config
    if data.source == "deepfashion":
        source = deepfashion.load(data.root, split, data.official_split)
        if not data.official_split:
            _check_count(config, split, len(source), Listing(()))
        return source
    listing = _list(config, data.root, split)
    _check_count(config, split, len(listing.records), listing)
    if len(listing.records) < 2:
        raise UserError(
            f"{data.root}: the {split} split has {len(listing.records)} pictures with captions; "
            "at least 2 are needed"
        )
    photographs = Photographs(listing.records, use_boxes=data.crop_to_box)
    return Source(
        data.source,
        tuple(record.image_id for record in listing.records),
        tuple(record.captions for record in listing.records),
        tuple(record.class_name for record in listing.records),
        photographs,
        tuple(photographs.boxes),
    )


def _list(config: Config, root: Path, split: Split) -> Listing:
    match config.data.source:
        case "cub":
            return cub.load(root, split, config.data.crop_to_box and not config.data.partial)
        case "flowers":
            return flowers.load(root, split)
        case "celeba":
            return celeba.load(root, split)
        case _:
            return folder.load(root, split, config.data.test_share)


def _check_count(config: Config, split: Split, found: int, listing: Listing) -> None:
    """Refuse a split that is not as it was published, unless ``data.partial`` says it may be."""
    name = config.data.source
    expected = PUBLISHED.get(name, {}).get(split, found)
    if config.data.partial or (found == expected and not listing.uncaptioned):
        return
    wrong = [f"the {split} split has {found:,} pictures with captions"]
    if found != expected:
        wrong[0] += f" instead of {expected:,}"
    for names, what in ((listing.missing, "missing"), (listing.uncaptioned, "without captions")):
        if names:
            shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
            wrong.append(f"{len(names):,} pictures are {what} ({shown})")
    get = f"get {_PUBLISHERS[name]}" if name in _PUBLISHERS else "add what is missing"
    raise UserError(
        f"{config.data.root}: {'; '.join(wrong)}; {get}; or use what is there with "
        "--set data.partial=true"
    )


# Procedural birds --------------------------------------------------------------------------------


def bird_seed(config: Config, split: Split) -> int:
    """The seed of a split's scenes: :func:`mim_tf.data.scenes.scene` with it gives its pictures."""
    return 2 * config.data.seed + _SPLIT_SEEDS[split]


def _birds(config: Config, split: Split) -> Source:
    seed = bird_seed(config, split)
    count = config.data.count if split == "train" else _TEST_COUNT
    terse = config.data.terse if split == "train" else 0.0
    captions = tuple(
        _captions_of_bird(seed, index, config.data.captions, terse) for index in range(count)
    )
    names = tuple(str(index) for index in range(count))
    return Source("birds", names, captions, names, functools.partial(_draw_bird, seed))


def _captions_of_bird(seed: int, index: int, count: int, terse: float) -> tuple[str, ...]:
    colours = scenes.scene_colours(seed, index)
    rng = np.random.default_rng([seed, index, 1])
    sentences = [bird_captions.draw_caption(rng, colours) for _ in range(count)]
    rng = np.random.default_rng([seed, index, 2])
    return tuple(
        bird_captions.draw_terse(rng, colours) if rng.random() < terse else sentence
        for sentence in sentences
    )


def _draw_bird(seed: int, index: int, size: int) -> np.ndarray:
    return scenes.scene(seed, index, size).render()
