"""EXIF and ICC profiles go from a picture's file to the file of its edit."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms

from mim_tf.pictures import files
from mim_tf.pictures.extras import Extras

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
BASE, DETAILS, PLACE = ExifTags.Base, ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo
LANDSCAPE = np.full((24, 40, 3), 90, np.uint8)
LANDSCAPE[:, :8] = 250


def photograph(path, orientation: int = 6, **options):
    """A file of the camera "Box", taken at 52 degrees north, stored lying down: 40 x 24."""
    exif = Image.Exif()
    exif[BASE.Make], exif[BASE.Orientation] = "Box", orientation
    exif.get_ifd(DETAILS).update(
        {
            BASE.DateTimeOriginal: "2026:05:01 12:00:00",
            BASE.ExifImageWidth: 40,
            BASE.ExifImageHeight: 24,
        }  # fmt: skip
    )
    exif.get_ifd(PLACE).update({1: "N", 2: (52.0, 0.0, 0.0)})
    Image.fromarray(LANDSCAPE).save(path, exif=exif.tobytes(), icc_profile=PROFILE, **options)
    return path


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
@pytest.mark.parametrize("output", [".jpeg", ".png", ".webp"])
def test_exif_and_profile_are_kept_and_the_picture_is_upright(tmp_path, suffix, output):
    picture, extras = files.with_extras(photograph(tmp_path / f"photo{suffix}"))
    assert picture.shape == (40, 24, 3)
    files.write(tmp_path / f"edit{output}", picture, extras)
    with Image.open(tmp_path / f"edit{output}") as written:
        assert written.size == (24, 40) and written.info["icc_profile"] == PROFILE
        exif = written.getexif()
        assert exif[BASE.Make] == "Box" and exif[BASE.Orientation] == 1
        details = exif.get_ifd(DETAILS)
        assert details[BASE.DateTimeOriginal] == "2026:05:01 12:00:00"
        assert (details[BASE.ExifImageWidth], details[BASE.ExifImageHeight]) == (24, 40)
        assert exif.get_ifd(PLACE)[2] == (52.0, 0.0, 0.0)
    # Whoever shows the file by its EXIF sees what was written: bright at the top.
    again = files.read(tmp_path / f"edit{output}")
    assert again.shape == (40, 24, 3) and again[:8].mean() > 240 and again[8:].mean() < 100


def test_a_preview_of_the_picture_before_is_not_kept(tmp_path):
    """Cameras put a small JPEG (IFD1) into the EXIF; file managers show it."""
    path = photograph(tmp_path / "photo.jpg")
    with Image.open(path) as image:
        exif = bytearray(image.info["exif"])
    first = int.from_bytes(exif[10:14], "big" if exif[6:8] == b"MM" else "little") + 6
    order = "big" if exif[6:8] == b"MM" else "little"
    link = first + 2 + 12 * int.from_bytes(exif[first : first + 2], order)
    exif[link : link + 4] = (len(exif) - 6).to_bytes(4, order)
    entry = (0x0103).to_bytes(2, order) + (3).to_bytes(2, order) + (1).to_bytes(4, order)
    exif += (1).to_bytes(2, order) + entry + (6).to_bytes(2, order) + bytes(6)
    Image.fromarray(LANDSCAPE).save(path, exif=bytes(exif))
    with Image.open(path) as image:
        assert image.getexif().get_ifd(ExifTags.IFD.IFD1) == {BASE.Compression: 6}
    picture, extras = files.with_extras(path)
    files.write(path, picture, extras)
    with Image.open(path) as image:
        assert image.getexif()[BASE.Make] == "Box"
        assert not image.getexif().get_ifd(ExifTags.IFD.IFD1)


def test_the_profile_of_other_than_rgb_pixels_is_not_kept(tmp_path):
    grey = bytearray(PROFILE)
    grey[16:20] = b"GRAY"
    Image.fromarray(LANDSCAPE[..., 0]).save(tmp_path / "grey.png", icc_profile=bytes(grey))
    assert files.with_extras(tmp_path / "grey.png")[1] == Extras()


def test_broken_exif_is_dropped_and_the_layout_of_a_tiff_as_well(tmp_path):
    Image.fromarray(LANDSCAPE).save(tmp_path / "photo.jpg", exif=b"Exif\0\0II*\0\xff\xff\0\0none")
    Image.fromarray(LANDSCAPE).save(tmp_path / "scan.tiff")
    for name in ("photo.jpg", "scan.tiff"):
        picture, extras = files.with_extras(tmp_path / name)
        assert picture.shape == LANDSCAPE.shape and extras == Extras()
