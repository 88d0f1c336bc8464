"""Oxford-102 flowers: the real photographs and labels, with captions that are written here."""

from __future__ import annotations

import pickle
import tarfile
from pathlib import Path

import pytest
from data_writers import COLOURS, left_over, link, options_of, refusal, source_of
from short_training import started

from mim_tf.data.sets import flowers


def write_flowers(samples: Path, root: Path) -> Path:
    """The real photographs and labels, with captions and classes of the split written here."""
    link(samples / "flowers" / "jpg", root / "jpg")
    link(samples / "flowers" / "imagelabels.mat", root / "imagelabels.mat")
    labels = flowers.read_labels(root)
    for path in (root / "jpg").iterdir():
        number = int(path.stem.removeprefix("image_"))
        text = root / "text_c10" / labels[number - 1] / f"{path.stem}.txt"
        text.parent.mkdir(parents=True, exist_ok=True)
        lines = [f"this flower has {COLOURS[(number + k) % 5]} petals" for k in range(10)]
        text.write_text("\n".join(lines) + "\n", "utf-8")
    for name, classes in (("trainval", range(21, 103)), ("test", range(1, 21))):
        (root / f"{name}classes.txt").write_text("".join(f"class_{k:05d}\n" for k in classes))
    return root


@pytest.fixture(scope="module")
def flower_root(samples, tmp_path_factory) -> Path:
    return write_flowers(samples, tmp_path_factory.mktemp("flowers"))


def test_flowers_labels_photographs_and_split(flower_root):
    labels = flowers.read_labels(flower_root)
    assert len(labels) == 8189 and set(labels) == {f"class_{k:05d}" for k in range(1, 103)}
    train, test = (flowers.read(flower_root, split) for split in ("train", "test"))
    assert (len(train.records), len(test.records)) == (82 * 3, 20 * 3)
    assert {r.class_name for r in test.records} == {f"class_{k:05d}" for k in range(1, 21)}
    for record in train.records + test.records:
        number = int(record.path.stem.removeprefix("image_"))
        assert record.class_name == labels[number - 1] and len(record.captions) == 10
    assert len(train.missing) + len(test.missing) == 8189 - 306
    picture = source_of("flowers", flower_root).picture(0, 64)
    assert picture.shape == (64, 64, 3) and picture.std() > 0


def test_flowers_are_read_from_their_archive(flower_root, tmp_path):
    for path in flower_root.iterdir():
        if path.name != "jpg":
            link(path, tmp_path / path.name)
    with tarfile.open(tmp_path / "102flowers.tgz", "w:gz", dereference=True) as packed:
        packed.add(flower_root / "jpg", "jpg")
    found, expected = (flowers.read(root, "train").records for root in (tmp_path, flower_root))
    assert [record.image_id for record in found] == [record.image_id for record in expected]
    assert found[0].path.read_bytes() == expected[0].path.read_bytes()
    assert found[0].path.is_relative_to(tmp_path) and not left_over(tmp_path)


def test_flowers_by_stackgans_lists(flower_root, tmp_path):
    for name in ("jpg", "imagelabels.mat", "text_c10"):
        link(flower_root / name, tmp_path / name)
    expected = flowers.read(flower_root, "test")
    names = [f"jpg/{record.path.stem}" for record in expected.records]
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "filenames.pickle").write_bytes(pickle.dumps(names))
    assert [r.image_id for r in flowers.read(tmp_path, "test").records] == [
        r.image_id for r in expected.records
    ]


def test_flowers_bad_input(flower_root, tmp_path):
    missing = options_of("flowers", tmp_path / "none")
    assert "no such folder" in refusal(flowers.load, missing, "train")
    assert "102flowers.tgz" in refusal(flowers.read, tmp_path, "train")
    link(flower_root / "jpg", tmp_path / "jpg")
    assert "imagelabels.mat: there is no such file" in refusal(flowers.read, tmp_path, "train")
    (tmp_path / "imagelabels.mat").write_bytes(b"MATLAB 5.0 MAT-file" + b"\0" * 200)
    assert "imagelabels.mat" in refusal(flowers.read, tmp_path, "train")
    (tmp_path / "imagelabels.mat").unlink()
    link(flower_root / "imagelabels.mat", tmp_path / "imagelabels.mat")
    assert "no list of the train split" in refusal(flowers.read, tmp_path, "train")
    (tmp_path / "testclasses.txt").write_text("")
    assert "split is empty" in refusal(flowers.read, tmp_path, "test")
    (tmp_path / "testclasses.txt").write_text("class_00001/image_00001\n")  # of class 77
    assert "does not have in that class" in refusal(flowers.read, tmp_path, "test")
    (tmp_path / "testclasses.txt").write_text("class_00001\n")
    assert "no captions; expected the folder text_c10" in refusal(flowers.read, tmp_path, "test")


def test_a_run_starts_from_flowers(samples, tmp_path):
    run = started(tmp_path, source="flowers", root=write_flowers(samples, tmp_path / "flowers"))
    assert "petals" in run.vocabulary.words
