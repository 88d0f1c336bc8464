"""CelebA: real samples, captions from attributes, and every bad input."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest
from data_writers import left_over, link, refusal, source_of
from short_training import started

from mim_tf.data.sets import celeba
from mim_tf.data.sets.celeba_captions import ATTRIBUTES, face_caption
from mim_tf.pictures import files
from mim_tf.text import tokenize


def test_celeba_of_the_sample(samples):
    root = samples / "celeba"
    train, test = (celeba.read(root, split) for split in ("train", "test"))
    assert len(train.records) + len(test.records) == 32
    assert len(train.missing) + len(test.missing) == 2000 - 32
    first = train.records[0]
    assert first.image_id == "000001" and len(first.captions) == 1
    assert first.captions == celeba.read(root, "train").records[0].captions
    attributes = celeba.read_attributes(root / "list_attr_celeba.txt")
    assert len(attributes) == 2000 and attributes["000001"]["Smiling"]
    picture = source_of("celeba", root).picture(0, 64)
    assert picture.shape == (64, 64, 3)


def test_attribute_captions_say_what_is_set_and_nothing_else():
    nothing = dict.fromkeys(ATTRIBUTES, False)
    plain = face_caption(1, nothing)
    said = {}
    for name in ATTRIBUTES:
        caption = face_caption(1, {**nothing, name: True})
        said[name] = set(tokenize(caption)) - set(tokenize(plain))
    # Whether a photograph is blurred, and that a man has no beard, is not part of a face.
    assert {name for name, words in said.items() if not words} == {"Blurry", "No_Beard"}
    assert "eyeglasses" in said["Eyeglasses"] and "bald" in said["Bald"]
    man = {**nothing, "Male": True}
    assert "beard" in face_caption(1, man)
    assert "beard" not in face_caption(1, {**man, "No_Beard": True})
    assert len({face_caption(k, man) for k in range(30)}) > 1


def test_captions_of_text2facegan(samples, tmp_path):
    link(samples / "celeba" / "img_align_celeba", tmp_path / "img_align_celeba")
    (tmp_path / "caps.txt").write_text(
        "image_id,text_description\n"
        + "".join(f'{k:06d}.jpg\t"The woman has {k} earrings, and smiles."\n' for k in range(1, 11))
    )
    records = celeba.read(tmp_path, "train").records + celeba.read(tmp_path, "test").records
    assert len(records) == 10
    assert all(
        r.captions == (f"The woman has {int(r.image_id)} earrings, and smiles.",) for r in records
    )
    (tmp_path / "caps.txt").write_text("000001.jpg a face\nnonsense\n")
    assert "line 2 is not a picture's name" in refusal(celeba.read, tmp_path, "train")


@pytest.mark.parametrize("line", ['000003.jpg,""', "000003.jpg\t..."])
def test_a_face_without_a_caption_is_left_out(tmp_path, line):
    for k in range(1, 11):
        files.write(tmp_path / "img_align_celeba" / f"{k:06d}.jpg", np.zeros((9, 9, 3), np.uint8))
    captions = [f"{k:06d}.jpg,a face with {k} earrings" for k in range(1, 11)]
    captions[2] = line
    (tmp_path / "caps.txt").write_text("\n".join(captions))
    found = celeba.read(tmp_path, "train")
    assert found.uncaptioned == ("000003",) and not found.missing
    assert len(found.records) == 7 and all(record.captions for record in found.records)


def test_celeba_is_read_from_its_archive(samples, tmp_path):
    link(samples / "celeba" / "list_attr_celeba.txt", tmp_path / "list_attr_celeba.txt")
    archive = tmp_path / "img_align_celeba.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for path in (samples / "celeba" / "img_align_celeba").iterdir():
            packed.write(path, f"img_align_celeba/{path.name}")
    whole = archive.read_bytes()
    archive.write_bytes(whole[: len(whole) // 2])
    assert "broken or incomplete" in refusal(celeba.read, tmp_path, "train")
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as packed:
        packed.writestr("../evil.jpg", b"x")
    (tmp_path / "evil.zip").rename(archive)
    assert "leads out of its folder" in refusal(celeba.read, tmp_path, "train")
    damaged = bytearray(whole)
    damaged[len(whole) // 2] ^= 255
    archive.write_bytes(damaged)
    assert "download it again" in refusal(celeba.read, tmp_path, "train")
    assert not left_over(tmp_path)
    archive.write_bytes(whole)
    assert len(celeba.read(tmp_path, "train").records) == 28


def test_celeba_bad_attributes(samples, tmp_path):
    link(samples / "celeba" / "img_align_celeba", tmp_path / "img_align_celeba")
    assert "list_attr_celeba.txt: there is no such file" in refusal(celeba.read, tmp_path, "train")
    lines = (samples / "celeba" / "list_attr_celeba.txt").read_text().splitlines()
    file = tmp_path / "list_attr_celeba.txt"
    for changed, expected in (
        (lines[:2], "expected a count"),
        ([lines[0], "Red Blue", *lines[2:]], "40 attribute names"),
        ([*lines[:5], lines[5].replace(" 1", " 2", 1)], "line 6 does not hold 40 values"),
        ([*lines[:3], lines[3].replace("000002", "../002")], "is not a name like"),
    ):
        file.write_text("\n".join(changed))
        assert expected in refusal(celeba.read, tmp_path, "train")


def test_a_run_starts_from_celeba(samples, tmp_path):
    run = started(tmp_path, source="celeba", root=samples / "celeba")
    assert "smiling" in run.vocabulary.words
    names = (run.path / "train.txt").read_text().splitlines()
    assert len(set(names)) == len(names) > 10 and all(len(name) == 6 for name in names)
