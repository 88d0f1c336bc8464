"""The configuration that a folder of ours keeps: written whole, read in any version's form.

A run, a preset and evaluators keep in ``config.yaml`` what they were trained with. Former versions
wrote other keys, which are read, too. Edited by hand, it is taken where only keys have changed that
may; ``SHA256SUMS`` keeps what it said before.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from mim_tf import checksums
from mim_tf.config import DataConfig, Section
from mim_tf.config_files import (
    DROPPED,
    MOVED,
    Kind,
    holds,
    known_keys,
    options_of,
    parse_kind,
    read_yaml,
    spell_out,
)  # fmt: skip
from mim_tf.data.sources import find_set, set_names
from mim_tf.errors import UserError
from mim_tf.places import CONFIG


def seal(folder: Path, config: Section, others: Iterable[str] = ()) -> None:
    """Note the checksums of a folder's configuration and other files, as they are now."""
    checksums.write_sums(folder, [CONFIG, *others], {CONFIG: config.model_dump(mode="json")})


def load_sealed(kind: type[Kind], folder: Path, may_change: tuple[str, ...]) -> Kind:
    """The configuration in a folder that :func:`seal` was called for.

    Args:
        kind: as of :func:`mim_tf.config_files.load_kind`.
        folder: of ours.
        may_change: keys that may have been edited since, or beginnings of keys.

    Raises:
        UserError: it is broken, or another key has been edited; the message names it.
    """
    file = folder / CONFIG
    config = parse_stored(kind, read_yaml(file), str(file))
    if checksums.fits(folder, CONFIG):
        return config
    note = checksums.note_of(folder, CONFIG)
    if note is None:
        checksums.check_sums(folder, [CONFIG])
        return config
    sealed = parse_stored(kind, note, str(folder / checksums.NAME))
    for key, (was, now) in _changes(sealed, config).items():
        # What a part of a mixture may change is what a data set alone may.
        if not re.sub(r"^data\.parts\.[^.]+\.", "data.", key).startswith(may_change):
            raise UserError(
                f"{file}: {key} was {was!r} when training began, and is {now!r} now; put it back, "
                "or train anew with it"
            )
    return config


def _changes(one: Section, other: Section) -> dict[str, tuple[Any, Any]]:
    """Dotted keys whose values differ between two configurations, with both values."""
    first, second = _flat(one.model_dump(mode="json")), _flat(other.model_dump(mode="json"))
    return {
        key: (first.get(key), second.get(key))
        for key in sorted(first.keys() | second.keys())
        if first.get(key) != second.get(key)
    }


def _flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{prefix}{key}.")
        else:
            found[prefix + key] = value
    return found


def dump_config(config: Section) -> str:
    """The whole configuration as YAML, every value stated, for the run directory."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)


def parse_stored(kind: type[Kind], tree: dict[str, Any], origin: str) -> Kind:
    """:func:`parse_kind` for the configuration that a run or a preset keeps: it may have been
    written by a former version, with the keys of :data:`MOVED` and :data:`DROPPED`.

    Raises:
        UserError: as :func:`parse_kind`, or a dropped key had another value than all runs have now.
    """
    tree = copy.deepcopy(tree)
    spell_out(tree)
    if holds(tree, "train.warm_up"):
        _count_from_the_end_of_the_warm_up(tree)
    known = set(known_keys(kind))
    for old, new in MOVED.items():
        if holds(tree, old):
            value = _take(tree, old)
            if new in known:  # evaluators never read some of the former keys
                section, _, name = new.partition(".")
                tree.setdefault(section, {})[name] = value
    for old, expected in DROPPED.items():
        if holds(tree, old):
            value = _take(tree, old)
            if value != expected:
                raise UserError(
                    f"{origin}: this version can only do with {old}={expected}, not {value}; use "
                    "the version that wrote it"
                )
    return parse_kind(kind, drop_keys_of_other_sets(tree, origin), origin)


def _count_from_the_end_of_the_warm_up(tree: dict[str, Any]) -> None:
    """Former versions counted all steps from the very start, after a warm-up of a fixed length."""
    train = tree["train"]
    for key in ("steps", "adversarial_start", "alpha_start"):
        if isinstance(train.get(key), int):
            train[key] = max(0, train[key] - train["warm_up"])
    train["warm_up_until"] = 0.0


def _take(tree: dict[str, Any], key: str) -> Any:
    section, _, name = key.rpartition(".")
    return (tree[section] if section else tree).pop(name)


def drop_keys_of_other_sets(tree: dict[str, Any], origin: str) -> dict[str, Any]:
    """Read a file from before each data set had its own options: those files state the options of
    all sets. Keys of the section ``data`` that belong to other sets alone are dropped where they
    have the value that stood there by default, for then nobody had set them."""
    data = tree.get("data")
    if not isinstance(data, dict):
        return tree
    own = options_of(tree, origin).model_fields
    foreign = set(data) - set(own)
    for options in _all_options() if foreign else []:
        for key, field in options.model_fields.items():
            if key in foreign and data.get(key) == field.get_default():
                data = {name: value for name, value in data.items() if name != key}
    return {**tree, "data": data}


def _all_options() -> list[type[DataConfig]]:
    return [find_set(name).Options for name in set_names()]
