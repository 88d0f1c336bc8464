"""What the server's tests share: a served model, and a picture to send."""

from __future__ import annotations

import numpy as np
import pytest
from running_server import LIMITS, running

from mim_tf.pictures import files
from mim_tf.server.application import application
from mim_tf.server.versions import load_newest


@pytest.fixture(scope="session")
def model(saved_model):
    return load_newest(saved_model)


@pytest.fixture(scope="module")
def url(model):
    with running(application(model, LIMITS)) as address:
        yield address


@pytest.fixture(scope="module")
def photo():
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (50, 70, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def file(photo):
    return files.encode_png(photo)
