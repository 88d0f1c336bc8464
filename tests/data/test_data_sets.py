"""Loaders of the published data sets: real samples where there are some, and every bad input."""

from __future__ import annotations

import io
import pickle
import shutil
import struct
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from conftest import tiny_config
from data_writers import (
    link,
    torch_storage,
    torch_table,
    torch_tensor,
    write_fashion,
    write_flowers,
)
from PIL import Image

from mim_tf.data.formats import torch7, untrusted
from mim_tf.data.formats.photographs import read_square
from mim_tf.data.sets import celeba, cub, deepfashion, flowers
from mim_tf.data.sets.celeba_captions import ATTRIBUTES, face_caption
from mim_tf.data.sets.splits import random_split
from mim_tf.data.sources import load_source
from mim_tf.errors import UserError
from mim_tf.pictures import files, pixels
from mim_tf.text import tokenize


def refusal(load, *arguments) -> str:
    with pytest.raises(UserError) as caught:
        load(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def source_of(name: str, root: Path, split="train", **data):
    return load_source(
        tiny_config(data={"source": name, "root": str(root), "partial": True, **data}), split
    )


# CUB ---------------------------------------------------------------------------------------------


@pytest.fixture
def bird(tmp_path) -> Path:
    """Four birds of 60 x 90: a red one on blue, its box around it, in CUB's layout."""
    root = tmp_path / "cub"
    names = [f"00{k % 2 + 1}.Finch/Finch_{k}" for k in range(4)]
    lists = {"images.txt": "", "bounding_boxes.txt": ""}
    for number, name in enumerate(names, 1):
        picture = np.zeros((60, 90, 3), np.uint8)
        picture[..., 2] = 255
        picture[20:40, 50:70] = (255, 0, 0)
        # Lossless pixels under the official suffix: the loader looks at the content.
        path = root / "CUB_200_2011" / "images" / f"{name}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(files.encode_png(picture))
        lists["images.txt"] += f"{number} {name}.jpg\n"
        lists["bounding_boxes.txt"] += f"{number} 50.0 20.0 20.0 20.0\n"
        text = root / "text_c10" / f"{name}.txt"
        text.parent.mkdir(parents=True, exist_ok=True)
        text.write_text(f"a red bird\nbird number {number}\n")
    for name, content in lists.items():
        (root / "CUB_200_2011" / name).write_text(content)
    for split in ("train", "test"):
        (root / split).mkdir()
        chosen = names[:3] if split == "train" else names[3:]
        (root / split / "filenames.pickle").write_bytes(pickle.dumps(chosen))
    return root


def test_a_box_gives_the_known_crop(bird):
    # Half the side is 0.75 * 20 = 15 around the centre (60, 30): rows 15 to 45, columns 45 to 75.
    cropped = source_of("cub", bird).picture(0, 30)
    expected = np.zeros((30, 30, 3), np.uint8)
    expected[..., 2] = 255
    expected[5:25, 5:25] = (255, 0, 0)
    np.testing.assert_array_equal(cropped, expected)
    whole = source_of("cub", bird, crop_to_box=False).picture(0, 60)  # the centred square
    np.testing.assert_array_equal(np.argwhere(whole[..., 0]).min(0), [20, 35])
    np.testing.assert_array_equal(np.argwhere(whole[..., 0]).max(0), [39, 54])


def test_greyscale_and_small_photographs_of_the_sample(samples):
    """Two photographs are grey, one of them stored with a single channel; some are small."""
    records = [r for s in ("train", "test") for r in cub.load(samples / "cub", s).records]
    assert len(records) == 541
    pictures = {record.image_id: files.read(record.path) for record in records}
    for name, spread in (
        ("009.Brewer_Blackbird/Brewer_Blackbird_0028_2682", 0),
        ("001.Black_footed_Albatross/Black_Footed_Albatross_0050_796125", 1),
    ):
        assert np.ptp(pictures[name].astype(int), axis=2).mean() <= spread
    small = [record for record in records if min(pictures[record.image_id].shape[:2]) < 256]
    assert len(small) == 37
    for record in small[::9]:
        square = read_square(record.path, 304, record.box)
        assert square.shape == (304, 304, 3) and square.std() > 5


def test_captions_as_torch_files(bird):
    texts = bird / "text_c10"
    before = cub.load(bird, "train").records
    for path in list(texts.rglob("*.txt")):
        captions = path.read_text().splitlines()
        path.with_suffix(".t7").write_bytes(torch_table(captions, path.stem))
        path.unlink()
    assert cub.load(bird, "train").records == before
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
    message = refusal(cub.load, bird, "train")
    assert expected in message and "Finch_0.t7" in message


def attngan(bird, train, test, words) -> None:
    shutil.rmtree(bird / "text_c10", ignore_errors=True)
    ids = {word: number for number, word in words.items()}
    (bird / "captions.pickle").write_bytes(pickle.dumps([train, test, words, ids], 2))


def test_captions_of_attngan(bird):
    words = {0: "<end>", 1: "a", 2: "red", 3: "bird", 4: "blue"}
    attngan(bird, [[1, 2, 3], [2, 3], [1, 3], [4, 3], [1, 4, 3], [4]], [[3], [2]], words)
    train = [record.captions for record in cub.load(bird, "train").records]
    # In the order of filenames.pickle, which is not that of the records.
    assert [r.image_id[-1] for r in cub.load(bird, "train").records] == ["0", "2", "1"]
    assert train == [("a red bird", "red bird"), ("a blue bird", "blue"), ("a bird", "blue bird")]
    assert cub.load(bird, "test").records[0].captions == ("bird", "red")
    attngan(bird, [[1]] * 7, [[3], [2]], words)
    assert "7 captions do not fit the 3 names" in refusal(cub.load, bird, "train")
    attngan(bird, [[9]] * 6, [[3], [2]], words)
    assert "expected AttnGAN's four parts" in refusal(cub.load, bird, "train")


def test_a_captions_pickle_cannot_run_code(bird, tmp_path):
    shutil.rmtree(bird / "text_c10")
    victim = tmp_path / "created"
    attack = b"cpathlib\nPath\n(V" + str(victim).encode() + b"\ntRcpathlib\nPath.touch\n."
    (bird / "captions.pickle").write_bytes(attack)
    assert "it asks for pathlib.Path" in refusal(cub.load, bird, "train")
    assert not victim.exists()


def test_a_count_that_is_off_is_refused_by_name(bird):
    config = tiny_config(data={"source": "cub", "root": str(bird)})
    (bird / "text_c10" / "001.Finch" / "Finch_0.txt").unlink()
    (bird / "CUB_200_2011" / "images" / "002.Finch" / "Finch_1.jpg").unlink()
    message = refusal(load_source, config, "train")
    assert "1 pictures with captions instead of 8,855" in message
    assert "1 pictures are missing (002.Finch/Finch_1)" in message
    assert "1 pictures are without captions (001.Finch/Finch_0)" in message
    assert "data.caltech.edu" in message and "data.partial=true" in message


def test_a_truncated_photograph_is_refused(bird, samples):
    photograph = next((samples / "cub" / "CUB_200_2011" / "images").rglob("*.jpg"))
    record = cub.load(bird, "train").records[0]
    record.path.write_bytes(photograph.read_bytes()[:-2000])
    message = refusal(source_of("cub", bird, crop_to_box=False).picture, 0, 32)
    assert "truncated or broken" in message and record.path.name in message


def test_fast_and_careful_decoding_agree(samples):
    """OpenCV decodes for training, Pillow for inference: the same photograph, the same pixels."""
    source = source_of("cub", samples / "cub", crop_to_box=False)
    records = cub.load(samples / "cub", "train").records
    for index in range(0, 275, 50):
        careful = pixels.square_crop(files.read(records[index].path))
        fast = source.picture(index, careful.shape[0])
        assert np.abs(fast.astype(int) - careful).mean() < 0.5


@pytest.mark.parametrize("side", [9_000, 65_000])
def test_a_photograph_of_too_many_pixels_is_refused_by_its_header(side, tmp_path):
    """In the fast way too, which OpenCV would end in an error of its own, or in all memory."""
    buffer = io.BytesIO()
    Image.new("RGB", (32, 32)).save(buffer, "JPEG")
    data = bytearray(buffer.getvalue())
    place = data.index(b"\xff\xc0")  # marker, length, precision, height, width
    data[place + 5 : place + 9] = (side).to_bytes(2, "big") * 2
    path = tmp_path / "bomb.jpg"
    path.write_bytes(data)
    message = refusal(read_square, path, 64)
    assert str(path) in message and "pixels" in message


# Archives ----------------------------------------------------------------------------------------


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


def left_over(root: Path) -> list[str]:
    return [path.name for path in root.iterdir() if path.name.startswith(".")]


def test_cub_is_read_from_its_archive(bird):
    before = cub.load(bird, "train")
    pack(bird)
    assert cub.load(bird, "train") == before
    assert (bird / "CUB_200_2011").is_dir() and not (bird / "attributes.txt").exists()
    assert not left_over(bird)


@pytest.mark.parametrize("share", [0.5, 0.98, 0.0])
def test_half_an_archive_is_refused_and_leaves_nothing(bird, share):
    archive = pack(bird)
    data = archive.read_bytes()
    archive.write_bytes(data[: int(share * len(data))])
    message = refusal(cub.load, bird, "train")
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
    assert "leads out of its folder" in refusal(cub.load, bird, "train")
    assert not list(tmp_path.rglob("evil.jpg")) and not left_over(bird)


def test_links_in_an_archive_are_refused(bird):
    archive = pack(bird)
    with tarfile.open(archive, "w:gz") as packed:
        entry = tarfile.TarInfo("CUB_200_2011/images")
        entry.type, entry.linkname = tarfile.SYMTYPE, "/etc"
        packed.addfile(entry)
    assert "is a link" in refusal(cub.load, bird, "train")


FULL_DISK = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))  # no file may grow beyond: a full disk
from mim_tf.data import files
from mim_tf.errors import UserError
from pathlib import Path
try:
    untrusted.find_or_unpack(Path(sys.argv[1]), "jpg", "102flowers.tgz")
