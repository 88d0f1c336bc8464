"""The devices that train a run together, and what they must agree on.

One code path for all: a batch is the global one, its rows are dealt out to the replicas, and each
update is that of one device with the whole batch.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import tensorflow as tf

from mim_tf.config import Config, MachineConfig
from mim_tf.errors import UserError
from mim_tf.training.clusters import Cluster, find_cluster


def make_strategy(machine: MachineConfig, *, alone: bool = True) -> tf.distribute.Strategy:
    """The strategy that ``machine.strategy`` asks for. For several workers it waits until all are
    there; then it must come before everything else that TensorFlow does.

    Args:
        alone: whether this process trains alone, whatever its environment says.

    Raises:
        UserError: the workers contradict each other, cannot be reached, or there are none.
    """
    wanted = machine.strategy
    cluster = None
    if not alone and wanted in ("auto", "multiworker"):
        cluster = find_cluster()
    if cluster is not None:
        return _multi_worker(cluster)
    if wanted == "multiworker":
        raise UserError(
            "machine.strategy=multiworker, but nothing says who the workers are: python -m "
            "mim_tf.train reads TF_CONFIG, SLURM and Kubernetes (docs/scale.md)"
        )
    gpus = tf.config.list_physical_devices("GPU")
    if wanted == "mirrored" or (wanted == "auto" and len(gpus) > 1):
        # Named, for by itself it would take the devices of all workers of TF_CONFIG.
        devices = [f"GPU:{number}" for number in range(len(gpus))]
        return tf.distribute.MirroredStrategy(devices or ["CPU:0"])
    return tf.distribute.get_strategy()


def _multi_worker(cluster: Cluster) -> tf.distribute.Strategy:
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec({"worker": list(cluster.workers)}),
        task_type="worker",
        task_id=cluster.index,
        num_accelerators={"GPU": len(tf.config.list_physical_devices("GPU"))},
        rpc_layer="grpc",
    )
    try:
        return tf.distribute.MultiWorkerMirroredStrategy(cluster_resolver=resolver)
    except (tf.errors.OpError, RuntimeError) as error:
        raise UserError(
            f"worker {cluster.index} of {', '.join(cluster.workers)} cannot begin: "
            f"{_reason(error)}; all must be started, and their ports be free and reachable"
        ) from None


def set_up(machine: MachineConfig) -> bool:
    """Switch TensorFlow to deterministic operations and to XLA as the configuration asks.

    Returns:
        Whether operations are deterministic, so that a resumed run equals an unbroken one bit for
        bit.
    """
    tf.config.optimizer.set_jit("autoclustering" if machine.xla else False)
    deterministic = machine.deterministic
    if deterministic is None:
        deterministic = not tf.config.list_physical_devices("GPU")
    if deterministic:
        tf.config.experimental.enable_op_determinism()
    return deterministic


def _cluster_of(strategy: tf.distribute.Strategy):
    """The resolver of a strategy over several workers; None for one over a single machine."""
    resolver = strategy.cluster_resolver
    workers = 0 if resolver is None else len(resolver.cluster_spec().as_dict().get("worker", ()))
    return resolver if workers > 1 else None


def has_peers(strategy: tf.distribute.Strategy) -> bool:
    """Whether other processes train with this one."""
    return _cluster_of(strategy) is not None


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Whether this process is the one that writes the run directory."""
    resolver = _cluster_of(strategy)
    return resolver is None or resolver.task_id == 0


def described(strategy: tf.distribute.Strategy) -> str:
    """``8 x GPU``, for the user."""
    device = "GPU" if tf.config.list_physical_devices("GPU") else "CPU"
    resolver = _cluster_of(strategy)
    workers = len(resolver.cluster_spec().as_dict()["worker"]) if resolver else 0
    over = f" of {workers} workers" if workers else ""
    return f"{strategy.num_replicas_in_sync} x {device}{over}"


def check_batch(config: Config, strategy: tf.distribute.Strategy) -> None:
    """Refuse a batch that the devices, and the parts of ``train.accumulate``, cannot share alike.

    Raises:
        UserError: the batch is no multiple of their number.
    """
    batch, replicas = config.train.batch_size, strategy.num_replicas_in_sync
    if batch % replicas:
        raise UserError(f"train.batch_size={batch} cannot be shared by {replicas} devices")
    share, parts = batch // replicas, config.train.accumulate
    if share % parts:
        raise UserError(f"{share} pictures on each device cannot be train.accumulate={parts} parts")


