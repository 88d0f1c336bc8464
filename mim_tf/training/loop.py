"""The training loop: one path for one device and for many.

``strategy.run`` around ``MIMNet.train_step``, because ``Model.fit`` does not work under every
strategy in Keras 3.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from mim_tf.config import Config
from mim_tf.data.pipeline import Sampler, training_batches
from mim_tf.data.source import Source
from mim_tf.data.sources import load_source
from mim_tf.errors import UserError
from mim_tf.locks import locked
from mim_tf.pictures import tensor_pixels
from mim_tf.run import Run
from mim_tf.storage import remove_partial
from mim_tf.training import stages, warm_up
from mim_tf.training.checkpoints import Checkpoints
from mim_tf.training.interruption import Interruption
from mim_tf.training.mimnet import MIMNet
from mim_tf.training.samples import Samples
from mim_tf.training.start import check_vocabulary, read_word_vectors, start_run

_MEMORISED = 2000  # captions whose textures the memory starts from
_IN_PROGRESS_BAR = (
    "L_rec_fine", "L_rec_coarse", "L_p", "L_match", "L_m_fine", "L_D_fine", "L_I_fine", "L_T_fine",
)  # fmt: skip


def start(path: Path, config: Config) -> Run:
    """Train a new run at ``path`` on the source that ``config`` names; raises as :func:`train`
    and :func:`mim_tf.training.start.start_run`."""
    source = load_source(config, "train")
    run = start_run(path, config, source)
    train(run, source)
    return run


def resume(path: Path) -> Run:
    """Train the run at ``path`` to its end; raises as :func:`train` and
    :func:`mim_tf.training.start.check_vocabulary`."""
    run = Run.open(path)
    source = load_source(run.config, "train")
    check_vocabulary(run, source)
    train(run, source)
    return run


def train(run: Run, source: Source, strategy: tf.distribute.Strategy | None = None) -> None:
    """Train a run from its newest checkpoint, or from the start, to its end.

    Progress goes to stderr, the losses to ``log.jsonl`` and TensorBoard, sample grids to
    ``samples/``. SIGINT, SIGTERM and SIGHUP let it end its step and save a checkpoint first.

    Raises:
        InterruptedBySignal: one of these signals came.
        UserError: a loss that is not finite, a batch that the devices cannot share, a checkpoint
            that does not fit, a trained run without a whole checkpoint, a run that another
            process trains.
    """
    strategy = strategy or _strategy()
    _check_devices(run.config, strategy)
    with locked(run.path):
        remove_partial(run.path)
        _train(run, source, strategy)


def _train(run: Run, source: Source, strategy: tf.distribute.Strategy) -> None:
    """:func:`train` of a run that no other process changes."""
    config = run.config
    steps = steps_after_warm_up(config, len(source))

    # The same numbers on every run: resumed must equal unbroken, to the last bit.
    tf.keras.utils.set_random_seed(config.train.seed)
    tf.config.experimental.enable_op_determinism()

    # Model and data.
    vectors = read_word_vectors(config, run.vocabulary)
    with strategy.scope():
        model = MIMNet(config, len(run.vocabulary), strategy.num_replicas_in_sync, vectors)
    sampler = Sampler(source, run.vocabulary, config)

    # Where it stopped last time.
    checkpoints = Checkpoints(run, model.state.checkpoint())
    state = model.state
    first = int(state.step.numpy())
    # The warm-up may end early: so many steps there are at most.
    last = steps + (config.deviations.warm_up if state.in_warm_up else int(state.warm_up_end))
    run.trim_log(first)
    run.seal()  # its length may have been changed
    if first:
        run.save_generator(state.averaged)  # it may have stopped before this file or its checksum
    if first >= last:
        print(f"{run.path}: all {last} steps are done", file=sys.stderr)
        return

    # The steps that are left.
    at_most = "at most " if state.in_warm_up else ""
    print(
        f"{run.path}: steps {first + 1} to {at_most}{last} on {_devices(strategy)}",
        file=sys.stderr,
    )
    batches = strategy.distribute_datasets_from_function(
        lambda context: training_batches(sampler, first, last, context)
    )
    tokens = sampler.first_captions(_MEMORISED)
    loop = _Loop(run, model, strategy, checkpoints, Samples(run, source, model), tokens)
    try:
        with Interruption() as interruption:
            loop.run(batches, first, steps, len(source), interruption)
        interruption.raise_if_signalled()
    except tf.errors.OpError:
        if sampler.problem is None:
            raise
        raise sampler.problem from None


def steps_after_warm_up(config: Config, pictures: int) -> int:
    """How many steps follow the warm-up."""
    train = config.train
    if train.steps is not None:
        return train.steps
    assert train.epochs is not None  # checked by Config
    return max(1, train.epochs * pictures // train.batch_size)


def _strategy() -> tf.distribute.Strategy:
    gpus = tf.config.list_logical_devices("GPU")
    return tf.distribute.MirroredStrategy() if len(gpus) > 1 else tf.distribute.get_strategy()


def _check_devices(config: Config, strategy: tf.distribute.Strategy) -> None:
    batch, replicas = config.train.batch_size, strategy.num_replicas_in_sync
    if batch % replicas:
        raise UserError(f"train.batch_size={batch} cannot be shared by {replicas} devices")


def _devices(strategy: tf.distribute.Strategy) -> str:
    device = "GPU" if tf.config.list_logical_devices("GPU") else "CPU"
    return f"{strategy.num_replicas_in_sync} x {device}"


class _Loop:
    """The steps of a run, with what happens between them.

    Args:
        captions: token ids [K, T] of training captions, from which the memory starts.
    """

    def __init__(
        self,
        run: Run,
        model: MIMNet,
        strategy: tf.distribute.Strategy,
        checkpoints: Checkpoints,
        samples: Samples,
        captions: np.ndarray,
    ) -> None:
        self.run_directory, self.model, self.state = run, model, model.state
        self.config, self.strategy, self.checkpoints = run.config, strategy, checkpoints
        self.samples, self.captions = samples, captions
        self.writer = tf.summary.create_file_writer(str(run.path / "tensorboard"))
        self._graphs: dict[str, Callable] = {}
        self._values: dict[str, list[float]] = {}  # of each loss, since the last row of the log

    def run(
        self, batches, first: int, steps: int, pictures: int, interruption: Interruption
    ) -> None:
        """Take the steps that are left, one of each of ``batches``.

        Args:
            first: how many steps were taken before.
            steps: how many follow the warm-up in all.
            pictures: how many an epoch has.
            interruption: once it has a signal, the step under way is the last, and is saved.
        """
        machine, batch_size = self.config.machine, self.config.train.batch_size
        bar = tqdm(initial=first, unit="step", dynamic_ncols=True, file=sys.stderr)
        step = first
        try:
            for batch in batches:
                if self.state.in_warm_up:
                    self._look_at_warm_up()
                bar.total = last = self._warm_up_steps() + steps
                self.state.set_progress(step, steps)
                self._collect(self._step(batch, step))
                step += 1
                bar.update()
                if step % machine.log_every == 0 or step == last:
                    self._log(step, step * batch_size / pictures, bar)
                if step % machine.sample_every == 0 or step == last:
                    self._draw_samples(step)
                stops = interruption.signal is not None or step == last
                if step % machine.checkpoint_every == 0 or stops:
                    self._save(step)
                if stops:
                    break
        except tf.errors.InvalidArgumentError as error:
            raise self._not_finite(error, step + 1) from None
        finally:
            bar.close()
            self.writer.close()

    # The warm-up's end.

    def _warm_up_steps(self) -> int:
        """How many steps the warm-up took, or has at most."""
        state = self.state
        return self.config.deviations.warm_up if state.in_warm_up else int(state.warm_up_end)

    def _look_at_warm_up(self) -> None:
        """Before a step: end the warm-up where it is done, begin it again where it stands still."""
        state = self.state
        figures = (
            f"L_match {float(state.match_mean):.2f} ({state.match_at_chance:.2f} at chance) "
            f"after {int(state.step)} steps of warm-up"
        )
        if warm_up.stands_still(state):
            print(f"{figures}: it learns nothing; begun again, other weights", file=sys.stderr)
            warm_up.begin_again(state)
        elif warm_up.is_over(state):
            missed = stages.end_warm_up(state, self.captions)
            print(
                f"{figures}, which ends; the memory misses {missed:.1%} of its textures",
                file=sys.stderr,
            )

    # A step, of the warm-up or of both stages.

    def _step(self, batch, step: int) -> dict[str, tf.Tensor]:
        deviations = self.config.deviations
        if self.state.in_warm_up:
            return self._graph("warm_up", self.model.warm_up_step)(batch)
        after_warm_up = step - self._warm_up_steps()
        discriminate = after_warm_up % deviations.adversarial_every == 0
        adversary = discriminate and after_warm_up >= deviations.adversarial_start
        return self._graph(
            f"{discriminate=}, {adversary=}", self.model.train_step,
            discriminate=discriminate, adversary=adversary,
        )(batch)  # fmt: skip

    def _graph(self, name: str, take_step: Callable, **options: bool) -> Callable:
        """The graph of a kind of step, traced once."""
        if name not in self._graphs:
            strategy, state = self.strategy, self.state

            def replica(batch):
                signed = tensor_pixels.to_signed(batch["picture"])
                return take_step({**batch, "picture": signed}, **options)

            @tf.function
            def step(batch):
                logs = strategy.run(replica, args=(batch,))
                mean = tf.distribute.ReduceOp.MEAN
                logs = {key: strategy.reduce(mean, value, axis=None) for key, value in logs.items()}
                state.after_step(logs.get("L_match"))
                return logs

            self._graphs[name] = step
        return self._graphs[name]

    # The log, the samples, the checkpoint.

    def _collect(self, logs: dict[str, tf.Tensor]) -> None:
        for name, value in logs.items():
            self._values.setdefault(name, []).append(float(value))

    def _log(self, step: int, epoch: float, bar: tqdm) -> None:
        """Means since the last row; adversarial losses are absent from steps without them."""
        means = {name: float(np.mean(values)) for name, values in self._values.items()}
        self._values.clear()
        rate = float(self.state.optimizer_of(step - 1).learning_rate.numpy())
        row: dict[str, Any] = {"step": step, "epoch": round(epoch, 4), "learning_rate": rate}
        self.run_directory.log(row | means)
        bar.set_postfix({key: f"{means[key]:.3f}" for key in _IN_PROGRESS_BAR if key in means})
        with self.writer.as_default(step):
            for name, value in means.items():
                tf.summary.scalar(name, value)

    def _draw_samples(self, step: int) -> None:
        sheet = self.samples.draw(step)
        with self.writer.as_default(step):
            tf.summary.image("samples", sheet[None])

    def _save(self, step: int) -> None:
        self.checkpoints.save(step)
        self.run_directory.save_generator(self.state.averaged)

    def _not_finite(self, error: tf.errors.InvalidArgumentError, step: int) -> Exception:
        """One line for the user, if it was a loss or a gradient that is not finite."""
        found = re.search(r"(\w+) : Tensor had (NaN|Inf)", str(error))
        if found is None:
            return error
        return UserError(
            f"{found[1]} is not finite at step {step}; nothing of that step was saved. "
            "Train anew with a lower optimizer.learning_rate or weight of that loss"
        )
