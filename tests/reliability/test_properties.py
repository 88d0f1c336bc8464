"""Whatever a file holds, one clear line comes out, or a value; never another exception.

Seeds that were found once stand in the tests of what reads them; here Hypothesis looks for others,
the same on every run (``BUDGET``).
"""

from __future__ import annotations

import io
import json
import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import yaml
from damage import BUDGET, altered, damaged, json_values
from data_writers import write_folder
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tiny import tiny_config

from mim_tf import checksums, logs
from mim_tf.captions import check_caption, refusal
from mim_tf.config_files import load_config
from mim_tf.data import records
from mim_tf.data.formats import torch7
from mim_tf.data.formats.untrusted import read_pickle
from mim_tf.data.preparation import prepare
from mim_tf.data.sets import folder
from mim_tf.errors import UserError
from mim_tf.evaluation.pairs import read_pairs
from mim_tf.evaluation.ratings import read_answers
from mim_tf.pages import report
from mim_tf.pages.study import QUESTIONS, _read_key
from mim_tf.pictures import files
from mim_tf.places import LOG
from mim_tf.run import Run
from mim_tf.text import UNKNOWN, Vocabulary, word_vectors
from mim_tf.training.checkpoints import damage_of

pytestmark = pytest.mark.slow


def one_line_or_value(action, *arguments):
    """The value, or None after a clear line."""
    try:
        return action(*arguments)
    except UserError as error:
        assert str(error).strip() and "\n" not in str(error) and len(str(error)) <= 2004
        return None


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("damaged")


# Configuration and words -------------------------------------------------------------------------

CONFIG = tiny_config().model_dump(mode="json")


@BUDGET
@given(tree=altered(CONFIG))
def test_configurations(place, tree):
    file = place / "a.yaml"
    file.write_text(yaml.safe_dump(tree, allow_unicode=True), encoding="utf-8")
    one_line_or_value(load_config, file)


@BUDGET
@given(content=damaged(yaml.safe_dump(CONFIG).encode()))
def test_bytes_of_configurations(place, content):
    file = place / "a.yaml"
    file.write_bytes(content)
    one_line_or_value(load_config, file)


@BUDGET
@given(
    key=st.sampled_from(["train.seed", "model.slots", "loss.rec", "data", "machine.cache_gb", ""]),
    text=st.text(max_size=30),
)
def test_overrides(key, text):
    def load():
        return load_config("birds.yaml", overrides=[f"{key}={text}"])

    one_line_or_value(load)


WORDS = Vocabulary(["a", "bird", "red", "wings", "é", "１２"])


@BUDGET
@given(caption=st.text(st.characters(), max_size=60), max_words=st.integers(1, 9))
def test_captions(caption, max_words):
    ids = WORDS.encode(caption, max_words)
    assert ids.shape == (max_words,) and ids.min() >= 0 and ids.max() < len(WORDS)
    messages = check_caption(caption, WORDS.words, max_words, ["red"])
    assert all(len(message.text.splitlines()) == 1 for message in messages)
    # What is refused even if it is forced holds nothing that a model could read.
    assert bool(refusal(messages, anyway=True)) == (ids.max() <= UNKNOWN)


@BUDGET
@given(tree=altered({"words": ["a", "bird", "red"]}))
def test_vocabularies(place, tree):
    file = place / "vocabulary.json"
    file.write_text(json.dumps(tree))
    found = one_line_or_value(Vocabulary.load, file)
    assert found is None or all(isinstance(word, str) for word in found.words)


@BUDGET
@given(content=damaged(b"3 2\na 0.5 1\nred 0.25 -1e3\nbird 1 2\n"))
def test_word_vectors(place, content):
    file = place / "vectors.vec"
    file.write_bytes(content)
    found = one_line_or_value(word_vectors, file, WORDS, 0)
    assert found is None or np.isfinite(found.table).all()


# Pictures and files of data sets -----------------------------------------------------------------