def dealt_out(
    strategy: tf.distribute.Strategy,
    batches_of: Callable[[tf.distribute.InputContext], tf.data.Dataset],
) -> Iterable:
    """The batches of a pipeline, shared out among the devices; on GPUs each is copied to its own
    while the step before it runs."""
    batches = strategy.distribute_datasets_from_function(batches_of)
    alone = isinstance(batches, tf.data.Dataset)  # strategies of several devices copy by themselves
    if alone and tf.config.list_physical_devices("GPU"):
        batches = batches.apply(tf.data.experimental.prefetch_to_device("/GPU:0"))
    return batches


def out_of_memory(config: Config, strategy: tf.distribute.Strategy) -> UserError:
    """What to do when a batch needs more memory than there is."""
    share = config.train.batch_size // strategy.num_replicas_in_sync
    return UserError(
        f"out of memory with {share} pictures on each device: raise train.accumulate, lower "
        "train.batch_size, use more devices, or train.precision=mixed_bfloat16; --dry-run "
        "estimates what a batch needs"
    )


@contextlib.contextmanager
def own_directory(path: Path, strategy: tf.distribute.Strategy) -> Iterator[Path]:
    """Where this process writes: the chief, and whoever is alone, to ``path``; the others to a
    directory that is removed afterwards, and what they print goes nowhere."""
    if is_chief(strategy):
        yield path
        return
    with (
        tempfile.TemporaryDirectory(prefix="mim-worker-") as folder,
        Path(os.devnull).open("w", encoding="utf-8") as nowhere,
        contextlib.redirect_stderr(nowhere),
    ):
        yield Path(folder) / path.name


@contextlib.contextmanager
def lost_peers_told(strategy: tf.distribute.Strategy) -> Iterator[None]:
    """While this context is open, the end of another worker is a UserError."""
    try:
        yield
    except tf.errors.OpError as error:
        if not has_peers(strategy):
            raise
        raise UserError(
            f"worker {_cluster_of(strategy).task_id} lost the others ({_reason(error)}); see "
            "why one of them ended, then start all again with --resume"
        ) from None


def share_state(strategy: tf.distribute.Strategy, variables: list) -> None:
    """Give the chief's values of the variables to every worker, bit for bit."""
    if not has_peers(strategy):
        return

    def of_chief(same):
        context = tf.distribute.get_replica_context()
        chief = tf.equal(context.replica_id_in_sync_group, 0)
        values = [tf.where(chief, variable, tf.zeros_like(variable)) for variable in same]
        return context.all_reduce(tf.distribute.ReduceOp.SUM, values)

    for dtype in sorted({variable.dtype for variable in variables}, key=str):
        same = [variable for variable in variables if variable.dtype == dtype]
        # Sums of several kinds of numbers cannot be packed together.
        shared = tf.function(lambda same=same: strategy.run(of_chief, args=(same,)))()
        for variable, values in zip(same, shared, strict=True):
            variable.assign(strategy.experimental_local_results(values)[0])


def any_worker(strategy: tf.distribute.Strategy, flag: bool) -> bool:
    """Whether the flag is set in at least one worker; all must ask at the same step."""
    if not has_peers(strategy):
        return flag
    return float(_sum_over_workers(strategy)(tf.constant(float(flag)))) > 0


@functools.cache
def _sum_over_workers(strategy: tf.distribute.Strategy) -> Callable:
    """A graph, traced once: number by number TensorFlow would be slow at this."""
    total = tf.distribute.ReduceOp.SUM

    @tf.function
    def add(number):
        return strategy.reduce(total, strategy.run(tf.identity, args=(number,)), axis=None)

    return add


def _reason(error: Exception) -> str:
    """What happened, without the part of the graph in which it did."""
    text = getattr(error, "message", None) or str(error) or type(error).__name__
    found = re.search(r"aborted by: (.+)", text)
    return (found[1] if found else text.strip().splitlines()[0])[:200]
