"""The demo: train on procedural birds, edit unseen ones, show and score them.

``python -m mim_tf.demo --output demo`` writes ``demo/run`` (a run directory), ``demo/edits.png``,
``demo/metrics.json`` and ``demo/index.html``. Beside the new model's edits stand those of the
preset, the same recipe trained for longer. Run again, it goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from mim_tf.config_files import load_config
from mim_tf.errors import entry_point
from mim_tf.flags import add_config_flags, command_parser
from mim_tf.onednn import prefer_onednn


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = command_parser(
        "demo",
        "Train on procedural birds, then score and show edits of birds that training never saw. "
        "Stopped, the same command goes on.",
        "--output demo",
    )
    add_config_flags(parser, default=["birds.yaml"])
    parser.add_argument(
        "--output", metavar="DIR", type=Path, default=Path("demo"), help="default: demo"
    )
    return parser.parse_args(argv)


@entry_point
def main(argv: Sequence[str] | None = None) -> int:
    arguments = _arguments(argv)
    config = load_config(*arguments.config, overrides=arguments.set)

    prefer_onednn()
    from mim_tf.pages.demo import run_demo

    print(run_demo(config, arguments.output))
    print(f"\npictures: {arguments.output / 'edits.png'}")
    print(f"page:     {arguments.output / 'index.html'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
