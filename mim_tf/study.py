"""The human study of Table 2.

``python -m mim_tf.study --images ours=DIR other=DIR --pairs FILE --output study.html`` writes one
page that needs no server: pairs in random order, methods blinded, three questions with five ranks,
answers saved as a JSON file. ``study-key.json`` beside it says which picture is whose: keep it.

``python -m mim_tf.study --answers FILE... --key study-key.json`` reads the answers.
"""

from __future__ import annotations

import argparse
import base64
import json
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mim_tf.errors import UserError, entry_point
from mim_tf.flags import add_seed_flag

PAIRS = 30  # the paper's number
QUESTIONS = {
    "relevance": "Semantic relevance: how well does the picture match the sentence?",
    "background": "Background quality: how well was the rest of the input picture kept?",
    "quality": "Image quality: how realistic is the picture?",
}


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m mim_tf.study", description="Make a human study, or read its answers."
    )
    parser.add_argument(
        "--images", metavar="METHOD=DIR", nargs="+", help="edited pictures of each method"
    )
    parser.add_argument(
        "--pairs", metavar="FILE", type=Path, help="pairs.jsonl, with the inputs in inputs/ beside"
    )
    parser.add_argument("--count", metavar="N", type=int, default=PAIRS, help="pairs to show")
    add_seed_flag(parser, "of the choice of pairs")
    parser.add_argument("--output", metavar="PATH", type=Path, help="the page, .html")
    parser.add_argument("--answers", metavar="FILE", type=Path, nargs="+", help="read these")
    parser.add_argument("--key", metavar="FILE", type=Path, help="study-key.json of the page")
    return parser.parse_args(argv)


@entry_point
def main(argv: Sequence[str] | None = None) -> int:
    arguments = _arguments(argv)
    if arguments.answers:
        if not arguments.key:
            raise UserError("--answers needs --key FILE: study-key.json, written beside the page")
        _read(arguments)
        return 0
    if not (arguments.images and arguments.pairs and arguments.output):
        raise UserError(
            "give --images METHOD=DIR... --pairs FILE --output PAGE.html to make a study, "
            "or --answers FILE... --key FILE to read one"
        )
    if arguments.output.suffix.lower() != ".html":
        raise UserError(f"--output {arguments.output}: the page is a .html file")
    _make(arguments)
    return 0


def _make(arguments: argparse.Namespace) -> None:
    import numpy as np

    from mim_tf.evaluation.pairs import read_pairs
    from mim_tf.pictures import files
    from mim_tf.storage import replace_text

    key = arguments.output.with_name(f"{arguments.output.stem}-key.json")
    for path in (arguments.output, key):
        if path.exists():
            raise UserError(
                f"{path} exists: answers to that study need its key; choose another --output"
            )
    methods = _methods(arguments.images)
    pairs = read_pairs(arguments.pairs)
    inputs = arguments.pairs.parent / "inputs"
    if not inputs.is_dir():
        raise UserError(f"no folder {inputs}; evaluate with --keep-images writes it")
    if not 1 <= arguments.count <= len(pairs):
        raise UserError(f"--count {arguments.count}: {arguments.pairs} has {len(pairs)} pairs")
    order = np.random.default_rng(arguments.seed).permutation(len(pairs))[: arguments.count]

    def embed(path: Path) -> str:
        data = files.encode_png(files.read(path))
        return "data:image/png;base64," + base64.b64encode(data).decode()

    study = secrets.token_hex(6)
    items, owners = [], {}
    for index in order:
        pair = pairs[index]
        shown = []
        for method, folder in methods.items():
            code = secrets.token_hex(5)
            owners[code] = {"method": method, "pair": pair.key}
            shown.append({"code": code, "src": embed(folder / f"{pair.key}.png")})
        # Neither place nor name may tell the method; the page shuffles again for every rater.
        shown.sort(key=lambda one: one["code"])
        items.append(
            {"caption": pair.caption, "input": embed(inputs / f"{pair.key}.png"), "pictures": shown}
        )
    data = {"study": study, "questions": QUESTIONS, "items": items}
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    replace_text(key, json.dumps({"study": study, "pictures": owners}, indent=2) + "\n")
    # "</" inside a script would end it.
    text = json.dumps(data).replace("</", "<\\/")
    replace_text(arguments.output, PAGE.replace("STUDY_DATA", text))
    print(f"page: {arguments.output}\nkey:  {key}  (not for the raters)")


