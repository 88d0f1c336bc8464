"""Prepared records: pictures decoded, cropped and resized once, in TFRecord files.

    <records>/settings.json               what the records were made from and how
    <records>/train-00000-of-00035.*      .tfrecord: examples `id`, `class`, `captions`, `picture`
                                          (raw bytes [size, size, 3]); .json: the same without the
                                          pictures, and where in the file each of them lies
    <records>/manifest.json               counts, checksums and vocabulary
    <records>/SHA256SUMS                  of all these files; written last

Pixels are stored raw, so that reading one is a seek and a copy: training asks for pictures in any
order. Any TFRecord reader can go through the files in theirs.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from mim_tf import json_text
from mim_tf.checksums import check_sums, sha256_of
from mim_tf.config import Config
from mim_tf.data.formats.photographs import Photographs, resize_square
from mim_tf.data.source import SPLITS, Source, Split
from mim_tf.data.sources import find_set
from mim_tf.errors import UserError
from mim_tf.storage import replace_text, replacing_file

SETTINGS, MANIFEST = "settings.json", "manifest.json"
SHARD_SIZE = 256
"""Pictures a shard: 71 MB at 304 px."""

# Of a TFRecord: length of the data and its checksum before it, a checksum behind it.
_HEADER, _FOOTER = 12, 4


def settings_of(config: Config) -> dict[str, Any]:
    """What the records depend on: records made under other settings are other records."""
    train, test = (describe(config, split) for split in SPLITS)
    size = config.model.fine_size
    return {
        "data.source": config.data.source,
        **train.settings,
        "size of training pictures": train.stored_size(size),
        "size of test pictures": test.stored_size(size),
    }


def describe(config: Config, split: Split) -> Source:
    """The split that a configuration names, without its pictures."""
    source: Source = find_set(config.data.source).describe(config.data, split)
    return source


def fingerprint(source: Source) -> str:
    """Changes when a name, caption, class or box of the source does."""
    digest = hashlib.sha256()
    for row in zip(source.ids, source.captions, source.classes, strict=True):
        digest.update(json.dumps(row).encode())
    boxes = source.picture.boxes if isinstance(source.picture, Photographs) else []
    if any(boxes):
        digest.update(json.dumps(boxes).encode())
    return digest.hexdigest()


def check_settings(folder: Path, wanted: dict[str, Any], remedy: str) -> None:
    """Refuse records that were made under other settings.

    Args:
        remedy: what the user can do, for the error.

    Raises:
        UserError: naming the first setting that differs.
    """
    made = read_json(folder / SETTINGS)
    for key, value in wanted.items():
        if made.get(key) != value:
            if key == "data.source":
                remedy = f"add --set data.source={made.get(key)}, or {remedy}"
            raise UserError(f"{folder}: made with {key}={made.get(key)}, not {value}; {remedy}")


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object of a records folder.

    Raises:
        UserError: missing or broken.
    """
    try:
        content = json_text.read(path)
    except FileNotFoundError:
        raise UserError(
            f"{path.parent}: no finished records ({path.name} is missing); run "
            "python -m mim_tf.prepare, again if it was interrupted"
        ) from None
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read ({error}); run mim_tf.prepare again") from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: holds no object; run mim_tf.prepare again")
    return content


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON object whole or not at all."""
    replace_text(path, json.dumps(content, ensure_ascii=False, indent=1))


# Writing -----------------------------------------------------------------------------------------


def shard_names(split: Split, pictures: int) -> list[tuple[str, range]]:
    """Name and picture numbers of each shard of a split."""
    count = max(1, -(-pictures // SHARD_SIZE))
    return [
        (
            f"{split}-{number:05d}-of-{count:05d}",
            range(number * SHARD_SIZE, min((number + 1) * SHARD_SIZE, pictures)),
        )
        for number in range(count)
    ]


def write_shard(folder: Path, name: str, source: Source, numbers: range, size: int) -> None:
    """Write one shard whole or not at all. A broken picture is left out and noted.

    Raises:
        UserError: the disk is full, or the folder cannot be written.
    """
    file = folder / f"{name}.tfrecord"
    rows: list[dict[str, Any]] = []
    broken: list[list[str]] = []
    try:
        with replacing_file(file) as temporary:
            with tf.io.TFRecordWriter(str(temporary)) as writer:
                end = 0
                for number in numbers:
                    try:
                        picture = source.picture(number, size)
                    except UserError as error:
                        broken.append([source.ids[number], str(error)])
                        continue
                    row = {
                        "id": source.ids[number],
                        "class": source.classes[number],
                        "captions": list(source.captions[number]),
                    }
                    pixels = picture.tobytes()
                    data = _example(row, pixels)
                    writer.write(data)
                    rows.append({**row, "at": end + _HEADER + data.index(pixels)})
                    end += _HEADER + len(data) + _FOOTER
            if temporary.stat().st_size != end:
                raise OSError(0, "the disk is full")
        write_json(
            folder / f"{name}.json",
            {
                "bytes": end,
                "sha256": sha256_of(file),
                "originals_sha256": _originals(source, numbers),
                "pictures": rows,
                "broken": broken,
            },
        )
    except (OSError, tf.errors.OpError) as error:
        reason = getattr(error, "strerror", None) or getattr(error, "message", None) or str(error)
        raise UserError(
            f"{file}: cannot be written ({reason}); make room, or choose another --output, and "
            "run it again: what is finished is kept"
        ) from None


def _example(row: dict[str, Any], pixels: bytes) -> bytes:
    def feature(*values: str | bytes) -> tf.train.Feature:
        encoded = [value if isinstance(value, bytes) else value.encode() for value in values]
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=encoded))

    features = {
        "id": feature(row["id"]),
        "class": feature(row["class"]),
        "captions": feature(*row["captions"]),
        "picture": feature(pixels),
    }
    example = tf.train.Example(features=tf.train.Features(feature=features))
    return bytes(example.SerializeToString(deterministic=True))


def _originals(source: Source, numbers: range) -> str | None:
    """Checksum of the files that a shard's pictures come from; None where they are no files."""
    if not isinstance(source.picture, Photographs):
        return None
    digest = hashlib.sha256()
    for number in numbers:
        path = Path(source.picture.paths[number])
        digest.update(path.read_bytes() if path.is_file() else b"")
    return digest.hexdigest()


