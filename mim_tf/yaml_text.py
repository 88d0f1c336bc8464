"""YAML that others wrote, with limits: of length, of depth, without aliases and repeated keys."""

from __future__ import annotations

from typing import Any

import yaml

MAX_LENGTH = 200_000
"""Characters of a document: the longest configuration of ours has about 5,000."""
MAX_DEPTH = 16
"""Lists and mappings inside each other: a configuration has three."""


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader with three differences.

    An alias is refused: a few lines of them can stand for gigabytes. A key that comes twice is
    refused: one of the two would be lost. A date is a string, for no key takes one.
    """

    _depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()
            raise _error(event, f"the alias *{event.anchor} is not allowed; write the value out")
        if self._depth >= MAX_DEPTH:
            raise _error(self.peek_event(), f"more than {MAX_DEPTH} levels inside each other")
        self._depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            # A merge key is no key of its own; without aliases it has nothing to merge.
            name = (key.tag, key.value) if isinstance(key, yaml.ScalarNode) else None
            if name in seen:
                raise _error(key, f"the key {str(key.value)[:80]!r} is there twice")
            if name is not None:
                seen.add(name)
        return super().construct_mapping(node, deep)


def _error(where: Any, problem: str) -> yaml.YAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=where.start_mark)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def load(text: str) -> Any:
    """The value of a YAML document.

    Raises:
        yaml.YAMLError: it is none, or exceeds a limit.
    """
    if len(text) > MAX_LENGTH:
        raise yaml.YAMLError(f"{len(text):,} characters, at most {MAX_LENGTH:,} are read")
    try:
        return yaml.load(text, _Loader)  # noqa: S506  a safe loader
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        # Values that look like numbers and are none: 0b, 1:99:, a whole number of 5,000 digits.
        raise yaml.YAMLError(str(error)) from None
