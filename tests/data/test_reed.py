"""Captions in the forms that Reed et al. and AttnGAN published."""

from __future__ import annotations

import pickle
import shutil
import struct
from pathlib import Path

import pytest
from data_writers import refusal, torch_storage, torch_table, torch_tensor, write_cub

from mim_tf.data.formats import torch7
from mim_tf.data.sets import cub


@pytest.fixture
def bird(tmp_path) -> Path:
    return write_cub(tmp_path / "cub")


def test_captions_as_torch_files(bird):
    texts = bird / "text_c10"
    before = cub.read(bird, "train").records
    for path in list(texts.rglob("*.txt")):
        captions = path.read_text().splitlines()
        path.with_suffix(".t7").write_bytes(torch_table(captions, path.stem))
        path.unlink()
    assert cub.read(bird, "train").records == before
    file = next(texts.rglob("*.t7"))
    content = torch7.load(file)
    assert content["char"].shape == (201, 2) and content["img"] == file.stem


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "not a Torch file"),
        (torch_table(["a bird"], "x")[:-20], "not a Torch file"),
        (b"\x08\0\0\0" + b"\0" * 40, "type 8, which may hold code"),
        (torch_table(["a bird"], "x").replace(b"torch.ByteTensor", b"torch.EvilTensor"), "Evil"),
        (b"\x01\0\0\0" + b"\0" * 8, "holds no captions"),
        # Strides of 0 would make a million bytes of one.
        (torch_tensor((1000, 1000), (0, 0), torch_storage(b"a")), "larger than its storage"),
        (torch_tensor((1, 1), (1, 1), struct.pack("<ii", 2, 1) + b"a"), "storage is a str"),
        (torch_tensor((1, 1), (1, 1), struct.pack("<iii", 3, 9, 0)), "storage is a dict"),
    ],
)
def test_broken_torch_files_are_refused(bird, data, expected):
    shutil.rmtree(bird / "text_c10")
    file = bird / "text_c10" / "001.Finch" / "Finch_0.t7"
    file.parent.mkdir(parents=True)
    file.write_bytes(data)
    message = refusal(cub.read, bird, "train")
    assert expected in message and "Finch_0.t7" in message


def attngan(bird, train, test, words) -> None:
    shutil.rmtree(bird / "text_c10", ignore_errors=True)
    ids = {word: number for number, word in words.items()}
    (bird / "captions.pickle").write_bytes(pickle.dumps([train, test, words, ids], 2))


def test_captions_of_attngan(bird):
    words = {0: "<end>", 1: "a", 2: "red", 3: "bird", 4: "blue"}
    attngan(bird, [[1, 2, 3], [2, 3], [1, 3], [4, 3], [1, 4, 3], [4]], [[3], [2]], words)
    train = [record.captions for record in cub.read(bird, "train").records]
    # In the order of filenames.pickle, which is not that of the records.
    assert [r.image_id[-1] for r in cub.read(bird, "train").records] == ["0", "2", "1"]
    assert train == [("a red bird", "red bird"), ("a blue bird", "blue"), ("a bird", "blue bird")]
    assert cub.read(bird, "test").records[0].captions == ("bird", "red")
    attngan(bird, [[1]] * 7, [[3], [2]], words)
    assert "7 captions do not fit the 3 names" in refusal(cub.read, bird, "train")
    attngan(bird, [[9]] * 6, [[3], [2]], words)
    assert "expected AttnGAN's four parts" in refusal(cub.read, bird, "train")


def test_a_captions_pickle_cannot_run_code(bird, tmp_path):
    shutil.rmtree(bird / "text_c10")
    victim = tmp_path / "created"
    attack = b"cpathlib\nPath\n(V" + str(victim).encode() + b"\ntRcpathlib\nPath.touch\n."
    (bird / "captions.pickle").write_bytes(attack)
    assert "it asks for pathlib.Path" in refusal(cub.read, bird, "train")
    assert not victim.exists()