def encoded(form: str) -> bytes:
    buffer = io.BytesIO()
    pixels = np.arange(6 * 7 * 3, dtype=np.uint8).reshape(6, 7, 3)
    Image.fromarray(pixels).save(buffer, form)
    return buffer.getvalue()


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP"])
def test_pictures(form):
    @BUDGET
    @given(content=damaged(encoded(form)))
    def check(content):
        picture = one_line_or_value(files.decode, content, "a picture", 1_000_000)
        assert picture is None or (picture.dtype == np.uint8 and picture.shape[2:] == (3,))

    check()


LINES = [{"image": f"some/{k}.png", "captions": ["a red thing"]} for k in (1, 4)]


@BUDGET
@given(
    lines=altered(LINES)
    .map(lambda rows: b"\n".join(json.dumps(row).encode() for row in rows or ()))
    .flatmap(damaged),
    text=damaged("a red bird\nthis bird is blue: \ufffd é\n".encode()),
)
def test_captions_of_own_pictures(place, lines, text):
    root = place / "pictures"
    for k in (1, 4):
        picture = root / "some" / f"{k}.png"
        if not picture.exists():
            files.write(picture, np.zeros((9, 9, 3), np.uint8))
        picture.with_suffix(".txt").write_bytes(text)
    index = root / "captions.jsonl"
    index.write_bytes(lines)
    one_line_or_value(folder.read, root, "train", 0.5)
    index.unlink()
    one_line_or_value(folder.read, root, "train", 0.5)


@BUDGET
@given(content=damaged(pickle.dumps([["a b"], {1: "bird"}, (1.5, None)], 2)) | st.binary())
def test_pickles(place, content):
    file = place / "captions.pickle"
    file.write_bytes(content)
    one_line_or_value(read_pickle, file)


@BUDGET
@given(content=damaged(b"\x03\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00") | st.binary())
def test_torch7_files(place, content):
    file = place / "a.t7"
    file.write_bytes(content)
    one_line_or_value(torch7.load, file)


def test_special_files_are_no_pictures(tmp_path):
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    paths = [tmp_path / "loop.png", tmp_path, "/dev/zero", "/dev/null", "a\udcff.png", "a\0b"]
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.png")
        paths.append(tmp_path / "pipe.png")
    for path in paths:
        assert one_line_or_value(files.read, path) is None


# What training and evaluation leave --------------------------------------------------------------


@pytest.fixture(scope="module")
def checkpoint(place) -> dict[str, bytes]:
    state = tf.train.Checkpoint(step=tf.Variable(3), weights=tf.Variable(tf.ones([50])))
    state.write(str(place / "whole"))
    return {path.suffix: path.read_bytes() for path in place.glob("whole.*")}


@pytest.mark.parametrize("suffix", [".index", ".data-00000-of-00001"])
def test_checkpoints(place, checkpoint, suffix):
    for name, content in checkpoint.items():
        (place / f"step-1{name}").write_bytes(content)

    @BUDGET
    @given(content=damaged(checkpoint[suffix]))
    def check(content):
        (place / f"step-1{suffix}").write_bytes(content)
        found = damage_of(place / "step-1")
        # Bytes that no value needs may be other ones; what is read is as it was.
        assert found is None or (found and "\n" not in found)
        if found is None:
            reader = tf.train.load_checkpoint(str(place / "step-1"))
            name = "weights/.ATTRIBUTES/VARIABLE_VALUE"
            assert (reader.get_tensor(name) == 1).all()

    check()


@pytest.mark.parametrize("name", ["generator.weights.h5", "vocabulary.json", checksums.NAME])
def test_weights_words_and_checksums(random_run, place, monkeypatch, name):
    monkeypatch.setattr(checksums, "_MOMENT", 0)
    folder = shutil.copytree(random_run.path, place / "run", dirs_exist_ok=True)
    whole = (folder / name).read_bytes()

    @BUDGET
    @given(content=damaged(whole))
    def check(content):
        (folder / name).write_bytes(content)
        opened = one_line_or_value(_check_all, folder)
        assert opened is None or content == whole or name == checksums.NAME

    check()


