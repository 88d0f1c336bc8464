"""What tests of data sets share: small ones in the official layouts, and how they are loaded."""

from __future__ import annotations

import json
import pickle
import struct
from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest
from tiny import tiny_config

from mim_tf.config import DataConfig
from mim_tf.data.formats.reed import _ALPHABET
from mim_tf.data.sets.celeba_captions import ATTRIBUTES
from mim_tf.data.sets.deepfashion import IMAGES
from mim_tf.data.source import Source, Split
from mim_tf.data.sources import load_raw
from mim_tf.errors import UserError
from mim_tf.pictures import files
from mim_tf.pictures.colours import SHOP_COLOURS

COLOURS = ("red", "blue", "white", "yellow", "green")


def refusal(load, *arguments) -> str:
    """The one line with which bad input is refused."""
    with pytest.raises(UserError) as caught:
        load(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def options_of(name: str, root: Path, **data) -> DataConfig:
    """A set's options, for whatever part of it is there."""
    keys = {"source": name, "root": str(root), "partial": True, **data}
    return tiny_config(data=keys).data


def source_of(name: str, root: Path, split: Split = "train", **data) -> Source:
    """A split of a set that lies in ``root``, as much of it as is there."""
    return load_raw(options_of(name, root, **data), split)


def left_over(root: Path) -> list[str]:
    """Temporary files and folders that unpacking has not removed."""
    return [path.name for path in root.iterdir() if path.name.startswith(".")]


def link(source: Path, target: Path) -> None:
    """The sample's file or folder under a folder that a test may write to."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.symlink_to(source)


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
        # Neither mirrored, turned nor with its channels in another order it looks the same.
        y, x = np.mgrid[: 40 + k, :50]
        picture = np.stack([0 * y + 20 * k, 4 * y, 3 * x], axis=-1).astype(np.uint8)
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


def write_cub(root: Path) -> Path:
    """Four birds of 60 x 90: a red one on blue, its box around it, in CUB's layout."""
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


HAIR = {"Black_Hair": (20, 20, 20), "Blond_Hair": (230, 200, 110), "Brown_Hair": (110, 70, 40),
        "Gray_Hair": (160, 160, 160)}  # fmt: skip
LIPS = (200, 20, 60)


def write_celeba(root: Path, count: int) -> Path:
    """Faces of 40 x 50 in CelebA's layout: hair of four colours above, and below lips, red on every
    second; every third is a man. Each fifth wears a hat."""
    rows = []
    for number in range(1, count + 1):
        hair = list(HAIR)[number % 4]
        has = {hair} | ({"Wearing_Lipstick"} if number % 2 else set())
        has |= ({"Male"} if number % 3 == 0 else set()) | (
            {"Wearing_Hat"} if number % 5 == 0 else set()
        )
        picture = np.full((50, 40, 3), (220, 180, 150), np.uint8)
        picture[:20] = HAIR[hair]
        picture[35:45, 10:30] = LIPS if "Wearing_Lipstick" in has else (200, 140, 120)
        path = root / "img_align_celeba" / f"{number:06d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(files.encode_png(picture))
        values = " ".join("1" if name in has else "-1" for name in ATTRIBUTES)
        rows.append(f"{number:06d}.jpg {values}")
    table = "\n".join([str(count), " ".join(ATTRIBUTES), *rows])
    (root / "list_attr_celeba.txt").write_text(table + "\n")
    return root


def write_clothes(root: Path, count: int) -> Path:
    """Shirts and jeans of 80 x 80 on white with ``captions.jsonl``, each of a colour of its own;
    the last picture does not lie on white. All test but the first two."""
    lines = []
    for number in range(count):
        kind, colour = ("shirt", "jeans")[number % 2], list(SHOP_COLOURS)[number % 12]
        picture = np.full((80, 80, 3), 255 if number < count - 1 else 120, np.uint8)
        picture[15:65, 20:60] = SHOP_COLOURS[colour]
        files.write(root / f"{number}.png", picture)
        caption = f"a {colour} shirt" if kind == "shirt" else f"{colour} jeans"
        lines.append(json.dumps({
            "image": f"{number}.png", "captions": [caption], "class": kind,
            "split": "train" if number < 2 else "test",
        }))  # fmt: skip
    (root / "captions.jsonl").write_text("\n".join(lines) + "\n")
    return root


def write_marked_cub(root: Path) -> Path:
    """:func:`write_cub` with larger birds, whose crown, wings and tail are marked; no captions."""
    root = write_cub(root)
    cub, rng = root / "CUB_200_2011", np.random.default_rng(0)
    lists = {"bounding_boxes.txt": "", "parts/part_locs.txt": ""}
    for number, line in enumerate((cub / "images.txt").read_text().splitlines(), 1):
        picture = rng.normal([90, 140, 200], 8, (80, 80, 3))
        bird = np.zeros((80, 80), np.uint8)
        cv2.ellipse(bird, (40, 44), (22, 13), 0, 0, 360, 1, -1)
        cv2.circle(bird, (60, 28), 9, 1, -1)
        picture[bird > 0] = rng.normal([130, 70, 30], 8, (int(bird.sum()), 3))
        path = cub / "images" / line.split()[1]
        path.write_bytes(files.encode_png(np.clip(picture, 0, 255).astype(np.uint8)))
        lists["bounding_boxes.txt"] += f"{number} 17.0 18.0 53.0 40.0\n"
        marked = {5: (60, 24), 9: (42, 40), 14: (22, 44)}  # crown, left wing, tail
        for part in range(1, 16):
            x, y = marked.get(part, (0, 0))
            shown = int(part in marked)
            lists["parts/part_locs.txt"] += f"{number} {part} {x}.0 {y}.0 {shown}\n"
    (cub / "parts").mkdir()
    for name, content in lists.items():
        (cub / name).write_text(content)
    return root
