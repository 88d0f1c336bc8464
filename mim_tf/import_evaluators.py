"""Import published evaluators: AttnGAN's DAMSM encoders and StackGAN's fine-tuned Inception.

    python -m mim_tf.import_evaluators --text-encoder text_encoder200.pth \\
        --image-encoder image_encoder200.pth --captions captions.pickle \\
        --inception inception_finetuned_models/birds_valid299/model.ckpt \\
        --output runs/evaluators-cub

AttnGAN's three files without StackGAN's checkpoint will do, and the reverse. Reading ``.pth`` files
needs torch (``pip install -r requirements-import.txt``), nothing else does.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from mim_tf.errors import UserError, entry_point
from mim_tf.flags import command_parser


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = command_parser(
        "import_evaluators",
        "Import published evaluators: AttnGAN's three files, StackGAN's checkpoint, or both.",
        "--text-encoder text_encoder200.pth \\\n"
        "      --image-encoder image_encoder200.pth --captions captions.pickle \\\n"
        "      --inception birds_valid299/model.ckpt --output runs/evaluators-cub",
    )
    parser.add_argument("--text-encoder", metavar="FILE", type=Path, help="AttnGAN's, .pth")
    parser.add_argument("--image-encoder", metavar="FILE", type=Path, help="AttnGAN's, .pth")
    parser.add_argument("--captions", metavar="FILE", type=Path, help="AttnGAN's captions.pickle")
    parser.add_argument("--inception", metavar="FILE", type=Path, help="StackGAN's checkpoint")
    parser.add_argument("--output", metavar="DIR", type=Path, required=True)
    return parser.parse_args(argv)


@entry_point
def main(argv: Sequence[str] | None = None) -> int:
    arguments = _arguments(argv)
    attngan = (arguments.text_encoder, arguments.image_encoder, arguments.captions)
    if any(attngan) and not all(attngan):
        raise UserError("--text-encoder, --image-encoder and --captions belong together")
    if not any(attngan) and not arguments.inception:
        raise UserError("give AttnGAN's three files, StackGAN's --inception, or all of them")

    from mim_tf.evaluators.published import AttnGANFiles, import_published

    files = AttnGANFiles(*attngan) if all(attngan) else None
    described = import_published(files, arguments.inception, arguments.output)
    print(json.dumps(described, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
