"""The loop: resume equals never stopping, the same seed gives the same losses, errors are clear."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework.ops import EagerTensor
from tiny import tiny_config

from mim_tf import logs
from mim_tf.checksums import write_sums
from mim_tf.data.pipeline import Sampler
from mim_tf.data.sources import load_source
from mim_tf.errors import UserError
from mim_tf.locks import locked
from mim_tf.places import LOG
from mim_tf.run import Run
from mim_tf.train import main
from mim_tf.training import loop
from mim_tf.training.hooks import Hooks
from mim_tf.training.loop import train
from mim_tf.training.samples import Samples
from mim_tf.training.start import open_or_start, start_run


@pytest.fixture(scope="module")
def source():
    return load_source(tiny_config(), "train")


def state(run: Run) -> dict[str, np.ndarray]:
    """Everything in the newest checkpoint, by name."""
    path = tf.train.latest_checkpoint(run.path / "checkpoints")
    reader = tf.train.load_checkpoint(path)
    return {
        name: reader.get_tensor(name)
        for name in reader.get_variable_to_shape_map()
        if name not in ("_CHECKPOINTABLE_OBJECT_GRAPH", "save_counter/.ATTRIBUTES/VARIABLE_VALUE")
    }


def rows(run: Run) -> list[dict]:
    return [json.loads(line) for line in (run.path / "log.jsonl").read_text().splitlines()]


def test_a_run_directory_holds_the_contract(tiny_run):
    for name in ("config.yaml", "vocabulary.json", "generator.weights.h5", "log.jsonl"):
        assert (tiny_run / name).is_file()
    assert sorted(path.name for path in (tiny_run / "samples").iterdir()) == [
        "step-0000002.png",
        "step-0000004.png",
    ]
    assert list((tiny_run / "tensorboard").iterdir())
    logged = rows(Run.open(tiny_run))
    assert [row["step"] for row in logged] == [1, 2, 3, 4]
    names = {"L_rec_coarse", "L_rec_fine", "L_p", "L_m_fine", "L_D_fine", "L_I_fine", "L_T_fine"}
    assert names <= set(logged[-1])


def test_a_sample_grid_that_was_killed_half_written_goes(source, tmp_path):
    run = start_run(tmp_path / "run", tiny_config(), source)
    left = run.path / "samples" / ".partial.0123456789abcdef.step-0000002.png"
    left.parent.mkdir()
    left.write_bytes(b"half")
    Samples(run, source, SimpleNamespace(call=None))
    assert not left.exists()


def test_resumed_equals_unbroken(tiny_run, source, tmp_path, monkeypatch):
    """Stopped once within the warm-up, and once after it."""
    run = start_run(tmp_path / "broken", tiny_config(), source)

    class StopError(Exception):
        pass

    take_step = loop._Loop._step

    def stop(at, how, error):
        def step_and_stop(self, batch, step):
            if step == at:
                how()
            return take_step(self, batch, step)

        monkeypatch.setattr(loop._Loop, "_step", step_and_stop)
        with pytest.raises(error):
            train(Run.open(run.path), source)
        monkeypatch.undo()

    def crash():
        raise StopError

    stop(0, lambda: signal.raise_signal(signal.SIGINT), KeyboardInterrupt)  # which saves step 1
    stop(3, crash, StopError)  # one step after the checkpoint of step 2
    steps: list[int] = []
    train(Run.open(run.path), source, hooks=Hooks(before_step=steps.append))
    assert steps == [2, 3]

    whole = Run.open(tiny_run)
    expected, resumed = state(whole), state(run)
    assert expected.keys() == resumed.keys() and len(expected) > 100
    for name, value in expected.items():
        np.testing.assert_array_equal(value, resumed[name], err_msg=name)
    assert rows(whole) == rows(run)


def test_a_row_of_the_log_that_straddles_a_resume_is_that_of_an_unbroken_run(
    tiny_run, source, tmp_path, monkeypatch
):
    """In half precision, which has all that float32 has, and a scale of the loss."""
    config = tiny_config(
        model={"fine": False}, deviations={"warm_up": 4},
        train={"steps": 1, "precision": "mixed_float16"},
        machine={"log_every": 3, "sample_every": 9},
    )  # fmt: skip
    whole, broken = (start_run(tmp_path / name, config, source) for name in ("whole", "broken"))
    train(whole, source)
    take_step = loop._Loop._step

    def stop(self, batch, step):
        if step == 2:  # saved after step 2, to be logged after step 3
            raise KeyboardInterrupt
        return take_step(self, batch, step)

    with monkeypatch.context() as patch:
        patch.setattr(loop._Loop, "_step", stop)
        with pytest.raises(KeyboardInterrupt):
            train(broken, source)
    steps: list[int] = []
    train(broken, source, hooks=Hooks(before_step=steps.append))
    assert steps == [2, 3, 4]
    assert [row["step"] for row in rows(whole)] == [3, 5]
    assert rows(whole) == rows(broken)
    assert "loss_scale" in rows(whole)[0] and "loss_scale" not in rows(Run.open(tiny_run))[0]
    for name, value in state(whole).items():
        np.testing.assert_array_equal(value, state(broken)[name], err_msg=name)


def test_a_damaged_row_of_the_log_is_named_and_a_cut_one_dropped(random_run, tmp_path):
    run = Run(tmp_path, random_run.config, random_run.vocabulary)
    file = tmp_path / "log.jsonl"
    file.write_text('{"step": 1}\n{"step": 2}\n{"step": 3, "L_p')
    logs.trim(run.path / LOG, 1)
    assert file.read_text() == '{"step": 1}\n'
    file.write_bytes(b'{"step": 1}\n{"st\xff\n{"step": 3}\n')
    with pytest.raises(UserError, match=r"log\.jsonl, line 2: no row"):
        logs.trim(run.path / LOG, 1)


def test_the_weights_file_holds_the_averaged_generator(tiny_run):
    run = Run.open(tiny_run)
    saved = state(run)
    for index, weight in enumerate(run.load_generator().weights):
        name = f"averaged/{index}/.ATTRIBUTES/VARIABLE_VALUE"
        rounded = saved.pop(name).astype(np.float16)
        np.testing.assert_array_equal(rounded, weight, err_msg=weight.path)
    assert not any(name.startswith("averaged/") for name in saved)


def test_a_signal_ends_the_step_and_saves_it(source, tmp_path, monkeypatch):
    """As a preemptible machine sends it, with an impatient Ctrl-C during the save."""
    run = start_run(tmp_path / "interrupted", tiny_config(), source)
    take_step, save = loop._Loop._step, Run.save_generator

    def interrupted_step(self, batch, step):
        signal.raise_signal(signal.SIGTERM)
        return take_step(self, batch, step)

    def interrupted_save(self, generator):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
        save(self, generator)

    monkeypatch.setattr(loop._Loop, "_step", interrupted_step)
    monkeypatch.setattr(Run, "save_generator", interrupted_save)
    before = signal.getsignal(signal.SIGTERM)
    assert main(["--run", str(run.path), "--resume"]) == 143
    assert state(run)["step/.ATTRIBUTES/VARIABLE_VALUE"] == 1
    assert (run.path / "generator.weights.h5").is_file()
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_second_training_of_a_run_is_refused(tiny_run, source, capsys):
    before = (tiny_run / "log.jsonl").read_bytes()
    with locked(tiny_run):
        assert main(["--run", str(tiny_run), "--resume"]) == 1
        with pytest.raises(UserError, match="is in use by process"):
            train(Run.open(tiny_run), source)
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: ")
    assert f"process {os.getpid()} on {socket.gethostname()}" in error
    assert (tiny_run / "log.jsonl").read_bytes() == before


def test_another_seed_gives_other_losses(tiny_run, source, tmp_path):
    class EnoughError(Exception):
        pass

    def one_step_only(step):
        if step == 1:
            raise EnoughError

    def first_row(seed):
        run = start_run(tmp_path / str(seed), tiny_config(train={"seed": seed}), source)
        with pytest.raises(EnoughError):
            train(run, source, hooks=Hooks(before_step=one_step_only))
        return rows(run)[0]

    first = rows(Run.open(tiny_run))[0]
    assert first_row(1)["L_match"] != first["L_match"]


def test_a_run_goes_on_with_other_settings_of_the_machine_but_no_others(tiny_run, source):
    run = open_or_start(tiny_run, tiny_config(machine={"log_every": 7}), source)
    assert run.config.machine.log_every == 7
    assert Run.open(tiny_run).config.machine.log_every == 1
    with pytest.raises(UserError, match="another configuration"):
        open_or_start(tiny_run, tiny_config(loss={"p": 0.1}), source)


def test_a_step_that_is_not_finite_is_found_with_the_next_row_and_kept(
    source, tmp_path, monkeypatch
):
    """Steps are not waited for, so others have been taken meanwhile: they changed nothing."""
    config = tiny_config(
        model={"fine": False}, deviations={"warm_up": 0},
        train={"steps": 4}, machine={"log_every": 3, "sample_every": 4, "checkpoint_every": 4},
    )  # fmt: skip
    run = start_run(tmp_path / "nan", config, source)
    take_step, fetch, weights, fetched = loop._Loop._step, EagerTensor._numpy, [], []

    def spoil(self, batch, step):
        if step == 1:
            bias = self.state.generator.icm.decode_out.bias
            bias.assign(bias * np.nan)
            weights[:] = [np.array(weight) for weight in self.state.generator.weights]
        return take_step(self, batch, step)

    def fetch_and_count(self):
        if threading.current_thread() is threading.main_thread():
            fetched.append(None)
        return fetch(self)

    counts = {}
    watching = Hooks(before_step=lambda step: counts.update({step: len(fetched)}))
    monkeypatch.setattr(loop._Loop, "_step", spoil)
    monkeypatch.setattr(EagerTensor, "_numpy", fetch_and_count)
    with pytest.raises(UserError, match=r"L_rec\w* is not finite at step 2; .*not-finite/step-2"):
        train(run, source, hooks=watching)
    assert counts[2] - counts[1] == len(weights)  # those of this test
    assert len(fetched) > counts[2]
    assert (
        not (run.path / "log.jsonl").exists() and not (run.path / "generator.weights.h5").exists()
    )
    kept = run.path / "not-finite" / "step-2"
    with np.load(kept / "batch.npz") as batch:
        expected = Sampler(source, run.vocabulary, config)(4, 4)
        np.testing.assert_array_equal(batch["picture"], expected[0])
        np.testing.assert_array_equal(batch["tokens"], expected[1])
    stored = tf.train.load_checkpoint(str(kept / "state"))
    assert stored.get_tensor("step/.ATTRIBUTES/VARIABLE_VALUE") == 1
    for index, weight in enumerate(weights):
        value = stored.get_tensor(f"generator/{index}/.ATTRIBUTES/VARIABLE_VALUE")
        np.testing.assert_array_equal(value, weight)


def test_bad_requests_are_one_line_and_exit_1(tiny_run, tmp_path, capsys):
    def fails(*arguments) -> str:
        assert main(list(map(str, arguments))) == 1
        error = capsys.readouterr().err.strip().splitlines()
        assert error[-1].startswith("error: ")
        return error[-1]

    assert "did you mean train.batch_size?" in fails("--config", "birds", "--set", "train.batch=3")
    assert "already holds a run" in fails(
        "--config", "birds", "--run", tiny_run, "--set", "data.count=40"
    )
    assert "is no run directory" in fails("--run", tmp_path / "none", "--resume")
    assert "--config" in fails()
    missing = tmp_path / "no-such-data"
    assert str(missing) in fails(
        "--config", "cub", "--run", tmp_path / "a", "--set", f"data.root={missing}"
    )


def test_another_vocabulary_is_refused(tiny_run, tmp_path, capsys):
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(tiny_run, copy)
    file = copy / "vocabulary.json"
    words = json.loads(file.read_text())["words"]
    file.write_text(json.dumps({"words": words[:-1]}))
    write_sums(copy, ["vocabulary.json"])  # on purpose
    assert main(["--run", str(copy), "--resume"]) == 1
    assert "another vocabulary" in capsys.readouterr().err
    with pytest.raises(UserError, match="does not fit"):
        Run.open(copy).load_generator()


def test_other_pictures_are_refused(tiny_run, tmp_path, capsys):
    """A picture more would deal out training and test pictures anew, where the split is random."""
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(tiny_run, copy)
    names = (copy / "train.txt").read_text().splitlines()
    for trained, told in ((names[1:], f"{names[0]} is one now"),
                          ([*names, "gone"], "gone is none now"),
                          (names[::-1], "their order")):  # fmt: skip
        (copy / "train.txt").write_text("".join(f"{name}\n" for name in trained))
        write_sums(copy, ["train.txt"])
        assert main(["--run", str(copy), "--resume"]) == 1
        error = capsys.readouterr().err
        assert "trained with other pictures" in error and told in error


def test_fewer_pictures_than_a_batch_are_refused(tmp_path):
    config = tiny_config(data={"count": 3})
    small = load_source(config, "train")
    with pytest.raises(UserError, match="fewer than train.batch_size"):
        train(start_run(tmp_path / "small", config, small), small)
