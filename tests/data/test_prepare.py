"""Records: made once, checked, safe to interrupt, and training from them sees the same pictures."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from data_writers import write_folder
from tiny import TINY, tiny_config

from mim_tf.data import records
from mim_tf.data.pipeline import Sampler
from mim_tf.data.preparation import prepare
from mim_tf.data.sources import load_source
from mim_tf.errors import UserError
from mim_tf.prepare import main
from mim_tf.training.start import build_vocabulary

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module", autouse=True)
def small_shards():
    patch = pytest.MonkeyPatch()
    patch.setattr(records, "SHARD_SIZE", 4)
    yield
    patch.undo()


def config_of(root, folder=None, **data):
    records_of = {} if folder is None else {"records": str(folder)}
    data = {"source": "folder", "root": str(root), **records_of, **data}
    return tiny_config(data=data)


@pytest.fixture
def own(tmp_path) -> Path:
    return write_folder(tmp_path / "own", 12)


@pytest.fixture
def made(own, tmp_path) -> Path:
    prepare(config_of(own), tmp_path / "records")
    return tmp_path / "records"


def refusal(action, *arguments) -> str:
    with pytest.raises(UserError) as caught:
        action(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def times(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("*.tfrecord")}


def test_training_from_records_sees_what_training_from_files_sees(own, made):
    plain, recorded = config_of(own), config_of(own, made)
    samples = []
    for config in (plain, recorded):
        source = load_source(config, "train")
        sampler = Sampler(source, build_vocabulary(source, config), config)
        samples.append(sampler(3, 40))
    for a, b in zip(*samples, strict=True):
        np.testing.assert_array_equal(a, b)
    a, b = (load_source(config, "test") for config in (plain, recorded))
    assert a.ids == b.ids and a.captions == b.captions and a.classes == b.classes
    np.testing.assert_array_equal(a.picture(1, 32), b.picture(1, 32))


def test_other_readers_can_read_the_records(own, made):
    source = load_source(config_of(own), "train")
    files = sorted(str(path) for path in made.glob("train-*.tfrecord"))
    examples = [tf.train.Example.FromString(one.numpy()) for one in tf.data.TFRecordDataset(files)]
    assert len(files) == 3 and len(examples) == len(source) == 10
    for index, example in enumerate(examples):
        feature = example.features.feature
        assert feature["id"].bytes_list.value[0].decode() == source.ids[index]
        captions = tuple(one.decode() for one in feature["captions"].bytes_list.value)
        assert captions == source.captions[index]
        pixels = np.frombuffer(feature["picture"].bytes_list.value[0], np.uint8)
        np.testing.assert_array_equal(pixels.reshape(38, 38, 3), source.picture(index, 38))


def test_the_manifest_and_the_summary(own, tmp_path, capsys):
    (tmp_path / "c.yaml").write_text(json.dumps({**TINY, "data": {
        "source": "folder", "root": str(own), "max_words": 2}}))  # fmt: skip
    assert main(["--config", str(tmp_path / "c.yaml"), "--output", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["splits"]["train"]["pictures"] == 10
    assert manifest["splits"]["test"]["captions"] == 2
    assert set(manifest["vocabulary"]) == {"a", "thing", "red", "blue", "white", "yellow", "green"}
    assert manifest["settings"]["data.source"] == "folder"
    assert "train: 10 pictures, 10 captions, 3 shards" in printed
    assert "captions a picture: 1 (10)" in printed and "cut at data.max_words=2: 10" in printed
    assert (
        "0 to   3       10 ####" in printed and "vocabulary of the training captions: 7" in printed
    )
    assert printed.splitlines()[-1] == str(tmp_path / "out")
    assert (tmp_path / "out" / "contact-sheet.png").is_file()
    assert len((tmp_path / "out" / "test.txt").read_text().splitlines()) == 2


def test_unknown_words_of_the_test_split_are_counted(own, tmp_path, capsys):
    text = (own / "captions.jsonl").read_text()
    (own / "captions.jsonl").write_text(
        text.replace('["a red thing"], "split": "test"', '["a crimson thing"], "split": "test"')
    )
    prepare(config_of(own), tmp_path / "out")
    assert "unknown: 1 words, 16.67% of all; the most frequent: crimson (1)" in (
        capsys.readouterr().out
    )


def test_an_interrupted_run_goes_on_where_it_was(own, made, tmp_path, monkeypatch):
    expected = {path.name: path.read_bytes() for path in made.glob("*.tfrecord")}
    broken_off = tmp_path / "again"
    write = records.write_shard
    calls = []

    def interrupt(folder, name, *rest):
        if len(calls) == 2:
            raise KeyboardInterrupt
        calls.append(name)
        write(folder, name, *rest)

    monkeypatch.setattr(records, "write_shard", interrupt)
    with pytest.raises(KeyboardInterrupt):
        prepare(config_of(own), broken_off)
    monkeypatch.undo()
    monkeypatch.setattr(records, "SHARD_SIZE", 4)
    assert "no finished records" in refusal(load_source, config_of(own, broken_off), "train")
    before = times(broken_off)
    assert len(before) == 2
    prepare(config_of(own), broken_off)
    assert before.items() <= times(broken_off).items()
    assert {path.name: path.read_bytes() for path in broken_off.glob("*.tfrecord")} == expected
    assert not list(broken_off.glob(".partial*"))


def test_a_truncated_or_damaged_record_is_found_and_made_again(own, made):
    config, shard = config_of(own, made), made / "train-00001-of-00003.tfrecord"
    whole = shard.read_bytes()
    shard.write_bytes(whole[:-100])
    damaged = "train-00001-of-00003.tfrecord was damaged"
    assert damaged in refusal(load_source, config, "train")
    shard.unlink()
    assert "cannot be read" in refusal(load_source, config, "train")
    shard.write_bytes(whole[:-100] + b"x" * 100)  # only the checksum tells
    assert damaged in refusal(load_source, config, "train")
    load_source(config, "test")  # of other shards
    untouched = times(made)
    prepare(config_of(own), made)
    assert shard.read_bytes() == whole
    assert {name for name, at in times(made).items() if untouched[name] != at} == {shard.name}
    source = load_source(config, "train")
    shard.write_bytes(whole[:5000])  # truncated while training runs
    with pytest.raises(UserError, match="truncated"):
        for index in range(len(source)):
            source.picture(index, 38)


def test_a_picture_that_changed_is_read_again(own, made):
    before = times(made)
    changed = own / "some" / "0.jpg"
    changed.write_bytes((own / "some" / "3.jpg").read_bytes())
    prepare(config_of(own), made)
    pictures = [load_source(config_of(own, made), "train").picture(k, 32) for k in (0, 3)]
    np.testing.assert_array_equal(*pictures)
    again = times(made)
    assert sum(again[name] != before[name] for name in before) == 1


def test_a_broken_manifest_is_one_line(own, made):
    for content in ("{", "[]", "{}", '{"splits": {"train": {"shards": [{"name": "x"}]}}}'):
        (made / "manifest.json").write_text(content)
        assert "run mim_tf.prepare again" in refusal(load_source, config_of(own, made), "train")


def test_records_of_other_settings_are_not_mixed(own, made):
    def other(**sections):
        config = config_of(own)
        for name, values in sections.items():
            section = getattr(config, name).model_copy(update=values)
            config = config.model_copy(update={name: section})
        return config

    assert "size of training pictures=38, not 32" in refusal(
        prepare, other(data={"augment": False}), made
    )
    assert "size of training pictures=38, not 57" in refusal(
        prepare, other(model={"fine_size": 48}), made
    )
    config = other(data={"records": made}, model={"fine_size": 48})
    assert "size of training pictures=38, not 57" in refusal(load_source, config, "train")
    (own / "captions.jsonl").write_text((own / "captions.jsonl").read_text().replace("red", "pink"))
    assert "made with train split=" in refusal(prepare, config_of(own), made)
    load_source(config_of(own, made), "train")  # the records themselves are as they were


@pytest.mark.parametrize("setting", ["seed", "count", "captions", "terse"])
def test_records_of_other_birds_are_refused(tmp_path, setting):
    made = tmp_path / "records"
    made.mkdir()
    records.write_json(made / records.SETTINGS, records.settings_of(tiny_config()))
    records.write_json(made / records.MANIFEST, {})
    others = tiny_config(data={"records": str(made), setting: 1})
    assert f"made with data.{setting}=" in refusal(load_source, others, "train")


def test_a_folder_with_other_files_is_left_alone(own, tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "letter").write_text("dear")
    assert "holds other files" in refusal(prepare, config_of(own), tmp_path / "home")
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["letter"]


def test_broken_pictures_are_reported_and_left_out_up_to_a_limit(own, tmp_path, capsys):
    for name in ("0.jpg", "3.jpg"):
        (own / "some" / name).write_bytes((own / "some" / name).read_bytes()[:-20])
    folder = tmp_path / "out"
    prepare(config_of(own), folder)
    assert capsys.readouterr().err.count("left out some/") == 2
    assert len(load_source(config_of(own, folder), "train")) == 8
    assert "2 pictures are broken, more than data.broken_limit=1" in refusal(
        prepare, config_of(own, broken_limit=1), tmp_path / "few"
    )
    assert not (tmp_path / "few" / "manifest.json").exists()
    # Put right, they are read on the next run.
    write_folder(own, 12)
    prepare(config_of(own), folder)
    assert len(load_source(config_of(own, folder), "train")) == 10


def test_a_split_of_broken_pictures_ends_before_the_manifest(own, tmp_path):
    for path in (own / "some" / "10.png", own / "some" / "11.webp"):  # all that tests
        path.write_bytes(b"broken")
    assert "0 sound pictures in the test split" in refusal(prepare, config_of(own), tmp_path / "a")
    assert not (tmp_path / "a" / "manifest.json").exists()
    write_folder(own, 12)
    prepare(config_of(own), tmp_path / "a")
    assert (tmp_path / "a" / "manifest.json").exists()


def test_a_disk_without_room_is_told_before_anything_is_written(own, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 9, 1))
    assert "make room" in refusal(prepare, config_of(own), tmp_path / "out")
    assert not (tmp_path / "out").exists()


FULL_DISK = """
import resource, signal, sys
from mim_tf.prepare import main
from mim_tf.data import sources
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))  # no file may grow beyond: a full disk
sys.exit(main(sys.argv[1:]))
"""


def test_a_disk_that_fills_up_is_one_line_and_leaves_nothing_half_written(own, tmp_path):
    (tmp_path / "c.yaml").write_text(
        json.dumps({**TINY, "data": {"source": "folder", "root": str(own)}})
    )
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, "--config", tmp_path / "c.yaml", "--output",
         tmp_path / "out"], capture_output=True, text=True, cwd=ROOT, check=False,
    )  # fmt: skip
    assert done.returncode == 1 and "Traceback" not in done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("error: ") and "cannot be written" in last and "make room" in last
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["settings.json"]


def test_several_processes_make_the_same_records(own, made, tmp_path):
    """In a process of its own, as a user would: the workers start afresh and import the package."""
    machine = {**TINY["machine"], "workers": 2}
    config = {**TINY, "data": {"source": "folder", "root": str(own)}, "machine": machine}
    (tmp_path / "c.yaml").write_text(json.dumps(config))
    done = subprocess.run(
        [sys.executable, "-m", "mim_tf.prepare", "--config", tmp_path / "c.yaml", "--output",
         tmp_path / "out"], capture_output=True, text=True, cwd=ROOT, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    one, several = (load_source(config_of(own, folder), "train") for folder in
                    (made, tmp_path / "out"))  # fmt: skip
    assert one.ids == several.ids
    for index in range(len(one)):
        np.testing.assert_array_equal(one.picture(index, 38), several.picture(index, 38))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_the_processes_of_a_killed_prepare_end():
    """One that was killed can tell its workers nothing; they would wait for work for ever."""
    code = (
        "import time; from multiprocessing import get_context\n"
        "from mim_tf.data.preparation import _end_with_parent\n"
        "if __name__ == '__main__':\n"
        "    worker = get_context('spawn').Process(target=_end_with_parent)\n"
        "    worker.start(); print(worker.pid, flush=True); time.sleep(99)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        os.kill(worker, 0)  # it lives
        parent.kill()
        parent.wait()
        for _ in range(300):
            try:
                os.kill(worker, 0)
            except ProcessLookupError:
                return
            time.sleep(0.1)
    os.kill(worker, signal.SIGKILL)
    raise AssertionError("the worker is still there")


def test_bad_requests_exit_1(tmp_path, capsys):
    for arguments, expected in (
        (["--config", "cub.yaml", "--set", f"data.root={tmp_path / 'none'}"], "no such folder"),
        (["--config", "cub.yaml", "--set", "data.root=null"], "data.root"),
        (["--config", "nothing.yaml"], "no config nothing.yaml"),
    ):
        assert main([*arguments, "--output", str(tmp_path / "out")]) == 1
        last = capsys.readouterr().err.strip().splitlines()[-1]
        assert last.startswith("error: ") and expected in last
    assert not (tmp_path / "out").exists()
