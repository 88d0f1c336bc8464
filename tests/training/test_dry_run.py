"""What is said of a training before it is begun, and what others can do along with it."""

from __future__ import annotations

import json
import urllib.request

import pytest
import tensorflow as tf
import yaml
from data_writers import write_folder
from short_training import SHORT
from tiny import TINY, tiny_config

from mim_tf import train
from mim_tf.config_files import parse_config
from mim_tf.errors import UserError
from mim_tf.training import costs, hooks, loop
from mim_tf.training.state import TrainingState


def test_a_dry_run_says_what_would_be_trained_and_trains_nothing(tmp_path, monkeypatch, capsys):
    """Of a cluster, of which it needs none."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TF_CONFIG", raising=False)
    machine = {**TINY["machine"], "strategy": "multiworker"}
    tree = {
        **TINY, "model": SHORT["model"], "deviations": {"warm_up": 0}, "machine": machine,
    }  # fmt: skip
    (tmp_path / "c.yaml").write_text(json.dumps(tree))
    assert train.main(["--config", "c.yaml", "--dry-run"]) == 0
    out = capsys.readouterr().out
    config = parse_config(tree, "test")
    assert parse_config(yaml.safe_load(out), "out") == config  # all else is a comment
    assert [path.name for path in tmp_path.iterdir()] == ["c.yaml"]
    [devices] = [line for line in out.splitlines() if "devices:" in line]
    assert "worker" not in devices  # this machine's part alone
    vocabulary = int(out.split("vocabulary: ")[1].split()[0])
    state = TrainingState(config, vocabulary)
    rows = {words[1]: words for words in map(str.split, out.splitlines()) if len(words) > 3}
    for part, network in (("icm", state.generator.icm), ("d_i", state.d_i["coarse"])):
        assert rows[part][2] == f"{network.count_params():,}"
    assert float(rows["icm"][3]) > 0  # in units of 1e9; all others are too small here
    assert "# memory of each device, about: 0.0" in out
    assert "# full step: " in out and "hours for 2 steps" in out


def test_multiply_adds_of_gradients_are_those_of_their_layer():
    kernel = tf.Variable(tf.ones([3, 3, 4, 8]))
    matrix = tf.Variable(tf.ones([8, 5]))

    @tf.function
    def step(picture):
        with tf.GradientTape() as tape:
            tape.watch(picture)
            x = tf.nn.conv2d(picture, kernel, 2, "SAME")  # [2, 3, 3, 8]
            y = tf.matmul(tf.reshape(x, [18, 8]), matrix)
            loss = tf.reduce_sum(y * y)
        return tape.gradient(loss, [picture, kernel, matrix])

    operations = step.get_concrete_function(tf.TensorSpec([2, 6, 6, 4])).graph.get_operations()
    found = sum(costs.multiply_adds(operation, words=1) for operation in operations)
    convolution, product = 2 * 9 * 8 * 9 * 4, 18 * 8 * 5
    assert found == 3 * (convolution + product)
    # Between the passes: the picture, both weights, x as it is multiplied, y.
    kept = costs.kept_bytes(operations)
    assert 4 * (2 * 36 * 4 + 18 * 8 + 18 * 5) <= kept <= 4 * (2 * 36 * 4 + 288 + 40 + 3 * 144 + 90)


def test_multiply_adds_of_loops_are_those_of_all_their_turns():
    kernel = tf.Variable(tf.ones([3, 3, 4, 8]))

    @tf.function
    def step(picture):
        def turn(number, total):
            with tf.name_scope("icm_1"), tf.GradientTape() as tape:
                loss = tf.reduce_sum(tf.nn.conv2d(picture, kernel, 2, "SAME"))  # [2, 3, 3, 8]
            return number + 1, total + tape.gradient(loss, kernel)

        _, total = turn(0, 0.0)
        return tf.while_loop(lambda number, _: number < 3, turn, (1, total))

    operations = step.get_concrete_function(tf.TensorSpec([2, 6, 6, 4])).graph.get_operations()
    counts = costs.by_part(costs.with_loops(operations, 2), words=1)
    of_forward = 2 * 9 * 8 * 9 * 4
    assert counts["icm"] >= 3 * 2 * of_forward and counts["icm"] % (3 * of_forward) == 0


def test_trackers_get_each_row_and_a_profile_is_written(tmp_path, monkeypatch):
    rows, profile = [], hooks.Profile(tmp_path / "run" / "tensorboard")
    monkeypatch.setattr(hooks, "_FIRST", 1)
    config = parse_config({**SHORT, "machine": TINY["machine"], "data": TINY["data"]}, "test")
    watching = hooks.Hooks(
        on_log=lambda step, numbers: rows.append({"step": step, **numbers}), before_step=profile
    )
    run = loop.start(tmp_path / "run", config, watching)
    profile.end()
    logged = [json.loads(line) for line in (run.path / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 2]
    assert rows == logged
    assert list((run.path / "tensorboard").glob("plugins/profile/*/*.xplane.pb"))


def test_tensorboard_answers_at_its_address(tmp_path):
    with urllib.request.urlopen(hooks.serve_tensorboard(tmp_path)) as answer:
        assert answer.status == 200


def test_out_of_memory_is_one_line(tmp_path, monkeypatch):
    def too_much(self, batch, step):
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating")

    monkeypatch.setattr(loop._Loop, "_step", too_much)
    with pytest.raises(UserError, match="out of memory with 4 pictures on each device: raise"):
        loop.start(tmp_path / "run", tiny_config())


def test_a_dry_run_needs_a_configuration(capsys):
    assert train.main(["--run", "runs/a", "--resume", "--dry-run"]) == 1
    assert "--dry-run looks at a configuration" in capsys.readouterr().err


def test_a_dry_run_tells_a_picture_that_cannot_be_read(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for picture in sorted(write_folder(tmp_path / "pictures").glob("some/*")):
        picture.write_bytes(picture.read_bytes()[:60])
    data = {"source": "folder", "root": "pictures", "partial": True}
    tree = {**TINY, "model": SHORT["model"], "deviations": {"warm_up": 0}, "data": data}
    (tmp_path / "c.yaml").write_text(json.dumps(tree))
    assert train.main(["--config", "c.yaml", "--dry-run"]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("error: pictures/some/")
