"""Resume finds the newest whole checkpoint by its files, and never starts a trained run anew."""

from __future__ import annotations

import json
import shutil

import pytest
import tensorflow as tf

from mim_tf.errors import UserError
from mim_tf.run import Run
from mim_tf.training import checkpoints as module
from mim_tf.training.checkpoints import Checkpoints, checkpoints_in, damage_of


class Training:
    """A run directory with small checkpoints, of step 2 and step 4."""

    def __init__(self, run: Run) -> None:
        self.run, self.folder = run, run.path / "checkpoints"
        step = tf.Variable(0)
        checkpoints = self.open(step)
        for number in (2, 4):
            step.assign(number)
            checkpoints.save(number)

    @staticmethod
    def state(step: tf.Variable) -> tf.train.Checkpoint:
        return tf.train.Checkpoint(step=step, weights=tf.Variable(tf.ones([1000])))

    def open(self, step: tf.Variable) -> Checkpoints:
        return Checkpoints(self.folder, self.state(step), 2, self.run.was_trained())

    def resumed(self) -> int:
        """The step at which training would go on."""
        step = tf.Variable(0)
        self.open(step)
        return int(step)


@pytest.fixture
def training(tiny_run, tmp_path):
    for name in ("config.yaml", "vocabulary.json", "SHA256SUMS"):
        shutil.copy(tiny_run / name, tmp_path / name)
    return Training(Run.open(tmp_path))


@pytest.mark.parametrize("content", [None, b"", b"model_check", b"\xff\x00garbage"], ids=repr)
def test_the_state_file_is_not_needed(training, content):
    file = training.folder / "checkpoint"
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    assert training.resumed() == 4
    assert tf.train.latest_checkpoint(training.folder) == str(training.folder / "step-4")


def cut_data(folder):
    file = folder / "step-4.data-00000-of-00001"
    file.write_bytes(file.read_bytes()[:1000])


def flip_data(folder):
    file = folder / "step-4.data-00000-of-00001"
    content = bytearray(file.read_bytes())
    content[100] ^= 1
    file.write_bytes(content)


def lose_data(folder):
    (folder / "step-4.data-00000-of-00001").unlink()


def cut_index(folder):
    file = folder / "step-4.index"
    file.write_bytes(file.read_bytes()[:100])


def empty_index(folder):
    (folder / "step-4.index").write_bytes(b"")


@pytest.mark.parametrize("damage", [cut_data, flip_data, lose_data, cut_index, empty_index])
def test_a_damaged_checkpoint_is_passed_over_and_named(training, capsys, damage):
    damage(training.folder)
    assert training.resumed() == 2
    said = [line for line in capsys.readouterr().err.splitlines() if "passed over" in line]
    assert len(said) == 1 and str(training.folder / "step-4") in said[0]


def test_the_damaged_checkpoint_goes_before_a_whole_one(training):
    cut_data(training.folder)
    checkpoints = training.open(tf.Variable(0))
    checkpoints.save(3)
    assert [prefix.name for prefix in checkpoints_in(training.folder)] == ["step-2", "step-3"]
    assert damage_of(training.folder / "step-2") is None


def test_a_damaged_checkpoint_is_saved_anew_under_its_own_name(training):
    cut_data(training.folder)
    step = tf.Variable(0)
    checkpoints = training.open(step)
    step.assign(4)
    checkpoints.save(4)
    assert [prefix.name for prefix in checkpoints_in(training.folder)] == ["step-2", "step-4"]
    assert training.resumed() == 4


def test_no_old_checkpoint_goes_before_the_new_one_is_on_the_disk(training, monkeypatch):
    on_disk, gone = [], []
    monkeypatch.setattr(module, "flush", lambda file: on_disk.append(file.name))
    monkeypatch.setattr(module, "_remove", lambda prefix: gone.append((prefix.name, [*on_disk])))
    training.open(tf.Variable(0)).save(6)
    [(name, before)] = gone
    assert name == "step-2" and {"step-6.index", "step-6.data-00000-of-00001"} <= set(before)


def test_without_room_nothing_is_written(training, monkeypatch):
    before = sorted(path.name for path in training.folder.iterdir())
    checkpoints = training.open(tf.Variable(0))
    with monkeypatch.context() as full:
        full.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 9, 1))
        with pytest.raises(UserError, match=r"step-6: needs 1\.0 MB, 0\.0 MB are free; make room"):
            checkpoints.save(6)
    assert sorted(path.name for path in training.folder.iterdir()) == before
    assert training.resumed() == 4


