"""The demo: train on procedural birds, edit unseen ones, compare with the true edits, show both.

Beside the new model's edits stand those of the preset, the same recipe trained for longer.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mim_tf.config import Config
from mim_tf.data.source import Source
from mim_tf.data.sources import load_source
from mim_tf.editor import Editor
from mim_tf.errors import UserError
from mim_tf.evaluation import truth
from mim_tf.evaluation.titles import truth_rows
from mim_tf.pages.templates import render
from mim_tf.pictures import files, sheets
from mim_tf.places import PRESETS
from mim_tf.run import Run
from mim_tf.storage import replace_text
from mim_tf.training.loop import train
from mim_tf.training.start import open_or_start

_PRESET = "birds-64"
_TRAINED = "trained now"  # the new model's name in the table
_SHOWN = 16  # birds on the page
_SCORED = 500  # birds behind the table
_ROWS = ("accuracy", "kept", "psnr", "background", "iou")
# What the recipe of birds.yaml reaches at least, whatever its seed.
_EXPECTED = {
    "accuracy": 0.90,
    "accuracy_wings": 0.80,
    "accuracy_belly": 0.80,
    "accuracy_crown": 0.80,
    "accuracy_tail": 0.80,
    "iou": 0.70,
}


def run_demo(config: Config, output: Path) -> str:
    """Train what is not trained yet, then score and show.

    Args:
        config: of a run on a data set whose true edits are known.
        output: folder for ``run`` (the run directory), ``edits.png``, ``metrics.json`` and
            ``index.html``.

    Returns:
        The table of scores, and whether they are as expected, as text.

    Raises:
        UserError: a data set without true edits, or the folder's run has another configuration.
    """
    unseen = load_source(config, "test")
    if not unseen.has_truth:
        raise UserError(
            f"the demo compares edits with the true ones, which data.source={unseen.name} does not "
            "know; use --config birds.yaml"
        )
    source = load_source(config, "train")
    run = open_or_start(output / "run", config, source)
    train(run, source)
    editors = {_TRAINED: Editor(run)}
    if (PRESETS / _PRESET).is_dir():
        preset = Run.named(_PRESET)
        if preset.config.model.fine_size == config.model.fine_size:
            editors[f"preset {_PRESET}"] = Editor(preset)
    size = config.model.fine_size
    scores = {}
    for name, editor in editors.items():
        print(f"{name}: scoring {_SCORED} unseen birds", file=sys.stderr)
        scores[name] = truth.score(editor.edit_batch, unseen, _SCORED, size)
    sheet = _edits(editors, unseen, size)
    files.write(output / "edits.png", sheet)
    replace_text(output / "metrics.json", json.dumps(scores, indent=2))
    table = _table(scores)
    verdict = _verdict(scores[_TRAINED])
    page = render("demo.html", table=table, verdict=verdict, sheet=files.encode_png(sheet))
    replace_text(output / "index.html", page)
    lines = [
        f"{title:60}" + "".join(f"{value:>18}" for value in values) for title, *values in table
    ]
    return "\n".join([*lines, "", verdict])


def _verdict(scores: Mapping[str, float]) -> str:
    """One sentence: the new model reached what its recipe should, or where it falls short."""
    titles = {name: title.removeprefix("- ") for name, title in truth_rows(scores, _ROWS)}
    short = [
        f"{titles[key]} {scores[key]:.3f} (at least {least:.2f})"
        for key, least in _EXPECTED.items()
        if key in scores and scores[key] < least
    ]
    if not short:
        return "This training reached what is expected of birds.yaml."
    return f"This training falls short of what is expected of birds.yaml: {'; '.join(short)}."


def _edits(editors: Mapping[str, Editor], source: Source, size: int) -> np.ndarray:
    """A sheet of unseen birds: before, each editor's alpha and edit, and the true edit."""
    wanted = list(truth.true_edits(source, _SHOWN, size))
    captions = [edit.caption for edit in wanted]
    columns = {"before": [edit.picture for edit in wanted]}
    for name, editor in editors.items():
        edited, alphas = editor.edit_batch(np.stack(columns["before"]), captions)
        columns |= {f"{name}: alpha": list(alphas), f"{name}: after": list(edited)}
    columns["truth"] = [edit.truth for edit in wanted]
    rows = [list(row) for row in zip(*columns.values(), strict=True)]
    return sheets.labelled_grid(rows, list(columns), captions, scale=2)


def _table(scores: Mapping[str, Mapping[str, float]]) -> list[list[str]]:
    """Rows of cells: a column for each model and for copying the input; the first row has the
    columns' titles."""
    first = next(iter(scores.values()))
    table = [[f"{first['count']} unseen birds", *scores, "input copied"]]
    copied = {"kept": "1", "psnr": f"{first['psnr_copy']:.3f}"}  # the others: 0
    for name, title in truth_rows(first, _ROWS):
        values = [f"{model_scores[name]:.3f}" for model_scores in scores.values()]
        table.append([title, *values, copied.get(name, "0")])
    return table
