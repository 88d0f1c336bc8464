"""What a newcomer types, and the messages that Python, the command line and the page must give.

``tests/export/test_caption_check.py`` has the same for exported models.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import asdict
from pathlib import Path

import pytest

import mim_tf
from mim_tf import edit
from mim_tf import editor as editor_module
from mim_tf.captions import (
    ANYWAY,
    HARDLY_CHANGED,
    Message,
    check_caption,
    edit_distance,
    nearest_words,
    refusal,
    split_words,
)
from mim_tf.data.birds.scenes import scene
from mim_tf.pictures import files
from mim_tf.text import UNKNOWN, Vocabulary, tokenize

ROOT = Path(__file__).parents[2]
SHARED = json.loads((ROOT / "tests" / "captions.json").read_text("utf-8"))


@pytest.mark.parametrize("case", SHARED["cases"], ids=lambda case: case["caption"] or "empty")
def test_each_caption_gets_its_messages(case):
    found = check_caption(
        case["caption"], SHARED["vocabulary"], SHARED["max_words"], SHARED["deciding_words"]
    )
    assert json.loads(json.dumps([asdict(message) for message in found])) == case["messages"]


@pytest.mark.parametrize("case", SHARED["cases"], ids=lambda case: case["caption"] or "empty")
def test_words_and_tokens_are_the_vocabularys(case):
    assert [word.text for word in split_words(case["caption"])] == tokenize(case["caption"])
    vocabulary = Vocabulary(SHARED["vocabulary"])
    assert vocabulary.encode(case["caption"], SHARED["max_words"]).tolist() == case["tokens"]


def test_the_cases_are_about_the_shipped_preset():
    import yaml

    preset = ROOT / "presets" / "birds-64"
    words = json.loads((preset / "vocabulary.json").read_text("utf-8"))["words"]
    data = yaml.safe_load((preset / "config.yaml").read_text("utf-8"))["data"]
    assert SHARED["vocabulary"] == words
    assert SHARED["max_words"] == data["max_words"]
    assert SHARED["deciding_words"] == data["swap_words"]


def test_the_command_line_tells_them_with_the_litert_files(tmp_path, capsys, monkeypatch):
    light = mim_tf.load("birds-64", backend="litert")
    monkeypatch.setattr(editor_module, "load", lambda *_: light)
    files.write(tmp_path / "bird.png", scene(11, 3, 64).render())
    output = tmp_path / "edited.png"
    for case in SHARED["cases"]:
        caption, messages = case["caption"], light.messages(case["caption"])
        assert [message.text for message in messages] == [one["text"] for one in case["messages"]]
        output.unlink(missing_ok=True)
        code = edit.main([str(tmp_path / "bird.png"), caption, "--output", str(output)])
        told = capsys.readouterr().err.splitlines()
        refused = any(message["refuses"] for message in case["messages"])
        assert code == refused and output.exists() == (not refused)
        if refused:
            expected = (refusal(messages) or "").replace("'anyway'", "--anyway")  # the flag
            assert told == [f"error: {caption!r}: {expected}"]
        else:
            warnings = [f"{caption!r}: {message.text}" for message in messages]
            assert [line for line in told if HARDLY_CHANGED not in line] == warnings


def test_only_a_caption_with_a_known_word_can_be_forced():
    forced = 0
    for case in SHARED["cases"]:
        messages = [Message(**message) for message in case["messages"]]
        refused, for_good = refusal(messages), refusal(messages, anyway=True)
        nothing_known = max(case["tokens"]) <= UNKNOWN
        assert bool(for_good) == nothing_known, case["caption"]
        assert bool(refused) == any(message.refuses for message in messages)
        if refused and not for_good:
            assert refused == " ".join([*(message.text for message in messages), ANYWAY])
            forced += 1
    assert forced > 5


def test_without_deciding_words_no_caption_is_undecided():
    assert check_caption("a bird", SHARED["vocabulary"], 24) == []


def test_two_wrong_letters_are_a_slip_only_after_the_first():
    assert nearest_words("orange", ["change", "range"]) == ["range"]
    assert nearest_words("purpel", ["purple"]) == ["purple"]
    assert nearest_words("crimsson", ["crimson", "grimson"]) == ["crimson"]


def test_edit_distance():
    assert edit_distance("", "abc") == 3
    assert edit_distance("blakc", "black") == 1
    assert edit_distance("kitten", "sitting") == 3


def test_the_page_gives_the_same_messages_and_tokens():
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed; the page's own tests need it")
    done = subprocess.run([node, "--test"], cwd=ROOT / "web", capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
