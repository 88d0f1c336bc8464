"""How near the input pipeline comes to the machine's limit: pictures a second, and memory.

    python -m benchmarks.input_pipeline --root DIR [--size 256] [--threads 2]

DIR is a CUB folder in the official layout, whole or in part. Measured in turns, the median of all
rounds: decoding alone (OpenCV, TensorFlow), the training pipeline from JPEG files, from records
and from its cache, each with crop, resize, random crop, flip and captions.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import tensorflow as tf

from mim_tf.config import Config
from mim_tf.config_files import parse_config
from mim_tf.data.pipeline import Sampler, training_batches
from mim_tf.data.sets import cub
from mim_tf.data.sources import load_source
from mim_tf.errors import entry_point
from mim_tf.prepare import prepare
from mim_tf.training.start import build_vocabulary

BATCH = 30  # the paper's
SKIPPED = 8  # batches: more than the pipeline reads ahead


def config_of(arguments: argparse.Namespace, records: Path | None, cache_gb: float) -> Config:
    return parse_config(
        {
            "data": {
                "source": "cub", "root": str(arguments.root), "partial": True,
                "records": None if records is None else str(records),
            },
            "model": {"coarse_size": arguments.size // 2, "fine_size": arguments.size},
            "train": {"batch_size": BATCH, "steps": 1},
            "deviations": {"warm_up": 0},
            "machine": {"cache_gb": cache_gb, "workers": arguments.threads},
        },
        "benchmark",
    )  # fmt: skip


def batches_of(config: Config) -> Callable[[int], Iterator[int]]:
    """A function that runs so many steps of the pipeline and yields the size of each batch."""
    source = load_source(config, "train")
    sampler = Sampler(source, build_vocabulary(source, config), config)

    def run(steps: int) -> Iterator[int]:
        for batch in training_batches(sampler, 0, steps):
            yield int(batch["picture"].shape[0])

    return run


def decode_opencv(files: list[bytes], threads: int) -> Iterator[int]:
    cv2.setNumThreads(1)

    def decode(data: bytes) -> int:
        cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
        return 1

    with ThreadPoolExecutor(threads) as pool:
        yield from pool.map(decode, files)


def decode_tensorflow(files: list[bytes], threads: int) -> Iterator[int]:
    options = tf.data.Options()
    options.threading.private_threadpool_size = threads
    decoded = tf.data.Dataset.from_tensor_slices(files).map(
        lambda data: tf.shape(tf.io.decode_jpeg(data, channels=3)), num_parallel_calls=threads
    )
    for batch in decoded.with_options(options).batch(BATCH):
        yield len(batch)


def anonymous_memory() -> float:
    """MB that this process holds, mapped files not counted (Linux)."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("RssAnon:")[1].split()[0]) / 1024


@entry_point
def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, required=True, help="CUB's folder")
    parser.add_argument("--size", type=int, default=256, help="model.fine_size")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=20, help="to watch memory over")
    arguments = parser.parse_args()
    threads = arguments.threads
    files = [record.path.read_bytes() for record in cub.load(arguments.root, "train").records] * 3

    with tempfile.TemporaryDirectory() as temporary:
        records = Path(temporary) / "records"
        prepare(config_of(arguments, None, 0), records)
        print()
        # Few photographs come round more often, so that enough is left to measure.
        steps = max(len(files) // BATCH, 4 * SKIPPED)
        ways = {
            "from JPEG files": batches_of(config_of(arguments, None, 0)),
            "from records": batches_of(config_of(arguments, records, 0)),
            "from the cache": batches_of(config_of(arguments, None, 4)),
        }
        measured: dict[str, list[float]] = {}
        work: dict[str, list[float]] = {}  # microseconds of all threads a picture
        for turn in range(arguments.rounds + 1):
            jobs: dict[str, Callable[[], Iterator[int]]] = {
                "decode only, OpenCV": lambda: decode_opencv(files, threads),
                "decode only, TensorFlow": lambda: decode_tensorflow(files, threads),
            }
            jobs |= {
                name: (lambda run=run: itertools.islice(run(steps), SKIPPED, steps - SKIPPED))
                for name, run in ways.items()
            }
            for name, job in jobs.items():
                counts = job()
                # Training begins once: neither the graph nor the first read-ahead is counted.
                next(counts)
                start, began = time.perf_counter(), time.process_time()
                count = sum(counts)
                if turn:  # the first warms up
                    work.setdefault(name, []).append((time.process_time() - began) / count * 1e6)
                    measured.setdefault(name, []).append(count / (time.perf_counter() - start))
        cost = {name: statistics.median(values) for name, values in work.items()}
        speeds = {name: statistics.median(values) for name, values in measured.items()}
        print(f"pictures a second, {arguments.size} px, {threads} threads, "
              f"median of {arguments.rounds}:")  # fmt: skip
        for name, speed in speeds.items():
            print(f"  {name:26s} {speed:8.0f}   {cost[name]:6.0f} us of CPU a picture")
        for above, below, target in (
            ("from JPEG files", "decode only, OpenCV", "target 0.8"),
            ("from JPEG files", "decode only, TensorFlow", ""),
            ("from records", "from JPEG files", "target 3"),
        ):
            # On a machine that does other things too, the ratio of the work is the steadier one.
            by_time, by_work = speeds[above] / speeds[below], cost[below] / cost[above]
            print(f"{above} / {below}: {by_time:.2f} by time, {by_work:.2f} by CPU  {target}")

        for name, run in ways.items():
            epoch = max(1, len(files) // 3 // BATCH)
            memory = []
            for number, _ in enumerate(run(arguments.epochs * epoch), 1):
                if number % epoch == 0:
                    memory.append(anonymous_memory())
            shown = " ".join(f"{one:.0f}" for one in memory)
            print(f"memory after each epoch {name}, MB: {shown}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
