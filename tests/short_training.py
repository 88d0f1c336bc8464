"""A few steps of real training through the command itself, for tests of data sets."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from tiny import TINY

from mim_tf import train
from mim_tf.config_files import load_config
from mim_tf.data.pipeline import CAPTIONS, Sampler, training_batches
from mim_tf.data.sources import load_source
from mim_tf.run import Run
from mim_tf.training.start import start_run

# One step of the warm-up and one of reconstruction: the least that reads every kind of caption.
SHORT = {
    "model": {**TINY["model"], "fine": False},
    "train": {
        **TINY["train"], "batch_size": 2, "steps": 1,
    },
    "deviations": {"warm_up": 1, "adversarial_start": 9},
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


def started(folder: Path, **data) -> Run:
    """A run that was started, and from whose data set the first batch was read."""
    config = load_config(str(config_file(folder, **data)))
    source = load_source(config, "train")
    run = start_run(folder / "run", config, source)
    sampler = Sampler(source, run.vocabulary, run.config)
    batch = next(iter(training_batches(sampler, 0, 1)))
    size, words = config.model.fine_size, config.data.max_words
    assert batch["picture"].shape == (2, size, size, 3)
    assert all(batch[name].shape == (2, words) for name in CAPTIONS)
    return run
