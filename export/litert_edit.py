"""Edit a picture with exported LiteRT files; shows everything that an app has to do.

It needs ai-edge-litert, NumPy and Pillow, and neither TensorFlow nor anything of this project:

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
    """The LiteRT files of a folder, loaded.

    Args:
        folder: a folder that ``export.tflite`` wrote.
        variant: an element of VARIANTS; where it has no text file, the one in float32 is taken.
        threads: number of CPU threads.

    Raises:
        ValueError: the folder has no image file of this variant.
        OSError: a file cannot be read.
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
            # A phone's app loads the same files, the image's with the GPU delegate.
            return Interpreter(str(file), num_threads=threads).get_signature_runner()

        self.text, self.image = load("text"), load("image")

    def tokens(self, caption: str) -> np.ndarray:
        """The token ids of a caption, int32 [1, T].

        Raises:
            ValueError: no word is in the vocabulary.
        """
        found = re.findall(r"\w+", caption.replace("\ufffd", " ").lower())
        length = self.metadata["max_words"]
        ids = [self.ids.get(word, UNKNOWN) for word in found[:length]]
        if all(word_id == UNKNOWN for word_id in ids):
            raise ValueError(f"the caption {caption!r} has no word that the model knows")
        return np.array([ids + [PAD] * (length - len(ids))], np.int32)

    def square(self, picture: Image.Image) -> np.ndarray:
        """The largest centred square of a picture, resized: float32 [1, S, S, 3] in [-1, 1]."""
        picture = ImageOps.exif_transpose(picture)
        if picture.mode.startswith("I"):  # 16-bit grey; Pillow's own conversion would clip at 255
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
        # Each channel is resized as floats: resizing bytes would round the result. Pillow has no
        # floating-point format with three channels.
        channels = [
            np.asarray(channel.convert("F").resize((size, size), Image.Resampling.BILINEAR))
            for channel in picture.split()
        ]
        return np.stack(channels, axis=-1)[None] / np.float32(127.5) - np.float32(1.0)

    def edit(self, picture: Image.Image, caption: str) -> dict[str, np.ndarray]:
        """Edit a picture.

        Returns:
            ``fine`` [S, S, 3] and ``coarse`` [C, C, 3] in [-1, 1], ``alpha`` [S, S, 1] in [0, 1].

        Raises:
            ValueError: no word of the caption is in the vocabulary.
        """
        words = self.text(tokens=self.tokens(caption))  # an app may keep them for this caption
        outputs = self.image(image=self.square(picture), h_hat=words["h_hat"], mask=words["mask"])
        return {name: array[0] for name, array in outputs.items()}


def to_picture(signed: np.ndarray) -> Image.Image:
    """A picture from [H, W, 3] in [-1, 1]."""
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
