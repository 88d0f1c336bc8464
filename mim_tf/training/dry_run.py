"""What a training will be and cost, before it is begun: ``python -m mim_tf.train --dry-run``."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from mim_tf.config import Config
from mim_tf.data.pipeline import Sampler, training_batches
from mim_tf.data.sources import load_source
from mim_tf.stored_config import dump_config
from mim_tf.training import costs
from mim_tf.training.loop import steps_after_warm_up
from mim_tf.training.mimnet import MIMNet
from mim_tf.training.start import fit_to_words
from mim_tf.training.steps import step_graph
from mim_tf.training.strategies import (
    check_batch,
    described,
    make_strategy,
    out_of_memory,
    set_up,
)

_MEASURED = 3  # steps of each kind
_GIGA = 1e9


@dataclass(frozen=True)
class Kind:
    """A kind of step, measured.

    Attributes:
        share: of all steps after the warm-up; the warm-up's own counts as 0.
        seconds: the median of :data:`_MEASURED` steps, with their input.
        operations: those of its graph.
    """

    share: float
    seconds: float
    operations: list


def dry_run(config: Config) -> str:
    """Build everything, take a few steps, and throw all away.

    Returns:
        The resolved configuration as YAML, then as comments the parameters and multiply-adds of
        each part, an estimate of the memory for this batch, and the time that training would take.

    Raises:
        UserError: as the training would.
    """
    machine = config.machine
    if machine.strategy == "multiworker":  # the others are not there: this machine's share of it
        machine = machine.model_copy(update={"strategy": "auto"})
    strategy = make_strategy(machine)
    set_up(machine)
    check_batch(config, strategy)
    source = load_source(config, "train")
    config, vocabulary, vectors = fit_to_words(config, source)
    with strategy.scope():
        model = MIMNet(config, len(vocabulary), strategy.num_replicas_in_sync, vectors)
    sampler = Sampler(source, vocabulary, config)
    try:
        kinds = {
            name: _measured(model, strategy, sampler, share, take_step, options)
            for name, (share, take_step, options) in _kinds(config, model).items()
        }
    except tf.errors.ResourceExhaustedError:
        raise out_of_memory(config, strategy) from None
    except tf.errors.OpError:
        if sampler.problem is None:
            raise
        raise sampler.problem from None
    lines = [
        f"devices: {described(strategy)}",
        f"training pictures: {len(source)}, vocabulary: {len(vocabulary)} ids",
        *_parts(model, kinds["full step"], config),
        *_memory(model, kinds),
        *_time(config, kinds, steps_after_warm_up(config, len(source))),
    ]
    return dump_config(config) + "".join(f"# {line}".rstrip() + "\n" for line in lines)


def _kinds(config: Config, model: MIMNet) -> dict[str, tuple[float, Callable, dict[str, bool]]]:
    """The kinds of steps that the training has, each with its share after the warm-up."""
    deviations = config.deviations
    full = 1 / deviations.adversarial_every
    kinds: dict[str, tuple[float, Callable, dict[str, bool]]] = {
        "full step": (full, model.train_step, {})
    }
    if full < 1:
        without = {"discriminate": False, "adversary": False}
        kinds["reconstruction alone"] = (1 - full, model.train_step, without)
    if deviations.warm_up:
        kinds["warm-up step"] = (0.0, model.warm_up_step, {})
    return kinds


def _measured(model, strategy, sampler: Sampler, share: float, take_step, options) -> Kind:
    step = step_graph(model, strategy, take_step, **options)
    batches = strategy.distribute_datasets_from_function(
        lambda context: training_batches(sampler, 0, _MEASURED + 1, context)
    )
    seconds = []
    begin = time.perf_counter()
    for batch in batches:
        logs = step(batch)
        float(next(iter(logs.values())))  # waits for the device
        seconds.append(time.perf_counter() - begin)
        begin = time.perf_counter()
    graph = step.get_concrete_function(batch).graph
    # All replicas do the same.
    operations = [
        operation
        for operation in graph.get_operations()
        if not operation.name.startswith("replica_")
    ]
    return Kind(share, float(np.median(seconds[1:])), operations)


def _parts(model: MIMNet, full: Kind, config: Config) -> list[str]:
    """The table of parts: parameters, and multiply-adds a picture of a full step."""
    state, words = model.state, config.data.max_words
    operations = costs.with_loops(full.operations, config.train.accumulate - 1)
    counts = costs.by_part(operations, words)
    pictures = config.train.batch_size // state.replicas
    generator = state.generator
    networks: dict[str, list[keras.Model]] = {
        "image_encoder": [generator.enc],
        "text_encoder": [generator.text_encoder],
        "mtfg": [generator.mtfg],
        "icm": [generator.icm],
        "fir": [generator.fir] if generator.fir else [],
        "d_i": list(state.d_i.values()),
        "d_t": list(state.d_t.values()),
    }
    lines = ["", f"{'part':15} {'parameters':>12} {'G multiply-adds a picture, full step':>38}"]
    for name, found in networks.items():
        parameters = sum(network.count_params() for network in found)
        lines.append(f"{name:15} {parameters:12,} {counts.pop(name, 0) / pictures / _GIGA:38.3f}")
    rest = sum(counts.values())
    lines.append(f"{'losses, others':15} {'':12} {rest / pictures / _GIGA:38.3f}")
    return lines


def _memory(model: MIMNet, kinds: dict[str, Kind]) -> list[str]:
    """Variables and gradients, and what the largest step keeps between forward and backward."""
    state = model.state
    variables = sum(_bytes(variable) for variable in tf.nest.flatten(state.parts()))
    gradients = sum(_bytes(weight.value) for weight in state.generator.trainable_variables)
    kept = max(costs.kept_bytes(kind.operations) for kind in kinds.values())
    total = (variables + gradients + kept) / _GIGA
    lines = [
        "",
        f"memory of each device, about: {total:.2f} GB (variables {variables / _GIGA:.2f}, "
        f"gradients {gradients / _GIGA:.2f}, kept for gradients {kept / _GIGA:.2f}), and room to "
        "work in",
    ]
    for number in range(len(tf.config.list_physical_devices("GPU"))):
        peak = tf.config.experimental.get_memory_info(f"GPU:{number}")["peak"]
        lines.append(f"measured peak of GPU {number}: {peak / _GIGA:.2f} GB")
    return lines


def _bytes(variable) -> int:
    return int(np.prod(variable.shape)) * variable.dtype.size


def _time(config: Config, kinds: dict[str, Kind], steps: int) -> list[str]:
    batch = config.train.batch_size
    lines = [""]
    for name, kind in kinds.items():
        each = f"{kind.seconds:.3f} s, {batch / kind.seconds:.1f} pictures a second"
        lines.append(f"{name}: {each} (median of {_MEASURED})")
    warm_up = kinds["warm-up step"].seconds if "warm-up step" in kinds else 0.0
    hours = config.deviations.warm_up * warm_up / 3600
    rest = steps * sum(kind.share * kind.seconds for kind in kinds.values()) / 3600
    lines.append(
        f"training: at most {hours:.2f} hours of warm-up and {rest:.2f} hours for {steps} steps, "
        "without sample grids and checkpoints"
    )
    return lines
