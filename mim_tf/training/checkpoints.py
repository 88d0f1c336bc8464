"""The checkpoints of a run: everything that training needs to go on as if it had never stopped.

TensorFlow notes in a state file, ``checkpoints/checkpoint``, which checkpoints there are. That
file may be lost or cut, and so may the checkpoints that it names. Here the checkpoints themselves
(``step-N.index`` and its data) say what there is, each is read whole before it is trusted, and the
state file is written anew from what was found.
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import tensorflow as tf

from mim_tf.errors import UserError
from mim_tf.run import Run
from mim_tf.storage import replace_text

FOLDER = "checkpoints"
_NAME = "step"


class Checkpoints:
    """The checkpoints of one run; opening them restores the newest whole one.

    What was half saved when an earlier training was killed is removed.

    Args:
        run: the run, which no other process trains.
        state: all that a checkpoint holds; it gets the values of the newest whole checkpoint,
            if there is any.

    Raises:
        UserError: the run has been trained, yet none of its checkpoints is whole; or the
            checkpoint does not fit the model.
    """

    def __init__(self, run: Run, state: tf.train.Checkpoint) -> None:
        self.folder = run.path / FOLDER
        for unfinished in self.folder.glob(f"{_NAME}-*_temp"):
            shutil.rmtree(unfinished, ignore_errors=True)
        newest = self._newest_whole(run)
        # Made after the state file was written anew, which it reads.
        self._manager = tf.train.CheckpointManager(
            state,
            str(self.folder),
            max_to_keep=run.config.machine.keep_checkpoints,
            checkpoint_name=_NAME,
        )
        if newest is not None:
            _restore(state, newest, len(run.vocabulary))

    def save(self, step: int) -> None:
        """Save the state after ``step`` steps; the oldest checkpoint beyond
        ``machine.keep_checkpoints`` goes."""
        self._manager.save(checkpoint_number=step)

    def _newest_whole(self, run: Run) -> Path | None:
        """The prefix of the newest checkpoint that can be read; None where training has not
        begun. Newer ones are named on stderr."""
        found = checkpoints_in(self.folder)
        damaged: dict[Path, str] = {}
        for prefix in reversed(found):
            damage = damage_of(prefix)
            if damage is None:
                break
            damaged[prefix] = damage
        whole = found[: len(found) - len(damaged)]
        if not whole:
            self._refuse_to_start_anew(run, damaged)
            (self.folder / "checkpoint").unlink(missing_ok=True)
            return None
        for prefix, damage in damaged.items():
            print(f"passed over {prefix}, which is damaged: {damage}", file=sys.stderr)
        # The damaged ones stand first, as if they were the oldest: they are deleted first.
        self._write_state_file([*damaged, *whole])
        return whole[-1]

    def _refuse_to_start_anew(self, run: Run, damaged: dict[Path, str]) -> None:
        if damaged:
            newest, damage = next(iter(damaged.items()))
            others = f" (and {len(damaged) - 1} older ones)" if len(damaged) > 1 else ""
            found = f"{newest}{others} is damaged: {damage}"
        elif run.was_trained():
            found = f"there is no step-N.index in {self.folder}"
        else:
            return
        raise UserError(
            f"{run.path} has been trained, but has no whole checkpoint to go on from: {found}; "
            "restore one from a copy, or start a new run in another directory with --run"
        )

    def _write_state_file(self, prefixes: list[Path]) -> None:
        """TensorFlow's list of the checkpoints, of which the last is the one to restore."""
        lines = [f'model_checkpoint_path: "{prefixes[-1].name}"']
        lines += [f'all_model_checkpoint_paths: "{prefix.name}"' for prefix in prefixes]
        lines += [
            f"all_model_checkpoint_timestamps: {_index(prefix).stat().st_mtime!r}"
            for prefix in prefixes
        ]
        replace_text(self.folder / "checkpoint", "".join(f"{line}\n" for line in lines))


def checkpoints_in(folder: Path) -> list[Path]:
    """The prefixes ``folder/step-N`` of the checkpoints in a folder, whole or not, by their
    steps."""
    steps = [
        int(match[1])
        for path in folder.glob("*.index")
        if (match := re.fullmatch(rf"{_NAME}-(\d+)\.index", path.name))
    ]
    return [folder / f"{_NAME}-{step}" for step in sorted(steps)]


def damage_of(prefix: Path) -> str | None:
    """What is wrong with a checkpoint, in one line; None where it is whole.

    Every value is read, which compares it with the checksum that TensorFlow has stored beside it.
    """
    try:
        if _index(prefix).stat().st_size == 0:
            return f"{_index(prefix).name} is empty"
        reader = tf.train.load_checkpoint(str(prefix))
        for name in reader.get_variable_to_shape_map():
            reader.get_tensor(name)
    # The reader gives IndexError for a cut file, and other errors of Python for other damage.
    except (tf.errors.OpError, IndexError, ValueError, RuntimeError, OSError) as error:
        reason = getattr(error, "message", None) or str(error) or type(error).__name__
        return reason.splitlines()[0][:200]
    return None


def _index(prefix: Path) -> Path:
    return prefix.with_name(f"{prefix.name}.index")


def _restore(state: tf.train.Checkpoint, prefix: Path, vocabulary_size: int) -> None:
    try:
        state.restore(str(prefix)).assert_consumed()
    except (AssertionError, ValueError, tf.errors.OpError) as error:
        raise UserError(
            f"{prefix} does not fit this configuration and vocabulary ({vocabulary_size} ids): "
            f"{str(error).splitlines()[0]}"
        ) from None
