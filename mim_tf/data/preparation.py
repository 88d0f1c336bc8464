"""Preparation: check a data set and write it as records, in several processes if wanted.

Stopped, it goes on where it was: finished shards stay, and the checksums are written last.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

from mim_tf import checksums
from mim_tf.config import Config
from mim_tf.data import overview, records
from mim_tf.data.source import SPLITS, Source, Split
from mim_tf.data.sources import load_raw
from mim_tf.errors import UserError
from mim_tf.storage import remove_partial, replace_text
from mim_tf.text import Vocabulary

Sources = dict[Split, Source]


def prepare(config: Config, folder: Path) -> None:
    """Write the records of both splits into ``folder``, or finish what was begun there.

    Raises:
        UserError: the data set is incomplete or broken, too many pictures are, the folder holds
            records made under other settings, or it cannot be written.
    """
    settings: dict[str, Any] = records.settings_of(config)
    sources: Sources = {split: load_raw(config.data, split) for split in SPLITS}
    for split, source in sources.items():
        settings[f"{split} split"] = records.fingerprint(source)
    _begin(folder, settings, sources)
    _write_shards(config, folder, sources)
    manifest = _manifest(config, folder, settings, sources)
    _check_broken(folder, manifest, config.data.broken_limit)
    try:
        for split in SPLITS:
            rows = overview.rows_of(folder, manifest["splits"][split])
            replace_text(folder / f"{split}.txt", "".join(f"{row['id']}\n" for row in rows))
        records.write_json(folder / records.MANIFEST, manifest)
    except OSError as error:
        raise UserError(f"{folder}: cannot be written ({error.strerror})") from None
    remove_partial(folder)  # of processes that were killed
    checksums.write_sums_of_all(folder)
    overview.write_contact_sheet(config, folder)  # reads the records
    checksums.write_sums(folder, [overview.SHEET])
    for line in overview.summary(folder, manifest, config.data.max_words):
        print(line)


def _begin(folder: Path, settings: dict[str, Any], sources: Sources) -> None:
    """Make the folder, or check that it is being filled under the same settings."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / records.SETTINGS).exists():
            records.check_settings(
                folder, settings, "choose another --output, or remove that folder"
            )
            for name in (checksums.NAME, records.MANIFEST):  # until all is whole again
                (folder / name).unlink(missing_ok=True)
        elif any(folder.iterdir()):
            raise UserError(f"{folder} holds other files; choose another --output")
        else:
            _check_room(folder, settings, sources)
            records.write_json(folder / records.SETTINGS, settings)
    except OSError as error:
        raise UserError(f"{folder}: cannot be written ({error.strerror})") from None


def _check_room(folder: Path, settings: dict[str, Any], sources: Sources) -> None:
    """Remove the empty folder again and refuse, where its disk has too little room."""
    needed = sum(
        3 * len(source) * settings[f"size of {what} pictures"] ** 2
        for source, what in zip(sources.values(), ("training", "test"), strict=True)
    )
    free = shutil.disk_usage(folder).free
    if free < needed:
        folder.rmdir()
        raise UserError(
            f"{folder}: the records need {needed / 1e9:.1f} GB, {free / 1e9:.1f} GB are free; "
            "make room, or choose another --output"
        )


def _check_broken(folder: Path, manifest: dict[str, Any], limit: int) -> None:
    """Report the pictures that could not be read, and refuse too many of them."""
    splits = manifest["splits"]
    broken = [entry for split in SPLITS for entry in splits[split]["broken"]]
    for name, reason in broken:
        print(f"left out {name}: {reason}", file=sys.stderr)
    if len(broken) > limit:
        raise UserError(
            f"{len(broken)} pictures are broken, more than data.broken_limit={limit}; the first: "
            f"{broken[0][1]}"
        )
    for split in SPLITS:
        kept = splits[split]["pictures"]
        if kept < 2:
            raise UserError(
                f"{folder}: {kept} sound pictures in the {split} split, at least 2 are needed; "
                "replace those left out, and run it again"
            )


# Work for several processes ----------------------------------------------------------------------


class _Work(NamedTuple):
    """What a process needs to write shards."""

    folder: Path
    sources: Sources
    sizes: dict[Split, int]


class _Job(NamedTuple):
    """A shard to be written."""

    split: Split
    name: str
    numbers: range


_work: list[_Work] = []  # of this process, one entry; a pool's initializer can return nothing


def _start_worker(config: Config, folder: Path, sizes: dict[Split, int]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupted run finishes its shards
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # Listed again in each process: what is handed over must fit into a pipe, or the death of a
    # process while it starts would be waited for without end.
    sources: Sources = {split: load_raw(config.data, split) for split in SPLITS}
    _work[:] = [_Work(folder, sources, sizes)]


def _end_with_parent() -> None:
    """End this process as soon as the one that started it is gone: killed, it could not say so."""
    parent = parent_process()
    assert parent is not None  # a worker has one
    parent.join()
    os._exit(1)


def _write(job: _Job) -> int:
    """Write a shard with this process's work; gives how many pictures it covers."""
    work = _work[0]
    source, size = work.sources[job.split], work.sizes[job.split]
    records.write_shard(work.folder, job.name, source, job.numbers, size)
    return len(job.numbers)


def _write_shards(config: Config, folder: Path, sources: Sources) -> None:
    """Write the shards that are not there yet, undamaged and of the pictures as they are now."""
    jobs = [
        _Job(split, name, numbers)
        for split in SPLITS
        for name, numbers in records.shard_names(split, len(sources[split]))
    ]
    todo = [
        job
        for job in jobs
        if not records.is_whole(folder, job.name, sources[job.split], job.numbers)
    ]
    size = config.model.fine_size
    sizes = {split: source.stored_size(size) for split, source in sources.items()}
    workers = min(config.machine.workers or os.cpu_count() or 1, len(todo))
    total = sum(len(job.numbers) for job in jobs)
    done = total - sum(len(job.numbers) for job in todo)
    with tqdm(total=total, initial=done, unit="picture", dynamic_ncols=True) as bar:
        if workers <= 1:
            _work[:] = [_Work(folder, sources, sizes)]
            for job in todo:
                bar.update(_write(job))
            return
        with ProcessPoolExecutor(
            workers, get_context("spawn"), _start_worker, (config, folder, sizes)
        ) as pool:
            results = [pool.submit(_write, job) for job in todo]
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


def _manifest(
    config: Config, folder: Path, settings: dict[str, Any], sources: Sources
) -> dict[str, Any]:
    """What ``manifest.json`` says: settings, shards with checksums, and the vocabulary."""
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
    rows = overview.rows_of(folder, splits["train"])
    texts = (caption for row in rows for caption in row["captions"])
    vocabulary = Vocabulary.build(texts, config.data.min_word_count)
    return {"settings": settings, "splits": splits, "vocabulary": vocabulary.words}
