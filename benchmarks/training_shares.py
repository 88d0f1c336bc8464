"""What of a training is neither network nor loss: ``python -m benchmarks.training_shares``.

Full steps of a real training on its own data, with the learning rates set before each and the
losses fetched at the end, as the loop does. Input wait: the share of the clock's time that passes
until a batch is there. Python: the share of the processor's time that the thread of the loop spends
outside of TensorFlow's graphs.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mim_tf.onednn import prefer_onednn

prefer_onednn()  # as training does, before TensorFlow is imported

import tensorflow as tf
from tensorflow.python.eager.context import Context

from mim_tf.config_files import load_config
from mim_tf.data.pipeline import Sampler, training_batches
from mim_tf.data.sources import load_source
from mim_tf.errors import entry_point
from mim_tf.flags import add_config_flags
from mim_tf.training.means import Means
from mim_tf.training.mimnet import MIMNet
from mim_tf.training.schedule import Schedule
from mim_tf.training.start import fit_to_words
from mim_tf.training.steps import step_graph

_TRACED = 2  # steps before the clock runs


@dataclass
class Stopwatch:
    """Time spent in calls: by the clock, and by the processor in this thread, in seconds."""

    clock: float = 0.0
    thread: float = 0.0

    def around(self, function: Callable) -> Callable:
        """``function``, timed."""

        def call(*arguments, **options):
            clock, thread = time.perf_counter(), time.thread_time()
            try:
                return function(*arguments, **options)
            finally:
                self.clock += time.perf_counter() - clock
                self.thread += time.thread_time() - thread

        return call


@entry_point
def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.training_shares",
        description="Shares of a training's time that wait for input, and that Python takes.",
    )
    add_config_flags(parser, default=["birds.yaml"])
    parser.add_argument("--steps", type=int, default=20)
    arguments = parser.parse_args(argv)
    config = load_config(*arguments.config, overrides=arguments.set)
    source = load_source(config, "train")
    config, vocabulary, vectors = fit_to_words(config, source)
    model = MIMNet(config, len(vocabulary), vectors=vectors)
    step = step_graph(model, tf.distribute.get_strategy(), model.train_step)
    schedule, means, steps = Schedule(config, 0), Means(), arguments.steps
    batches = iter(training_batches(Sampler(source, vocabulary, config), 0, steps + _TRACED))
    waits, graphs = Stopwatch(), Stopwatch()
    next_batch = waits.around(lambda: next(batches))

    def take(number: int) -> None:
        batch = next_batch()
        model.state.set_rates(schedule.rates(number, steps + _TRACED))
        means.add(number + 1, step(batch))

    for number in range(_TRACED):
        take(number)
    means.take()
    waits.clock = waits.thread = 0.0
    plain = Context.call_function
    Context.call_function = graphs.around(plain)
    try:
        clock, thread, processor = time.perf_counter(), time.thread_time(), time.process_time()
        for number in range(_TRACED, steps + _TRACED):
            take(number)
        graphs.around(means.take)()
        clock, thread = time.perf_counter() - clock, time.thread_time() - thread
        processor = time.process_time() - processor
    finally:
        Context.call_function = plain
    python = thread - graphs.thread - waits.thread
    print(f"{config.model.fine_size} px, batch {config.train.batch_size}, {steps} full steps")
    print(f"a step: {clock / steps:.3f} s, {processor / steps:.3f} s of the processor")
    print(f"input wait: {waits.clock / clock:.2%} of the time")
    print(
        f"Python: {python / processor:.2%} of the processor's time, {python / steps * 1e3:.1f} ms"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
