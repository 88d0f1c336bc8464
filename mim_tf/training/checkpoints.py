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
from mim_tf.storage import check_room, flush, flush_folder, is_full, remove_partial, replace_text

FOLDER = "checkpoints"
_NAME = "step"
_REMEDY = "go on with --resume"


class Checkpoints:
    """The checkpoints in a folder; opening them restores the newest whole one.

    What was half saved when an earlier training was killed is removed. TensorFlow's own
    CheckpointManager is not used: it deletes an old checkpoint before the new one is on the disk.

    Args:
        folder: of a training that no other process goes on with.
        state: all that a checkpoint holds; it gets the values of the newest whole checkpoint,
            if there is any.
        keep: how many of the newest stay.
        trained: whether there must be one, because something else shows that it was trained.

    Raises:
        UserError: it has been trained, yet none of its checkpoints is whole; or the checkpoint
            does not fit the model.
    """

    def __init__(
        self, folder: Path, state: tf.train.Checkpoint, keep: int, trained: bool = False
    ) -> None:
        self.folder, self.state, self._keep = folder, state, keep
        remove_partial(self.folder)
        for unfinished in self.folder.glob(f"{_NAME}-*_temp"):
            shutil.rmtree(unfinished, ignore_errors=True)
        _remove_data_without_index(self.folder)
        self._saved: list[Path] = []  # in the order in which they will go
        newest = self._newest_whole(trained)
        # Part of every checkpoint that TensorFlow itself numbers; made by being asked for.
        _ = state.save_counter
        if newest is not None:
            _restore(state, newest)
        variables = tf.train.TrackableView(state).descendants()
        self._bytes = sum(
            variable.shape.num_elements() * variable.dtype.size
            for variable in variables
            if isinstance(variable, tf.Variable)
        )

    def save(self, step: int) -> None:
        """Save the state after ``step`` steps; when it is on the disk, the oldest checkpoint beyond
        those to be kept goes.

        Raises:
            UserError: there is no room for it, or it cannot be written; nothing of it is left.
        """
        prefix = self.folder / f"{_NAME}-{step}"
        self.folder.mkdir(parents=True, exist_ok=True)
        check_room(prefix, self._bytes, _REMEDY)
        # TensorFlow writes the index where it shall be: killed meanwhile, it would leave a damaged
        # checkpoint, and no other if it was the first. So it is written beside, and then renamed.
        beside = _beside(prefix)
        try:
            self.state.write(str(beside / prefix.name))
        except tf.errors.OpError as error:
            _remove(prefix)
            if not is_full(error):
                raise
            raise UserError(f"{prefix}: the disk is full; make room and {_REMEDY}") from None
        for file in sorted(beside.glob(f"{prefix.name}.*")):  # data, then the index
            flush(file)
            file.replace(self.folder / file.name)
        shutil.rmtree(beside, ignore_errors=True)
        flush_folder(self.folder)
        self._saved = [saved for saved in self._saved if saved != prefix] + [prefix]
        self._write_state_file(self._saved[-self._keep :])
        while len(self._saved) > self._keep:
            _remove(self._saved.pop(0))

    def _newest_whole(self, trained: bool) -> Path | None:
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
            self._refuse_to_start_anew(trained, damaged)
            (self.folder / "checkpoint").unlink(missing_ok=True)
            return None
        for prefix, damage in damaged.items():
            print(f"passed over {prefix}, which is damaged: {damage}", file=sys.stderr)
        for old in whole[: -self._keep]:  # a training was killed before it removed it
            _remove(old)
        whole = whole[-self._keep :]
        # The damaged ones stand first, as if they were the oldest: they are deleted first.
        self._saved = [*damaged, *whole]
        self._write_state_file(self._saved)
        return whole[-1]

    def _refuse_to_start_anew(self, trained: bool, damaged: dict[Path, str]) -> None:
        if damaged:
            newest, damage = next(iter(damaged.items()))
            others = f" (and {len(damaged) - 1} older ones)" if len(damaged) > 1 else ""
            found = f"{newest}{others} is damaged: {damage}"
        elif trained:
            found = f"there is no step-N.index in {self.folder}"
        else:
            return
        raise UserError(
            f"{self.folder.parent} has been trained, but has no whole checkpoint to go on from: "
            f"{found}; restore one from a copy, or start a new run in another directory with --run"
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


def _beside(prefix: Path) -> Path:
    """The folder in which a checkpoint is written until it is whole."""
    return prefix.with_name(f"{prefix.name}_temp")


def _index(prefix: Path) -> Path:
    return prefix.with_name(f"{prefix.name}.index")


def _remove(prefix: Path) -> None:
    """Remove all files of a checkpoint, its index first: what is left without it is none."""
    _index(prefix).unlink(missing_ok=True)
    for path in prefix.parent.glob(f"{prefix.name}.data-*"):
        path.unlink(missing_ok=True)
    shutil.rmtree(_beside(prefix), ignore_errors=True)


def _remove_data_without_index(folder: Path) -> None:
    """Remove what a training has left that was killed between a checkpoint's data and its index."""
    for data in folder.glob(f"{_NAME}-*.data-*"):
        prefix = data.with_name(data.name.partition(".")[0])
        if not _index(prefix).exists():
            _remove(prefix)


def _restore(state: tf.train.Checkpoint, prefix: Path) -> None:
    try:
        state.restore(str(prefix)).assert_consumed()
    except (AssertionError, ValueError, tf.errors.OpError) as error:
        raise UserError(
            f"{prefix} does not fit the configuration and vocabulary beside it: "
            f"{str(error).splitlines()[0][:200]}"
        ) from None
