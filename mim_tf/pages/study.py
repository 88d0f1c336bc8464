"""The human study of the paper's Table 2: its page, and what its answers say."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mim_tf import json_text
from mim_tf.errors import UserError
from mim_tf.evaluation.pairs import Pair, read_pairs
from mim_tf.evaluation.ratings import agreement, compare, read_answers, table
from mim_tf.pages.templates import data_uri, render
from mim_tf.pictures import files
from mim_tf.storage import replace_text

QUESTIONS = {
    "relevance": "Semantic relevance: how well does the picture match the sentence?",
    "background": "Background quality: how well was the rest of the input picture kept?",
    "quality": "Image quality: how realistic is the picture?",
}


def write_study(
    methods: Mapping[str, Path], pairs_file: Path, count: int, seed: int, output: Path
) -> Path:
    """Write the page, which does not say whose picture is whose, and the key, which does.

    Args:
        methods: name -> folder with its edited pictures, ``KEY.png`` for every pair.
        pairs_file: ``pairs.jsonl``, beside which ``inputs/`` holds the pictures before the edits.
        count: number of pairs to show.
        seed: of the choice of the pairs.
        output: the page.

    Returns:
        The key file, ``<name of the page>-key.json`` beside the page.

    Raises:
        UserError: a file that would be overwritten, a missing picture, or more pairs than there
            are.
    """
    key_file = output.with_name(f"{output.stem}-key.json")
    for path in (output, key_file):
        if path.exists():
            raise UserError(
                f"{path} exists: answers to that study need its key; choose another --output"
            )
    pairs = read_pairs(pairs_file)
    inputs = pairs_file.parent / "inputs"
    if not inputs.is_dir():
        raise UserError(f"no folder {inputs}; evaluate with --keep-images writes it")
    if not 1 <= count <= len(pairs):
        raise UserError(f"--count {count}: {pairs_file} has {len(pairs)} pairs")
    chosen = np.random.default_rng(seed).permutation(len(pairs))[:count]
    study_id = secrets.token_hex(6)
    items: list[dict[str, Any]] = []
    owners: dict[str, dict[str, str]] = {}
    for index in chosen:
        item, item_owners = _item(pairs[index], inputs, methods)
        items.append(item)
        owners |= item_owners
    study = {"study": study_id, "questions": QUESTIONS, "items": items}
    page = render("study.html", study=study)
    output.parent.mkdir(parents=True, exist_ok=True)
    # The key first: a page without its key could never be read.
    replace_text(key_file, json.dumps({"study": study_id, "pictures": owners}, indent=2) + "\n")
    replace_text(output, page)
    return key_file


def _item(
    pair: Pair, inputs: Path, methods: Mapping[str, Path]
) -> tuple[dict[str, Any], dict[str, dict[str, str]]]:
    """A pair as the page shows it, and code -> method and pair of each of its pictures."""
    pictures, owners = [], {}
    for method, folder in methods.items():
        code = secrets.token_hex(5)
        owners[code] = {"method": method, "pair": pair.key}
        pictures.append({"code": code, "src": _embedded(folder / f"{pair.key}.png")})
    # Sorted by their random codes, so that a picture's place does not tell its method. The page
    # shuffles them again for every rater.
    pictures.sort(key=lambda picture: picture["code"])
    shown = {
        "caption": pair.caption,
        "input": _embedded(inputs / f"{pair.key}.png"),
        "pictures": pictures,
    }
    return shown, owners


def _embedded(path: Path) -> str:
    """A picture file for the page; encoded anew, so that no file's metadata tells its method."""
    return data_uri(files.encode_png(files.read(path)))


def study_results(answer_files: Sequence[Path], key_file: Path) -> str:
    """Table 2 of the answers, the raters' agreement, and the comparison of every two methods.

    Args:
        answer_files: what raters saved from the page.
        key_file: written beside the page.

    Raises:
        UserError: no key file, or answers that are not of its study.
    """
    ratings = read_answers(answer_files, _read_key(key_file), QUESTIONS)
    raters = {rating.rater for rating in ratings}
    lines = []
    for question in QUESTIONS:
        alpha = agreement(ratings, question)
        shown = "- (needs two raters of the same pictures)" if alpha is None else f"{alpha:.3f}"
        lines.append(f"agreement, {question}: Krippendorff's alpha (ordinal) {shown}")
    parts = [
        f"{len(raters)} raters, {len(ratings)} answers",
        table(ratings, QUESTIONS),
        "Mean and standard deviation over all answers, 1 (very poor) to 5 (very good).",
        "\n".join(lines),
        compare(ratings, QUESTIONS),
    ]
    return "\n\n".join(parts)


def _read_key(path: Path) -> dict[str, Any]:
    try:
        key = json_text.read(path)
    except (OSError, ValueError):
        key = None
    if (
        not isinstance(key, dict)
        or not isinstance(key.get("study"), str)
        or not isinstance(key.get("pictures"), dict)
        or not all(_is_owner(owner) for owner in key["pictures"].values())
    ):
        raise UserError(f"--key {path}: no key file of a study")
    return key


def _is_owner(value: Any) -> bool:
    """Whether this says whose a picture is, as :func:`_item` writes it."""
    return isinstance(value, dict) and all(
        isinstance(value.get(name), str) for name in ("method", "pair")
    )
