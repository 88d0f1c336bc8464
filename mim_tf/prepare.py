"""Check a data set and write it as records: ``python -m mim_tf.prepare --config cub.yaml``."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mim_tf.config import Config
from mim_tf.config_files import load_config
from mim_tf.errors import UserError, entry_point
from mim_tf.flags import add_config_flags

if TYPE_CHECKING:
    from mim_tf.data.source import Source, Split

SPLITS: tuple[Split, ...] = ("train", "test")
_SHEET_ROWS, _SHEET_SIZE = 12, 128


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m mim_tf.prepare", description=__doc__)
    add_config_flags(parser, required=True)
    parser.add_argument(
        "--output", metavar="DIR", type=Path,
        help="default: data.records, else records/<names of the configs>",
    )  # fmt: skip
    return parser.parse_args(argv)


@entry_point
def main(argv: Sequence[str] | None = None) -> int:
    arguments = _arguments(argv)
    config = load_config(*arguments.config, overrides=arguments.set)
    if config.data.source != "birds" and config.data.root is None:
        raise UserError("give the data set's folder: --set data.root=DIR")
    names = "-".join(Path(one).stem for one in arguments.config)
    folder = arguments.output or config.data.records or Path("records") / names
    prepare(config, folder)
    print(folder)
    return 0


def prepare(config: Config, folder: Path) -> None:
    """Write the records of both splits into ``folder``, or finish what was begun there.

    Raises:
        UserError: the data set is incomplete or broken, too many pictures are, the folder holds
            records made under other settings, or it cannot be written.
    """
    # TensorFlow takes seconds to import: mistakes in the configuration are told before.
    from mim_tf.data import records
    from mim_tf.data.sources import load_raw
    from mim_tf.storage import replace_text

    sources = {split: load_raw(config, split) for split in SPLITS}
    settings: dict[str, Any] = records.settings_of(config)
    for split, source in sources.items():
        settings[f"{split} split"] = records.fingerprint(source)
    _begin(folder, settings, sources)
    _write_shards(config, folder, sources)
    manifest = _manifest(config, folder, settings, sources)
    broken = [one for split in SPLITS for one in manifest["splits"][split]["broken"]]
    for name, reason in broken:
        print(f"left out {name}: {reason}", file=sys.stderr)
    if len(broken) > config.data.broken_limit:
        raise UserError(
            f"{len(broken)} pictures are broken, more than data.broken_limit="
            f"{config.data.broken_limit}; the first: {broken[0][1]}"
        )
    for split in SPLITS:
        kept = manifest["splits"][split]["pictures"]
        if kept < 2:
            raise UserError(
                f"{folder}: {kept} sound pictures in the {split} split, at least 2 are needed; "
                "replace those left out, and run it again"
            )
    try:
        for split in SPLITS:
            rows = _rows(folder, manifest, split)
            replace_text(folder / f"{split}.txt", "".join(f"{row['id']}\n" for row in rows))
        records.write_json(folder / records.MANIFEST, manifest)
    except OSError as error:
        raise UserError(f"{folder}: cannot be written ({error.strerror})") from None
    _contact_sheet(config, folder)
    for line in _summary(config, folder, manifest):
        print(line)


def _begin(folder: Path, settings: dict[str, Any], sources: dict[Split, Source]) -> None:
    """Make the folder, or see that it is being filled under the same settings."""
    from mim_tf.data import records

    try:
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / records.SETTINGS).exists():
            records.check_settings(
                folder, settings, "choose another --output, or remove that folder"
            )
            (folder / records.MANIFEST).unlink(missing_ok=True)  # until all is whole again
        elif any(folder.iterdir()):
            raise UserError(f"{folder} holds other files; choose another --output")
        else:
            needed = sum(
                3 * len(source) * settings[f"size of {what} pictures"] ** 2
                for source, what in zip(sources.values(), ("training", "test"), strict=True)
            )
            free = shutil.disk_usage(folder).free
            if free < needed:
                folder.rmdir()
                raise UserError(
                    f"{folder}: the records need {needed / 1e9:.1f} GB, {free / 1e9:.1f} GB are "
                    "free; make room, or choose another --output"
                )
            records.write_json(folder / records.SETTINGS, settings)
    except OSError as error:
        raise UserError(f"{folder}: cannot be written ({error.strerror})") from None


# Work for several processes ----------------------------------------------------------------------

_work: dict[str, Any] = {}


def _start_worker(config: Config, folder: Path, sizes: dict[Split, int]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupted run finishes its shards
    from mim_tf.data.sources import load_raw

    # Listed again in each process: what is handed over must fit into a pipe, or the death of a
    # process while it starts would be waited for without end.
    sources = {split: load_raw(config, split) for split in SPLITS}
    _work.update(folder=folder, sources=sources, sizes=sizes)


def _work_on(split: Split, name: str, numbers: range) -> int:
    from mim_tf.data.records import write_shard

    write_shard(_work["folder"], name, _work["sources"][split], numbers, _work["sizes"][split])
    return len(numbers)


def _write_shards(config: Config, folder: Path, sources: dict[Split, Source]) -> None:
    from tqdm import tqdm

    from mim_tf.data import records
    from mim_tf.data.pipeline import stored_size

    jobs = [
        (split, name, numbers)
        for split in SPLITS
        for name, numbers in records.shard_names(split, len(sources[split]))
    ]
    todo = [
        (split, name, numbers)
        for split, name, numbers in jobs
        if not records.is_whole(folder, name, sources[split], numbers)
    ]
    sizes = {split: stored_size(config, split) for split in SPLITS}
    workers = min(config.machine.workers or os.cpu_count() or 1, len(todo))
    total = sum(len(numbers) for _, _, numbers in jobs)
    done = total - sum(len(numbers) for _, _, numbers in todo)
    with tqdm(total=total, initial=done, unit="picture", dynamic_ncols=True) as bar:
        if workers <= 1:
            _work.update(folder=folder, sources=sources, sizes=sizes)
            for job in todo:
                bar.update(_work_on(*job))
            return
        with ProcessPoolExecutor(
            workers, get_context("spawn"), _start_worker, (config, folder, sizes)
        ) as pool:
            results = [pool.submit(_work_on, *job) for job in todo]
            try:
                for result in as_completed(results):
                    bar.update(result.result())
            except BrokenProcessPool:
                raise UserError(
                    "a process of prepare was ended from outside (out of memory?); run it again "
                    "with fewer: --set machine.workers=1"
                ) from None
            finally:
                pool.shutdown(cancel_futures=True)


# What was made -----------------------------------------------------------------------------------


def _manifest(
    config: Config, folder: Path, settings: dict[str, Any], sources: dict[Split, Source]
) -> dict[str, Any]:
    from mim_tf.data import records
    from mim_tf.text import Vocabulary

    splits = {}
    for split in SPLITS:
        shards: list[dict[str, Any]] = []
        broken: list[list[str]] = []
        captions = 0
        for name, _ in records.shard_names(split, len(sources[split])):
            made = records.read_json(folder / f"{name}.json")
            shards.append({
                "name": name, "pictures": len(made["pictures"]),
                "bytes": made["bytes"], "sha256": made["sha256"],
            })  # fmt: skip
            broken += made["broken"]
            captions += sum(len(row["captions"]) for row in made["pictures"])
        pictures = sum(shard["pictures"] for shard in shards)
        splits[split] = {
            "pictures": pictures, "captions": captions, "broken": broken, "shards": shards
        }  # fmt: skip
    rows = _rows(folder, {"splits": splits}, "train")
    texts = (caption for row in rows for caption in row["captions"])
    vocabulary = Vocabulary.build(texts, config.data.min_word_count)
    return {"settings": settings, "splits": splits, "vocabulary": vocabulary.words}


def _rows(folder: Path, manifest: dict[str, Any], split: Split) -> Iterator[dict[str, Any]]:
    from mim_tf.data import records

    for shard in manifest["splits"][split]["shards"]:
        yield from records.read_json(folder / f"{shard['name']}.json")["pictures"]


def _summary(config: Config, folder: Path, manifest: dict[str, Any]) -> Iterator[str]:
    from mim_tf.text import tokenize

    known = set(manifest["vocabulary"])
    for split in SPLITS:
        part = manifest["splits"][split]
        size = sum(shard["bytes"] for shard in part["shards"])
        yield (
            f"{split}: {part['pictures']:,} pictures, {part['captions']:,} captions, "
            f"{len(part['shards'])} shards, {size / 1e9:.2f} GB"
        )
        each: Counter[int] = Counter()
        lengths: Counter[int] = Counter()
        unknown: Counter[str] = Counter()
        for row in _rows(folder, manifest, split):
            each[len(row["captions"])] += 1
            for caption in row["captions"]:
                words = tokenize(caption)
                lengths[len(words)] += 1
                unknown.update(word for word in words if word not in known)
        yield "  captions a picture: " + ", ".join(
            f"{count} ({pictures:,})" for count, pictures in sorted(each.items())
        )
        yield from _histogram(lengths)
        cut = sum(count for length, count in lengths.items() if length > config.data.max_words)
        yield f"  cut at data.max_words={config.data.max_words}: {cut:,} captions"
        total = sum(length * count for length, count in lengths.items())
        if unknown:
            shown = ", ".join(f"{word} ({count})" for word, count in unknown.most_common(8))
            yield (
                f"  unknown: {len(unknown):,} words, {sum(unknown.values()) / total:.2%} of all; "
                f"the most frequent: {shown}"
            )
    yield f"vocabulary of the training captions: {len(known):,} words"


def _histogram(lengths: Counter[int], step: int = 4, width: int = 40) -> Iterator[str]:
    bins: Counter[int] = Counter()
    for length, count in lengths.items():
        bins[length // step] += count
    top = max(bins.values())
    yield "  words a caption:"
    for one in range(min(bins), max(bins) + 1):
        bar = "#" * round(width * bins[one] / top)
        yield f"  {one * step:4d} to {one * step + step - 1:3d} {bins[one]:8,} {bar}"


def _contact_sheet(config: Config, folder: Path) -> None:
    """``contact-sheet.png``: pictures of both splits beside their first captions."""
    from mim_tf.data.records import load_records
    from mim_tf.pictures import files, sheets

    config = config.model_copy(update={"data": config.data.model_copy(update={"records": folder})})
    rows, captions = [], []
    for split in SPLITS:
        source = load_records(config, split)
        count = min(_SHEET_ROWS // len(SPLITS), len(source))
        for place in range(count):
            index = place * len(source) // count
            rows.append([source.picture(index, _SHEET_SIZE)])
            captions.append(f"{split}: {source.captions[index][0]}")
    files.write(folder / "contact-sheet.png", sheets.labelled_grid(rows, [], captions))


if __name__ == "__main__":
    sys.exit(main())