def _check_all(folder: Path) -> Run:
    run = Run.open(folder)
    checksums.check_sums(folder, ["generator.weights.h5"])
    return run


ROWS = b"".join(b'{"step": %d, "epoch": 0.1, "L_rec": 0.5}\n' % step for step in range(1, 6))


@BUDGET
@given(content=damaged(ROWS) | json_values().map(lambda tree: json.dumps(tree).encode() + b"\n"))
def test_logs(place, random_run, content):
    run = Run(place, random_run.config, random_run.vocabulary)
    (place / "log.jsonl").write_bytes(content)
    one_line_or_value(report._curves, place / "log.jsonl")
    one_line_or_value(logs.trim, place / LOG, 3)
    run.was_trained()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_no_log(random_run, tmp_path):
    run = Run(tmp_path, random_run.config, random_run.vocabulary)
    os.mkfifo(tmp_path / "log.jsonl")
    for read in (lambda: logs.trim(tmp_path / LOG, 3), run.was_trained):
        with pytest.raises(OSError, match="no plain file"):
            read()


KEY = {"study": "s", "pictures": {"p": {"method": "ours", "pair": "k"}}}
ANSWERS = {
    "study": "s", "rater": "r",
    "answers": [{"picture": "p", "question": next(iter(QUESTIONS)), "rank": 4}],
}  # fmt: skip


@BUDGET
@given(key=altered(KEY), answers=altered(ANSWERS))
def test_answers_and_keys_of_a_study(place, key, answers):
    (place / "key.json").write_text(json.dumps(key))
    (place / "answers.json").write_text(json.dumps(answers))
    one_line_or_value(_read_key, place / "key.json")
    one_line_or_value(read_answers, [place / "answers.json"], KEY, QUESTIONS)


PAIR = {"key": "k", "index": 0, "label": "x", "caption": "red", "own": "blue"}
EVALUATED = {
    "edited": {"diff": 0.1, "l2": 0.2}, "copied": {"diff": 0.0}, "real": {}, "truth": {},
}  # fmt: skip


@BUDGET
@given(pair=altered(PAIR), numbers=altered(EVALUATED), about=altered({"model": {"name": "m"}}))
def test_evaluations(place, random_run, pair, numbers, about):
    (place / "pairs.jsonl").write_text(json.dumps(pair) + "\n")
    one_line_or_value(read_pairs, place / "pairs.jsonl")
    (place / "metrics.json").write_text(json.dumps(numbers))
    (place / "manifest.json").write_text(json.dumps(about))
    found = one_line_or_value(report._read_evaluation, place, random_run, None)
    if found is not None:
        one_line_or_value(report._table, *found, place)


@pytest.fixture(scope="module")
def prepared(place):
    """Records of some pictures, their configuration, and what their files hold."""
    own = write_folder(place / "own", 5)
    config = tiny_config(data={"source": "folder", "root": str(own)})
    prepare(config, place / "records")
    sections = config.data.model_dump(mode="json") | {"records": str(place / "records")}
    return config.model_copy(update={"data": type(config.data)(**sections)}), {
        path: path.read_bytes() for path in (place / "records").iterdir()
    }


@pytest.mark.parametrize("name", [records.MANIFEST, records.SETTINGS, "0-of-00001.json",
                                  "0-of-00001.tfrecord", checksums.NAME])  # fmt: skip
def test_records(prepared, monkeypatch, name):
    monkeypatch.setattr(checksums, "_MOMENT", 0)
    config, whole = prepared
    file = next(path for path in whole if path.name.endswith(name))

    @BUDGET
    @given(content=damaged(whole[file]), sealed=st.booleans())
    def check(content, sealed):
        for path, original in whole.items():
            path.write_bytes(original)
        file.write_bytes(content)
        if sealed and name != checksums.NAME:  # by whoever has changed it
            checksums.write_sums_of_all(file.parent)
        source = one_line_or_value(records.load_records, config, "train")
        for index in range(len(source or ())):
            one_line_or_value(source.picture, index, 32)

    check()
