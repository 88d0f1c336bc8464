"""An evaluation from the command's flags to its files: the same flags, the same digits."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import tensorflow as tf

from mim_tf import json_text
from mim_tf.config import Config, DataConfig
from mim_tf.config_files import load_config, parse_config
from mim_tf.data.source import Source, Split
from mim_tf.data.sources import find_set, load_raw, load_source
from mim_tf.errors import UserError
from mim_tf.evaluation import tables
from mim_tf.evaluation.by_source import measure_sources
from mim_tf.evaluation.folders import (
    read_edits,
    write_edits,
    write_evaluation,
    write_overview,
)
from mim_tf.evaluation.manifest import describe, manifest_differences, pictures_hash
from mim_tf.evaluation.measure import measure
from mim_tf.evaluation.pairs import Pair, draw_pairs, read_pairs, to_text
from mim_tf.evaluation.targeted import draw_targeted
from mim_tf.evaluation.task import Edits, Task, edit_with
from mim_tf.evaluation.untrained import check_untrained
from mim_tf.evaluators.folder import Evaluators
from mim_tf.run import Run
from mim_tf.stored_config import drop_keys_of_other_sets


def evaluate(flags: argparse.Namespace) -> str:
    """Measure a model, or pictures that any program made, and write ``--output``.

    Args:
        flags: of the command ``python -m mim_tf.evaluate``, by name.

    Returns:
        What ``table.md`` says.

    Raises:
        UserError: nothing was measured; the message says why.
    """
    wanted = read_manifest(flags.manifest) if flags.manifest else None
    beside = flags.pairs.parent / "manifest.json" if flags.pairs else None
    described = wanted or (read_manifest(beside) if beside and beside.is_file() else None)
    tf.config.experimental.enable_op_determinism()
    run = Run.chosen(flags.run, flags.preset) if flags.run or flags.preset else None
    config, size = _data(run, described, flags)
    targeted = flags.targeted or bool(described and described.get("targeted"))
    split: Split = _agreed("split", flags.split, described) or "test"
    seed = _agreed("seed", flags.seed, described) or 0
    count = _agreed("count", flags.count, wanted)
    evaluators = Evaluators.chosen(flags.evaluators, config.data.kind, needed=not targeted)
    # Records hold pictures of one size, and no marks.
    whole = targeted or flags.size is not None
    source = load_raw(config.data, split) if whole else load_source(config, split)
    if run is not None:
        check_untrained(run, source, own=not flags.config)
    _check_kept(flags)
    if flags.pairs:
        pairs = _read_pairs(flags.pairs, source)
    elif targeted:
        pairs = draw_targeted(source, seed, count, size, evaluators)
    else:
        pairs = draw_pairs(source, seed, count)
    task = Task(source, pairs, size, seed, targeted)
    originals = task.originals()
    edits, model = _edits(run, flags.images, task, originals)
    about = describe(task, originals, evaluators, model)
    if wanted is not None and (differing := manifest_differences(wanted, about)):
        raise UserError(
            f"{flags.manifest} describes another evaluation; these differ: {', '.join(differing)}"
        )
    numbers, rows = measure(task, edits, originals, evaluators)
    sources = measure_sources(task, edits, originals, evaluators)
    if sources:
        numbers["sources"] = sources
    if flags.keep_images and not flags.images:
        write_edits(flags.output / "images", task, edits, originals)
        write_overview(flags.output / "overview.png", task, edits, originals)
    write_evaluation(flags.output, task, numbers, rows, about, to_text(pairs))
    return tables.page(numbers, about)


def _edits(
    run: Run | None, images: Path | None, task: Task, originals: Any
) -> tuple[Edits, dict[str, Any]]:
    """The edits to measure, and the manifest's entry of what made them."""
    if images is not None:
        edits = read_edits(images, task)
        return edits, {"name": images.name, "images_sha256": pictures_hash(edits.pictures)}
    assert run is not None  # the command asks for one of the two
    return edit_with(run, task, originals)


