"""The results page of a run: ``python -m mim_tf.report --run RUN --output report.html``.

One self-contained page: curves, samples over training time, Table 1, the memories, best and worst
edits by each metric. It reads the run and an evaluation of it that kept its pictures.
"""

from __future__ import annotations

import argparse
import base64
import html
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mim_tf.errors import UserError, entry_point
from mim_tf.evaluation import tables

if TYPE_CHECKING:
    from mim_tf.editor import Editor
    from mim_tf.run import Run

_SHOWN = 6  # best and worst edits of each metric
_SAMPLES = 6  # sample grids over training time
_MEMORY_PICTURES = 4
_WIDTH, _HEIGHT = 320, 140  # of a curve, CSS pixels
_POINTS = 400  # of a curve
# Metric of scores.jsonl -> what it is called, and whether more is better.
_METRICS = {
    "sim": ("Sim", True),
    "mp": ("MP", True),
    "diff": ("Diff", False),
    "l2": ("L2 reconstruction", False),
    "accuracy": ("attribute accuracy", True),
    "psnr": ("PSNR to the true edit", True),
    "background": ("difference on the true background", False),
    "iou": ("IoU of alpha", True),
}


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m mim_tf.report", description="Results page.")
    parser.add_argument("--run", metavar="DIR", type=Path, required=True)
    parser.add_argument("--evaluation", metavar="DIR", type=Path, help="default: RUN/evaluation")
    parser.add_argument(
        "--output", metavar="PATH", type=Path, help="a .html file; default: RUN/report.html"
    )
    return parser.parse_args(argv)


@entry_point
def main(argv: Sequence[str] | None = None) -> int:
    arguments = _arguments(argv)
    output = arguments.output or arguments.run / "report.html"
    if output.suffix.lower() != ".html":
        raise UserError(f"--output {output}: the page is a .html file")
    evaluation = arguments.evaluation or arguments.run / "evaluation"

    from mim_tf.editor import Editor
    from mim_tf.evaluators.folder import fingerprint
    from mim_tf.run import Run
    from mim_tf.storage import replace_text

    run = Run.open(arguments.run)
    measured = [evaluation / name for name in ("metrics.json", "manifest.json")]
    if not all(file.is_file() for file in measured):
        raise UserError(
            f"no evaluation at {evaluation}; make it with python -m mim_tf.evaluate --run "
            f"{arguments.run} --output {evaluation} --keep-images"
        )
    numbers, about = (json.loads(file.read_text("utf-8")) for file in measured)
    editor = Editor(run)
    if about["model"].get("weights_sha256") != fingerprint(editor.generator):
        raise UserError(
            f"{evaluation} measured {about['model'].get('name')} with other weights than "
            f"{arguments.run} has; evaluate this run"
        )
    sections = [
        ("Table 1", _table(tables.page(numbers, about))),
        ("Curves", _curves(run)),
        ("Samples over training time", _samples(run)),
        ("Memories", _memories(editor)),
        ("Best and worst edits", _extremes(evaluation)),
    ]
    output.parent.mkdir(parents=True, exist_ok=True)
    replace_text(output, _page(run.path.resolve().name, sections))
    print(output)
    return 0


def _table(page: str) -> str:
    """What ``table.md`` says, as HTML: the tables as tables, the rest as lines."""
    parts = []
    for block in page.strip().split("\n\n"):
        lines = block.splitlines()
        if not lines[0].startswith("|"):
            parts.append("<p>" + "<br>".join(html.escape(one.strip()) for one in lines) + "</p>")
            continue
        rows = [
            [html.escape(cell.strip()) for cell in line.strip().strip("|").split("|")]
            for line in lines
        ]
        head = "".join(f"<th>{cell}</th>" for cell in rows[0])
        body = "".join(
            "<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows[2:]
        )
        parts.append(f"<div class='wide'><table><tr>{head}</tr>{body}</table></div>")
    return "\n".join(parts)


def _curves(run: Run) -> str:
    """One small chart for every quantity of ``log.jsonl``."""
    file = run.path / "log.jsonl"
    if not file.is_file():
        return "<p>This run has no log (a preset ships without).</p>"
    rows = [json.loads(line) for line in file.read_text("utf-8").splitlines() if line.strip()]
    names = dict.fromkeys(name for row in rows for name in row if name not in ("step", "epoch"))
    charts = []
    for name in names:
        points = [
            (row["step"], row[name]) for row in rows if isinstance(row.get(name), int | float)
        ]
        if points:
            charts.append(_chart(name, points))
    return f"<div class='grid'>{''.join(charts)}</div>"


