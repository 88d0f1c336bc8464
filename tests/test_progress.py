"""Progress bars: on a terminal's stderr, nowhere else, and never in the results."""

from __future__ import annotations

import io
import subprocess
import sys

import numpy as np
import pytest

from mim_tf import edit, progress
from mim_tf.pictures import files


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def make_terminal(monkeypatch) -> Terminal:
    """stderr as a terminal, on which bars are drawn at once."""
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(progress, "_DELAY", 0)
    return stream


@pytest.fixture
def folder(tmp_path):
    for name in ("a.png", "b.png"):
        files.write(tmp_path / "in" / name, np.full((40, 40, 3), 99, np.uint8))
    (tmp_path / "in" / "c.png").write_bytes(b"no picture")
    return tmp_path


def edit_folder(folder) -> list[str]:
    given = ["--image", folder / "in", "--text", "red wings", "--output", folder / "out"]
    assert edit.main([*map(str, given), "--overwrite"]) == 1  # one picture is none
    return [str(folder / "out" / f"{name}-red-wings.png") for name in "ab"]


def test_a_folder_of_pictures_has_a_bar_and_the_same_results(folder, monkeypatch, capsys):
    terminal = make_terminal(monkeypatch)
    expected = edit_folder(folder)
    assert capsys.readouterr().out.splitlines() == expected
    written = terminal.getvalue()
    assert "editing" in written and "0/3" in written
    assert "\rerror: " in written  # on a line of its own


def test_what_is_no_terminal_gets_no_bar(folder, monkeypatch, capsys):
    monkeypatch.setattr(progress, "_DELAY", 0)
    expected = edit_folder(folder)
    said = capsys.readouterr()
    assert said.out.splitlines() == expected
    assert "editing" not in said.err and "\r" not in said.err and "error: " in said.err


def test_a_single_item_needs_no_bar(monkeypatch):
    terminal = make_terminal(monkeypatch)
    assert list(progress.Progress(["one"], "editing")) == ["one"]
    assert terminal.getvalue() == ""


def test_who_trains_outlives_who_reads():
    code = (
        "import sys, time; from mim_tf.progress import LastingStderr; from tqdm import tqdm\n"
        "bar = tqdm(total=9, file=LastingStderr(), mininterval=0)\n"
        "sys.stdin.read()\n"  # until nobody reads stderr any more
        "for _ in range(9): bar.update(); print('x', file=LastingStderr())\n"
        "bar.close(); print('done')"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code], text=True, **pipes) as process:
        process.stderr.close()
        process.stdin.close()
        assert process.stdout.read() == "done\n"
    assert process.returncode == 0
