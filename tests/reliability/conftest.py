"""What a training that nothing has broken leaves."""

from __future__ import annotations

import crashes
import pytest

from mim_tf.run import Run


@pytest.fixture(scope="session")
def unbroken(random_run, tmp_path_factory) -> dict:
    path = tmp_path_factory.mktemp("unbroken") / "run"
    training = crashes.Training(Run.create(path, random_run.config, random_run.vocabulary).path)
    training.go_on()
    return training.outcome()