def is_whole(folder: Path, name: str, source: Source, numbers: range) -> bool:
    """Whether a shard is finished, undamaged, of the pictures as they are now, and none broken."""
    file, index = folder / f"{name}.tfrecord", folder / f"{name}.json"
    if not file.is_file() or not index.is_file():
        return False
    try:
        made = read_json(index)
    except UserError:
        return False
    return (
        not made.get("broken")
        and made.get("sha256") == sha256_of(file)
        and made.get("originals_sha256") == _originals(source, numbers)
    )


# Reading -----------------------------------------------------------------------------------------


def load_records(config: Config, split: Split) -> Source:
    """A split of the records that ``data.records`` names.

    Raises:
        UserError: they are unfinished, damaged, or were made under other settings.
    """
    folder = config.data.records
    assert folder is not None
    manifest = read_json(folder / MANIFEST)
    check_settings(
        folder, settings_of(config), "prepare others with --output DIR and set data.records to it"
    )
    rows: list[tuple[str, tuple[str, ...], str]] = []
    places: list[tuple[str, int]] = []
    try:
        shards = manifest["splits"][split]["shards"]
        _check(folder, [shard["name"] for shard in shards])
        for shard in shards:
            file = folder / f"{shard['name']}.tfrecord"
            for row in read_json(folder / f"{shard['name']}.json")["pictures"]:
                rows.append((str(row["id"]), tuple(map(str, row["captions"])), str(row["class"])))
                places.append((str(file), int(row["at"])))
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise UserError(
            f"{folder / MANIFEST}: not as prepare writes it ({error}); run mim_tf.prepare again"
        ) from None
    source = describe(config, split)
    return replace(
        source,
        ids=tuple(row[0] for row in rows),
        captions=tuple(row[1] for row in rows),
        classes=tuple(row[2] for row in rows),
        picture=_Pictures(places, source.stored_size(config.model.fine_size)),
    )


def _check(folder: Path, shards: list[str]) -> None:
    """Compare all that reading these shards needs with its checksums: seconds for the gigabytes
    of a large data set, which are then in memory for training."""
    names = [f"{shard}.{kind}" for shard in shards for kind in ("json", "tfrecord")]
    try:
        check_sums(folder, [SETTINGS, MANIFEST, *names])
    except UserError as error:
        raise UserError(
            f"{error}; or run mim_tf.prepare again, it makes what is damaged or missing"
        ) from None


class _Pictures:
    """Callable ``(index, size) -> uint8 [size, size, 3]``."""

    def __init__(self, places: list[tuple[str, int]], stored: int) -> None:
        self.places, self.stored = places, stored

    def __call__(self, index: int, size: int) -> np.ndarray:
        name, start = self.places[index]
        count = 3 * self.stored**2
        try:
            with open(name, "rb", buffering=0) as file:  # noqa: PTH123 - half the time of Path's
                file.seek(start)
                data = file.read(count)
        except OSError as error:
            raise UserError(f"{name}: cannot be read ({error.strerror})") from error
        if len(data) != count:
            raise UserError(f"{name}: truncated; run mim_tf.prepare again")
        return resize_square(np.frombuffer(data, np.uint8).reshape(self.stored, -1, 3), size)