def test_a_disk_that_fills_up_during_a_save_leaves_the_last_checkpoint(training, monkeypatch):
    checkpoints = training.open(tf.Variable(0))

    def fill_up(prefix):
        (training.folder / "step-6_temp").mkdir()
        (training.folder / "step-6.data-00000-of-00001").write_bytes(b"half")
        raise tf.errors.ResourceExhaustedError(None, None, f"{prefix}; No space left on device")

    monkeypatch.setattr(checkpoints.state, "write", fill_up)
    with pytest.raises(UserError, match="the disk is full"):
        checkpoints.save(6)
    assert not list(training.folder.glob("step-6*"))
    assert training.resumed() == 4


def test_no_whole_checkpoint_is_an_error(training):
    for file in training.folder.glob("*.data-*"):
        file.write_bytes(b"")
    with pytest.raises(UserError, match=r"no whole checkpoint.*step-4 \(and 1 older"):
        training.resumed()


def test_what_a_killed_save_left_is_removed(training):
    unfinished = training.folder / "step-6_temp"
    unfinished.mkdir()
    (unfinished / "part-00000-of-00001.data-00000-of-00001").write_bytes(b"half")
    listing = training.folder / ".partial.0123456789abcdef.checkpoint"
    listing.write_text("half")
    assert training.resumed() == 4
    assert not unfinished.exists() and not listing.exists()


def test_an_old_checkpoint_that_a_killed_save_left_goes(training):
    for file in training.folder.glob("step-2.*"):
        shutil.copy(file, file.with_name(file.name.replace("step-2", "step-1")))
    assert training.resumed() == 4
    assert [prefix.name for prefix in checkpoints_in(training.folder)] == ["step-2", "step-4"]


def test_the_first_save_leaves_no_damaged_checkpoint_when_it_is_killed(training, monkeypatch):
    """TensorFlow writes the index in several pieces; until it is whole it has another place."""
    written: list[bool] = []
    checkpoints = training.open(tf.Variable(9))
    write = checkpoints.state.write

    def look(prefix):
        result = write(prefix)
        written.append(any(training.folder.glob("step-9.*")))
        return result

    monkeypatch.setattr(checkpoints.state, "write", look)
    checkpoints.save(9)
    assert written == [False]
    assert sorted(path.name for path in training.folder.glob("step-9*")) == [
        "step-9.data-00000-of-00001",
        "step-9.index",
    ]


@pytest.mark.parametrize("left", ["weights", "log"])
def test_a_trained_run_does_not_start_anew(training, left):
    shutil.rmtree(training.folder)
    if left == "weights":
        (training.run.path / "generator.weights.h5").write_bytes(b"weights")
    else:
        row = json.dumps({"step": 60}) + "\n"
        (training.run.path / "log.jsonl").write_text(row + '{"step": 6')
    with pytest.raises(UserError, match="has been trained"):
        training.resumed()


def test_data_that_has_no_index_goes(training):
    for name in ("step-6.data-00000-of-00001", "step-8.data-00000-of-00001"):
        (training.folder / name).write_bytes(b"killed before the index was there")
    assert training.resumed() == 4
    assert sorted(path.name for path in training.folder.glob("*.data*")) == [
        "step-2.data-00000-of-00001",
        "step-4.data-00000-of-00001",
    ]


def test_more_checkpoints_than_before_are_no_sign_of_lost_ones(training):
    """The log of a run that was killed before its first checkpoint says nothing against it."""
    shutil.rmtree(training.folder)
    path, config = training.run.path, training.run.config
    every = config.machine.checkpoint_every
    (path / "log.jsonl").write_text(json.dumps({"step": every}) + "\n")
    more = config.model_copy(
        update={"machine": config.machine.model_copy(update={"checkpoint_every": every - 1})}
    )
    edited = Run(path, more, training.run.vocabulary)
    assert not edited.was_trained()  # its configuration was sealed with the former number
    begun_again = Run.create(path, more, training.run.vocabulary)
    assert not begun_again.was_trained() and not (path / "log.jsonl").exists()
    (path / "log.jsonl").write_text(json.dumps({"step": every}) + "\n")
    assert begun_again.was_trained()
    with pytest.raises(UserError, match="already holds a run"):
        Run.create(path, config, training.run.vocabulary)


def test_a_run_that_never_came_to_a_checkpoint_starts_anew(training):
    shutil.rmtree(training.folder)
    (training.run.path / "log.jsonl").write_text('{"step": 1}\n')
    assert training.resumed() == 0
