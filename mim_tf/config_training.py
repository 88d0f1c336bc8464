"""The sections of a run's configuration that say how it is trained, and on which machine."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from mim_tf.config_fields import BatchSize, Count, Rate, Section, Seed, Weight, as_number


class OptimizerConfig(Section):
    """Adam, one for the generator and one for the discriminators."""

    learning_rate: Rate = 1e-3
    discriminator_learning_rate: Rate = 4e-4
    warm_up_learning_rate: Rate = Field(4e-3, description="of the warm-up's own Adam")
    beta_1: Annotated[float, BeforeValidator(as_number), Field(ge=0, lt=1)] = 0.5
    beta_2: Annotated[float, BeforeValidator(as_number), Field(gt=0, lt=1)] = 0.999


class TrainConfig(Section):
    """The length of training, and how it computes."""

    batch_size: BatchSize = 32
    steps: Count | None = Field(None, description="steps after the warm-up; or give epochs")
    epochs: Count | None = Field(
        None, description="passes over the training pictures, after the warm-up"
    )
    accumulate: Count = Field(
        1,
        description="parts in which what is drawn from a batch is computed, one after the other, "
        "for less memory; an update is that of the whole batch all the same",
    )
    seed: Seed = 0
    start_from: str | None = Field(
        None,
        description="preset or run's folder whose generator training starts from, of another size "
        "or other words if need be; null: random weights",
    )
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = Field(
        "float32",
        description="in which Enc, the decoders and the discriminators' convolutions compute while "
        "training; weights, text, memory, logarithms and losses are float32 always; float16 scales "
        "its losses",
    )

    @model_validator(mode="after")
    def _one_length(self) -> TrainConfig:
        if (self.steps is None) == (self.epochs is None):
            raise ValueError("give exactly one of train.steps and train.epochs")
        return self


class MachineConfig(Section):
    """What suits the machine and the user; results do not depend on it."""

    strategy: Literal["auto", "one", "mirrored", "multiworker"] = Field(
        "auto",
        description="devices that train together: one, all GPUs of the machine, or those of "
        "several processes; auto takes all there are",
    )

    deterministic: bool | None = Field(
        None,
        description="the same numbers to the last bit in every run, and after every resume; slower "
        "on GPUs; null: on CPUs only",
    )
    xla: bool = Field(
        False, description="XLA compiles what it can of a step (for GPUs; CPUs ignore it)"
    )
    workers: Annotated[int, Field(ge=0, le=1024)] = Field(
        0, description="threads that read pictures, processes of prepare; 0: one a core"
    )
    cache_gb: Weight = Field(2.0, description="memory for decoded pictures, in GB")
    log_every: Count = Field(20, description="steps between rows of log.jsonl")
    sample_every: Count = Field(500, description="steps between sample grids")
    checkpoint_every: Count = Field(500, description="steps between checkpoints")
    keep_checkpoints: Count = Field(2, description="how many of the newest checkpoints stay")
