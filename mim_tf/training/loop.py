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
from mim_tf.run import Run
from mim_tf.storage import is_full, remove_partial
from mim_tf.training import inspection, warm_up
from mim_tf.training.checkpoints import FOLDER, Checkpoints
from mim_tf.training.hooks import NO_HOOKS, Hooks
from mim_tf.training.interruption import Interruption
from mim_tf.training.means import Means
from mim_tf.training.mimnet import MIMNet
from mim_tf.training.samples import Samples
from mim_tf.training.start import check_vocabulary, read_word_vectors, start_run
from mim_tf.training.steps import step_graph
from mim_tf.training.strategies import (
    any_worker,
    check_batch,
    described,
    has_peers,
    lost_peers_told,
    make_strategy,
    out_of_memory,
    own_directory,
    set_up,
    share_state,
)
from mim_tf.training.transfer import start_from

_MEMORISED = 2000  # captions whose textures the memory starts from
_IN_PROGRESS_BAR = (
    "L_rec_fine", "L_rec_coarse", "L_p", "L_match", "L_m_fine", "L_D_fine", "L_I_fine", "L_T_fine",
)  # fmt: skip


def start(path: Path, config: Config, hooks: Hooks = NO_HOOKS) -> Run:
    """Train a new run at ``path`` on the source that ``config`` names; raises as :func:`train`
    and :func:`mim_tf.training.start.start_run`."""
    # Before all else: TensorFlow connects the workers only at its own start.
    strategy = make_strategy(config.machine, alone=False)
    source = load_source(config, "train")
    with own_directory(path, strategy) as own:
        run = start_run(own, config, source)
        train(run, source, strategy, hooks)
    return run


def resume(path: Path, hooks: Hooks = NO_HOOKS) -> Run:
    """Train the run at ``path`` to its end; raises as :func:`train` and
    :func:`mim_tf.training.start.check_vocabulary`."""
    run = Run.open(path)
    strategy = make_strategy(run.config.machine, alone=False)
    source = load_source(run.config, "train")
    check_vocabulary(run, source)
    with own_directory(path, strategy) as own:
        if own != path:
            run = Run.create(own, run.config, run.vocabulary, source.ids)
        train(run, source, strategy, hooks)
    return run


def train(
    run: Run,
    source: Source,
    strategy: tf.distribute.Strategy | None = None,
    hooks: Hooks = NO_HOOKS,
) -> None:
    """Train a run from its newest checkpoint, or from the start, to its end.

    Progress goes to stderr, the losses to ``log.jsonl`` and TensorBoard, sample grids to
    ``samples/``. SIGINT, SIGTERM and SIGHUP let it end its step and save a checkpoint first.
    Of several workers each has a directory of its own; the chief's holds the checkpoints.

    Args:
        strategy: the devices; unless given, those of this machine.
        hooks: what to call on the way.

    Raises:
        InterruptedBySignal: one of these signals came.
        UserError: a loss that is not finite, a batch that the devices cannot share, a checkpoint
            that does not fit, a trained run without a whole checkpoint, a run that another
            process trains, another worker that ended.
    """
    strategy = strategy or make_strategy(run.config.machine)
    check_batch(run.config, strategy)
    with locked(run.path), lost_peers_told(strategy):
        remove_partial(run.path)
        _train(run, source, strategy, hooks)