def _chart(name: str, points: Sequence[tuple[float, float]]) -> str:
    steps, values = zip(*points, strict=True)
    low, high = min(values), max(values)
    span, length = (high - low) or 1, (steps[-1] - steps[0]) or 1
    path = " ".join(
        f"{(step - steps[0]) / length * _WIDTH:.1f},{(high - value) / span * _HEIGHT:.1f}"
        for step, value in points[:: max(1, len(points) // _POINTS)]
    )
    return (
        f"<figure><figcaption>{html.escape(name)}: {low:.4g} to {high:.4g}, last {values[-1]:.4g}; "
        f"steps {steps[0]} to {steps[-1]}</figcaption>"
        f"<svg viewBox='-2 -2 {_WIDTH + 4} {_HEIGHT + 4}' role='img' "
        f"aria-label='{html.escape(name)}'><polyline points='{path}'/></svg></figure>"
    )


def _samples(run: Run) -> str:
    files = sorted((run.path / "samples").glob("step-*.png"))
    if not files:
        return "<p>This run has no sample grids (a preset ships without).</p>"
    last = len(files) - 1
    places = sorted({round(place * last / max(1, _SAMPLES - 1)) for place in range(_SAMPLES)})
    chosen = [files[place] for place in places if place <= last]
    return "".join(
        f"<figure><figcaption>{html.escape(file.stem)}</figcaption>{_image(file.read_bytes())}"
        "</figure>"
        for file in chosen
    )


def _memories(editor: Editor) -> str:
    from mim_tf.pages import memory_sheet
    from mim_tf.pictures import files

    if not editor.run.config.model.memory:
        return "<p>Trained without memory.</p>"
    pictures, caption = memory_sheet.test_pictures(editor, _MEMORY_PICTURES)
    reading = memory_sheet.read_memories(editor, caption)
    sheet = memory_sheet.sheet(editor, pictures, [reading])
    return (
        "<p>Each memory painted alone on a few pictures; below, which memories each word of "
        f"“{html.escape(caption)}” reads.</p>{_image(files.encode_png(sheet))}"
    )


def _extremes(evaluation: Path) -> str:
    """The edits at both ends of every per-pair metric."""
    folder, inputs = evaluation / "images", evaluation / "inputs"
    if not folder.is_dir() or not inputs.is_dir():
        return "<p>The evaluation kept no pictures; evaluate again with --keep-images.</p>"
    scores = _rows(evaluation / "scores.jsonl")
    pairs = {row["key"]: row for row in _rows(evaluation / "pairs.jsonl")}
    parts = []
    for metric, (title, more) in _METRICS.items():
        rows = [row for row in scores if row.get(metric) is not None]
        if not rows:
            continue
        rows.sort(key=lambda row: (row[metric], row["key"]), reverse=more)
        shown = min(_SHOWN, len(rows) // 2)
        for name, chosen in (("best", rows[:shown]), ("worst", rows[len(rows) - shown :][::-1])):
            if chosen:
                cells = "".join(_edit(row, metric, pairs, folder, inputs) for row in chosen)
                parts.append(f"<h3>{name} by {title}</h3><div class='grid'>{cells}</div>")
    return "\n".join(parts)


def _edit(row: dict[str, Any], metric: str, pairs, folder: Path, inputs: Path) -> str:
    key = row["key"]
    caption = html.escape(pairs[key]["caption"])
    try:
        before, after = ((one / f"{key}.png").read_bytes() for one in (inputs, folder))
    except OSError as error:
        raise UserError(f"{error.filename} is missing; evaluate again with --keep-images") from None
    return (
        f"<figure><figcaption>{row[metric]:.3f}: {caption}</figcaption>"
        f"<div class='pair'>{_image(before)}{_image(after)}</div></figure>"
    )


def _rows(file: Path) -> list[dict[str, Any]]:
    try:
        return [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    except (OSError, ValueError):
        raise UserError(f"{file} is missing or broken; evaluate again") from None


def _image(png: bytes) -> str:
    return f"<img alt='' src='data:image/png;base64,{base64.b64encode(png).decode()}'>"


def _page(name: str, sections: Sequence[tuple[str, str]]) -> str:
    body = "\n".join(f"<h2>{html.escape(title)}</h2>\n{content}" for title, content in sections)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>mim_tf: {html.escape(name)}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: auto; padding: 1rem }}
.wide {{ overflow-x: auto }} table {{ border-collapse: collapse; margin: 1rem 0 }}
td, th {{ padding: .2rem .7rem; text-align: right; border-bottom: 1px solid #ccc }}
td:first-child, th:first-child {{ text-align: left }}
.grid {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(17rem, 1fr)); gap: 1rem }}
figure {{ margin: 0 0 1rem }} figcaption {{ font-size: .85rem; color: #444 }}
.pair {{ display: flex; gap: .3rem }} .pair img {{ width: 50% }}
img {{ max-width: 100%; image-rendering: pixelated }}
polyline {{ fill: none; stroke: #236; stroke-width: 1.5 }} svg {{ background: #f6f6f6 }}
</style></head><body>
<h1>{html.escape(name)}</h1>
{body}
</body></html>
"""


if __name__ == "__main__":
    sys.exit(main())
