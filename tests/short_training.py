"""A few steps of real training through the command itself, for tests of data sets."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from tiny import TINY

from mim_tf import train
from mim_tf.run import Run

# One step of the warm-up and one of reconstruction: the least that reads every kind of caption.
SHORT = {
    "model": {**TINY["model"], "fine": False},
    "train": {
        **TINY["train"], "batch_size": 2, "steps": 1,
    },
    "deviations": {"warm_up": 1, "adversarial_every": 9},
}  # fmt: skip


def config_file(folder: Path, machine: dict | None = None, **data) -> Path:
    tree = {
        **SHORT,
        "data": {"max_words": 40, "partial": True, **data},
        "machine": {**TINY["machine"], **(machine or {})},
    }
    (folder / "c.yaml").write_text(json.dumps(tree, default=str))
    return folder / "c.yaml"


def trained(folder: Path, *arguments: str, **data) -> Run:
    config = config_file(folder, **data)
    assert train.main(["--config", str(config), "--run", str(folder / "run"), *arguments]) == 0
    run = Run.open(folder / "run")
    rows = [json.loads(line) for line in (run.path / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 2]
    assert np.isfinite(rows[-1]["L_rec_coarse"])
    assert (run.path / "samples" / "step-0000002.png").is_file()
    return run
