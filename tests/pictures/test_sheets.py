"""Contact sheets: the grid, its titles and its captions."""

from __future__ import annotations

import numpy as np
import pytest

from mim_tf.pictures import sheets


@pytest.fixture(scope="module")
def photograph() -> np.ndarray:
    """uint8 [60, 80, 3]: smooth, with a little noise."""
    y, x = np.mgrid[:60, :80]
    smooth = np.stack([y * 4, x * 3, y + x], axis=-1)
    return (smooth + np.random.default_rng(0).integers(0, 9, smooth.shape)).astype(np.uint8)


def test_grid(photograph):
    flat = np.full((60, 80, 1), 0.5, np.float32)
    sheet = sheets.grid([[photograph, flat], [photograph[..., 0]]], pad=2, scale=2)
    assert sheet.dtype == np.uint8 and sheet.shape == (2 * (120 + 4), 2 * (160 + 4), 3)
    np.testing.assert_array_equal(sheet[2:122:2, 2:162:2], photograph)
    assert (sheet[2:122, 166:326] == 128).all()
    assert (sheet[124:, 164:] == 255).all() and (sheet[:2] == 255).all()
    with pytest.raises(ValueError, match="at least one"):
        sheets.grid([[]])
    with pytest.raises(ValueError, match="uint8"):
        sheets.grid([[photograph.astype(np.float32)]])


def test_labelled_grid(photograph):
    rows = [[photograph, photograph], [photograph, photograph]]
    caption = "a small bird with a bright red crown and a very long caption " * 3
    sheet = sheets.labelled_grid(rows, ["input", "edited"], [caption, "x" * 200])
    height, width, _ = sheets.grid(rows).shape
    assert sheet.shape[0] > height and sheet.shape[1] > width
    left = sheet[:, : sheet.shape[1] - width]
    assert (left < 128).any() and (left[:, -2:] == 255).all()  # text, and none of it cut off
    np.testing.assert_array_equal(sheets.labelled_grid(rows, [], []), sheets.grid(rows))
    with pytest.raises(ValueError, match="1 column titles for 2 columns"):
        sheets.labelled_grid(rows, ["one"], [])
