"""Configuration of the evaluators: their networks and their training (``pretrain``)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, SerializeAsAny, model_validator

from mim_tf.config import DataConfig
from mim_tf.config_fields import (
    BatchSize,
    Count,
    EvenWidth,
    Index,
    Rate,
    Section,
    Seed,
    Share,
    Weight,
    Width,
)  # fmt: skip


class DamsmConfig(Section):
    """The reference model of Sim, MP and R-precision: AttnGAN's DAMSM."""

    encoder: Literal["small", "inception"] = Field("small", description="image encoder")
    weights: str = Field(
        "imagenet",
        description="where Inception starts, frozen: imagenet, or a Keras weights file; "
        "none: from nothing, trained with the rest",
    )
    size: Annotated[int, Field(ge=32, le=1024)] = Field(
        64, description="pixels; Inception's is 299"
    )
    dim: EvenWidth = Field(256, description="of both codes")
    word_dim: Width = Field(300, description="word embedding")
    dropout: Share = Field(0.5, description="of the embedded words, in training")
    gamma_1: Weight = Field(5.0, description="sharpness of the attention over regions")
    gamma_2: Weight = Field(5.0, description="how much the best words count")
    gamma_3: Weight = Field(10.0, description="sharpness of the matching")
    batch_size: BatchSize = 48
    steps: Index = Field(1500, description="0: leave this evaluator out")
    learning_rate: Rate = 2e-3


class ClassifierConfig(Section):
    """The reference model of IS and FID: a classifier of the data set's test classes; or that of
    faces, which reads their attributes."""

    encoder: Literal["small", "inception", "imagenet"] = Field(
        "small", description="imagenet: Keras's Inception-v3 with its 1,000 classes, untouched"
    )
    weights: str = Field(
        "imagenet",
        description="where Inception starts: imagenet, none, or a Keras weights file",
    )
    attributes: bool = Field(
        False, description="learn the pictures' attributes, each by itself, not their class"
    )
    size: Annotated[int, Field(ge=32, le=1024)] = Field(
        64, description="pixels; Inception's is 299"
    )
    batch_size: BatchSize = 64
    steps: Index = Field(1000, description="0: leave this evaluator out (imagenet needs none)")
    learning_rate: Rate = 2e-3


class EvaluatorsMachineConfig(Section):
    """What suits the machine; the evaluators do not depend on it."""

    cache_gb: Weight = Field(2.0, description="memory for decoded pictures, in GB")
    checkpoint_every: Count = Field(500, description="steps between checkpoints")


class PretrainConfig(Section):
    """Both evaluators, and the data they learn from."""

    data: SerializeAsAny[DataConfig]  # the Options of the set that data.source names
    damsm: DamsmConfig = DamsmConfig()
    classifier: ClassifierConfig = ClassifierConfig()
    seed: Seed = 0
    machine: EvaluatorsMachineConfig = EvaluatorsMachineConfig()

    @model_validator(mode="after")
    def _attributes_are_learned(self) -> PretrainConfig:
        if self.classifier.attributes and self.classifier.encoder == "imagenet":
            raise ValueError("classifier.attributes: ImageNet's classifier knows none; give small")
        return self

    @model_validator(mode="after")
    def _pictures_are_their_own(self) -> PretrainConfig:
        if self.data.on_pairs:
            raise ValueError(
                "data.recoloured: evaluators learn pictures as they are, with captions that are "
                "true of them; leave it out"
            )
        return self

    @model_validator(mode="after")
    def _sizes(self) -> PretrainConfig:
        for name, section in (("damsm", self.damsm), ("classifier", self.classifier)):
            if section.encoder != "small" and section.size < 75:
                raise ValueError(f"{name}.size: Inception needs at least 75 pixels; give 299")
            self.data.check_size(f"{name}.size", section.size)
        return self
