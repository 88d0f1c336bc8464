"""The configuration: defaults, overrides, and one clear line for every mistake."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from mim_tf import config as configuration
from mim_tf.config import Config, Deviations, StageWeights
from mim_tf.config_files import (
    DROPPED,
    MOVED,
    known_keys,
    load_config,
    load_kind,
    parse_config,
    parse_kind,
)
from mim_tf.data.source import Source
from mim_tf.data.sources import find_set, set_names
from mim_tf.errors import UserError
from mim_tf.evaluators.config import PretrainConfig
from mim_tf.places import CONFIGS
from mim_tf.run import Run
from mim_tf.stored_config import dump_config, parse_stored

PACKAGE = Path(configuration.__file__).parent


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.name)
def test_shipped_configs_are_valid(path):
    layers = ["birds.yaml", path] if path.name == "paper.yaml" else [path]
    load_config(*layers)


@pytest.mark.parametrize(
    "path", sorted((CONFIGS / "evaluators").glob("*.yaml")), ids=lambda path: path.name
)
def test_shipped_configs_of_evaluators_are_valid(path):
    load_kind(PretrainConfig, path)


def test_mistakes_in_a_config_of_evaluators_name_its_own_keys():
    with pytest.raises(UserError, match="unknown key damsm.step; did you mean damsm.steps"):
        load_kind(PretrainConfig, "evaluators/birds.yaml", overrides=["damsm.step=3"])
    with pytest.raises(UserError, match="damsm.size: Inception needs at least 75 pixels"):
        load_kind(PretrainConfig, "evaluators/birds.yaml", overrides=["damsm.encoder=inception"])


def test_layers_go_over_each_other_key_by_key():
    config = load_config("birds.yaml", "paper.yaml")
    assert config.data == load_config("birds.yaml").data
    assert config.optimizer.learning_rate == 2e-4 and config.optimizer.beta_1 == 0.9


def test_the_paper_taken_literally_has_no_deviation():
    """Whatever ``birds.yaml`` and the defaults say, and with one of them on again."""
    paper = Deviations.none()
    assert set(paper) == set(Deviations.model_fields)
    config = load_config("birds.yaml", "paper.yaml")
    assert config.deviations.model_dump() == paper
    assert config.deviations == parse_config({"deviations": "none"}, "test").deviations
    # The paper's own values: Eq. 7 mixes v^i in, Eq. 17's negative of D_T is a fake.
    assert config.deviations.fuse and config.deviations.D_T_fake == 1
    assert not config.deviations.compose and config.deviations.perturb == 0
    one_on = load_config("birds.yaml", "paper.yaml", overrides=["deviations.compose=true"])
    assert one_on.deviations.model_dump() == {**paper, "compose": True}


OLD = Path(__file__).parent / "old_birds_64.yaml"


def test_the_configuration_of_a_former_version_reads_as_the_present_one():
    """The file of an earlier preset, from before some keys moved."""
    old = yaml.safe_load(OLD.read_text())
    expected = Run.named("birds-64").config.model_dump()
    expected["data"] |= {"max_words": 24, "word_dropout": 0}
    expected["train"] |= {"steps": 10000, "seed": 0}
    expected["deviations"] |= {"alpha_prior": 2, "alpha_prior_start": 7000, "warm_up_until": 0}
    assert parse_stored(Config, old, "old").model_dump() == expected
    assert old == yaml.safe_load(OLD.read_text())  # not changed by reading


def test_stored_evaluators_of_a_former_version_read_too():
    old = {"data": {"cache_gb": 1.0, "workers": 3}, "checkpoint_every": 7}
    config = parse_stored(PretrainConfig, old, "old")
    assert config.machine.cache_gb == 1 and config.machine.checkpoint_every == 7


def test_a_dropped_key_with_another_value_is_refused():
    with pytest.raises(UserError, match="old: this version can only do with model.temperature=1.0"):
        parse_stored(Config, {"model": {"temperature": 0.5}}, "old")


def test_every_moved_key_leads_to_one_that_exists():
    known = {*known_keys(), *known_keys(PretrainConfig)}
    assert not {new for new in MOVED.values() if new not in known}
    assert not known & {*MOVED, *DROPPED}


def test_a_name_is_looked_up_in_configs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load_config("birds.yaml") == load_config("birds") == load_config(CONFIGS / "birds.yaml")


def test_a_dumped_config_reads_back_equal():
    config = load_config("birds.yaml")
    assert parse_config(yaml.safe_load(dump_config(config)), "dump") == config


def test_overrides_are_yaml_values():
    config = load_config(
        "birds.yaml", overrides=["optimizer.learning_rate=1e-4", "model.memory=false"]
    )
    assert config.optimizer.learning_rate == 1e-4 and config.model.memory is False


def test_scientific_notation_in_a_file_is_a_number(tmp_path):
    file = tmp_path / "a.yaml"
    file.write_text("optimizer:\n  learning_rate: 2e-4\n")
    assert load_config(file).optimizer.learning_rate == 2e-4


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["train.batchsize=4"], "unknown key train.batchsize; did you mean train.batch_size?"),
        (["trian.seed=4"], "unknown key trian; did you mean train?"),
        (["loss.rec.corse=4"], "unknown key loss.rec.corse; did you mean loss.rec.coarse?"),
        (["train.batch_size=0"], "train.batch_size: "),
        (["train.batch_size=many"], "train.batch_size: "),
        (["optimizer.learning_rate=fast"], "optimizer.learning_rate: "),
        (["deviations.compose=false"], "brings the picture's background back"),
        (["deviations.match=0"], "deviations: warm_up needs word_gates and match"),
        (
            ["deviations.where=1", "deviations.word_gates=false", "deviations.warm_up=0"],
            "deviations: where needs word_gates",
        ),
        (["deviations.where=1"], "deviations.where needs data.recoloured"),
        (["deviations=false"], "deviations: give single switches, or none"),
        (["train.log_every=3"], "train.log_every is machine.log_every now"),
        (["loss.alpha=3"], "loss.alpha is deviations.alpha_prior now"),
        (["model.temperature=2"], "there is no model.temperature any more"),
        (["train.epochs=3"], "exactly one of train.steps and train.epochs"),
        (["model.coarse_size=128"], "model.fine_size is smaller than model.coarse_size"),
        (
            ["model.encoder=vgg16", "model.coarse_size=16", "model.fine_size=24"],
            "model.encoder=vgg16 needs a model.fine_size of 32 at least",
        ),
        (["model.encoder=efficientnet-lite0"], "deviations.perturb cannot hide"),
        (["data.sorce=cub"], "unknown key data.sorce; did you mean data.source?"),
        (["data.source=bird"], f"there are: {', '.join(set_names())}"),
        (["data.source=splits"], "data.source=splits is no data set"),
        (["data.crop_to_box=false"], "data.crop_to_box is an option of data.source=cub only"),
        (["data.count=0"], "data.count: input should be greater"),
        (["data=3"], "data: input should be a valid dictionary"),
        (["train.steps=0"], "train.steps: "),
        (["model.fine_size=512"], "model.fine_size=512: procedural birds are drawn at 32 to 256"),
        (["nonsense"], "expected section.key=value"),
        (["train=[1"], "the value is no YAML"),
        (["train.seed=4294967296"], "train.seed: input should be less than or equal to 4294967295"),
        (["machine.cache_gb=.inf"], "machine.cache_gb: "),
        (["loss.p=.inf"], "loss.p: "),
        (["loss.p=.nan"], "loss.p: "),
        (["model.slots=1000000000"], "model.slots: "),
        (["train.seed=2020-01-01"], "train.seed: "),
        (["train.steps=" + "9" * 5000], "the value is no YAML"),
        (["train=" + "[" * 5000], "more than 16 levels inside each other"),
        (["loss.p=" + "x" * 100_000], "loss.p: "),
    ],
)
def test_a_mistake_is_one_clear_line(overrides, expected):
    with pytest.raises(UserError, match=re.escape(expected)) as caught:
        load_config("birds.yaml", overrides=overrides)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("- 1\n- 2\n", "expected sections"),
        ("a: [1\n", "not valid YAML"),
        ("train: 3\n", "train"),
        ("a: &a [x]\nb: [*a, *a]\n", r"the alias \*a is not allowed"),
        ("train:\n  seed: 1\n  seed: 2\n", "the key 'seed' is there twice"),
        ("a: 1\n" + "#" * 200_000, "at most 200,000 are read"),
    ],
)
def test_a_broken_file_is_one_clear_line(tmp_path, text, expected):
    file = tmp_path / "a.yaml"
    file.write_text(text)
    with pytest.raises(UserError, match=expected) as caught:
        load_config(file)
    assert str(file) in str(caught.value) and "\n" not in str(caught.value)


def numbers(section: type[BaseModel]):
    """Name, smallest and largest value of every number in a section."""
    for name, schema in section.model_json_schema()["properties"].items():
        for part in [schema, *schema.get("anyOf", [])]:
            if part.get("type") in ("integer", "number"):
                # Behind a validator of ours, pydantic leaves its own names of the bounds.
                low = [part[key] for key in ("minimum", "exclusiveMinimum", "ge", "gt")
                       if key in part]  # fmt: skip
                high = [part[key] for key in ("maximum", "exclusiveMaximum", "le", "lt")
                        if key in part]  # fmt: skip
                yield name, *(low or [None]), *(high or [None])


def test_every_number_has_bounds():
    sections = [find_set(name).Options for name in set_names()]
    for kind in (Config, PretrainConfig):
        sections += [field.annotation for field in kind.model_fields.values()
                     if isinstance(field.annotation, type)
                     and issubclass(field.annotation, BaseModel)]  # fmt: skip
    found = [(section.__name__, *number) for section in [*sections, StageWeights, PretrainConfig]
             for number in numbers(section)]  # fmt: skip
    assert len(found) > 60
    assert not [number for number in found if None in number]


def test_an_unknown_config_lists_those_that_exist():
    with pytest.raises(UserError, match=r"birds\.yaml"):
        load_config("nothing.yaml")


def test_every_field_is_read_somewhere():
    """As an attribute of its section, or of what a section is called where it is handed over."""
    sources = [path for path in PACKAGE.rglob("*.py") if not path.name.startswith("config")]
    nodes = [node for path in sources for node in ast.walk(ast.parse(path.read_text()))]
    read = {(last_name(node.value), node.attr) for node in nodes if isinstance(node, ast.Attribute)}

    def is_read(key: str) -> bool:
        # The weights of two stages are read as `weights.rec[stage]`.
        *_, section, name = key.split(".")[:2] if key.startswith("loss.") else f".{key}".split(".")
        owners = {section or "config", "options", "recipe", "weights"}
        if section == "data":
            owners.add("self")  # options of data sets have methods
        return any((owner, name) in read for owner in owners)

    own = [key for name in set_names() for key in known_keys(find_set(name).Options, "data.")]
    keys = [*known_keys(), *known_keys(PretrainConfig), *own]
    assert not [key for key in keys if not is_read(key)]
    assert not is_read("train.shape")  # others have an attribute of this name


def last_name(node: ast.expr) -> str | None:
    """``model`` for ``model`` and for ``config.model``; None for a call and the like."""
    return node.id if isinstance(node, ast.Name) else getattr(node, "attr", None)


@pytest.mark.parametrize(
    ("first", "second"),
    [("cub", "flowers"), ("clothes", "faces"), ("birds-photo", "birds-mixture"),
     ("cub-mini", "cub-attributes")],
)  # fmt: skip
def test_configurations_of_one_recipe_have_it_word_for_word(first, second):
    """No layer turns one data set into another, so each of them has it whole."""
    texts = ((CONFIGS / f"{name}.yaml").read_text("utf-8") for name in (first, second))
    one, other = (text[text.index("\nmodel:") :] for text in texts)
    assert one == other


def test_a_set_with_a_folder_needs_it():
    with pytest.raises(UserError, match="data.root is needed for data.source=cub") as caught:
        load_config("cub.yaml", overrides=["data.root=null"])
    assert "\n" not in str(caught.value)
    assert load_config("cub.yaml", overrides=["data.root=null", "data.records=a"]).data.root is None


@pytest.mark.parametrize("kind", [Config, PretrainConfig])
def test_a_saved_configuration_may_state_the_defaults_of_other_sets(kind):
    """Files from before each set had its own options do."""
    others = {"root": None, "crop_to_box": True, "official_split": False, "test_share": 0.1}
    birds = {"source": "birds", "count": 7, "swap_words": ["red"]}
    saved = parse_stored(kind, {"data": {**birds, **others}}, "run")
    assert saved == parse_kind(kind, {"data": birds}, "run")
    assert (saved.data.count, saved.data.swap_words) == (7, ("red",))
    cub = {"source": "cub", "root": "a", "crop_to_box": False, "count": 8192, "terse": 0.0}
    assert parse_stored(kind, {"data": cub}, "run").data.crop_to_box is False
    for tree in ({**birds, "crop_to_box": False}, {**birds, "nonsense": None}):
        with pytest.raises(UserError, match="crop_to_box is an option of|unknown key"):
            parse_stored(kind, {"data": tree}, "run")
    with pytest.raises(UserError, match="is an option of"):  # what a user writes is not forgiven
        parse_kind(kind, {"data": {**birds, "crop_to_box": True}}, "c.yaml")


def test_evaluators_of_birds_are_drawn_at_sizes_that_birds_have():
    with pytest.raises(UserError, match="damsm.size=299: procedural birds are drawn at 32 to 256"):
        load_kind(PretrainConfig, "evaluators/birds.yaml", overrides=["damsm.size=299"])


HEAVY = """
import sys
from mim_tf.config_files import load_config
for name in sys.argv[1:]:
    load_config(name)
