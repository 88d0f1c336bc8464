"""The benchmark of the input pipeline runs with no more photographs than a batch needs."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import input_pipeline
from mim_tf.pictures import files


def write_cub(root: Path, count: int) -> Path:
    """A data set in CUB's layout with ``count`` training photographs and two test photographs."""
    for split, numbers in (("train", range(count)), ("test", range(count, count + 2))):
        names = [f"{split}/Finch_{k}" for k in numbers]
        for name in names:
            picture = np.full((40, 40, 3), 99, np.uint8)
            files.write(root / "CUB_200_2011" / "images" / f"{name}.jpg", picture)
            text = root / "text_c10" / f"{name}.txt"
            text.parent.mkdir(parents=True, exist_ok=True)
            text.write_text("a grey finch\n")
        (root / "splits").mkdir(exist_ok=True)
        (root / "splits" / f"{split}_filenames.txt").write_text("\n".join(names))
    return root


@pytest.mark.parametrize("count", [29, 30])
def test_the_benchmark_needs_a_batch_of_photographs(tmp_path, monkeypatch, capsys, count):
    root = write_cub(tmp_path, count)
    options = ["--root", str(root), "--size", "32", "--rounds", "1", "--epochs", "1",
               "--threads", "1"]  # fmt: skip
    monkeypatch.setattr(sys, "argv", ["input_pipeline", *options])
    enough = count >= input_pipeline.BATCH
    assert input_pipeline.main() == (0 if enough else 1)
    printed = capsys.readouterr()
    assert ("from records / from JPEG files" in printed.out) == enough
    assert ("29 training pictures are fewer than" in printed.err) != enough
