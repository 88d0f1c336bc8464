"""Time, memory and multiply-adds of an edit, for every form of the model, on two threads.

``python -m benchmarks.inference --config cub.yaml`` measures random weights, ``--run`` or
``--preset`` trained ones. Each row of the table is measured in a process of its own. In turns with
the edit, two reference operations measure the machine, so that the ratios to them hold on a busy
machine as well: a 3x3 convolution of 256 to 256 channels at 64 x 64, batch 8, and a matrix product
of 2048 x 2048, both in float32.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.inference_jobs import CAPTION_WORDS, THREADS
from mim_tf.config_files import load_config
from mim_tf.errors import UserError, entry_point
from mim_tf.flags import add_model_flags

BATCHES = (1, 8)
FORMS = ("keras", "saved_model", "float32", "float16", "int8")


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.inference",
        description="Time, memory and multiply-adds of an edit.",
    )
    source = add_model_flags(parser, required=True)
    source.add_argument("--config", metavar="NAME", nargs="+", help="random weights of its sizes")
    parser.add_argument("--form", choices=FORMS, nargs="+", default=FORMS, help="which rows")
    parser.add_argument("--seconds", type=float, default=10.0, help="a row's measuring time")
    return parser.parse_args(argv)


@entry_point
def main(argv: Sequence[str] | None = None) -> int:
    arguments = _arguments(argv)
    if arguments.seconds <= 0:
        raise UserError("--seconds must be above 0")
    with tempfile.TemporaryDirectory() as folder:
        job = {"folder": folder, "seconds": arguments.seconds}
        if arguments.config is not None:
            load_config(*arguments.config)  # raises on a mistake before anything is built
            job["run"] = str(Path(folder) / "run")
            _in_child_process({"do": "random", "config": arguments.config, **job})
        elif arguments.preset is not None:
            # In a child process as well: a child's peak memory begins with its parent's.
            job["run"] = _in_child_process({"do": "preset", "name": arguments.preset, **job})
        else:
            job["run"] = str(arguments.run)
        model = _in_child_process({"do": "export", "forms": list(arguments.form), **job})
        rows = [
            _in_child_process({"do": "measure", "form": form, "batch": batch, **job})
            for form in arguments.form
            for batch in BATCHES
        ]
    print(_table(model, rows))
    return 0


def _in_child_process(job: dict[str, Any]) -> Any:
    """Do a job in a child process and return its result.

    Raises:
        UserError: the job failed.
    """
    print(f"{job['do']} {job.get('form', '')} {job.get('batch', '')}", file=sys.stderr)
    code = (
        "import json, sys; from benchmarks.inference_jobs import work; "
        "json.dump(work(json.load(sys.stdin)), open(sys.argv[1], 'w'))"
    )
    result = Path(job["folder"]) / "result.json"
    process = subprocess.run(
        [sys.executable, "-c", code, str(result)], input=json.dumps(job), text=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    if process.returncode:
        lines = process.stderr.strip().splitlines() or [f"exit code {process.returncode}"]
        raise UserError(f"{job['do']} failed: {lines[-1]}")
    return json.loads(result.read_text())


def _table(model: dict[str, Any], rows: list[dict[str, Any]]) -> str:
    """The report in Markdown: the model's sizes, its multiply-adds by part, and the rows."""
    counted = dict(model["multiply_adds"])
    total = counted.pop("all")
    lines = [
        f"{model['size']} px, {model['parameters']:,} parameters, {THREADS} threads, captions of "
        f"{CAPTION_WORDS} words in {model['words']}; {total / 1e9:.2f} G multiply-adds a picture:",
        "",
    ]
    for name, count in sorted(counted.items(), key=lambda item: -item[1]):
        lines.append(f"- {name}: {count / 1e9:.3f} G ({count / total:.0%})")
    lines += [
        "",
        "| form | batch | ms a picture | peak memory | convolution, matrix product, GFLOP/s "
        "| GFLOP-equivalents | of the matrix product | its convolutions alone |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        speed = 2 * total / row["seconds"] / 1e9  # two operations for a multiply-add
        alone = f"{row['alone']:.0%}" if row["alone"] else ""
        lines.append(
            f"| {row['form']} | {row['batch']} | {row['seconds'] * 1000:.1f} "
            f"| {row['memory'] / 1e9:.2f} GB | {row['convolution']:.0f}, {row['product']:.0f} "
            f"| {row['seconds'] * row['convolution']:.1f} | {speed / row['product']:.0%} "
            f"| {alone} |"
        )
    lines += [
        "",
        "GFLOP-equivalents: seconds a picture times the convolution's speed in the same minutes. "
        "Of the matrix product: the edit's own speed (two operations a multiply-add) as a share. "
        "Its convolutions alone: their time as a share of the edit's.",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
