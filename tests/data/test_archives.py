"""Archives: unpacked beside themselves whole or not at all, and nothing leaves its folder."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from data_writers import left_over, refusal, write_cub

from mim_tf.data.formats import untrusted
from mim_tf.data.sets import cub


@pytest.fixture
def bird(tmp_path) -> Path:
    return write_cub(tmp_path / "cub")


def pack(bird: Path) -> Path:
    """CUB's folder as its archive, with the file that lies beside the folder in the real one."""
    archive = bird / "CUB_200_2011.tgz"
    (bird / "attributes.txt").write_text("1 has_bill_shape::curved\n")
    with tarfile.open(archive, "w:gz") as packed:
        packed.add(bird / "attributes.txt", "attributes.txt")
        packed.add(bird / "CUB_200_2011", "CUB_200_2011")
    (bird / "attributes.txt").unlink()
    shutil.rmtree(bird / "CUB_200_2011")
    return archive


def test_cub_is_read_from_its_archive(bird):
    before = cub.read(bird, "train")
    pack(bird)
    assert cub.read(bird, "train") == before
    assert (bird / "CUB_200_2011").is_dir() and not (bird / "attributes.txt").exists()
    assert not left_over(bird)


@pytest.mark.parametrize("share", [0.5, 0.98, 0.0])
def test_half_an_archive_is_refused_and_leaves_nothing(bird, share):
    archive = pack(bird)
    data = archive.read_bytes()
    archive.write_bytes(data[: int(share * len(data))])
    message = refusal(cub.read, bird, "train")
    assert "download it again" in message and "CUB_200_2011.tgz" in message
    assert not (bird / "CUB_200_2011").exists() and not left_over(bird)


@pytest.mark.parametrize(("place", "value"), [(6, 1), (8, 77)])  # encrypted; unknown method
def test_a_damaged_zip_is_refused(tmp_path, place, value):
    archive = tmp_path / "img_align_celeba.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("img_align_celeba/000001.jpg", b"picture" * 100)
    data = bytearray(archive.read_bytes())
    directory = data.index(b"PK\x01\x02")
    data[place] = data[directory + place + 2] = value
    archive.write_bytes(data)
    message = refusal(untrusted.find_or_unpack, tmp_path, "img_align_celeba", archive.name)
    assert "download it again" in message
    assert [path.name for path in tmp_path.iterdir()] == [archive.name]


@pytest.mark.parametrize("name", ["../evil.jpg", "/tmp/evil.jpg", "CUB_200_2011/../../evil.jpg"])
def test_a_path_that_leaves_the_archive_is_refused(bird, tmp_path, name):
    archive = pack(bird)
    (tmp_path / "evil").write_text("evil")
    with tarfile.open(archive, "w:gz") as packed:
        entry = tarfile.TarInfo(name)
        entry.size = 4
        with (tmp_path / "evil").open("rb") as content:
            packed.addfile(entry, content)
    assert "leads out of its folder" in refusal(cub.read, bird, "train")
    assert not list(tmp_path.rglob("evil.jpg")) and not left_over(bird)


def test_links_in_an_archive_are_refused(bird):
    archive = pack(bird)
    with tarfile.open(archive, "w:gz") as packed:
        entry = tarfile.TarInfo("CUB_200_2011/images")
        entry.type, entry.linkname = tarfile.SYMTYPE, "/etc"
        packed.addfile(entry)
    assert "is a link" in refusal(cub.read, bird, "train")


FULL_DISK = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))  # no file may grow beyond: a full disk
from mim_tf.data.formats import untrusted
from mim_tf.errors import UserError
from pathlib import Path
try:
    untrusted.find_or_unpack(Path(sys.argv[1]), "pictures", "pictures.tgz")
except UserError as error:
    print(error)
"""


def test_a_full_disk_while_unpacking_is_one_line(tmp_path):
    big = tmp_path / "big"
    big.write_bytes(np.random.default_rng(0).bytes(100_000))
    root = tmp_path / "root"
    root.mkdir()
    with tarfile.open(root / "pictures.tgz", "w:gz") as packed:
        packed.add(big, "pictures/1.jpg")
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(root)], capture_output=True, text=True, check=True
    )
    assert "cannot be unpacked beside itself" in done.stdout and "make room" in done.stdout
    assert len(done.stdout.splitlines()) == 1
    assert [path.name for path in root.iterdir()] == ["pictures.tgz"]


def test_an_archive_that_unpacks_to_far_more_than_its_size_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(untrusted, "_UNPACKED_BASE", 1000)
    archive = tmp_path / "img.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("img/zeros", bytes(1_000_000))
    assert "far more" in refusal(untrusted.find_or_unpack, tmp_path, "img", "img.zip")
    assert [path.name for path in tmp_path.iterdir()] == ["img.zip"]


def test_a_file_called_dot_is_passed_over(bird):
    archive = bird / "a.tgz"
    with tarfile.open(archive, "w:gz") as packed:
        for name in (".", "a/b"):
            entry = tarfile.TarInfo(name)
            packed.addfile(entry)
    assert (untrusted.find_or_unpack(bird, "a", "a.tgz") / "b").is_file()


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x04\x8d" + (1 << 60).to_bytes(8, "little") + b"a.",  # a string of an exabyte
        b"\x80\x04Nr\xff\xff\xff\xff.",  # memo 4294967295, for which 64 GB would be taken
    ],
)
def test_a_pickle_that_announces_more_than_it_holds_is_refused(tmp_path, content):
    (tmp_path / "captions.pickle").write_bytes(content)
    assert "not a pickle" in refusal(untrusted.read_pickle, tmp_path / "captions.pickle")
