"""Speed of the input pipeline compared with decoding alone, and its memory.

    python -m benchmarks.input_pipeline --root DIR [--size 256] [--threads 2]

DIR is a CUB folder in the official layout, complete or not. It measures decoding alone (by OpenCV
and by TensorFlow), and the training pipeline from JPEG files, from records and from its cache, each
with crop, resize, random crop, flip and captions. They run in turns, so that all see the same load
of the machine by other processes; the result is the median of all rounds.
"""

from __future__ import annotations

import argparse
import functools
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
from mim_tf.data.preparation import prepare
from mim_tf.data.sets import cub
from mim_tf.data.sources import load_source
from mim_tf.errors import entry_point
from mim_tf.training.start import build_vocabulary

BATCH = 30  # the paper's batch size
SKIPPED = 8  # batches at the beginning and the end; more than the pipeline reads ahead

# Runs a job and yields the number of pictures of each of its steps.
Job = Callable[[], Iterator[int]]
# Runs a number of steps of the input pipeline and yields the number of pictures of each.
Pipeline = Callable[[int], Iterator[int]]


def config_of(arguments: argparse.Namespace, records: Path | None, cache_gb: float) -> Config:
    """A run's configuration that reads JPEG files, or records, or keeps pictures in a cache."""
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


def batches_of(config: Config) -> Pipeline:
    """A function that runs a number of steps of the pipeline and yields each batch's size."""
    source = load_source(config, "train")
    sampler = Sampler(source, build_vocabulary(source, config), config)

    def run(steps: int) -> Iterator[int]:
        for batch in training_batches(sampler, 0, steps):
            yield int(batch["picture"].shape[0])

    return run


def decode_opencv(files: list[bytes], threads: int) -> Iterator[int]:
    """Decode JPEG files with OpenCV; yields 1 for each."""
    cv2.setNumThreads(1)

    def decode(data: bytes) -> int:
        cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
        return 1

    with ThreadPoolExecutor(threads) as pool:
        yield from pool.map(decode, files)


def decode_tensorflow(files: list[bytes], threads: int) -> Iterator[int]:
    """Decode JPEG files with TensorFlow; yields the size of each batch."""
    options = tf.data.Options()
    options.threading.private_threadpool_size = threads
    decoded = tf.data.Dataset.from_tensor_slices(files).map(
        lambda data: tf.shape(tf.io.decode_jpeg(data, channels=3)), num_parallel_calls=threads
    )
    for batch in decoded.with_options(options).batch(BATCH):
        yield len(batch)


def anonymous_memory() -> float:
    """MB of memory of this process, without mapped files (Linux)."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("RssAnon:")[1].split()[0]) / 1024


def measure(jobs: dict[str, Job], rounds: int) -> tuple[dict[str, float], dict[str, float]]:
    """Run the jobs in turns, after a round that warms up.

    Returns:
        For each job the medians of its pictures per second, and of the CPU time of all threads for
        a picture, in microseconds.
    """
    speeds: dict[str, list[float]] = {name: [] for name in jobs}
    costs: dict[str, list[float]] = {name: [] for name in jobs}
    for number in range(rounds + 1):
        for name, job in jobs.items():
            counts = job()
            # The first step builds the graph and fills the read-ahead, which training does once.
            next(counts)
            start, cpu_start = time.perf_counter(), time.process_time()
            count = sum(counts)
            if number:
                costs[name].append((time.process_time() - cpu_start) / count * 1e6)
                speeds[name].append(count / (time.perf_counter() - start))
    return (
        {name: statistics.median(values) for name, values in speeds.items()},
        {name: statistics.median(values) for name, values in costs.items()},
    )


def memory_after_epochs(run: Pipeline, epochs: int, steps: int) -> list[float]:
    """MB after each epoch of ``steps`` batches."""
    memory = []
    for number, _ in enumerate(run(epochs * steps), 1):
        if number % steps == 0:
            memory.append(anonymous_memory())
    return memory


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--root", type=Path, required=True, help="CUB's folder")
    parser.add_argument("--size", type=int, default=256, help="model.fine_size")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=20, help="over which memory is measured")
    return parser.parse_args()


@entry_point
def main() -> int:
    arguments = _arguments()
    threads = arguments.threads
    files = [record.path.read_bytes() for record in cub.read(arguments.root, "train").records] * 3

    with tempfile.TemporaryDirectory() as temporary:
        records = Path(temporary) / "records"
        prepare(config_of(arguments, None, 0), records)
        print()
        # Few photographs are repeated more often, so that enough batches are left to measure.
        steps = max(len(files) // BATCH, 4 * SKIPPED)
        pipelines = {
            "from JPEG files": batches_of(config_of(arguments, None, 0)),
            "from records": batches_of(config_of(arguments, records, 0)),
            "from the cache": batches_of(config_of(arguments, None, 4)),
        }
        jobs: dict[str, Job] = {
            "decode only, OpenCV": lambda: decode_opencv(files, threads),
            "decode only, TensorFlow": lambda: decode_tensorflow(files, threads),
        }
        for name, run in pipelines.items():
            jobs[name] = functools.partial(_middle_steps, run, steps)
        speeds, costs = measure(jobs, arguments.rounds)
        print(f"pictures a second, {arguments.size} px, {threads} threads, "
              f"median of {arguments.rounds}:")  # fmt: skip
        _print_speeds(speeds, costs)
        for name, run in pipelines.items():
            memory = memory_after_epochs(run, arguments.epochs, max(1, len(files) // 3 // BATCH))
            shown = " ".join(f"{megabytes:.0f}" for megabytes in memory)
            print(f"memory after each epoch {name}, MB: {shown}")
    return 0


def _middle_steps(run: Pipeline, steps: int) -> Iterator[int]:
    """Run ``steps`` steps without the first and the last `SKIPPED`."""
    return itertools.islice(run(steps), SKIPPED, steps - SKIPPED)


def _print_speeds(speeds: dict[str, float], costs: dict[str, float]) -> None:
    """Print speed and CPU time of each job, and the ratios that have a target."""
    for name, speed in speeds.items():
        print(f"  {name:26s} {speed:8.0f}   {costs[name]:6.0f} us of CPU a picture")
    for above, below, target in (
        ("from JPEG files", "decode only, OpenCV", "target 0.8"),
        ("from JPEG files", "decode only, TensorFlow", ""),
        ("from records", "from JPEG files", "target 3"),
    ):
        # While other processes run, the ratio of CPU times is the more reliable of the two.
        by_time, by_work = speeds[above] / speeds[below], costs[below] / costs[above]
        print(f"{above} / {below}: {by_time:.2f} by time, {by_work:.2f} by CPU  {target}")


if __name__ == "__main__":
    sys.exit(main())
