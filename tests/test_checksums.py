"""SHA256SUMS: what was damaged or changed since it was written is refused and named."""

from __future__ import annotations

import json
import shutil
import subprocess

import numpy as np
import pytest
import yaml

from mim_tf import checksums
from mim_tf.errors import UserError
from mim_tf.models.weights import save_weights
from mim_tf.run import Run


@pytest.fixture
def run(random_run, tmp_path, monkeypatch):
    monkeypatch.setattr(checksums, "_MOMENT", 0)
    return Run.open(shutil.copytree(random_run.path, tmp_path / "run"))


def refusal(action, *arguments) -> str:
    with pytest.raises(UserError) as caught:
        action(*arguments)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400
    return str(caught.value)


def edit_config(run: Run, section: str, **values) -> None:
    file = run.path / "config.yaml"
    tree = yaml.safe_load(file.read_text())
    tree[section] |= values
    file.write_text(yaml.safe_dump(tree))


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="no sha256sum on this machine")
def test_sha256sum_reads_the_file(run):
    command = ["sha256sum", "--check", "--strict", checksums.NAME]
    done = subprocess.run(command, cwd=run.path, capture_output=True, text=True, check=True)
    listed = {line.removesuffix(": OK") for line in done.stdout.splitlines()}
    assert listed == {"config.yaml", "vocabulary.json", "train.txt", "generator.weights.h5"}
    assert done.stderr == ""


def test_any_flipped_bit_in_the_weights_is_found(run):
    file = run.path / "generator.weights.h5"
    whole = file.read_bytes()
    rng = np.random.default_rng(0)
    for place in rng.integers(0, len(whole), 10):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << rng.integers(8)
        file.write_bytes(damaged)
        assert "generator.weights.h5 was damaged or changed" in refusal(run.load_generator)
    file.write_bytes(whole)
    run.load_generator()


def test_weights_that_are_not_finite_are_refused(run):
    generator = run.load_generator()
    weight = generator.trainable_variables[3]
    weight.assign(weight * np.nan)
    save_weights(generator, run.path / "generator.weights.h5")
    checksums.write_sums(run.path, ["generator.weights.h5"])
    assert f"{weight.name} holds values that are not finite" in refusal(run.load_generator)


def test_a_permuted_vocabulary_is_refused(run):
    file = run.path / "vocabulary.json"
    words = json.loads(file.read_text())["words"]
    file.write_text(json.dumps({"words": [*words[1:], words[0]]}))
    assert "vocabulary.json was damaged or changed" in refusal(Run.open, run.path)


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [("train", "seed", 7), ("model", "slots", 7), ("deviations", "ema", 0.5)],
)
def test_an_edited_configuration_is_refused_by_name(run, section, key, value):
    was = run.config.model_dump()[section][key]
    edit_config(run, section, **{key: value})
    message = refusal(Run.open, run.path)
    assert f"config.yaml: {section}.{key} was {was!r}" in message and f"is {value!r}" in message


def test_length_and_machine_may_be_edited(run):
    edit_config(run, "train", steps=50)
    edit_config(run, "machine", log_every=7)
    opened = Run.open(run.path)
    assert opened.config.train.steps == 50 and opened.config.machine.log_every == 7
    opened.seal()  # as training does when it goes on
    assert checksums.fits(run.path, "config.yaml")
    (run.path / "config.yaml").write_text("# mine\n" + (run.path / "config.yaml").read_text())
    Run.open(run.path)  # a comment changes no key


def test_a_folder_without_checksums_is_refused_with_the_command_that_writes_them(run):
    (run.path / checksums.NAME).unlink()
    message = refusal(Run.open, run.path)
    assert "has no SHA256SUMS" in message
    command = message[message.index("(cd ") :]
    subprocess.run(command, shell=True, check=True)
    Run.open(run.path).load_generator()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "is empty"),
        (b"\xff\x00", "cannot be read"),
        (b"not a sum", "line 1"),
        (b"# config.yaml {broken}\n", "line 1"),
        (b"# config.yaml " + b'{"a":' * 100_000 + b"}" * 100_000, "line 1"),
        (b"0" * 64 + b"  config.yaml\n", "vocabulary.json is not listed"),
    ],
)
def test_broken_checksums_are_one_line(run, content, expected):
    (run.path / checksums.NAME).write_bytes(content)
    assert expected in refusal(Run.open, run.path)


def test_a_file_that_is_just_being_replaced_is_looked_at_again(run, monkeypatch):
    """Training renames the weights and then their checksum; an edit may read between the two."""
    file = run.path / "generator.weights.h5"
    file.write_bytes(file.read_bytes() + b"x")
    monkeypatch.setattr(checksums.time, "sleep", lambda _: checksums.write_sums(run.path, [
        "generator.weights.h5"]))  # fmt: skip
    checksums.check_sums(run.path, ["generator.weights.h5"])


def test_many_damaged_files_are_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(checksums, "_MOMENT", 0)
    for number in range(9):
        (tmp_path / f"{number}").write_text("old")
    (tmp_path / ".partial.0123.x").write_text("left by a kill")
    checksums.write_sums_of_all(tmp_path)
    for number in range(9):
        (tmp_path / f"{number}").write_text("new")
    (tmp_path / "8").unlink()
    message = refusal(checksums.check_sums, tmp_path)
    assert message.count("was damaged") == 5 and "(and 4 more)" in message
