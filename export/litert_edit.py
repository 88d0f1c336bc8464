"""Edit a picture with exported LiteRT files: all that an app has to do, in one file.

Needs ai-edge-litert, NumPy and Pillow; neither TensorFlow nor anything of this project:

    python litert_edit.py --model models/mobile --image in.jpg --text "a red bird" --output out.png
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from PIL import Image, ImageOps

VARIANTS = ("float32", "float16", "dynamic", "int8")
PAD, UNKNOWN = 0, 1


class Model:
    """The files of one folder, ready to run.

    Args:
        folder: what ``export.tflite`` wrote.
        variant: one of VARIANTS; a text file that this variant lacks is taken in float32.
        threads: for the CPU.
    """

    def __init__(self, folder: Path, variant: str = "float32", threads: int = 2) -> None:
        self.metadata = json.loads((folder / "metadata.json").read_text("utf-8"))
        words = json.loads((folder / self.metadata["vocabulary"]).read_text("utf-8"))["words"]
        self.ids = {word: index for index, word in enumerate(words, start=2)}

        def load(kind: str):
            file = folder / f"{kind}_{variant}.tflite"
            if variant == "float32" or (kind == "text" and not file.is_file()):
                file = folder / f"{kind}.tflite"
            if not file.is_file():
                raise ValueError(f"{folder} has no {file.name}; choose another --variant")
            # On a phone: the same file, with the GPU delegate for the image.
            return Interpreter(str(file), num_threads=threads).get_signature_runner()

        self.text, self.image = load("text"), load("image")

    def tokens(self, caption: str) -> np.ndarray:
        """Caption -> ids int32 [1, T]."""
        found = re.findall(r"\w+", caption.replace("\ufffd", " ").lower())
        length = self.metadata["max_words"]
        ids = [self.ids.get(word, UNKNOWN) for word in found[:length]]
        if all(one == UNKNOWN for one in ids):
            raise ValueError(f"the caption {caption!r} has no word that the model knows")
        return np.array([ids + [PAD] * (length - len(ids))], np.int32)

    def square(self, picture: Image.Image) -> np.ndarray:
        """Picture -> float32 [1, S, S, 3] in [-1, 1], its largest centred square."""
        picture = ImageOps.exif_transpose(picture)
        if picture.mode.startswith("I"):  # 16-bit grey, which Pillow would clip
            wide = np.clip(np.asarray(picture, np.float64) / 65535, 0, 1)
            picture = Image.fromarray(np.rint(wide * 255).astype(np.uint8))
        if picture.has_transparency_data:
            picture = picture.convert("RGBA")
            white = Image.new("RGBA", picture.size, "white")
            picture = Image.alpha_composite(white, picture)
        picture = picture.convert("RGB")
        width, height = picture.size
        side, size = min(width, height), self.metadata["size"]
        x, y = (width - side) // 2, (height - side) // 2
        picture = picture.crop((x, y, x + side, y + side))
        # One channel of floats at a time: resizing bytes would round.
        channels = [
            np.asarray(one.convert("F").resize((size, size), Image.Resampling.BILINEAR))
            for one in picture.split()
        ]
        return np.stack(channels, axis=-1)[None] / np.float32(127.5) - np.float32(1.0)

    def edit(self, picture: Image.Image, caption: str) -> dict[str, np.ndarray]:
        """``fine`` [S, S, 3], ``coarse`` [C, C, 3] in [-1, 1] and ``alpha`` [S, S, 1]."""
        texture = self.text(tokens=self.tokens(caption))  # an app may keep it with the caption
        out = self.image(image=self.square(picture), h_hat=texture["h_hat"], mask=texture["mask"])
        return {name: one[0] for name, one in out.items()}


def to_picture(signed: np.ndarray) -> Image.Image:
    """[H, W, 3] in [-1, 1] -> picture."""
    levels = np.rint(np.clip((signed + np.float32(1.0)) * np.float32(127.5), 0, 255))
    return Image.fromarray(levels.astype(np.uint8))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", metavar="DIR", type=Path, required=True)
    parser.add_argument("--image", metavar="PATH", type=Path, required=True)
    parser.add_argument("--text", metavar="CAPTION", required=True)
    parser.add_argument("--output", metavar="PATH", type=Path, required=True)
    parser.add_argument("--variant", choices=VARIANTS, default="float32")
    arguments = parser.parse_args()
    try:
        model = Model(arguments.model, arguments.variant)
        with Image.open(arguments.image) as picture:
            result = model.edit(picture, arguments.text)
        to_picture(result["fine"]).save(arguments.output)
    except (OSError, ValueError, KeyError, Image.DecompressionBombError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(arguments.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
