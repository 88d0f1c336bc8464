"""The demo: train on procedural birds, edit unseen ones, show and score them.

``python -m mim_tf.demo --output demo`` writes ``demo/run`` (a run directory), ``demo/edits.png``,
``demo/metrics.json`` and ``demo/index.html``. Beside the new model's edits stand those of the
preset, the same recipe trained for longer. Run again, it goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import base64
import html
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mim_tf.config_files import load_config
from mim_tf.errors import UserError, entry_point
from mim_tf.flags import add_config_flags

_PRESET = "birds-64"
_SHOWN = 16  # birds on the page
_SCORED = 500  # birds behind the table
_ROWS = (
    ("accuracy", "attribute accuracy, mentioned parts (chance 0.125)", "0"),
    ("accuracy_wings", "- wings", "0"),
    ("accuracy_belly", "- belly", "0"),
    ("accuracy_crown", "- crown", "0"),
    ("accuracy_tail", "- tail", "0"),
    ("kept", "unmentioned parts that kept their colour", "1"),
    ("psnr", "PSNR to the true edit, dB", "{psnr_copy:.2f}"),
    ("background", "mean absolute difference on the true background, of 1.0", "0"),
    ("iou", "IoU of alpha > 1/2 with the parts that were to change", "0"),
)


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m mim_tf.demo", description="Train and show.")
    add_config_flags(parser, default=["birds.yaml"])
    parser.add_argument("--output", metavar="DIR", type=Path, default=Path("demo"))
    return parser.parse_args(argv)


@entry_point
def main(argv: Sequence[str] | None = None) -> int:
    arguments = _arguments(argv)
    config = load_config(*arguments.config, overrides=arguments.set)
    if config.data.source != "birds":
        raise UserError("the demo needs data.source=birds: only they have a known truth")

    from mim_tf.data.sources import bird_seed, load_source
    from mim_tf.editor import Editor
    from mim_tf.places import PRESETS
    from mim_tf.run import Run
    from mim_tf.training.loop import open_or_start, train

    source = load_source(config, "train")
    run = open_or_start(arguments.output / "run", config, source)
    train(run, source)
    editors = {"trained now": Editor(run)}
    if (PRESETS / _PRESET).is_dir():
        preset = Run.preset(_PRESET)
        if preset.config.model.fine_size == config.model.fine_size:
            editors[f"preset {_PRESET}"] = Editor(preset)
    _show(editors, bird_seed(config, "test"), config.model.fine_size, arguments.output)
    return 0


def _show(editors, seed: int, size: int, output: Path) -> None:
    """Score the editors, name -> Editor, on unseen birds and write the page."""
    from mim_tf.evaluation import truth
    from mim_tf.pictures import files, sheets
    from mim_tf.storage import replace_text

    shown = list(truth.requests(seed, _SHOWN, size))
    captions = [request.caption for request in shown]
    columns = {"before": [request.picture for request in shown]}
    scores = {}
    for name, editor in editors.items():
        print(f"{name}: scoring {_SCORED} unseen birds", file=sys.stderr)
        scores[name] = truth.score(editor.edit_batch, seed, _SCORED, size)
        edited, alphas = editor.edit_batch(np.stack(columns["before"]), captions)
        columns |= {f"{name}: alpha": list(alphas), f"{name}: after": list(edited)}
    columns["truth"] = [request.truth for request in shown]
    rows = [list(row) for row in zip(*columns.values(), strict=True)]
    sheet = sheets.labelled_grid(rows, list(columns), captions, scale=2)
    files.write(output / "edits.png", sheet)
    replace_text(output / "metrics.json", json.dumps(scores, indent=2))
    page = output / "index.html"
    replace_text(page, _page(scores, files.encode_png(sheet)))
    print(_table(scores))
    print(f"\npictures: {output / 'edits.png'}\npage:     {page}")


def _cells(scores: dict[str, dict[str, float]]) -> list[list[str]]:
    """The table: a title row, then a row a figure; a column for each model and for copying."""
    first = next(iter(scores.values()))
    table = [[f"{first['count']} unseen birds", *scores, "input copied"]]
    for key, title, copied in _ROWS:
        values = [f"{one[key]:.3f}" for one in scores.values()]
        table.append([title, *values, copied.format(**first)])
    return table


def _table(scores: dict[str, dict[str, float]]) -> str:
    return "\n".join(
        f"{title:60}" + "".join(f"{value:>18}" for value in values)
        for title, *values in _cells(scores)
    )


def _page(scores: dict[str, dict[str, float]], sheet: bytes) -> str:
    cells = "\n".join(
        "<tr>" + "".join(f"<td>{html.escape(value)}</td>" for value in row) + "</tr>"
        for row in _cells(scores)
    )
    picture = base64.b64encode(sheet).decode()
    return f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><title>mim_tf: what the demo learned</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto }}
table {{ border-collapse: collapse }} td {{ padding: .2rem .8rem; text-align: left }}
tr + tr {{ border-top: 1px solid #ccc }} img {{ max-width: 100%; image-rendering: pixelated }}
</style>
<h1>What the demo learned</h1>
<p>Trained from nothing on pictures with captions. Each row is a bird it
has never seen and a caption that asks for other colours; left of each edit stands <b>alpha</b>,
where the model chose to draw. The truth is known because the birds are drawn by a program; training
never sees it.</p>
<table>
{cells}</table>
<p><img alt="before, alpha and edit, truth" src="data:image/png;base64,{picture}"></p>
</html>
"""


if __name__ == "__main__":
    sys.exit(main())
