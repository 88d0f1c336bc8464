"""Commands that train ask for oneDNN's kernels before TensorFlow is imported; others do not."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

# Stands in for TensorFlow, and tells what it would find.
_STAND_IN = """
import os
print(os.environ.get("TF_ENABLE_ONEDNN_OPTS"), flush=True)
os._exit(0)
"""

TRAINING = {
    "train": ["--config", "birds.yaml", "--run", "run"],
    "demo": ["--output", "demo"],
    "ablate": ["--config", "birds.yaml", "--output", "ablation"],
    "pretrain": ["--config", "evaluators/birds.yaml", "--run", "evaluators"],
}


def asked(tmp_path, arguments, **variables) -> str:
    (tmp_path / "first").mkdir()
    (tmp_path / "first/tensorflow.py").write_text(_STAND_IN, "utf-8")
    kept = {key: value for key, value in os.environ.items() if key != "TF_ENABLE_ONEDNN_OPTS"}
    path = os.pathsep.join([str(tmp_path / "first"), *filter(None, sys.path)])
    done = subprocess.run(
        [sys.executable, "-m", "mim_tf", *arguments], capture_output=True, text=True, check=True,
        cwd=tmp_path, env={**kept, **variables, "PYTHONPATH": path}, timeout=100,
    )  # fmt: skip
    return done.stdout.strip()


@pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64"), reason="oneDNN is asked for on x86 alone"
)
@pytest.mark.parametrize("command", TRAINING)
def test_training_asks_before_tensorflow_reads_it(tmp_path, command):
    assert asked(tmp_path, [command, *TRAINING[command]]) == "1"


def test_what_the_user_has_set_stays(tmp_path):
    assert asked(tmp_path, ["train", *TRAINING["train"]], TF_ENABLE_ONEDNN_OPTS="0") == "0"


def test_an_edit_does_not_ask(tmp_path):
    evaluation = ["evaluate", "--preset", "birds-64", "--output", "evaluation"]
    assert asked(tmp_path, evaluation) == "None"
