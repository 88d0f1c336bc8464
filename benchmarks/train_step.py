"""What a training step costs, part by part: ``python -m benchmarks.train_step``.

Random pictures and captions, and random weights of Enc: the numbers have no part in the cost. A
part is the difference between two kinds of steps: discriminators = the step that trains them less
the one that does not. In turns with the steps a 3x3 convolution of 256 to 256 channels at 64 x 64,
batch 8, measures the machine. On a CPU, seconds are those that its cores worked, so that the
figures hold on a busy machine as well; on a GPU they are the clock's.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence

from mim_tf.onednn import prefer_onednn

prefer_onednn()  # as training does, before TensorFlow is imported

import numpy as np
import tensorflow as tf

from mim_tf.config import Config
from mim_tf.config_files import load_config
from mim_tf.data.pipeline import CAPTIONS
from mim_tf.errors import UserError, entry_point
from mim_tf.flags import add_config_flags
from mim_tf.training import costs
from mim_tf.training.mimnet import MIMNet
from mim_tf.training.steps import step_graph

_VOCABULARY = 5000
_REFERENCE = (8, 64, 256)  # batch, side and channels of the convolution
_NO_L_M = "loss.m={coarse: 0, fine: 0}"


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.train_step",
        description="Seconds, speed and GFLOP-equivalents of a training step, part by part.",
    )
    add_config_flags(parser, default=["cub.yaml"])
    parser.add_argument("--size", type=int, nargs="+", default=[128, 256], help="pixels")
    parser.add_argument("--batch", type=int, help="default: 8 at 128 px, 4 at 256 px")
    parser.add_argument("--steps", type=int, default=5, help="of each kind; the median counts")
    parser.add_argument(
        "--replicas", type=int, choices=(1, 2), default=1,
        help="2: also the full step on two devices that share the batch",
    )  # fmt: skip
    parser.add_argument("--count", action="store_true", help="multiply-adds alone; runs nothing")
    return parser.parse_args(argv)


@entry_point
def main(argv: Sequence[str] | None = None) -> int:
    arguments = _arguments(argv)
    if arguments.steps < 1:
        raise UserError("--steps must be at least 1")
    cpus = tf.config.list_physical_devices("CPU")
    if arguments.replicas > 1 and not tf.config.list_physical_devices("GPU"):
        tf.config.set_logical_device_configuration(
            cpus[0], [tf.config.LogicalDeviceConfiguration()] * arguments.replicas
        )
    for size in arguments.size:
        batch = arguments.batch or max(2, 1024 // size)
        print(f"\n{size} px, batch {batch}, {device()}")
        jobs = kinds_of(arguments, size, batch)
        if arguments.count:
            print_counts(jobs, batch)
        else:
            print_table(measured(jobs, arguments.steps), jobs, batch)
    return 0


def device() -> str:
    """What is measured."""
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        return "CPU"
    return str(tf.config.experimental.get_device_details(gpus[0]).get("device_name", "GPU"))


def config_of(arguments: argparse.Namespace, size: int, batch: int, *more: str) -> Config:
    """The configuration at another size, without the weights of Enc."""
    sizes = [f"model.fine_size={size}", f"model.coarse_size={size // 2}"]
    fixed = ["model.encoder_weights=none", f"train.batch_size={batch}", "data.word_vectors=null"]
    return load_config(*arguments.config, overrides=[*sizes, *fixed, *arguments.set, *more])


class Job:
    """A kind of step on a fixed batch.

    Args:
        devices: that share the batch; one unless there are several.
        options: of :meth:`MIMNet.train_step`; None: the warm-up's step.
    """

    def __init__(
        self, config: Config, options: dict[str, bool] | None, devices: Sequence[str] = ()
    ) -> None:
        strategy = (
            tf.distribute.MirroredStrategy(devices) if devices else tf.distribute.get_strategy()
        )
        self.words = config.data.max_words
        with strategy.scope():
            model = MIMNet(config, _VOCABULARY, strategy.num_replicas_in_sync)
        take_step = model.warm_up_step if options is None else model.train_step
        self._step = step_graph(model, strategy, take_step, **(options or {}))
        data = tf.data.Dataset.from_tensors(_batch(config)).unbatch()
        data = data.batch(config.train.batch_size, drop_remainder=True)
        self._batch = next(iter(strategy.experimental_distribute_dataset(data)))

    def run(self) -> None:
        """Take a step and wait for it."""
        float(next(iter(self._step(self._batch).values())))

    def multiply_adds(self) -> dict[str, int]:
        """Of the whole batch, by part."""
        graph = self._step.get_concrete_function(self._batch).graph
        return costs.by_part(graph.get_operations(), self.words)


def _batch(config: Config) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    size, count, words = config.model.fine_size, config.train.batch_size, config.data.max_words
    captions = {name: rng.integers(2, _VOCABULARY, (count, words), np.int32) for name in CAPTIONS}
    return {"picture": rng.integers(0, 256, (count, size, size, 3), np.uint8), **captions}


def kinds_of(arguments: argparse.Namespace, size: int, batch: int) -> dict[str, Job]:
    """The kinds of steps, each with something more than the one before it."""
    whole = config_of(arguments, size, batch)
    without = config_of(arguments, size, batch, _NO_L_M)
    jobs = {
        "warm-up": Job(whole, None),
        "reconstruction": Job(without, {"discriminate": False, "adversary": False}),
        "and discriminators": Job(without, {"discriminate": True, "adversary": False}),
        "and generator": Job(without, {}),
        "and random memory": Job(whole, {}),
    }
    if arguments.replicas > 1:
        kind = "GPU" if tf.config.list_physical_devices("GPU") else "CPU"
        jobs["two devices"] = Job(whole, {}, [f"{kind}:{number}" for number in range(2)])
    return jobs


def convolution() -> tuple[Callable[[], object], float]:
    """The reference, and its GFLOP."""
    batch, side, channels = _REFERENCE
    picture = tf.random.normal([batch, side, side, channels])
    kernel = tf.random.normal([3, 3, channels, channels])
    call = tf.function(lambda: tf.reduce_sum(tf.nn.conv2d(picture, kernel, 1, "SAME")[:, 0, 0, 0]))
    return lambda: float(call()), 2 * batch * side**2 * 9 * channels**2 / 1e9


def measured(jobs: dict[str, Job], steps: int) -> dict[str, list[float]]:
    """Seconds of each job and of GFLOP of the ``reference``, in turns, after one that traces."""
    reference, gflop = convolution()
    calls: dict[str, Callable[[], object]] = {name: job.run for name, job in jobs.items()}
    calls["reference"] = reference
    clock = time.perf_counter if tf.config.list_physical_devices("GPU") else time.process_time
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(steps + 1):
        for name, call in calls.items():
            start = clock()
            call()
            if number:
                seconds[name].append(clock() - start)
    seconds["reference"] = [value / gflop for value in seconds["reference"]]
    return seconds


def print_table(seconds: dict[str, list[float]], jobs: dict[str, Job], batch: int) -> None:
    """One line for each kind of step and for what it has more than the one before."""
    speed = 1 / statistics.median(seconds["reference"])
    print(f"convolution: {speed:.0f} GFLOP/s")
    print(f"{'':22} {'s':>8} {'GFLOP/s':>8} {'share':>6} {'GFLOP-equivalents a picture':>28}")
    before = (0.0, 0.0)
    for name, job in jobs.items():
        took, gflop = statistics.median(seconds[name]), 2 * sum(job.multiply_adds().values()) / 1e9
        rows = [(name, took, gflop)]
        if name.startswith("and "):
            more = (took - before[0], gflop - before[1])
            rows.insert(0, (f"  {name.removeprefix('and ')} alone", *more))
        for title, time_of, work in rows:
            rate = work / time_of if time_of > 0 else float("nan")
            print(f"{title:22} {time_of:8.3f} {rate:8.0f} {rate / speed:6.0%} "
                  f"{time_of * speed / batch:28.1f}")  # fmt: skip
        before = (took, gflop)
    if "two devices" in jobs:
        one, two = (
            statistics.median(seconds[name]) for name in ("and random memory", "two devices")
        )
        if tf.config.list_physical_devices("GPU"):
            print(f"two devices share a batch: {one / two:.2f} times the speed of one")
        else:  # the processor's time on all cores says nothing of what they gain side by side
            print(f"two devices share a batch: {two / one:.2f} times the work of one")


def print_counts(jobs: dict[str, Job], batch: int) -> None:
    """G multiply-adds a picture of each kind of step, by part."""
    for name, job in jobs.items():
        counts = {part: count / batch / 1e9 for part, count in job.multiply_adds().items()}
        largest = sorted(counts.items(), key=lambda item: -item[1])[:7]
        shown = ", ".join(f"{part} {count:.1f}" for part, count in largest)
        print(f"{name:22} {sum(counts.values()):8.1f}   {shown}")


if __name__ == "__main__":
    sys.exit(main())
