"""Configuration files: find, layer, override, check, explain.

``load_config("birds.yaml", overrides=["train.seed=1"])`` reads a file (looked up as given, then in
``configs/``), applies overrides and checks every key, type and range; ``data.source`` decides which
keys the section ``data`` has. Any mistake is one line: an unknown key names the nearest known one.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from mim_tf import yaml_text
from mim_tf.config import NO_DEVIATIONS, Config, DataConfig, Deviations
from mim_tf.config_fields import Section
from mim_tf.data.sources import find_set, set_names
from mim_tf.errors import UserError
from mim_tf.places import CONFIGS
from mim_tf.storage import read_plain

# Keys of former versions and their present names. The configuration that a run or a preset keeps
# may use either (:mod:`mim_tf.stored_config`); in a file or an override that a user gives, the
# former is a mistake whose message names the latter.
MOVED = {
    "data.workers": "machine.workers",
    "data.cache_gb": "machine.cache_gb",
    "train.log_every": "machine.log_every",
    "train.sample_every": "machine.sample_every",
    "train.checkpoint_every": "machine.checkpoint_every",
    "train.keep_checkpoints": "machine.keep_checkpoints",
    "checkpoint_every": "machine.checkpoint_every",
    "model.word_gates": "deviations.word_gates",
    "model.fuse": "deviations.fuse",
    "model.compose": "deviations.compose",
    "model.tlu_affine": "deviations.tlu_affine",
    "model.refine_alpha": "deviations.refine_alpha",
    "model.structure_skip": "deviations.structure_skip",
    "loss.match": "deviations.match",
    "loss.rec_norm": "deviations.rec_norm",
    "loss.drawn": "deviations.rec_drawn",
    "loss.alpha": "deviations.alpha_prior",
    "loss.reality": "deviations.reality",
    "loss.D_T_fake": "deviations.D_T_fake",
    "loss.D_T_mismatched": "deviations.D_T_mismatched",
    "train.warm_up": "deviations.warm_up",
    "train.warm_up_until": "deviations.warm_up_until",
    "train.perturb": "deviations.perturb",
    "train.draw_first": "deviations.draw_first",
    "train.alpha_start": "deviations.alpha_prior_start",
    "train.adversarial_start": "deviations.adversarial_start",
    "train.adversarial_every": "deviations.adversarial_every",
    "train.ema": "deviations.ema",
    "optimizer.clip_norm": "deviations.clip_norm",
    "optimizer.decay": "deviations.learning_rate_decay",
}
# Keys of former versions that are gone, with the value that all runs are trained with now.
DROPPED = {"model.temperature": 1.0, "train.discriminator_start": 0}

Kind = TypeVar("Kind", bound=Section)


def known_keys(section: type[BaseModel] = Config, prefix: str = "") -> Iterator[str]:
    """Every dotted key that holds a value: ``data.source``, ``loss.rec.coarse``, ..."""
    for name, field in section.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from known_keys(field.annotation, f"{prefix}{name}.")
        else:
            yield prefix + name


def find_config(name: str | Path) -> Path:
    """The file as given, else in ``configs/``, with or without ``.yaml``."""
    given = Path(name)
    for path in (given, CONFIGS / given, CONFIGS / f"{given}.yaml"):
        if path.is_file():
            return path
    # Of evaluators/nope.yaml the evaluators', else those of a model.
    below = [path for path in CONFIGS.glob("*/*.yaml") if path.parent.name == given.parent.name]
    files = below or CONFIGS.glob("*.yaml")
    choices = ", ".join(sorted(path.relative_to(CONFIGS).as_posix() for path in files))
    raise UserError(f"no config {given}, neither here nor in {CONFIGS}; there are: {choices}")


def load_config(*names: str | Path, overrides: Sequence[str] = ()) -> Config:
    """Read, override, check; see :func:`load_kind`."""
    return load_kind(Config, *names, overrides=overrides)


def load_kind(kind: type[Kind], *names: str | Path, overrides: Sequence[str] = ()) -> Kind:
    """Read, override, check.

    Args:
        kind: Config for a run, PretrainConfig for evaluators.
        names: YAML files, looked up as given and then in ``configs/``; each goes over the former.
        overrides: ``section.key=value`` strings; the value is read as YAML.

    Raises:
        UserError: one line naming the file or override, the key, and what is wrong with it.
    """
    paths = [find_config(name) for name in names]
    tree: dict[str, Any] = {}
    for path in paths:
        _lay_over(tree, read_yaml(path))
        spell_out(tree)
    for override in overrides:
        _override(tree, override)
        spell_out(tree)
    given = [str(path) for path in paths] + [f"--set {_cut(override)}" for override in overrides]
    return parse_kind(kind, tree, " + ".join(given))


def read_yaml(path: Path) -> dict[str, Any]:
    try:
        tree = yaml_text.load(read_plain(path, 4 * yaml_text.MAX_LENGTH).decode("utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not valid YAML: {_one_line(error)}") from None
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    if not isinstance(tree, dict):
        raise UserError(f"{path}: expected sections like 'train:', found {type(tree).__name__}")
    return tree


def _lay_over(tree: dict[str, Any], layer: dict[str, Any]) -> None:
    for key, value in layer.items():
        if isinstance(value, dict) and isinstance(tree.get(key), dict):
            _lay_over(tree[key], value)
        else:
            tree[key] = value


def spell_out(tree: dict[str, Any]) -> None:
    """Write out ``deviations: none``, so that later layers and overrides can change single keys."""
    if tree.get("deviations") == NO_DEVIATIONS:
        tree["deviations"] = Deviations.none()


def parse_config(tree: dict[str, Any], origin: str) -> Config:
    """Check a tree of sections; ``origin`` names it in the error."""
    return parse_kind(Config, tree, origin)


def parse_kind(kind: type[Kind], tree: dict[str, Any], origin: str) -> Kind:
    """:func:`parse_config` for either kind.

    Raises:
        UserError: one line: a key of a former version and its new name, or what is wrong.
    """
    for old, new in MOVED.items():
        if holds(tree, old) and new in known_keys(kind):
            raise UserError(f"{origin}: {old} is {new} now; rename it")
    for old, value in DROPPED.items():
        if holds(tree, old) and old.split(".")[0] in kind.model_fields:
            raise UserError(f"{origin}: there is no {old} any more (it is always {value}); drop it")
    options = options_of(tree, origin)
    try:
        data = options.model_validate(tree.get("data", {}))
    except ValidationError as error:
        raise UserError(f"{origin}: {_explain(error, options, 'data.')}") from None
    try:
        return kind.model_validate({**tree, "data": data})
    except ValidationError as error:
        raise UserError(f"{origin}: {_explain(error, kind)}") from None


def holds(tree: dict[str, Any], key: str) -> bool:
    section, _, name = key.rpartition(".")
    within = tree.get(section) if section else tree
    return isinstance(within, dict) and name in within


def options_of(tree: dict[str, Any], origin: str) -> type[DataConfig]:
    """The options of the data set that a tree of sections names."""
    data = tree.get("data")
    default = DataConfig.model_fields["source"].get_default()
    name = data.get("source", default) if isinstance(data, dict) else default
    try:
        options: type[DataConfig] = find_set(name).Options
    except UserError as error:
        raise UserError(f"{origin}: {error}") from None
    return options


def _override(tree: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    shown = repr(_cut(override))
    if not equals or not key.strip():
        raise UserError(f"--set {shown}: expected section.key=value")
    *sections, last = key.strip().split(".")
    for section in sections:
        tree = tree.setdefault(section, {})
        if not isinstance(tree, dict):
            raise UserError(f"--set {shown}: {section} is no section")
    try:
        tree[last] = yaml_text.load(text)
    except yaml.YAMLError as error:
        raise UserError(f"--set {shown}: the value is no YAML ({_one_line(error)})") from None


def _explain(error: ValidationError, section: type[BaseModel], prefix: str = "") -> str:
    """The first mistake, in one line.

    Args:
        section: what was validated.
        prefix: of its keys: ``data.`` for the section of that name, nothing for the whole.
    """
    first = error.errors()[0]
    # Union branches put the branch's type name into the location; keys are all a user wants.
    location = ".".join(
        str(part) for part in first["loc"] if not str(part).startswith(("function", "const"))
    )
    if first["type"] == "extra_forbidden":
        return _explain_unknown(location, section, prefix)
    message = first["msg"].removeprefix("Value error, ")
    if not location and first["type"] == "value_error":
        return message  # a rule between several keys, which it names itself
    key = (prefix + location).removesuffix(".")
    shown = "" if isinstance(first["input"], dict) else f" (got {_cut(repr(first['input']))})"
    return f"{key}: {message[0].lower()}{message[1:]}{shown}"


def _one_line(error: Exception) -> str:
    return _cut(" ".join(str(error).split()), 300)


def _cut(text: str, length: int = 80) -> str:
    """A text of the user's, as far as a line of an error may show it."""
    return text if len(text) <= length else f"{text[:length]}..."


def _explain_unknown(key: str, section: type[BaseModel], prefix: str) -> str:
    """An unknown key of a section: whose it is, or the nearest known key."""
    if prefix == "data.":
        owners = [name for name in set_names() if key in find_set(name).Options.model_fields]
        if owners:
            return f"{prefix}{key} is an option of data.source={', '.join(owners)} only"
    known = [*known_keys(section, prefix), *(prefix + name for name in section.model_fields)]
    key = _cut(key)
    near = difflib.get_close_matches(prefix + key, known, n=1, cutoff=0.0)
    return f"unknown key {prefix}{key}; did you mean {near[0]}?"