def _methods(given: Sequence[str]) -> dict[str, Path]:
    methods = {}
    for one in given:
        name, equals, folder = one.partition("=")
        if not equals or not name or name in methods:
            raise UserError(f"--images {one}: expected METHOD=DIR, each method once")
        if not Path(folder).is_dir():
            raise UserError(f"--images {one}: there is no folder {folder}")
        methods[name] = Path(folder)
    return methods


def _read(arguments: argparse.Namespace) -> None:
    from mim_tf.evaluation.ratings import agreement, compare, read_answers, table

    owners = _load(arguments.key)
    ratings = read_answers(arguments.answers, owners, QUESTIONS)
    raters = {one.rater for one in ratings}
    print(f"{len(raters)} raters, {len(ratings)} answers\n")
    print(table(ratings, QUESTIONS) + "\n")
    print("Mean and standard deviation over all answers, 1 (very poor) to 5 (very good).\n")
    for question in QUESTIONS:
        alpha = agreement(ratings, question)
        shown = "- (needs two raters of the same pictures)" if alpha is None else f"{alpha:.3f}"
        print(f"agreement, {question}: Krippendorff's alpha (ordinal) {shown}")
    print("\n" + compare(ratings, QUESTIONS))


def _load(path: Path) -> dict[str, Any]:
    try:
        key = json.loads(path.read_text("utf-8"))
        assert isinstance(key["study"], str) and isinstance(key["pictures"], dict)
    except (OSError, ValueError, KeyError, TypeError, AssertionError):
        raise UserError(f"--key {path}: no key file of a study") from None
    return key


PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Picture study</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 1rem auto; padding: 0 1rem }
#caption { font-size: 1.3rem }
img { width: 100%; max-width: 20rem; display: block; image-rendering: auto }
#pictures { display: grid; gap: 1rem;
  grid-template-columns: repeat(auto-fit, minmax(min(15rem, 100%), 1fr)) }
fieldset { min-width: 0; border: 2px solid #ccc; border-radius: .4rem; margin: .5rem 0;
  padding: .4rem .6rem }
