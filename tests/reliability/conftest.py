"""What a training that nothing has broken leaves, and processes that may be killed."""

from __future__ import annotations

import multiprocessing
import os
import sys

import crashes
import pytest

from mim_tf.run import Run


@pytest.fixture(scope="session")
def unbroken(random_run, tmp_path_factory) -> dict:
    path = tmp_path_factory.mktemp("unbroken") / "run"
    training = crashes.Training(Run.create(path, random_run.config, random_run.vocabulary).path)
    training.go_on()
    return training.outcome()


@pytest.fixture(scope="session")
def processes():
    """Processes that have imported TensorFlow already: each starts within a moment."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        pytest.skip("this system starts no processes by a fork server")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["crashes"])
    with pytest.MonkeyPatch.context() as patch:
        # The server imports what it preloads before it hears of sys.path.
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
        first = context.Process()  # starts the server, and waits until it has imported
        first.start()
        first.join()
    return context
