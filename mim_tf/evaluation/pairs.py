"""The fixed pairs of an evaluation: which picture is edited by which caption.

``pairs.jsonl`` holds one pair a line. It is drawn once from a seed and then only read, so that
every method is measured on the same pairs.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from mim_tf.config import Config
from mim_tf.data.birds import scenes
from mim_tf.data.distractors import other_picture
from mim_tf.data.sources import Source, Split, bird_seed
from mim_tf.errors import UserError
from mim_tf.evaluation import truth


@dataclass(frozen=True)
class Pair:
    """One edit to be measured.

    Attributes:
        key: its name, also of its picture file: ``KEY.png``.
        index: of the picture in its source's split.
        label: the picture's class.
        caption: what is asked; a caption of another class, so it does not fit the picture.
        own: a caption that fits the picture.
    """

    key: str
    index: int
    label: str
    caption: str
    own: str


def draw_pairs(
    config: Config, source: Source, split: Split, seed: int, count: int | None
) -> list[Pair]:
    """Draw the pairs of an evaluation.

    Procedural birds: the edits of :func:`mim_tf.evaluation.truth.requests`, in order. Other
    sources: pictures in random order, each with a random caption of a random picture of another
    class.

    Args:
        config: names the source.
        source: the split's pictures and captions.
        split: which.
        seed: of the draw; the birds' edits do not depend on it.
        count: how many; all pictures when None.

    Raises:
        UserError: more pairs than pictures.
    """
    count = len(source) if count is None else count
    if not 1 <= count <= len(source):
        raise UserError(f"--count {count}: the {split} split has 1 to {len(source)} pictures")
    rng = np.random.default_rng([seed, 11])
    if config.data.source == "birds":
        scenes = bird_seed(config, split)
        return [
            Pair(
                f"{index:05d}",
                index,
                source.classes[index],
                truth.draw_request(scenes, index)[0],
                source.captions[index][0],
            )
            for index in range(count)
        ]
    pairs = []
    for index in rng.permutation(len(source))[:count]:
        other = other_picture(source, int(index), rng)
        caption = source.captions[other][rng.integers(len(source.captions[other]))]
        own = source.captions[index][rng.integers(len(source.captions[index]))]
        pairs.append(Pair(f"{index:05d}", int(index), source.classes[index], caption, own))
    return pairs


def original(config: Config, source: Source, split: Split, pair: Pair, size: int) -> np.ndarray:
    """The picture of a pair before its edit, uint8 [size, size, 3]."""
    if config.data.source == "birds":
        return scenes.scene(bird_seed(config, split), pair.index, size).render()
    return source.picture(pair.index, size)


def to_text(pairs: Sequence[Pair]) -> str:
    """The pair file's text: one JSON object a line."""
    return "".join(json.dumps(asdict(pair), ensure_ascii=False) + "\n" for pair in pairs)


def pairs_hash(pairs: Sequence[Pair]) -> str:
    """SHA-256 of the pair file's text."""
    return hashlib.sha256(to_text(pairs).encode()).hexdigest()


def read_pairs(path: Path) -> list[Pair]:
    """Read a pair file.

    Raises:
        UserError: no such file, a broken line, or a key that stands twice or is no file name.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        raise UserError(f"{path}: cannot read it; give a pairs.jsonl of an evaluation") from None
    pairs = []
    for number, line in enumerate(lines, start=1):
        try:
            pairs.append(Pair(**json.loads(line)))
        except (ValueError, TypeError):
            raise UserError(
                f"{path}:{number}: no pair (JSON with key, index, label, caption, own)"
            ) from None
    keys = {pair.key for pair in pairs}
    if len(keys) != len(pairs) or not pairs:
        raise UserError(f"{path}: it is empty, or a key stands twice")
    if any(Path(key).name != key for key in keys):
        raise UserError(f"{path}: a key is no plain file name")
    return pairs