fieldset.answered { border-color: #7a7 }
fieldset:focus-within { border-color: #236; outline: 2px solid #236 }
legend { font-size: .9rem }
.ranks { display: flex; justify-content: space-between }
.ranks label { padding: .4rem 0; min-width: 0; flex: 1; text-align: center; cursor: pointer }
.ranks input { width: 1.3rem; height: 1.3rem; display: block; margin: auto }
button { font: inherit; padding: .6rem 1.2rem; margin: 1rem .5rem 1rem 0 }
.hint { color: #555; font-size: .9rem }
</style></head><body>
<h1>Picture study</h1>
<p>Each page shows an input picture and a sentence. Programs changed the picture so that it fits the
sentence. Please rate each result from 1 (very poor) to 5 (very good).</p>
<p class="hint">Keyboard: keys 1 to 5 answer the marked question and go to the next, Tab moves,
Enter goes on. Your answers stay on this device until you save the file.</p>
<main><p id="place" aria-live="polite"></p><p>Sentence: <strong id="caption"></strong></p>
<figure style="margin:0"><figcaption>Input picture</figcaption><img id="input" alt="input"></figure>
<div id="pictures"></div>
<button id="back">Back</button><button id="next">Next</button>
<button id="save">Save answers</button>
<p id="message" role="status"></p></main>
<script id="data" type="application/json">STUDY_DATA</script>
<script>
"use strict";
const study = JSON.parse(document.getElementById("data").textContent);
const store = "study-" + study.study;
const at = (id) => document.getElementById(id);
function random(below) {
  const limit = Math.floor(2 ** 32 / below) * below, box = new Uint32Array(1);
  do crypto.getRandomValues(box); while (box[0] >= limit);
  return box[0] % below;
}
function shuffled(count) {
  const order = [...Array(count).keys()];
  for (let i = count - 1; i > 0; i--) {
    const j = random(i + 1);
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}
function begin() {
  return {
    rater: [...crypto.getRandomValues(new Uint8Array(8))].map((b) => b.toString(16)).join(""),
    order: shuffled(study.items.length),
    within: study.items.map((item) => shuffled(item.pictures.length)),
    answers: {}, place: 0,
  };
}
let state = null;
try { state = JSON.parse(localStorage.getItem(store)); } catch (error) { /* storage is off */ }
state = state || begin();
function keep() {
  try { localStorage.setItem(store, JSON.stringify(state)); } catch (error) { /* storage is off */ }
}
const questions = Object.entries(study.questions);
function itemAt(place) { return state.order[place]; }
function openQuestions(index) {
  let open = 0;
  for (const picture of study.items[index].pictures)
    for (const [name] of questions) if (!state.answers[picture.code + " " + name]) open++;
  return open;
}
function answer(fieldset, rank) {
  state.answers[fieldset.dataset.key] = rank;
  fieldset.querySelector(`input[value="${rank}"]`).checked = true;
  fieldset.classList.add("answered");
  keep();
}
function show() {
  const index = itemAt(state.place), item = study.items[index];
  at("place").textContent = `Page ${state.place + 1} of ${study.items.length}`;
  at("caption").textContent = item.caption;
  at("input").src = item.input;
  at("pictures").replaceChildren();
  state.within[index].forEach((which, position) => {
    const picture = item.pictures[which], box = document.createElement("section");
    const image = document.createElement("img");
    image.src = picture.src;
    image.alt = "result " + (position + 1);
    const title = document.createElement("h2");
    title.textContent = "Result " + (position + 1);
    box.append(title, image);
    for (const [name, text] of questions) {
      const fieldset = document.createElement("fieldset"), key = picture.code + " " + name;
      fieldset.dataset.key = key;
      const legend = document.createElement("legend"), ranks = document.createElement("div");
      legend.textContent = text;
      ranks.className = "ranks";
      for (let rank = 1; rank <= 5; rank++) {
        const label = document.createElement("label"), radio = document.createElement("input");
        radio.type = "radio";
        radio.name = key;
        radio.value = rank;
        radio.checked = state.answers[key] === rank;
        radio.addEventListener("change", () => answer(fieldset, rank));
        label.append(radio, String(rank));
        ranks.append(label);
      }
      if (state.answers[key]) fieldset.classList.add("answered");
      fieldset.append(legend, ranks);
      box.append(fieldset);
    }
    at("pictures").append(box);
  });
  at("back").disabled = state.place === 0;
  at("next").disabled = state.place === study.items.length - 1;
  at("message").textContent = "";
  focusOpen(null);
}
function focusOpen(after) {
  const all = [...document.querySelectorAll("fieldset")];
  const rest = all.slice(after ? all.indexOf(after) + 1 : 0);
  const next = [...rest, ...all].find((one) => !one.classList.contains("answered"));
  if (next) next.querySelector("input").focus();
  else if (!at("next").disabled) at("next").focus();
  else at("save").focus();
}
function turn(step) {
  state.place = Math.min(Math.max(state.place + step, 0), study.items.length - 1);
  keep();
  show();
  scrollTo(0, 0);
}
at("back").addEventListener("click", () => turn(-1));
at("next").addEventListener("click", () => {
  const open = openQuestions(itemAt(state.place));
  if (open) {
    at("message").textContent = `${open} questions of this page are still open.`;
    focusOpen(null);
  } else turn(1);
});
at("save").addEventListener("click", () => {
  const answers = Object.entries(state.answers).map(([key, rank]) => {
    const [picture, question] = key.split(" ");
    return { picture, question, rank };
  });
  const total = study.items.reduce((sum, one) => sum + one.pictures.length, 0) * questions.length;
  const text = JSON.stringify({ study: study.study, rater: state.rater, answers }, null, 1);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  link.download = `answers-${state.rater}.json`;
  link.click();
  at("message").textContent = `Saved ${answers.length} of ${total} answers. ` +
    "Please send the file to whoever asked you.";
});
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const fieldset = document.activeElement && document.activeElement.closest("fieldset");
  if (fieldset && event.key >= "1" && event.key <= "5") {
    event.preventDefault();
    answer(fieldset, Number(event.key));
    focusOpen(fieldset);
  }
});
show();
</script></body></html>
"""


if __name__ == "__main__":
    sys.exit(main())
