"""Measure a model: ``python -m mim_tf.evaluate --run RUN --evaluators DIR --output DIR``.

Writes ``metrics.json``, ``table.md``, ``manifest.json``, ``pairs.jsonl`` and ``scores.jsonl`` (one
row a pair). With ``--images FOLDER --pairs FILE`` it measures pictures that any program made.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mim_tf.config import Config
from mim_tf.config_files import parse_config
from mim_tf.errors import UserError, entry_point
from mim_tf.flags import add_evaluators_flag, add_model_flags, add_seed_flag

if TYPE_CHECKING:
    from mim_tf.data.sources import Split
    from mim_tf.run import Run


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m mim_tf.evaluate", description="Measure a model, or edited pictures."
    )
    add_model_flags(parser, required=False)
    parser.add_argument(
        "--images",
        metavar="DIR",
        type=Path,
        help="measure DIR/KEY.png in place of a model's edits; needs --pairs, beside which "
        "manifest.json says where the inputs come from",
    )
    parser.add_argument("--pairs", metavar="FILE", type=Path, help="use these pairs; draw none")
    parser.add_argument("--split", choices=("train", "test"), help="default: test")
    parser.add_argument("--count", metavar="N", type=int, help="pairs to draw; default: all")
    add_seed_flag(parser, "of pairs and candidates; default: 0", default=None)
    add_evaluators_flag(parser)
    parser.add_argument("--data-root", metavar="DIR", help="where the data set lies here")
    parser.add_argument("--keep-images", action="store_true", help="keep inputs and edits")
    parser.add_argument(
        "--manifest", metavar="FILE", type=Path, help="repeat this evaluation, or say what differs"
    )
    parser.add_argument("--output", metavar="DIR", type=Path, required=True)
    return parser.parse_args(argv)


@entry_point
def main(argv: Sequence[str] | None = None) -> int:
    arguments = _arguments(argv)
    if arguments.images and not arguments.pairs:
        raise UserError("--images needs --pairs FILE: the pairs whose keys name the pictures")
    if not (arguments.run or arguments.preset or arguments.images):
        raise UserError("give --run DIR, --preset NAME, or --images DIR --pairs FILE")
    if arguments.output.exists() and not arguments.output.is_dir():
        raise UserError(f"--output {arguments.output} is a file; name a folder")
    wanted = _read_json(arguments.manifest) if arguments.manifest else None
    beside = arguments.pairs.parent / "manifest.json" if arguments.pairs else None
    described = wanted or (_read_json(beside) if beside is not None and beside.is_file() else None)

    import tensorflow as tf

    from mim_tf.data.sources import load_source
    from mim_tf.evaluation import tables
    from mim_tf.evaluation.folders import read_edits, write_edits, write_evaluation
    from mim_tf.evaluation.manifest import describe, manifest_differences, pictures_hash
    from mim_tf.evaluation.measure import measure
    from mim_tf.evaluation.pairs import draw_pairs, read_pairs, to_text
    from mim_tf.evaluation.task import Task, edit_with
    from mim_tf.evaluators.folder import Evaluators

    tf.config.experimental.enable_op_determinism()
    run = _run(arguments)
    config, size = _data(run, described, arguments)
    split: Split = _told("split", arguments.split, described) or "test"
    seed = _told("seed", arguments.seed, described) or 0
    count = _told("count", arguments.count, wanted)
    evaluators = Evaluators.chosen(arguments.evaluators, config.data.source)
    source = load_source(config, split)
    kept = arguments.output / "images"
    if kept.is_dir() and not arguments.keep_images and not arguments.images:
        raise UserError(
            f"{kept} holds an earlier evaluation's pictures, which would not fit these numbers; "
            "give --keep-images to replace them, or another --output"
        )
    if arguments.pairs:
        pairs = read_pairs(arguments.pairs)
        if any(not 0 <= pair.index < len(source) for pair in pairs):
            raise UserError(f"{arguments.pairs}: an index lies outside the {split} split")
    else:
        pairs = draw_pairs(config, source, split, seed, count)
    task = Task(config, source, split, pairs, size, seed)
    originals = task.originals()
    if arguments.images:
        edits = read_edits(arguments.images, task)
        model = {
            "name": arguments.images.name,
            "images_sha256": pictures_hash(edits.pictures),
        }
    else:
        assert run is not None
        edits, model = edit_with(run, task, originals)
    about = describe(task, originals, evaluators, model)
    if wanted is not None:
        differing = manifest_differences(wanted, about)
        if differing:
            raise UserError(
                f"{arguments.manifest} describes another evaluation; these differ: "
                f"{', '.join(differing)}"
            )
    numbers, rows = measure(task, edits, originals, evaluators)
    if arguments.keep_images and not arguments.images:
        write_edits(arguments.output / "images", task, edits, originals)
    write_evaluation(arguments.output, task, numbers, rows, about, to_text(pairs))
    print(tables.page(numbers, about), end="")
    return 0


def _told(name: str, given: Any, described: dict[str, Any] | None) -> Any:
    """What the flag says, or the manifest.

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


def _run(arguments: argparse.Namespace) -> Run | None:
    from mim_tf.run import Run

    if not (arguments.run or arguments.preset):
        return None
    return Run.chosen(arguments.run, arguments.preset)


def _data(
    run: Run | None, described: dict[str, Any] | None, arguments: argparse.Namespace
) -> tuple[Config, int]:
    """Whose pictures, and at which size: the run says it, else the manifest beside the pairs."""
    if run is not None:
        config, size = run.config, run.config.model.fine_size
    elif described is not None:
        data = dict(described["data"])
        if data["source"] != "birds" and arguments.data_root is None:
            raise UserError(
                f"the pairs are of {data['source']}; give --data-root, the folder of that data set"
            )
        data["root"] = arguments.data_root
        config = parse_config({"data": data}, str(arguments.pairs))
        size = described["pixels"]
    else:
        raise UserError(
            f"{arguments.pairs.parent} holds no manifest.json beside the pairs; keep the two "
            "together, or give --run or --preset"
        )
    if arguments.data_root:
        data_section = config.data.model_copy(
            update={"root": Path(arguments.data_root), "records": None}
        )
        config = config.model_copy(update={"data": data_section})
    return config, size


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        raise UserError(f"{path}: cannot read it as JSON; give a manifest.json") from None
    numbers = ("seed", "pixels", "count")
    if (
        not isinstance(found, dict)
        or not isinstance(found.get("data"), dict)
        or found.get("split") not in ("train", "test")
        or not all(isinstance(found.get(name), int) for name in numbers)
    ):
        raise UserError(f"{path}: no manifest of an evaluation")
    return found


if __name__ == "__main__":
    sys.exit(main())
