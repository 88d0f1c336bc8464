"""All commands behind one: ``mim COMMAND ...``, the same as ``python -m mim_tf COMMAND ...``."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.util import find_spec

import mim_tf
from mim_tf.errors import UserError, entry_point, explain_missing_package

COMMANDS = {
    "edit": "edit pictures by captions",
    "train": "train a model",
    "evaluate": "measure a model's edits",
    "prepare": "decode a data set's pictures once, into records",
    "pretrain": "train the evaluators: DAMSM and classifier",
    "import_evaluators": "take over published evaluators",
    "import_encoder": "take over a pretrained encoder",
    "ablate": "train and compare variants of a model",
    "memories": "show what each memory paints and which words read it",
    "study": "make and evaluate a study with human raters",
    "report": "gather a run's results on one page",
    "demo": "train on drawn birds, edit unseen ones, show and score them",
    "app": "serve, or write, a page that edits pictures in the browser",
    "serve": "serve an exported model over HTTP",
    "export": "write a SavedModel or LiteRT files: mim export saved-model|tflite",
}
_EXPORTS = {"saved-model": "saved_model", "tflite": "tflite"}

_USAGE = """usage: mim COMMAND ...

{commands}

mim COMMAND --help tells a command's flags, mim --version the version.
example: mim edit bird.png "a bird with red wings"
"""

_EXPORT_USAGE = """usage: mim export saved-model|tflite ...

  saved-model  for TensorFlow Serving and mim serve
  tflite       LiteRT files for phones, browsers, and edits without TensorFlow

mim export saved-model --help and mim export tflite --help tell their flags.
"""


@entry_point
def main(argv: Sequence[str] | None = None) -> int:
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in ("-h", "--help"):
        width = max(map(len, COMMANDS)) + 2
        rows = [f"  {name.replace('_', '-'):<{width}}{what}" for name, what in COMMANDS.items()]
        print(_USAGE.format(commands="\n".join(rows)), end="")
        return 0
    if arguments[0] == "--version":
        print(f"mim-tf {mim_tf.__version__}")
        return 0
    if arguments[0] == "export" and arguments[1:2] in (["-h"], ["--help"]):
        print(_EXPORT_USAGE, end="")
        return 0
    module, rest = _module(arguments)
    try:
        command = importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise explain_missing_package(error) from None
    return command.main(rest)


def _module(arguments: Sequence[str]) -> tuple[str, Sequence[str]]:
    """The module of a command and the arguments that are left for it."""
    name, *rest = arguments
    if name.replace("-", "_") not in COMMANDS:
        names = ", ".join(COMMANDS).replace("_", "-")
        raise UserError(f"there is no command {name}; there are: {names}")
    if name != "export":
        return f"mim_tf.{name.replace('-', '_')}", rest
    if not rest or rest[0] not in _EXPORTS:
        raise UserError(f"mim export needs what to write: {' or '.join(_EXPORTS)}")
    # In a checkout the package lies at the top, as `export`.
    package = "mim_tf.export" if find_spec("mim_tf.export") else "export"
    return f"{package}.{_EXPORTS[rest[0]]}", rest[1:]


if __name__ == "__main__":
    sys.exit(main())
