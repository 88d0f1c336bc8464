"""The training loop: one path for one device and for many.

``strategy.run`` around ``MIMNet.train_step``, because ``Model.fit`` does not work under every
strategy in Keras 3.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TextIO, cast

import tensorflow as tf
from tqdm import tqdm

from mim_tf import logs
from mim_tf.config import Config
from mim_tf.data.pipeline import Sampler, training_batches
from mim_tf.data.source import Source
from mim_tf.data.sources import load_source
from mim_tf.errors import UserError
from mim_tf.locks import locked
from mim_tf.places import LOG
from mim_tf.progress import LastingStderr
from mim_tf.run import Run
from mim_tf.storage import remove_partial
from mim_tf.training import failures, warm_up
from mim_tf.training.checkpoints import FOLDER, Checkpoints
from mim_tf.training.hooks import NO_HOOKS, Hooks
from mim_tf.training.interruption import Interruption
from mim_tf.training.means import Means, NotFiniteError
from mim_tf.training.mimnet import MIMNet
from mim_tf.training.samples import Samples
from mim_tf.training.start import check_source, read_word_vectors, start_run
from mim_tf.training.steps import step_graph
from mim_tf.training.strategies import (
    any_worker,
    check_batch,
    dealt_out,
    described,
    has_peers,
    lost_peers_told,
    make_strategy,
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
    :func:`mim_tf.training.start.check_source`."""
    run = Run.open(path)
    strategy = make_strategy(run.config.machine, alone=False)
    source = load_source(run.config, "train")
    check_source(run, source)
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
    share_state(strategy, tf.nest.flatten(state.parts()))
    first = int(state.step.numpy())
    if first == 0 and config.train.start_from is not None:
        start_from(state, run.vocabulary, config.train.start_from)
    # The warm-up may end early: so many steps there are at most.
    schedule = state.schedule
    last = steps + schedule.warm_up_steps
    logs.trim(run.path / LOG, first)
    run.seal()  # its length may have been changed
    if first:
        run.save_generator(state.averaged)  # it may have stopped before this file or its checksum
    if first >= last:
        print(f"{run.path}: all {last} steps are done", file=sys.stderr)
        return

    # The steps that are left.
    at_most = "at most " if schedule.in_warm_up else ""
    print(
        f"{run.path}: steps {first + 1} to {at_most}{last} on {described(strategy)}, {exactness}",
        file=sys.stderr,
    )
    samples = Samples(run, source, model)
    loop = _Loop(run, model, strategy, checkpoints, means, samples, sampler, hooks)
    try:
        with Interruption() as interruption:
            loop.run(first, steps, len(source), interruption)
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

    Steps are handed to the device without waiting for it, until their losses are asked for: at a
    row of the log, samples, a checkpoint, and where the warm-up may end.
    """

    def __init__(
        self,
        run: Run,
        model: MIMNet,
        strategy: tf.distribute.Strategy,
        checkpoints: Checkpoints,
        means: Means,
        samples: Samples,
        sampler: Sampler,
        hooks: Hooks,
    ) -> None:
        self.run_directory, self.model, self.state = run, model, model.state
        self.config, self.strategy, self.checkpoints = run.config, strategy, checkpoints
        self.means, self.samples, self.sampler, self.hooks = means, samples, sampler, hooks
        self.schedule = self.state.schedule
        self.writer = tf.summary.create_file_writer(str(run.path / "tensorboard"))
        self._graphs: dict[str, Callable] = {}

    def run(self, first: int, steps: int, pictures: int, interruption: Interruption) -> None:
        """Take the steps that are left.

        Args:
            first: how many steps were taken before.
            steps: how many follow the warm-up in all.
            pictures: how many an epoch has.
            interruption: once it has a signal, the step under way is the last, and is saved.
        """
        machine, batch_size = self.config.machine, self.config.train.batch_size
        bar = tqdm(initial=first, unit="step", dynamic_ncols=True, file=LastingStderr())
        step, told = first, False
        try:
            for batch in self._batches(first, steps + self.schedule.warm_up_steps):
                if self.schedule.in_warm_up and warm_up.is_due(self.state, step):
                    self._look_at_warm_up()
                bar.total = last = self.schedule.warm_up_steps + steps
                rates = self.schedule.rates(step, steps)
                self.state.set_rates(rates)
                self.hooks.before_step(step)
                losses = self._step(batch, step)
                step += 1
                self.means.add(step, losses)
                bar.update()
                if step % machine.log_every == 0 or step == last:
                    rate = next(iter(rates.values()))
                    self._log(step, step * batch_size / pictures, rate, bar)
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
        except NotFiniteError as error:
            batch = next(iter(self._batches(error.step - 1, error.step)))  # made once more
            raise failures.not_finite(
                error, self.run_directory.path, batch, self.checkpoints.state, self.strategy
            ) from None
        except (OSError, tf.errors.OpError) as error:
            raise failures.told(
                error, self.run_directory.path, self.config, self.strategy
            ) from None
        finally:
            bar.close()
            self.writer.close()

    def _batches(self, first: int, last: int):
        """The batches of the steps ``first`` to ``last - 1``, shared out among the devices."""
        return dealt_out(
            self.strategy, lambda context: training_batches(self.sampler, first, last, context)
        )

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
        self.means.fetch()
        figures = (
            f"L_match {float(state.match_mean.numpy()):.2f} "
            f"({state.match_at_chance:.2f} at chance) "
            f"after {int(state.step.numpy())} steps of warm-up"
        )
        if warm_up.stands_still(state):
            self._tell(f"{figures}: it learns nothing; begun again, other weights")
            warm_up.begin_again(state)
            share_state(self.strategy, tf.nest.flatten(state.parts()))
        elif warm_up.is_over(state):
            missed = warm_up.end_warm_up(state, self.sampler.first_captions(_MEMORISED))
            share_state(self.strategy, tf.nest.flatten(state.parts()))
            self.schedule = state.schedule
            self._tell(f"{figures}, which ends; the memory misses {missed:.1%} of its textures")

    @staticmethod
    def _tell(line: str) -> None:
        print(line, file=cast(TextIO, LastingStderr()))

    # A step, of the warm-up or of both stages.

    def _step(self, batch, step: int) -> Mapping[str, tf.Tensor]:
        """Its losses, which are still on the device."""
        if self.schedule.in_warm_up:
            return self._graph(self.model.warm_up_step)(batch)
        return self._graph(self.model.train_step, **self.schedule.options(step))(batch)

    def _graph(self, take_step: Callable, **options: bool) -> Callable:
        """The graph of a kind of step, traced once."""
        name = f"{take_step.__name__} {options}"
        if name not in self._graphs:
            self._graphs[name] = step_graph(self.model, self.strategy, take_step, **options)
        return self._graphs[name]

    # The log, the samples, the checkpoint.

    def _log(self, step: int, epoch: float, rate: float, bar: tqdm) -> None:
        """The means since the last row."""
        means = self.means.take()
        row: dict[str, Any] = {"step": step, "epoch": round(epoch, 4), "learning_rate": rate}
        logs.append(self.run_directory.path / LOG, row | means)
        self.hooks.on_log(step, {**row, **means})
        bar.set_postfix({key: f"{means[key]:.3f}" for key in _IN_PROGRESS_BAR if key in means})
        with self.writer.as_default(step):
            for name, value in means.items():
                tf.summary.scalar(name, value)

    def _draw_samples(self, step: int) -> None:
        self.means.fetch()
        sheet = self.samples.draw(step)
        with self.writer.as_default(step):
            tf.summary.image("samples", sheet[None])

    def _save(self, step: int) -> None:
        self.means.fetch()
        self.checkpoints.save(step)
        self.run_directory.save_generator(self.state.averaged)
