"""Devices and workers that share a batch end where one device ends; one that dies ends all."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from two_workers import SHARED, gentle_adam

from mim_tf.config_files import parse_config
from mim_tf.data.sources import load_source
from mim_tf.run import Run
from mim_tf.training.loop import train
from mim_tf.training.start import start_run
from mim_tf.training.state import TrainingState

TESTS = Path(__file__).parents[1]
DIES_AT = 3  # steps: one after the checkpoint of step 2, early, which spares most of the time


def state(run: Path) -> dict[str, np.ndarray]:
    """All numbers in the newest checkpoint, by name."""
    reader = tf.train.load_checkpoint(tf.train.latest_checkpoint(run / "checkpoints"))
    names = [name for name in reader.get_variable_to_shape_map() if name.endswith("VALUE")]
    return {name: reader.get_tensor(name) for name in names if "save_counter" not in name}


def trained(path: Path, strategy: tf.distribute.Strategy) -> Path:
    config = parse_config(SHARED, "test")
    source = load_source(config, "train")
    run = start_run(path, config, source)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrainingState, "_adam", gentle_adam)
        train(run, source, strategy)
    return run.path


@pytest.fixture(scope="module")
def alone(tmp_path_factory) -> Path:
    """The run of one device."""
    return trained(tmp_path_factory.mktemp("runs") / "alone", tf.distribute.get_strategy())


def workers(folder: Path, *arguments: str, dies_at: int = -1) -> list[tuple[int, str]]:
    """Train in two processes; the second dies at a step.

    Returns:
        Each one's exit code and the last line of its stderr.
    """
    ports = []
    for _ in range(2):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            ports.append(free.getsockname()[1])
    cluster = {"worker": [f"127.0.0.1:{port}" for port in ports]}
    (folder / "config.json").write_text(json.dumps(SHARED))
    processes = []
    for index in range(2):
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parent)]),
            "TF_CONFIG": json.dumps(
                {"cluster": cluster, "task": {"type": "worker", "index": index}}
            ),
            "MIM_TEST_DIES_AT": str(dies_at if index else -1),
            "MIM_TEST_POSITIONS": str(folder / f"positions-{index}"),
        }
        script = [sys.executable, str(TESTS / "training" / "two_workers.py")]
        processes.append(
            subprocess.Popen(
                [*script, str(folder / "config.json"), str(folder / "run"), *arguments],
                env=environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )  # fmt: skip
        )
    try:
        ends = [process.communicate(timeout=1200)[1] for process in processes]
    finally:
        for process in processes:
            process.kill()
    lines = [[line for line in end.strip().splitlines() if line.strip()] for end in ends]
    return [
        (process.returncode, line[-1] if line else "")
        for process, line in zip(processes, lines, strict=True)
    ]


@pytest.fixture(scope="module")
def broken(tmp_path_factory) -> tuple[Path, list[tuple[int, str]], list[tuple[int, str]]]:
    """The folder of a run of two workers, one of which was killed; how they ended, and how after
    both were resumed."""
    folder = tmp_path_factory.mktemp("workers")
    first = workers(folder, dies_at=DIES_AT)
    for index in range(2):
        (folder / f"positions-{index}").replace(folder / f"positions-first-{index}")
    return folder, first, workers(folder, "--resume")


def assert_equal(actual: Path, expected: Path) -> None:
    """Weights, averages and optimizers of two runs, to 1e-5."""
    actual_values, expected_values = state(actual), state(expected)
    assert actual_values.keys() == expected_values.keys() and len(expected_values) > 100
    for name, value in expected_values.items():
        np.testing.assert_allclose(actual_values[name], value, atol=1e-5, rtol=1e-5, err_msg=name)


def test_two_devices_end_where_one_ends(alone, tmp_path):
    two = trained(tmp_path / "two", tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]))
    assert_equal(two, alone)


@pytest.mark.slow
def test_a_worker_that_dies_ends_all_with_one_line(broken):
    (code, line), (killed, _) = broken[1]
    assert killed == -9 and code == 1
    assert line.startswith("error: worker 0 lost the others (")
    assert line.endswith("then start all again with --resume")


@pytest.mark.slow
def test_two_workers_resumed_end_where_one_device_ends(broken, alone):
    folder, _, resumed = broken
    assert [code for code, _ in resumed] == [0, 0]
    assert_equal(folder / "run", alone)
    assert [row["step"] for row in rows(folder / "run")] == [2, 4, 6, 8, 10, 12, 14]
    for row, expected in zip(rows(folder / "run"), rows(alone), strict=True):
        assert row == pytest.approx(expected, abs=1e-4)


@pytest.mark.slow
def test_workers_read_no_picture_twice(broken):
    folder = broken[0]
    read = [
        [int(line) for line in (folder / f"positions-{index}").read_text().split()]
        for index in range(2)
    ]
    # From the checkpoint of step 2 to the end; each reads ahead no further than that.
    assert sorted(read[0] + read[1]) == list(range(2 * 4, 14 * 4))
    assert {position % 4 for position in read[0]} == {0, 1}


@pytest.mark.slow
def test_only_the_chief_writes(broken):
    run = Run.open(broken[0] / "run")
    assert (run.path / "generator.weights.h5").is_file()
    assert sorted(path.name for path in broken[0].iterdir() if path.is_dir()) == ["run"]
    assert len(list((run.path / "tensorboard").iterdir())) == 2  # one a training


def rows(run: Path) -> list[dict]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
