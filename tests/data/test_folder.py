"""Own pictures: captions.jsonl, or a .txt beside each picture."""

from __future__ import annotations

import numpy as np
import pytest
from data_writers import write_folder
from short_training import trained
from tiny import tiny_config

from mim_tf.data.sets import folder
from mim_tf.data.sources import load_source
from mim_tf.errors import UserError
from mim_tf.pictures import files


def refusal(root, split="train", **data) -> str:
    config = tiny_config(data={"source": "folder", "root": str(root), **data})
    with pytest.raises(UserError) as caught:
        load_source(config, split)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def lines(tmp_path):
    return write_folder(tmp_path / "own")


@pytest.fixture
def texts(lines):
    """The same pictures with a .txt beside each."""
    for record in (r for s in ("train", "test") for r in folder.read(lines, s, 0.0).records):
        record.path.with_suffix(".txt").write_text("\n".join(record.captions) + "\n\n")
    (lines / "captions.jsonl").unlink()
    return lines


def test_captions_in_lines(lines):
    train, test = (folder.read(lines, split, 0.5) for split in ("train", "test"))
    assert [r.image_id for r in test.records] == ["some/6.jpg", "some/7.png"]
    assert len(train.records) == 6 and not train.uncaptioned and not train.missing
    assert train.records[0].captions == ("a red thing",)
    config = tiny_config(data={"source": "folder", "root": str(lines)})
    source = load_source(config, "train")
    assert source.classes == source.ids
    for index in range(6):
        assert source.picture(index, 32).shape == (32, 32, 3)


def test_captions_beside_pictures(texts):
    train, test = (folder.read(texts, split, 0.25) for split in ("train", "test"))
    assert (len(train.records), len(test.records)) == (6, 2)
    assert {r.class_name for r in train.records} == {"some"}
    assert sorted(r.captions[0] for r in train.records + test.records)[0] == "a blue thing"
    again = folder.read(texts, "test", 0.25)
    assert again == test


def test_captions_without_pictures_and_the_reverse(lines, texts):
    (texts / "some" / "lonely.txt").write_text("a red thing")
    assert "lonely.txt: captions without a picture" in refusal(texts)
    (texts / "some" / "lonely.txt").unlink()
    (texts / "some" / "3.txt").unlink()
    assert "1 pictures are without captions (some/3.jpg)" in refusal(texts)
    config = tiny_config(
        data={"source": "folder", "root": str(texts), "partial": True, "test_share": 0}
    )
    assert len(load_source(config, "train")) == 7
    (texts / "some" / "3.txt").write_text(" \ufffd .\n")
    assert "without captions" in refusal(texts)


@pytest.mark.parametrize("form", ["lines", "texts"])
@pytest.mark.parametrize(
    "marks",
    [
        ("config.yaml", "vocabulary.json"),
        ("settings.json", "train-00000-of-00001.tfrecord"),
        ("manifest.json", "pairs.jsonl"),
    ],
)
def test_our_own_outputs_among_the_pictures_are_passed_over(request, form, marks):
    root = request.getfixturevalue(form)
    before = folder.read(root, "train", 0.25)
    output = root / "outputs" / "one"
    files.write(output / "sheet.png", np.zeros((9, 9, 3), np.uint8))
    files.write(output / "samples" / "step-1.png", np.zeros((9, 9, 3), np.uint8))
    (output / "train.txt").write_text("a/b\n")
    for name in marks:
        (output / name).touch()
        (root / name).touch()  # what is asked for is read, whatever lies in it
    assert folder.read(root, "train", 0.25) == before


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('{"image": "some/9.jpg", "captions": ["a"]}', "line 9: there is no picture some/9.jpg"),
        ('{"image": "../9.jpg", "captions": ["a"]}', "leads out of its folder"),
        ('{"image": "some/0.jpg", "captions": ["a"]}', "has captions on a line before"),
        ('{"image": "some/0.jpg", "captions": []}', "no caption with a word"),
        ('{"image": "some/0.jpg", "captions": ["..."]}', "no caption with a word"),
        ('{"image": "some/0.jpg", "captions": [3]}', "no caption with a word"),
        ('{"image": "some/0.jpg"}', "line 9: expected"),
        ('["some/0.jpg"]', "line 9: expected"),
        ('{"image": ', "line 9 is not JSON"),
        ('{"image": "some/0.jpg", "captions": ["a"], "split": "dev"}', "use train or test"),
    ],
)
def test_bad_lines(lines, line, expected):
    with (lines / "captions.jsonl").open("a") as file:
        file.write(line + "\n")
    assert expected in refusal(lines)


def test_folders_without_anything_to_train_on(tmp_path, texts):
    assert "no such folder" in refusal(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    assert "holds no pictures" in refusal(tmp_path / "empty")
    assert "the test split has 0 pictures" in refusal(texts, "test", test_share=0)
    for path in texts.rglob("*.txt"):
        path.unlink()
    assert "neither captions.jsonl nor a .txt" in refusal(texts)


def test_training_from_a_folder(tmp_path):
    run = trained(tmp_path, source="folder", root=write_folder(tmp_path / "own"))
    assert "thing" in run.vocabulary.words
