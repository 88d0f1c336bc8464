"""MATLAB files are read in a child process, which alone a tampered one can crash."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.io

from mim_tf.data.formats import matlab
from mim_tf.errors import UserError


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "a.mat"
    names = np.array(["WOMEN/a.jpg", "MEN/b.jpg"], dtype=object)
    scipy.io.savemat(path, {"labels": np.arange(1, 4, dtype=np.uint8), "names": names})
    return path


def test_numbers_and_strings(file):
    labels, names = matlab.read_mat(file, "labels", "names")
    assert labels.tolist() == [1, 2, 3] and labels.dtype.kind == "i"
    assert names.tolist() == ["WOMEN/a.jpg", "MEN/b.jpg"]


def test_a_crash_of_the_reader_is_one_line(file, monkeypatch):
    monkeypatch.setattr(matlab, "_READ", "import os; os.abort()")
    with pytest.raises(UserError, match=r"a\.mat: not a MATLAB file.*crashes") as caught:
        matlab.read_mat(file, "labels")
    assert "\n" not in str(caught.value)


def test_a_variable_that_is_missing_is_named(file):
    with pytest.raises(UserError, match="holds no variable ind"):
        matlab.read_mat(file, "ind")