def _train(run: Run, source: Source, strategy: tf.distribute.Strategy, hooks: Hooks) -> None:
    """:func:`train` of a run that no other process changes."""
    config = run.config
    steps = steps_after_warm_up(config, len(source))

    tf.keras.utils.set_random_seed(config.train.seed)
    exactness = "deterministic" if set_up(config.machine) else "not deterministic"

    # Model and data.
    vectors = read_word_vectors(config, run.vocabulary)
    with strategy.scope():
        model = MIMNet(config, len(run.vocabulary), strategy.num_replicas_in_sync, vectors)
    sampler = Sampler(source, run.vocabulary, config)

    # Where it stopped last time.
    state, means = model.state, Means()
    everything = state.checkpoint(means=means)
    checkpoints = Checkpoints(
        run.path / FOLDER, everything, config.machine.keep_checkpoints, run.was_trained()
    )
    first = int(state.step.numpy())
    if first == 0 and config.train.start_from is not None:
        start_from(state, run.vocabulary, config.train.start_from)
    share_state(strategy, tf.nest.flatten(state.parts()))
    # The warm-up may end early: so many steps there are at most.
    last = steps + state.warm_up_steps
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
        f"{run.path}: steps {first + 1} to {at_most}{last} on {described(strategy)}, {exactness}",
        file=sys.stderr,
    )
    batches = strategy.distribute_datasets_from_function(
        lambda context: training_batches(sampler, first, last, context)
    )
    tokens = sampler.first_captions(_MEMORISED)
    loop = _Loop(
        run, model, strategy, checkpoints, means, Samples(run, source, model), tokens, hooks
    )
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
        means: Means,
        samples: Samples,
        captions: np.ndarray,
        hooks: Hooks,
    ) -> None:
        self.run_directory, self.model, self.state = run, model, model.state
        self.config, self.strategy, self.checkpoints = run.config, strategy, checkpoints
        self.means, self.samples, self.captions, self.hooks = means, samples, captions, hooks
        self.writer = tf.summary.create_file_writer(str(run.path / "tensorboard"))
        self._graphs: dict[str, Callable] = {}

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
        step, told = first, False
        try:
            for batch in batches:
                if self.state.in_warm_up:
                    self._look_at_warm_up()
                bar.total = last = self.state.warm_up_steps + steps
                self.state.set_progress(step, steps)
                self.hooks.before_step(step)
                self.means.add(self._step(batch, step))
                step += 1
                bar.update()
                if step % machine.log_every == 0 or step == last:
                    self._log(step, step * batch_size / pictures, bar)
                if step % machine.sample_every == 0 or step == last:
                    self._draw_samples(step)
                told = self._told_to_stop(interruption, step)
                stops = told or step == last
                if step % machine.checkpoint_every == 0 or stops:
                    self._save(step)
                if stops:
                    break
            if told and interruption.signal is None:
                raise UserError(f"another worker was told to stop, after step {step}")
        except tf.errors.InvalidArgumentError as error:
            raise self._not_finite(error, step + 1, batch) from None
        except (OSError, tf.errors.OpError) as error:
            raise self._without_room(error) from None
        finally:
            bar.close()
            self.writer.close()

    def _told_to_stop(self, interruption: Interruption, step: int) -> bool:
        """Whether a signal has come; of several workers to any of them, asked when all log."""
        signalled = interruption.signal is not None
        if not has_peers(self.strategy):
            return signalled
        logs = step % self.config.machine.log_every == 0
        return logs and any_worker(self.strategy, signalled)

    # The warm-up's end.

    def _look_at_warm_up(self) -> None:
        """Before a step: end the warm-up where it is done, begin it again where it stands still."""
        state = self.state
        figures = (
            f"L_match {float(state.match_mean.numpy()):.2f} "
            f"({state.match_at_chance:.2f} at chance) "
            f"after {int(state.step.numpy())} steps of warm-up"
        )
        if warm_up.stands_still(state):
            print(f"{figures}: it learns nothing; begun again, other weights", file=sys.stderr)
            warm_up.begin_again(state)
            share_state(self.strategy, tf.nest.flatten(state.parts()))
        elif warm_up.is_over(state):
            missed = warm_up.end_warm_up(state, self.captions)
            share_state(self.strategy, tf.nest.flatten(state.parts()))
            print(
                f"{figures}, which ends; the memory misses {missed:.1%} of its textures",
                file=sys.stderr,
            )

    # A step, of the warm-up or of both stages.

    def _step(self, batch, step: int) -> dict[str, tf.Tensor]:
        deviations = self.config.deviations
        if self.state.in_warm_up:
            return self._graph("warm_up", self.model.warm_up_step)(batch)
        after_warm_up = step - self.state.warm_up_steps
        discriminate = after_warm_up % deviations.adversarial_every == 0
        adversary = discriminate and after_warm_up >= deviations.adversarial_start
        return self._graph(
            f"{discriminate=}, {adversary=}", self.model.train_step,
            discriminate=discriminate, adversary=adversary,
        )(batch)  # fmt: skip

    def _graph(self, name: str, take_step: Callable, **options: bool) -> Callable:
        """The graph of a kind of step, traced once."""
        if name not in self._graphs:
            self._graphs[name] = step_graph(self.model, self.strategy, take_step, **options)
        return self._graphs[name]

    # The log, the samples, the checkpoint.

    def _log(self, step: int, epoch: float, bar: tqdm) -> None:
        """The means since the last row."""
        means = self.means.take()
        rate = float(self.state.optimizer_of(step - 1).learning_rate.numpy())
        row: dict[str, Any] = {"step": step, "epoch": round(epoch, 4), "learning_rate": rate}
        self.run_directory.log(row | means)
        self.hooks.on_log(step, {**row, **means})
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

    def _without_room(self, error: Exception) -> Exception:
        """One line for the user, if a disk is full or a device's memory; else the error itself."""
        if is_full(error):
            return UserError(
                f"{self.run_directory.path}: the disk is full; make room and go on with --resume, "
                "from the newest checkpoint"
            )
        if isinstance(error, tf.errors.ResourceExhaustedError):
            return out_of_memory(self.config, self.strategy)
        return error

    def _not_finite(self, error: tf.errors.InvalidArgumentError, step: int, batch) -> Exception:
        """One line for the user, if it was a loss or a gradient that is not finite."""
        found = re.search(r"(\w+) : Tensor had (NaN|Inf)", str(error))
        if found is None:
            return error
        try:
            kept = inspection.keep(
                self.run_directory.path, step, batch, self.checkpoints.state, self.strategy
            )
            where = f"its batch and state are in {kept}"
        except (OSError, tf.errors.OpError) as failed:
            where = f"its batch could not be kept ({str(failed).splitlines()[0]})"
        return UserError(
            f"{found[1]} is not finite at step {step}; {where}. Train anew with a lower "
            "optimizer.learning_rate or weight of that loss; the newest checkpoint is as it was"
        )
