"""Photographs: decoded, cropped to a box, squared; broken and missing ones are named."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from data_writers import refusal, source_of, write_cub
from PIL import Image
from tiny import tiny_config

from mim_tf.data.formats.photographs import read_square
from mim_tf.data.sets import cub
from mim_tf.data.sources import load_source
from mim_tf.pictures import files, pixels


@pytest.fixture
def bird(tmp_path) -> Path:
    return write_cub(tmp_path / "cub")


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
    records = [r for s in ("train", "test") for r in cub.read(samples / "cub", s).records]
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
    record = cub.read(bird, "train").records[0]
    record.path.write_bytes(photograph.read_bytes()[:-2000])
    message = refusal(source_of("cub", bird, crop_to_box=False).picture, 0, 32)
    assert "truncated or broken" in message and record.path.name in message


def test_fast_and_careful_decoding_agree(samples):
    """OpenCV decodes for training, Pillow for inference: the same photograph, the same pixels."""
    source = source_of("cub", samples / "cub", crop_to_box=False)
    records = cub.read(samples / "cub", "train").records
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