except UserError as error:
    print(error)
"""


def test_a_full_disk_while_unpacking_is_one_line(tmp_path):
    big = tmp_path / "big"
    big.write_bytes(np.random.default_rng(0).bytes(100_000))
    root = tmp_path / "root"
    root.mkdir()
    with tarfile.open(root / "102flowers.tgz", "w:gz") as packed:
        packed.add(big, "jpg/image_00001.jpg")
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(root)], capture_output=True, text=True, check=True
    )
    assert "cannot be unpacked beside itself" in done.stdout and "make room" in done.stdout
    assert len(done.stdout.splitlines()) == 1
    assert [path.name for path in root.iterdir()] == ["102flowers.tgz"]


# Oxford-102 --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def flower_root(samples, tmp_path_factory) -> Path:
    return write_flowers(samples, tmp_path_factory.mktemp("flowers"))


def test_flowers_labels_photographs_and_split(flower_root):
    labels = flowers.read_labels(flower_root)
    assert len(labels) == 8189 and set(labels) == {f"class_{k:05d}" for k in range(1, 103)}
    train, test = (flowers.load(flower_root, split) for split in ("train", "test"))
    assert (len(train.records), len(test.records)) == (82 * 3, 20 * 3)
    assert {r.class_name for r in test.records} == {f"class_{k:05d}" for k in range(1, 21)}
    for record in train.records + test.records:
        number = int(record.path.stem.removeprefix("image_"))
        assert record.class_name == labels[number - 1] and len(record.captions) == 10
    assert len(train.missing) + len(test.missing) == 8189 - 306
    picture = source_of("flowers", flower_root).picture(0, 64)
    assert picture.shape == (64, 64, 3) and picture.std() > 0


def test_flowers_are_read_from_their_archive(flower_root, tmp_path):
    for one in flower_root.iterdir():
        if one.name != "jpg":
            link(one, tmp_path / one.name)
    with tarfile.open(tmp_path / "102flowers.tgz", "w:gz", dereference=True) as packed:
        packed.add(flower_root / "jpg", "jpg")
    found, expected = (flowers.load(root, "train").records for root in (tmp_path, flower_root))
    assert [one.image_id for one in found] == [one.image_id for one in expected]
    assert found[0].path.read_bytes() == expected[0].path.read_bytes()
    assert found[0].path.is_relative_to(tmp_path) and not left_over(tmp_path)


def test_flowers_by_stackgans_lists(flower_root, tmp_path):
    for name in ("jpg", "imagelabels.mat", "text_c10"):
        link(flower_root / name, tmp_path / name)
    expected = flowers.load(flower_root, "test")
    names = [f"jpg/{record.path.stem}" for record in expected.records]
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "filenames.pickle").write_bytes(pickle.dumps(names))
    assert [r.image_id for r in flowers.load(tmp_path, "test").records] == [
        r.image_id for r in expected.records
    ]


def test_flowers_bad_input(flower_root, tmp_path):
    assert "no such folder" in refusal(flowers.load, tmp_path / "none", "train")
    assert "102flowers.tgz" in refusal(flowers.load, tmp_path, "train")
    link(flower_root / "jpg", tmp_path / "jpg")
    assert "imagelabels.mat: there is no such file" in refusal(flowers.load, tmp_path, "train")
    (tmp_path / "imagelabels.mat").write_bytes(b"MATLAB 5.0 MAT-file" + b"\0" * 200)
    assert "imagelabels.mat" in refusal(flowers.load, tmp_path, "train")
    (tmp_path / "imagelabels.mat").unlink()
    link(flower_root / "imagelabels.mat", tmp_path / "imagelabels.mat")
    assert "no list of the train split" in refusal(flowers.load, tmp_path, "train")
    (tmp_path / "testclasses.txt").write_text("")
    assert "split is empty" in refusal(flowers.load, tmp_path, "test")
    (tmp_path / "testclasses.txt").write_text("class_00001/image_00001\n")  # of class 77
    assert "does not have in that class" in refusal(flowers.load, tmp_path, "test")
    (tmp_path / "testclasses.txt").write_text("class_00001\n")
    assert "no captions; expected the folder text_c10" in refusal(flowers.load, tmp_path, "test")


# CelebA ------------------------------------------------------------------------------------------


def test_celeba_of_the_sample(samples):
    root = samples / "celeba"
    train, test = (celeba.load(root, split) for split in ("train", "test"))
    assert len(train.records) + len(test.records) == 32
    assert len(train.missing) + len(test.missing) == 2000 - 32
    first = train.records[0]
    assert first.image_id == "000001" and len(first.captions) == 1
    assert first.captions == celeba.load(root, "train").records[0].captions
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
    records = celeba.load(tmp_path, "train").records + celeba.load(tmp_path, "test").records
    assert len(records) == 10
    assert all(
        r.captions == (f"The woman has {int(r.image_id)} earrings, and smiles.",) for r in records
    )
    (tmp_path / "caps.txt").write_text("000001.jpg a face\nnonsense\n")
    assert "line 2 is not a picture's name" in refusal(celeba.load, tmp_path, "train")


@pytest.mark.parametrize("line", ['000003.jpg,""', "000003.jpg\t..."])
def test_a_face_without_a_caption_is_left_out(tmp_path, line):
    for k in range(1, 11):
        files.write(tmp_path / "img_align_celeba" / f"{k:06d}.jpg", np.zeros((9, 9, 3), np.uint8))
    captions = [f"{k:06d}.jpg,a face with {k} earrings" for k in range(1, 11)]
    captions[2] = line
    (tmp_path / "caps.txt").write_text("\n".join(captions))
    found = celeba.load(tmp_path, "train")
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
    assert "broken or incomplete" in refusal(celeba.load, tmp_path, "train")
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as packed:
        packed.writestr("../evil.jpg", b"x")
    (tmp_path / "evil.zip").rename(archive)
    assert "leads out of its folder" in refusal(celeba.load, tmp_path, "train")
    damaged = bytearray(whole)
    damaged[len(whole) // 2] ^= 255
    archive.write_bytes(damaged)
    assert "download it again" in refusal(celeba.load, tmp_path, "train")
    assert not left_over(tmp_path)
    archive.write_bytes(whole)
    assert len(celeba.load(tmp_path, "train").records) == 28


def test_celeba_bad_attributes(samples, tmp_path):
    link(samples / "celeba" / "img_align_celeba", tmp_path / "img_align_celeba")
    assert "list_attr_celeba.txt: there is no such file" in refusal(celeba.load, tmp_path, "train")
    lines = (samples / "celeba" / "list_attr_celeba.txt").read_text().splitlines()
    file = tmp_path / "list_attr_celeba.txt"
    for changed, expected in (
        (lines[:2], "expected a count"),
        ([lines[0], "Red Blue", *lines[2:]], "40 attribute names"),
        ([*lines[:5], lines[5].replace(" 1", " 2", 1)], "line 6 does not hold 40 values"),
        ([*lines[:3], lines[3].replace("000002", "../002")], "is not a name like"),
    ):
        file.write_text("\n".join(changed))
        assert expected in refusal(celeba.load, tmp_path, "train")


# DeepFashion -------------------------------------------------------------------------------------


def test_deepfashion_captions_and_official_split_whole(samples):
    root = samples / "deepfashion"
    names, captions = deepfashion.read_captions(root)
    assert len(names) == len(captions) == 78_979 and len(set(captions)) == 4004
    assert captions[0] == "the lady was wearing a blue long-sleeved blouse."
    split = deepfashion.read_official_split(root)
    assert (len(split["train"]), len(split["test"])) == (70_000, 8_979)
    assert "G2.h5: there is no such file" in refusal(deepfashion.load, root, "train")


def test_deepfashion_pictures_stand_upright(samples, tmp_path):
    root = write_fashion(samples, tmp_path)
    train = deepfashion.load(root, "train")
    assert len(train) == 63_183 and len(deepfashion.load(root, "test")) == 15_796
    rows = random_split(range(deepfashion.IMAGES), "train")
    assert rows[0] < 12
    picture = train.picture(0, 128)
    assert (picture[0, 1:, 0] == 255).all() and (picture[1:, 0, 1] == 255).all()
    assert not picture[1:, :, 0].any() and not picture[:, 1:, 1].any()
    np.testing.assert_array_equal(picture[..., 2], round(255 * rows[0] / 100))
    assert pickle.loads(pickle.dumps(train.picture))(0, 64).shape == (64, 64, 3)
    official = deepfashion.load(root, "train", official=True)
    assert len(official) == 70_000


def test_deepfashion_other_axes_are_refused(samples, tmp_path):
    root = write_fashion(samples, tmp_path)
    with h5py.File(root / "G2.h5", "w") as file:
        file["ih"], file["ih_mean"] = np.zeros((5, 8, 8, 3)), np.zeros((8, 8, 3))
    assert "the published file has" in refusal(deepfashion.load, root, "train")
    with h5py.File(root / "G2.h5", "w") as file:
        file["other"] = 1
    assert "not the HDF5 file with `ih`" in refusal(deepfashion.load, root, "train")
    (root / "G2.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + b"\0" * 100)
    assert "G2.h5" in refusal(deepfashion.load, root, "train")


# Random splits -----------------------------------------------------------------------------------


def test_random_splits_have_the_papers_counts_and_never_change():
    for names, first, counts in (
        (192_050, None, (153_640, 38_410)),
        (202_599, celeba.CAPTIONED, (153_640, 38_410)),
        (78_979, None, (63_183, 15_796)),
    ):
        train, test = (random_split(range(names), split, first) for split in ("train", "test"))
        assert (len(train), len(test)) == counts
        assert train == sorted(train) and not set(train) & set(test)
    # Written down: another NumPy or another seed must not move a picture unseen.
    assert random_split(range(78_979), "test")[:5] == EXPECTED_TEST
    assert random_split(range(20), "test") == EXPECTED_SMALL


EXPECTED_TEST = [0, 8, 15, 17, 18]
EXPECTED_SMALL = [1, 11, 12, 15]
