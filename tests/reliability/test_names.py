"""Names that are not UTF-8, as Linux allows them: a command works, or says so in one line."""

from __future__ import annotations

import os
import sys

import numpy as np
import pytest
import yaml
from tiny import TINY

from mim_tf import edit, evaluate, memories, prepare, report, train
from mim_tf.pictures import files

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux has names that are no text"),
]
NAME = os.fsdecode(b"a\xff")
TOLD = "a\\udcff"


@pytest.fixture
def place(tmp_path):
    """A folder with such a name, which holds a picture with one."""
    folder = tmp_path / NAME
    folder.mkdir()
    (folder / f"{NAME}.png").write_bytes(files.encode_png(np.zeros((9, 9, 3), np.uint8)))
    return folder


@pytest.fixture
def config(place):
    (place / "c.yaml").write_text(yaml.safe_dump(TINY))
    return ["--config", str(place / "c.yaml")]


@pytest.fixture
def line(capsys):
    """The error on stderr."""

    def read() -> str:
        [found] = [text for text in capsys.readouterr().err.splitlines() if "error" in text]
        return found

    return read


def test_pictures_and_folders_are_edited(place, tiny_run, capsys):
    run = ["--run", str(tiny_run)]
    assert edit.main([str(place / f"{NAME}.png"), "a red bird", *run, "--output",
                      str(place / "b.png")]) == 0  # fmt: skip
    assert capsys.readouterr().out.endswith(f"{TOLD}/b.png\n")
    assert edit.main(["--image", str(place), "--text", f"a red bird {NAME}", *run, "--output",
                      str(place / NAME)]) == 0  # fmt: skip
    out, err = capsys.readouterr()
    assert f"{TOLD}/{TOLD}/{TOLD}-a-red-bird-a.png\n" in out and "Traceback" not in err
    assert len(list((place / NAME).iterdir())) == 2


def test_results_are_written_to_such_folders(place, tiny_run, capsys):
    run = ["--run", str(tiny_run)]
    output = ["--output", str(place / "measured")]
    assert (
        evaluate.main([*run, "--evaluators", "none", "--count", "1", "--keep-images", *output]) == 0
    )
    assert report.main([*run, "--evaluation", str(place / "measured"),
                        "--output", str(place / "report.html")]) == 0  # fmt: skip
    assert memories.main([*run, "--output", str(place / "memories.png")]) == 0
    assert TOLD in capsys.readouterr().out


def test_what_tensorflow_cannot_write_is_one_line(place, config, line):
    assert train.main([*config, "--run", str(place / "run")]) == 1
    assert TOLD in line()
    assert prepare.main([*config, "--output", str(place / "records")]) == 1
    assert TOLD in line()
    assert train.main([*config, "--set", f"data.root={place}"]) == 1
    assert "#xdcff" in line()  # the value itself may be cut, for the length of the line