print([name for name in ("tensorflow", "keras", "cv2", "scipy", "h5py") if name in sys.modules])
"""


def test_reading_a_configuration_imports_nothing_heavy():
    names = [str(path) for path in CONFIGS.glob("*.yaml") if path.stem in set_names()]
    done = subprocess.run(
        [sys.executable, "-c", HEAVY, *names], capture_output=True, text=True, check=True
    )
    assert len(names) >= 5 and done.stdout.strip() == "[]"


@pytest.mark.parametrize("size", ["coarse_size=24", "fine_size=65"])
def test_places_of_words_need_sizes_that_divide(size):
    with pytest.raises(UserError, match="must be even and a multiple of model.coarse_size"):
        load_config("clothes.yaml", overrides=[f"model.{size}"])
    load_config("clothes.yaml", overrides=[f"model.{size}", "deviations.where=0"])


def test_evaluators_do_not_learn_captions_of_recoloured_pictures():
    with pytest.raises(UserError, match="data.recoloured: evaluators learn pictures as they are"):
        load_kind(PretrainConfig, "evaluators/clothes.yaml", overrides=["data.recoloured=true"])


@pytest.mark.parametrize("name", set_names())
def test_what_records_were_made_with_can_be_written_as_json(name):
    """Places of files are left out of it, or records would belong to one machine."""
    given = {"birds": {}, "mixture": None}.get(name, {"root": "somewhere"})
    if given is None:  # has no records
        return
    options = find_set(name).Options.model_validate({"source": name, **given})
    paths = {key for key, value in options.model_dump().items() if isinstance(value, Path)}
    settings = Source(options, "train").settings
    assert json.dumps(settings)
    own = {key.removeprefix("data.") for key in settings}
    assert "root" in paths or name == "birds"
    assert own.isdisjoint(paths | {"person_model", "root", "teacher"})


def test_what_configurations_there_are_depends_on_the_folder():
    with pytest.raises(UserError, match=r"there are: evaluators/birds.yaml, evaluators/celeba"):
        load_kind(PretrainConfig, "evaluators/nope.yaml")
    for name in ("nope.yaml", "configs/nope.yaml", "/no/nope.yaml", "../nope.yaml"):
        with pytest.raises(UserError, match=r"there are: at-128.yaml, "):
            load_config(name)
