"""What prepared records hold, for a person to look at: lines of counts and a contact sheet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mim_tf.config import Config
from mim_tf.data import records
from mim_tf.data.source import SPLITS
from mim_tf.pictures import files, sheets
from mim_tf.text import tokenize

SHEET = "contact-sheet.png"
_SHEET_ROWS, _SHEET_SIZE = 12, 128
_BIN, _BAR = 4, 40  # of the histogram: words a bin, characters of the longest bar


def rows_of(folder: Path, split: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Id, class and captions of each picture of a manifest's split."""
    for shard in split["shards"]:
        yield from records.read_json(folder / f"{shard['name']}.json")["pictures"]


def summary(folder: Path, manifest: dict[str, Any], max_words: int) -> Iterator[str]:
    """Counts of pictures, captions and words of both splits, and what training will not see.

    Args:
        max_words: at which captions are cut.
    """
    known = set(manifest["vocabulary"])
    for split in SPLITS:
        part = manifest["splits"][split]
        size = sum(shard["bytes"] for shard in part["shards"])
        yield (
            f"{split}: {part['pictures']:,} pictures, {part['captions']:,} captions, "
            f"{len(part['shards'])} shards, {size / 1e9:.2f} GB"
        )
        captions_each: Counter[int] = Counter()
        lengths: Counter[int] = Counter()
        unknown: Counter[str] = Counter()
        for row in rows_of(folder, part):
            captions_each[len(row["captions"])] += 1
            for caption in row["captions"]:
                words = tokenize(caption)
                lengths[len(words)] += 1
                unknown.update(word for word in words if word not in known)
        yield "  captions a picture: " + ", ".join(
            f"{count} ({pictures:,})" for count, pictures in sorted(captions_each.items())
        )
        yield from _histogram(lengths)
        cut = sum(count for length, count in lengths.items() if length > max_words)
        yield f"  cut at data.max_words={max_words}: {cut:,} captions"
        total = sum(length * count for length, count in lengths.items())
        if unknown:
            shown = ", ".join(f"{word} ({count})" for word, count in unknown.most_common(8))
            yield (
                f"  unknown: {len(unknown):,} words, {sum(unknown.values()) / total:.2%} of all; "
                f"the most frequent: {shown}"
            )
    yield f"vocabulary of the training captions: {len(known):,} words"


def _histogram(lengths: Counter[int]) -> Iterator[str]:
    """Bars of how many captions have how many words."""
    bins: Counter[int] = Counter()
    for length, count in lengths.items():
        bins[length // _BIN] += count
    top = max(bins.values())
    yield "  words a caption:"
    for number in range(min(bins), max(bins) + 1):
        bar = "#" * round(_BAR * bins[number] / top)
        first = number * _BIN
        yield f"  {first:4d} to {first + _BIN - 1:3d} {bins[number]:8,} {bar}"


def write_contact_sheet(config: Config, folder: Path) -> None:
    """``contact-sheet.png``: pictures of both splits beside their first captions."""
    data = config.data.model_copy(update={"records": folder})
    config = config.model_copy(update={"data": data})
    rows, captions = [], []
    for split in SPLITS:
        source = records.load_records(config, split)
        count = min(_SHEET_ROWS // len(SPLITS), len(source))
        for place in range(count):
            index = place * len(source) // count
            rows.append([source.picture(index, _SHEET_SIZE)])
            captions.append(f"{split}: {source.captions[index][0]}")
    files.write(folder / SHEET, sheets.labelled_grid(rows, [], captions))
