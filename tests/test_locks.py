"""A folder is one process's at a time, and a killed process locks nobody out."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys

import pytest

from mim_tf.errors import UserError
from mim_tf.locks import NAME, locked

HOLDER = """
import sys
from pathlib import Path
from mim_tf.locks import locked
with locked(Path(sys.argv[1])):
    print("locked", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Another process, which holds the lock of ``tmp_path``."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline().strip() == b"locked"
        yield process
        process.kill()


def test_the_second_is_refused_and_told_who_holds_it(holder, tmp_path):
    with pytest.raises(UserError) as caught, locked(tmp_path):
        pytest.fail("both hold the lock")
    assert f"process {holder.pid} on {socket.gethostname()}" in str(caught.value)
    # The refused process has not put itself in the holder's place.
    assert json.loads((tmp_path / NAME).read_text())["pid"] == holder.pid


def test_the_lock_of_a_killed_process_is_stale(holder, tmp_path):
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    assert json.loads((tmp_path / NAME).read_text())["pid"] == holder.pid
    with locked(tmp_path):
        assert json.loads((tmp_path / NAME).read_text())["pid"] == os.getpid()


def test_a_lock_is_free_again_after_its_body(tmp_path):
    with pytest.raises(ZeroDivisionError), locked(tmp_path):
        raise ZeroDivisionError
    with locked(tmp_path):
        pass


def test_a_holder_without_a_name_is_told_too(holder, tmp_path):
    (tmp_path / NAME).write_text("{")
    with pytest.raises(UserError, match="in use by another process"), locked(tmp_path):
        pytest.fail("both hold the lock")
