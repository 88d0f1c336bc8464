"""Small data sets in the official layouts, for tests: what real samples lack is written here."""

from __future__ import annotations

import struct
from pathlib import Path

import h5py
import numpy as np

from mim_tf.data.formats.reed import _ALPHABET
from mim_tf.data.sets.deepfashion import IMAGES
from mim_tf.pictures import files

COLOURS = ("red", "blue", "white", "yellow", "green")
FLOWER_TEST_CLASSES = range(1, 21)


def link(source: Path, target: Path) -> None:
    """The sample's file or folder under a folder that a test may write to."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.symlink_to(source)


def write_flowers(samples: Path, root: Path) -> Path:
    """The real photographs and labels, with captions and classes of the split written here."""
    from mim_tf.data.sets.flowers import read_labels

    link(samples / "flowers" / "jpg", root / "jpg")
    link(samples / "flowers" / "imagelabels.mat", root / "imagelabels.mat")
    labels = read_labels(root)
    for path in (root / "jpg").iterdir():
        number = int(path.stem.removeprefix("image_"))
        text = root / "text_c10" / labels[number - 1] / f"{path.stem}.txt"
        text.parent.mkdir(parents=True, exist_ok=True)
        lines = [f"this flower has {COLOURS[(number + k) % 5]} petals" for k in range(10)]
        text.write_text("\n".join(lines) + "\n", "utf-8")
    for name, classes in (("trainval", range(21, 103)), ("test", FLOWER_TEST_CLASSES)):
        (root / f"{name}classes.txt").write_text("".join(f"class_{k:05d}\n" for k in classes))
    return root


def write_fashion(samples: Path, root: Path, rows: int = 12) -> Path:
    """The real captions, and ``G2.h5`` as MATLAB wrote it with only some pictures filled in.

    Picture k is black but for a red top row and a green left column; its blue is k / 100.
    """
    for name in ("language_original.mat", "ind.mat"):
        link(samples / "deepfashion" / name, root / name)
    with h5py.File(root / "G2.h5", "w") as file:
        mean = np.full((3, 128, 128), 0.25, np.float32)
        ih = file.create_dataset(
            "ih", (IMAGES, 3, 128, 128), "f4", chunks=(1, 3, 128, 128), fillvalue=-0.25
        )
        for k in range(rows):
            picture = np.zeros((128, 128, 3), np.float32)
            picture[0, :, 0], picture[:, 0, 1], picture[..., 2] = 1, 1, k / 100
            ih[k] = picture.transpose(2, 1, 0) - mean
        file["ih_mean"] = mean
    return root


def write_folder(root: Path, count: int = 8) -> Path:
    """Own pictures of every kind, with ``captions.jsonl``."""
    lines = []
    for k in range(count):
        suffix = ("jpg", "png", "webp")[k % 3]
        picture = np.full((40 + k, 50, 3), 20 * k, np.uint8)
        files.write(root / "some" / f"{k}.{suffix}", picture)
        lines.append(
            f'{{"image": "some/{k}.{suffix}", "captions": ["a {COLOURS[k % 5]} thing"], '
            f'"split": "{"test" if k >= count - 2 else "train"}"}}\n'
        )
    (root / "captions.jsonl").write_text("".join(lines))
    return root


def _torch_string(text: str) -> bytes:
    return struct.pack("<i", len(text)) + text.encode()


def torch_storage(data: bytes) -> bytes:
    """Torch's form of bytes that tensors lie in."""
    return (
        struct.pack("<ii", 4, 3) + _torch_string("V 1") + _torch_string("torch.ByteStorage")
        + struct.pack("<q", len(data)) + data
    )  # fmt: skip


def torch_tensor(sizes: tuple[int, int], strides: tuple[int, int], storage: bytes) -> bytes:
    """Torch's form of a byte matrix, whatever value is given for its storage."""
    return (
        struct.pack("<ii", 4, 2) + _torch_string("V 1") + _torch_string("torch.ByteTensor")
        + struct.pack("<i2q2qq", 2, *sizes, *strides, 1) + storage
    )  # fmt: skip


def torch_table(captions: list[str], name: str) -> bytes:
    """Reed's ``.t7``: a table with `char`, a byte tensor [201, captions], and `img`."""
    characters = np.zeros((201, len(captions)), np.uint8)
    for column, caption in enumerate(captions):
        for row, one in enumerate(caption):
            characters[row, column] = _ALPHABET.index(one)
    # As Torch would, store the transpose and say so by the strides.
    tensor = torch_tensor(characters.shape, (1, 201), torch_storage(characters.T.tobytes()))
    key_char, key_img, value_img = (
        struct.pack("<i", 2) + _torch_string(text) for text in ("char", "img", name)
    )
    return struct.pack("<iii", 3, 1, 2) + key_char + tensor + key_img + value_img
