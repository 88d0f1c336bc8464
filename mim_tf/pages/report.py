"""The results page of a run: curves, samples over training time, Table 1, the memories, and the
best and worst edits by each metric."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mim_tf import json_text
from mim_tf.editor import Editor
from mim_tf.errors import UserError
from mim_tf.evaluation import tables
from mim_tf.evaluation.folders import read_evaluation
from mim_tf.evaluation.titles import METRICS
from mim_tf.evaluators.folder import fingerprint
from mim_tf.pages import memory_sheet
from mim_tf.pages.templates import render
from mim_tf.pictures import files
from mim_tf.run import Run
from mim_tf.storage import replace_text

_EXTREMES = 6  # best, and worst, edits shown of each metric
_SAMPLES = 6  # sample grids over training time
_MEMORY_PICTURES = 4
_CHART_WIDTH, _CHART_HEIGHT = 320, 140  # of a curve, CSS pixels
_CHART_POINTS = 400  # of a curve at most, or twice as many
# The metrics by which edits are sorted, of those in scores.jsonl.
_SORTED_BY = ("sim", "mp", "diff", "l2", "accuracy", "psnr", "background", "iou")


@dataclass(frozen=True)
class TextBlock:
    """A block of the Markdown page of an evaluation: a table, or lines of text.

    Attributes:
        header, rows: the cells of a table; no header where the block is none.
        lines: the lines of any other block.
    """

    header: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    lines: Sequence[str] = ()


@dataclass(frozen=True)
class Curve:
    """One logged quantity over the steps of training.

    Attributes:
        points: of an SVG polyline in a chart of 320 x 140 pixels.
    """

    name: str
    low: float
    high: float
    last: float
    first_step: int
    last_step: int
    points: str


@dataclass(frozen=True)
class MemorySheet:
    """The memory sheet, a PNG, and the caption whose attention it shows."""

    caption: str
    png: bytes


@dataclass(frozen=True)
class ShownEdit:
    """One edit of an evaluation: the metric's value, and PNG files before and after."""

    value: float
    caption: str
    before: bytes
    after: bytes


@dataclass(frozen=True)
class Extremes:
    """The best or the worst edits by one metric."""

    title: str
    edits: Sequence[ShownEdit]


def write_report(
    run_folder: Path | None, preset: str | None, evaluation: Path | None, output: Path | None
) -> Path:
    """Write the page of a run or of a preset.

    Args:
        run_folder, preset: one of them.
        evaluation: folder of an evaluation of it; by default its own, ``evaluation``.
        output: the page; by default ``report.html`` in the run, or here for a preset.

    Returns:
        Where the page is.

    Raises:
        UserError: no evaluation, one of other weights, or one whose files are missing or broken.
    """
    run = Run.chosen(run_folder, preset)
    evaluation = evaluation or run.path / "evaluation"
    output = output or (Path() if preset else run.path) / "report.html"
    numbers, manifest = _read_evaluation(evaluation, run, preset)
    editor = Editor(run)
    if manifest["model"].get("weights_sha256") != fingerprint(editor.generator):
        raise UserError(
            f"{evaluation} measured {manifest['model'].get('name')} with other weights than "
            f"{run.path} has; evaluate this run"
        )
    page = render(
        "report.html",
        name=run.path.resolve().name,
        table=_table(numbers, manifest, evaluation),
        chart_width=_CHART_WIDTH,
        chart_height=_CHART_HEIGHT,
        curves=_curves(run.path / "log.jsonl"),
        samples=_samples(run.path / "samples"),
        memories=_memories(editor),
        extremes=_extremes(evaluation),
    )
    output.parent.mkdir(parents=True, exist_ok=True)
    replace_text(output, page)
    return output