def _read_pairs(path: Path, source: Source) -> list[Pair]:
    pairs = read_pairs(path)
    for pair in pairs:
        if not 0 <= pair.index < len(source):
            raise UserError(f"{path}: an index lies outside the {source.split} split")
        fits = pair.own in source.captions[pair.index]
        if not fits or pair.label != source.classes[pair.index]:
            raise UserError(
                f"{path}: pair {pair.key} is of another picture than the {source.split} split of "
                f"data.source={source.name} has at {pair.index}; give the data of these pairs"
            )
    return pairs


def _check_kept(flags: argparse.Namespace) -> None:
    """Refuse to leave an earlier evaluation's pictures beside numbers that are not theirs."""
    kept = flags.output / "images"
    if flags.images and flags.images.resolve() == kept.resolve():
        return
    if kept.is_dir() and (flags.images or not flags.keep_images):
        raise UserError(
            f"{kept} holds an earlier evaluation's pictures, which would not fit these numbers; "
            + ("name" if flags.images else "give --keep-images to replace them, or")
            + " another --output"
        )


def _agreed(name: str, given: Any, described: dict[str, Any] | None) -> Any:
    """The value of a setting that a flag or a manifest may state.

    Raises:
        UserError: both do, and differ.
    """
    if described is None:
        return given
    if given is not None and given != described[name]:
        raise UserError(
            f"--{name} {given}: the manifest says {name} {described[name]}; leave the flag out"
        )
    return described[name]


def _data(
    run: Run | None, described: dict[str, Any] | None, flags: argparse.Namespace
) -> tuple[Config, int]:
    """Whose pictures, and at which size: the flags or the run say it, else the manifest beside the
    pairs."""
    if run is not None:
        config, size = run.config, run.config.model.fine_size
        if described is not None and flags.manifest:
            size = described["pixels"]
        size = flags.size or size
        if flags.config:
            data = load_config(*flags.config, overrides=flags.set).data
            config = config.model_copy(update={"data": data})
        try:
            config.data.check_size("--size", size)
        except ValueError as error:
            raise UserError(f"{error}; give another --size") from None
        if flags.data_root is not None:
            moved = _moved(config.data, flags.data_root)
            config = config.model_copy(update={"data": moved})
        return config, size
    if described is None and not flags.pairs.is_file():
        raise UserError(f"--pairs {flags.pairs}: there is no such file")
    if described is None:
        raise UserError(
            f"{flags.pairs.parent} holds no manifest.json beside the pairs; keep the two "
            "together, or give --run or --preset"
        )
    tree = dict(described["data"])
    if flags.data_root is not None:
        tree["root"] = flags.data_root
    elif "root" in find_set(tree["source"]).Options.model_fields:
        raise UserError(
            f"the pairs are of {tree['source']}; give --data-root, the folder of that data set"
        )
    elif "parts" in tree:
        raise UserError(
            "the pairs are of several data sets; give --run or --preset of a model that was "
            "trained on them, whose configuration says where they lie"
        )
    return parse_config({"data": tree}, str(flags.pairs)), described["pixels"]


def _moved(data: DataConfig, root: str) -> DataConfig:
    """The same data set where it lies on this machine, not its records."""
    if "root" not in type(data).model_fields:
        raise UserError(f"--data-root: data.source={data.source} has no folder; leave the flag out")
    return data.model_copy(update={"root": Path(root), "records": None})


def read_manifest(path: Path) -> dict[str, Any]:
    """A manifest as :func:`mim_tf.evaluation.manifest.describe` makes it.

    Raises:
        UserError: missing, broken, or no manifest of an evaluation.
    """
    try:
        found = json_text.read(path)
    except (OSError, ValueError):
        raise UserError(f"{path}: cannot read it as JSON; give a manifest.json") from None
    numbers = ("seed", "pixels", "count")
    if (
        not isinstance(found, dict)
        or not isinstance(found.get("data"), dict)
        or not isinstance(found["data"].get("source"), str)
        or found.get("split") not in ("train", "test")
        or not all(isinstance(found.get(name), int) for name in numbers)
    ):
        raise UserError(f"{path}: no manifest of an evaluation")
    return drop_keys_of_other_sets(found, str(path))
