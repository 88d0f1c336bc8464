"""Oxford-102 flowers with the ten captions an image of Reed et al., in the official layout.

    <root>/jpg/image_NNNNN.jpg                     or still in <root>/102flowers.tgz
    <root>/imagelabels.mat                         8,189 labels, from 1
    <root>/text_c10/class_NNNNN/image_NNNNN.txt    captions and split: see `reed.py`

The split is by class (82 / 20, 7,034 / 1,155 images); it is not `setid.mat`.
"""

from __future__ import annotations

from pathlib import Path

from mim_tf.data.formats import reed
from mim_tf.data.formats.listing import Listing, Record
from mim_tf.data.formats.matlab import read_mat
from mim_tf.data.formats.untrusted import find_or_unpack
from mim_tf.data.sets.on_disk import FolderOptions, add_photographs
from mim_tf.data.source import Published, Source, Split
from mim_tf.errors import UserError

PUBLISHED = Published(
    {"train": 7034, "test": 1155},
    "102flowers.tgz from https://www.robots.ox.ac.uk/~vgg/data/flowers/102/, captions and splits "
    "from https://github.com/reedscot/cvpr2016",
)
IMAGES = 8189


class Options(FolderOptions):
    """Flowers have no options of their own."""


def describe(options: Options, split: Split) -> Source:
    """The split without its pictures."""
    return Source(options, split, augment=options.augment, published=PUBLISHED)


def load(options: Options, split: Split) -> Source:
    """The split.

    Raises:
        UserError: a folder or file is missing or malformed, or the split is not complete.
    """
    listing = read(options.folder("the flowers' folder"), split)
    return add_photographs(describe(options, split), options, listing)


def read_labels(root: Path) -> list[str]:
    """The class ``class_NNNNN`` of each image, image 1 first.

    Raises:
        UserError: `imagelabels.mat` is missing, broken, or not the official one.
    """
    path = root / "imagelabels.mat"
    [labels] = read_mat(path, "labels")
    if labels.dtype.kind != "i" or len(labels) != IMAGES or labels.min() < 1 or labels.max() > 102:
        raise UserError(
            f"{path}: {len(labels)} labels; the official file has {IMAGES}, from 1 to 102"
        )
    return [f"class_{label:05d}" for label in labels]


def read(root: Path, split: Split) -> Listing:
    """The records of a split, sorted by class and number.

    Raises:
        UserError: a folder or file is missing or malformed, or no record is left.
    """
    folder = find_or_unpack(root, "jpg", "102flowers.tgz")
    if folder is None:
        raise UserError(
            f"{root}: expected the folder jpg or 102flowers.tgz in it; get the archive from "
            "https://www.robots.ox.ac.uk/~vgg/data/flowers/102/"
        )
    members: dict[str, list[str]] = {}
    whole: dict[str, str] = {}
    for number, label in enumerate(read_labels(root), 1):
        image = f"image_{number:05d}"
        members.setdefault(label, []).append(f"{label}/{image}")
        whole[f"jpg/{image}"] = whole[f"{label}/{image}"] = f"{label}/{image}"

    listed = reed.split_names([root], split, lambda class_name: members.get(class_name, []))
    names = sorted({whole.get(name, name) for name in listed})  # StackGAN's lists say jpg/image_N
    strangers = [name for name in names if name not in whole]
    if strangers:
        raise UserError(
            f"{root}: the {split} split lists {strangers[0]}, which imagelabels.mat does not have "
            "in that class; get the lists and the labels from their publishers again"
        )
    present = [name for name in names if _photograph(folder, name).is_file()]
    if not present:
        raise UserError(
            f"{folder}: none of the {len(names)} photographs of the {split} split is there; "
            "unpack 102flowers.tgz again"
        )
    records = [
        Record(name, _photograph(folder, name), None, name.split("/")[0], captions)
        for name, captions in zip(present, reed.captions([root], split, present), strict=True)
    ]
    return Listing.of(names, records)


def _photograph(folder: Path, name: str) -> Path:
    return folder / f"{name.split('/')[1]}.jpg"
