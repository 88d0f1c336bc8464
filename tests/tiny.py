"""A configuration small enough that its model is built in a second."""

from __future__ import annotations

from mim_tf.config import Config, DataConfig
from mim_tf.config_files import parse_config

TINY = {
    "data": {"source": "birds", "count": 12, "captions": 2, "max_words": 16,
             "swap_words": ["red", "blue", "green", "white", "black"]},
    "model": {"coarse_size": 16, "fine_size": 32, "channels": 8, "word_dim": 8, "text_dim": 8,
              "slots": 6, "decoder_channels": 4, "discriminator_channels": 4},
    "train": {"batch_size": 4, "steps": 2},
    "deviations": {"warm_up": 2},
    "machine": {"workers": 1, "log_every": 1, "sample_every": 2, "checkpoint_every": 2},
}  # fmt: skip


def tiny_config(**sections) -> Config:
    """The tiny configuration with some keys changed: ``tiny_config(model={"memory": False})``.

    Of another data set than birds, it has none of the options of birds.
    """
    tree = {name: {**values, **sections.get(name, {})} for name, values in TINY.items()}
    if tree["data"]["source"] != "birds":
        given = sections["data"]
        tree["data"] = {
            key: value for key, value in tree["data"].items()
            if key in given or key in DataConfig.model_fields
        }  # fmt: skip
    tree |= {name: values for name, values in sections.items() if name not in tree}
    return parse_config(tree, "test")