def _read_evaluation(
    evaluation: Path, run: Run, preset: str | None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """``metrics.json`` and ``manifest.json`` of an evaluation."""
    paths = [evaluation / name for name in ("metrics.json", "manifest.json")]
    if not all(path.is_file() for path in paths):
        # Where presets lie is no place for results.
        model, place = f"--run {run.path}", str(evaluation)
        if preset:
            model, place = f"--preset {preset}", "evaluation"
        raise UserError(
            f"no evaluation at {evaluation}; make it with python -m mim_tf.evaluate {model} "
            f"--output {place} --keep-images, and give --evaluation {place}"
        )
    broken = f"{evaluation}: {paths[0].name} or {paths[1].name} is broken; evaluate again"
    try:
        return read_evaluation(evaluation)
    except ValueError:
        raise UserError(broken) from None


def _table(numbers: dict[str, Any], manifest: dict[str, Any], evaluation: Path) -> list[TextBlock]:
    try:
        return _text_blocks(tables.page(numbers, manifest))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(
            f"{evaluation}: metrics.json or manifest.json is not as evaluate writes it "
            f"({type(error).__name__}: {error}); evaluate again"
        ) from None


def _text_blocks(markdown: str) -> list[TextBlock]:
    """The blocks of ``table.md``, which blank lines divide."""
    blocks = []
    for text in markdown.strip().split("\n\n"):
        lines = [line.strip() for line in text.splitlines()]
        if lines[0].startswith("|"):
            # The second line of a Markdown table only says how its columns are aligned.
            header, _, *rows = (
                [cell.strip() for cell in line.strip("|").split("|")] for line in lines
            )
            blocks.append(TextBlock(header=header, rows=rows))
        else:
            blocks.append(TextBlock(lines=lines))
    return blocks


def _curves(log: Path) -> list[Curve] | None:
    """A curve for every quantity of ``log.jsonl``; None where there is no log."""
    if not log.is_file():
        return None
    rows = _rows(log, "put it right, or move it away")
    names = dict.fromkeys(name for row in rows for name in row if name not in ("step", "epoch"))
    curves = []
    for name in names:
        points = [
            (row["step"], row[name])
            for row in rows
            if _is_finite(row.get(name)) and _is_finite(row.get("step"))
        ]
        if points:
            curves.append(_curve(name, points))
    return curves


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and abs(value) < 1e300


def _curve(name: str, points: Sequence[tuple[int, float]]) -> Curve:
    """A curve through (step, value) points, drawn from about 400 of them."""
    steps, values = zip(*points, strict=True)
    low, high = min(values), max(values)
    # A curve of one step or one value has no extent: any divisor will do.
    duration, extent = (steps[-1] - steps[0]) or 1, (high - low) or 1
    polyline = " ".join(
        f"{(step - steps[0]) / duration * _CHART_WIDTH:.1f},"
        f"{(high - value) / extent * _CHART_HEIGHT:.1f}"
        for step, value in points[:: max(1, len(points) // _CHART_POINTS)]
    )
    return Curve(name, low, high, values[-1], steps[0], steps[-1], polyline)


def _samples(folder: Path) -> list[tuple[str, bytes]]:
    """Name and PNG of a few sample grids, evenly from the first to the last."""
    paths = sorted(folder.glob("step-*.png"))
    last = len(paths) - 1
    indices = sorted({round(number * last / (_SAMPLES - 1)) for number in range(_SAMPLES)})
    return [(paths[index].stem, paths[index].read_bytes()) for index in indices if paths]


def _memories(editor: Editor) -> MemorySheet | None:
    """What the memories hold; None where the model has none."""
    if not editor.run.config.model.memory:
        return None
    pictures, caption = memory_sheet.test_pictures(editor, _MEMORY_PICTURES)
    reading = memory_sheet.read_memories(editor, caption)
    sheet = memory_sheet.sheet(editor, pictures, [reading])
    return MemorySheet(caption, files.encode_png(sheet))


def _extremes(evaluation: Path) -> list[Extremes] | None:
    """The edits at both ends of every metric; None where the evaluation kept no pictures."""
    edited, inputs = evaluation / "images", evaluation / "inputs"
    if not edited.is_dir() or not inputs.is_dir():
        return None
    scores = _rows(evaluation / "scores.jsonl")
    captions = {row.get("key"): row.get("caption") for row in _rows(evaluation / "pairs.jsonl")}
    for row in scores:
        key = row.get("key")
        if not isinstance(key, str) or Path(key).name != key or key not in captions:
            raise UserError(f"{evaluation}: scores.jsonl and pairs.jsonl differ; evaluate again")
    found = []
    for metric in _SORTED_BY:
        about = METRICS[metric]
        rows = [row for row in scores if _is_finite(row.get(metric))]
        rows.sort(key=lambda row: (row[metric], row["key"]), reverse=bool(about.higher_is_better))
        count = min(_EXTREMES, len(rows) // 2)
        if count:
            for which, chosen in (("best", rows[:count]), ("worst", rows[: -count - 1 : -1])):
                edits = [
                    _shown_edit(row, metric, str(captions[row["key"]]), inputs, edited)
                    for row in chosen
                ]
                found.append(Extremes(f"{which} by {about.short}", edits))
    return found


def _shown_edit(
    row: dict[str, Any], metric: str, caption: str, inputs: Path, edited: Path
) -> ShownEdit:
    name = f"{row['key']}.png"
    try:
        before, after = ((folder / name).read_bytes() for folder in (inputs, edited))
    except OSError as error:
        raise UserError(f"{error.filename} is missing; evaluate again with --keep-images") from None
    return ShownEdit(row[metric], caption, before, after)


def _rows(path: Path, remedy: str = "evaluate again") -> list[dict[str, Any]]:
    """The objects of a JSON-lines file."""
    try:
        return json_text.read_objects(path)
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); {remedy}") from None
    except ValueError as error:
        raise UserError(f"{path} is broken ({error}); {remedy}") from None
