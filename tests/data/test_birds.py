"""The procedural birds and their captions."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from tiny import tiny_config

from mim_tf.data.birds import captions as bird_captions
from mim_tf.data.birds.captions import (
    COLOUR_WORDS,
    PART_WORDS,
    caption,
    draw_caption,
    draw_edit,
    parse,
)
from mim_tf.data.birds.scenes import COLOURS, PARTS, Scene, scene, scene_colours
from mim_tf.data.sources import load_source

NAMES = tuple(COLOURS)
ROOT = Path(__file__).resolve().parents[2]


def digest(found: Scene) -> str:
    parts = (found.static, found.shade, found.regions, found.bird, found.render())
    return hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()


def any_colours(rng: np.random.Generator) -> dict[str, str]:
    return {part: NAMES[int(rng.integers(len(NAMES)))] for part in PARTS}


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [scene(11, index, 64) for index in range(300)]


def test_shapes_and_ranges(scenes: list[Scene]) -> None:
    assert PARTS == ("wings", "belly", "crown", "tail")
    assert len(COLOURS) == 8
    for found in scenes[:40]:
        assert found.static.shape == (64, 64, 3)
        assert found.shade.shape == found.regions.shape == (64, 64, 4)
        assert found.bird.shape == (64, 64)
        for array in (found.static, found.shade, found.regions, found.bird):
            assert array.dtype == np.float32
            assert array.min() >= 0 and array.max() <= 1
        assert (found.shade <= found.regions).all()
        assert (found.regions.sum(axis=2) <= found.bird + 0.02).all()
        assert found.render().dtype == np.uint8
        assert set(found.colours) == set(PARTS) and set(found.colours.values()) <= set(COLOURS)


@pytest.mark.parametrize("size", [31, 257, 0, -64])
def test_sizes_outside_32_to_256_are_refused(size: int) -> None:
    with pytest.raises(ValueError, match=r"size must be within 32\.\.256"):
        scene(0, 0, size)


def test_negative_seed_or_index_is_refused() -> None:
    for seed, index in ((-1, 0), (0, -1)):
        with pytest.raises(ValueError, match="must not be negative"):
            scene(seed, index, 64)
        with pytest.raises(ValueError, match="must not be negative"):
            scene_colours(seed, index)


def test_scene_colours_are_those_of_the_scene(scenes: list[Scene]) -> None:
    assert all(scene_colours(11, index) == found.colours for index, found in enumerate(scenes))
    for size in (32, 129):
        assert scene_colours(2**40, 12345) == scene(2**40, 12345, size).colours


def test_same_arguments_same_bytes_in_any_process() -> None:
    places = [(0, 0, 64), (5, 17, 48), (123456789, 99999, 96)]
    code = (
        "import sys\n"
        f"sys.path[:0] = {[str(ROOT / 'tests' / 'data'), str(ROOT / 'tests'), str(ROOT)]}\n"
        "from test_birds import digest, scene\n"
        f"print(*[digest(scene(*place)) for place in {places}])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    here = [digest(scene(*place)) for place in places]
    assert run.stdout.split() == here
    assert len(set(here)) == len(here)


def test_different_seeds_and_indices_differ() -> None:
    assert len({digest(scene(seed, index, 32)) for seed in range(4) for index in range(4)}) == 16


@pytest.mark.parametrize("index", range(6))
def test_other_sizes_show_the_same_scene(index: int) -> None:
    small = scene(3, index, 64)
    large = scene(3, index, 256)
    assert small.colours == large.colours
    pooled = large.render().reshape(64, 4, 64, 4, 3).mean(axis=(1, 3))
    assert np.abs(pooled - small.render()).mean() < 4
    regions = large.regions.reshape(64, 4, 64, 4, 4).mean(axis=(1, 3))
    assert np.abs(regions - small.regions).mean() < 0.01


def test_an_edit_changes_nothing_outside_the_changed_parts(scenes: list[Scene]) -> None:
    rng = np.random.default_rng(0)
    for found in scenes[:100]:
        before = found.render()
        _, changes = draw_edit(rng, found.colours)
        after = found.render({**found.colours, **changes})
        touched = found.regions[..., [PARTS.index(part) for part in changes]].max(axis=2) > 0
        assert (before[~touched] == after[~touched]).all()
        for part in changes:
            inside = found.regions[..., PARTS.index(part)] > 0.9
            assert (before[inside] != after[inside]).any(axis=-1).mean() > 0.95


def test_render_is_linear_in_the_colours(scenes: list[Scene]) -> None:
    rng = np.random.default_rng(1)
    for found in scenes[:20]:
        colours = any_colours(rng)
        picture = found.static.astype(float)
        for p, part in enumerate(PARTS):
            picture = picture + found.shade[..., p, None] * np.array(COLOURS[colours[part]]) / 255
        assert np.abs(found.render(colours) - 255 * picture.clip(0, 1)).max() <= 0.51


def test_every_part_is_well_visible(scenes: list[Scene]) -> None:
    areas = np.array([found.regions.sum(axis=(0, 1)) for found in scenes])
    least = {"wings": 45, "belly": 45, "crown": 16, "tail": 45}
    for p, part in enumerate(PARTS):
        assert areas[:, p].min() >= least[part], part


def test_the_whole_bird_lies_inside_the_frame(scenes: list[Scene]) -> None:
    widths = []
    for found in scenes:
        rim = np.concatenate([found.bird[[0, -1]].ravel(), found.bird[:, [0, -1]].ravel()])
        assert rim.max() == 0
        columns = np.flatnonzero(found.bird.max(axis=0) > 0.3)
        widths.append((columns[-1] - columns[0] + 1) / found.size)
    assert np.mean([0.55 <= width <= 0.87 for width in widths]) > 0.9


@pytest.mark.parametrize("size", [32, 64, 128])
def test_colours_are_read_back(size: int) -> None:
    rng = np.random.default_rng(2)
    hits = []
    for index in range(60):
        found = scene(21, index, size)
        colours = any_colours(rng)
        picture = found.render(colours)
        hits += [found.read_colour(part, picture, colours) == colours[part] for part in PARTS]
    assert np.mean(hits) >= 0.995


def test_expected_is_the_mean_of_true_pictures(scenes: list[Scene]) -> None:
    for found in scenes[:5]:
        for p, part in enumerate(PARTS):
            expected = found.expected(part, found.colours)
            assert expected.shape == (8, 3)
            inside = found.regions[..., p] > 0.5
            for row, name in zip(expected, NAMES, strict=True):
                truth = found.render({**found.colours, part: name})[inside].mean(axis=0) / 255
                assert np.abs(row - truth).max() < 0.003


def test_no_word_stands_for_two_colours_or_parts() -> None:
    assert tuple(COLOUR_WORDS) == NAMES and tuple(PART_WORDS) == PARTS
    for words in (COLOUR_WORDS, PART_WORDS):
        assert all(phrases[0] == name for name, phrases in words.items())
    by_name = {**COLOUR_WORDS, **PART_WORDS}
    all_phrases = [phrase for phrases in by_name.values() for phrase in phrases]
    assert max(Counter(all_phrases).values()) == 1
    assert all(word.isalpha() for words in COLOUR_WORDS.values() for word in words)
    for name, phrases in by_name.items():
        of_others = {
            phrase for other, phrases in by_name.items() if other != name for phrase in phrases
        }
        assert not any(set(phrase.split()) & of_others for phrase in phrases)


def test_captions_read_back_and_are_well_formed() -> None:
    rng = np.random.default_rng(3)
    seen = set()
    for _ in range(6000):
        colours = any_colours(rng)
        some = rng.permutation(len(PARTS))[: int(rng.integers(1, 5))]
        wanted = {PARTS[i]: colours[PARTS[i]] for i in some}
        text = caption(rng, wanted)
        seen.add(text)
        assert parse(text) == wanted, text
        assert text == text.lower() and text == text.strip() and "  " not in text
        assert len(re.findall(r"\w+", text)) <= bird_captions.MAX_WORDS, text
        for article, letter in re.findall(r"\b(an?) (\w)", text):
            assert (article == "an") == (letter in "aeiou"), text
        for noun, verb in re.findall(r"(\w+) (is|are)\b", text):
            assert noun in ("wings", "feathers") or verb == "is" or " and " in text, text
        assert not re.search(r"\b(a|an|is) \w+ (wings|feathers)\b", text), text
        assert not re.search(r"\b(wings|feathers) is\b", text), text
    assert len(seen) > 3000


def test_terse_captions_read_back() -> None:
    rng = np.random.default_rng(5)
    seen = set()
    for _ in range(2000):
        colours = any_colours(rng)
        wanted = {part: colours[part] for part in PARTS if rng.random() < 0.5} or {"tail": "red"}
        text = bird_captions.terse(rng, wanted)
        seen.add(text)
        assert parse(text) == wanted, text
        assert len(re.findall(r"\w+", text)) <= bird_captions.MAX_WORDS, text
        assert "bird" not in text and not re.search(r"\b(a|an|is|are) ", text)
    assert {"red wings", "make the wings red"} <= seen


def test_some_training_captions_are_terse() -> None:
    def captions(terse, split="train"):
        config = tiny_config(data={"count": 200, "captions": 10, "terse": terse})
        return load_source(config, split).captions

    plain, mixed = captions(0.0), captions(0.25)
    pairs = [pair for rows in zip(plain, mixed, strict=True) for pair in zip(*rows, strict=True)]
    changed = [new for old, new in pairs if new != old]
    assert 0.2 < len(changed) / len(pairs) < 0.3
    assert not any("bird" in caption or " is " in caption for caption in changed)
    assert captions(0.25, "test") == captions(0.0, "test")


def test_names_outnumber_synonyms() -> None:
    rng = np.random.default_rng(4)
    named = Counter(
        bool(re.search(r"\bblue\b", caption(rng, {"belly": "blue"}))) for _ in range(2000)
    )
    assert 0.64 < named[True] / named.total() < 0.76


def test_a_caption_without_parts_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one part"):
        caption(np.random.default_rng(0), {})


def test_drawn_captions_are_true_and_edits_ask_for_changes() -> None:
    rng = np.random.default_rng(5)
    described, requested = Counter[int](), Counter[int]()
    for _ in range(2000):
        colours = any_colours(rng)
        read = parse(draw_caption(rng, colours))
        assert read.items() <= colours.items()
        described[len(read)] += 1
        text, changes = draw_edit(rng, colours)
        assert parse(text) == changes
        assert all(changes[part] != colours[part] for part in changes)
        requested[len(changes)] += 1
    for counts in (described, requested):
        assert set(counts) == {1, 2, 3, 4}
        assert all(420 < count < 580 for count in counts.values())
