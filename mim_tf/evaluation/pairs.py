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

from pydantic import TypeAdapter

from mim_tf.data.source import Source
from mim_tf.errors import UserError
from mim_tf.storage import read_plain


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


_PAIR = TypeAdapter(Pair)
_MOST_BYTES = 1_000_000_000


def draw_pairs(source: Source, seed: int, count: int | None) -> list[Pair]:
    """Draw the pairs of an evaluation, as :meth:`mim_tf.data.source.Source.requests` gives them.

    Args:
        source: the split's pictures and captions.
        seed: of the draw.
        count: how many; all pictures when None.

    Raises:
        UserError: more pairs than pictures.
    """
    count = len(source) if count is None else count
    if not 1 <= count <= len(source):
        raise UserError(
            f"--count {count}: the {source.split} split has 1 to {len(source)} pictures"
        )
    return [
        Pair(
            key=f"{request.index:05d}",
            index=request.index,
            label=source.classes[request.index],
            caption=request.caption,
            own=request.own,
        )
        for request in source.requests(seed, count)
    ]


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
        lines = read_plain(path, _MOST_BYTES).decode("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        raise UserError(f"{path}: cannot read it; give a pairs.jsonl of an evaluation") from None
    pairs = []
    for number, line in enumerate(lines, start=1):
        try:
            pairs.append(_PAIR.validate_json(line, strict=True))
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
