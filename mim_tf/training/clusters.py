"""Which processes train one run together, as their environment says.

``TF_CONFIG``, SLURM and Kubernetes each say it in their own way; here all become a
:class:`Cluster`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

import tensorflow as tf

from mim_tf import json_text
from mim_tf.errors import UserError

PORT = 12345  # where workers listen in SLURM and Kubernetes
_PORTS = 10000  # over so many ports from it the jobs of SLURM are spread
_HOW = "set TF_CONFIG, or start by srun or as an indexed Job of Kubernetes (docs/scale.md)"


@dataclass(frozen=True)
class Cluster:
    """The workers of a training.

    Attributes:
        workers: their addresses, ``host:port``, the chief's first, alike in all of them.
        index: which of them this process is.
    """

    workers: tuple[str, ...]
    index: int


def find_cluster() -> Cluster | None:
    """The cluster that the environment's variables describe; None where this process is alone.

    Raises:
        UserError: they contradict themselves or lack something.
    """
    for read in (_of_tf_config, _of_kubernetes, _of_slurm):
        cluster = read(os.environ)
        if cluster is not None:
            break
    else:
        return None
    if not 0 <= cluster.index < len(cluster.workers):
        raise UserError(
            f"this is worker {cluster.index} of {len(cluster.workers)}, counted from 0; {_HOW}"
        )
    return cluster if len(cluster.workers) > 1 else None


def _of_tf_config(environment: Mapping[str, str]) -> Cluster | None:
    """``{"cluster": {"worker": ["host:port", ...]}, "task": {"type": "worker", "index": 0}}``; a
    ``chief``, where there is one, counts as the first worker."""
    text = environment.get("TF_CONFIG", "").strip()
    if text in ("", "{}"):
        return None
    try:
        tree = json_text.load(text)
        jobs, task = tree["cluster"], tree["task"]
        chiefs, workers = list(jobs.get("chief", [])), list(jobs.get("worker", []))
        kind, index = task["type"], int(task["index"])
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise UserError(f"TF_CONFIG cannot be read ({error!r}); see docs/scale.md") from None
    others = {*jobs, kind} - {"chief", "worker"}
    if others:
        raise UserError(f"TF_CONFIG names {', '.join(sorted(others))}; there are only workers here")
    return Cluster((*chiefs, *workers), index if kind == "chief" else index + len(chiefs))


def _of_kubernetes(environment: Mapping[str, str]) -> Cluster | None:
    """The pods of an indexed Job, ``JOB-INDEX.SERVICE`` behind a headless service.

    Kubernetes sets ``JOB_COMPLETION_INDEX`` and ``HOSTNAME``; the Job's manifest ``MIM_TF_WORKERS``
    and ``MIM_TF_SERVICE``.
    """
    if "JOB_COMPLETION_INDEX" not in environment or "MIM_TF_WORKERS" not in environment:
        return None
    index, count = environment["JOB_COMPLETION_INDEX"], environment["MIM_TF_WORKERS"]
    service, host = environment.get("MIM_TF_SERVICE", ""), environment.get("HOSTNAME", "")
    job, dash, number = host.rpartition("-")
    if not (index.isdecimal() and count.isdecimal()):
        raise UserError(
            f"JOB_COMPLETION_INDEX={index} and MIM_TF_WORKERS={count}: both must be whole numbers"
        )
    if not service or not dash or number != index:
        raise UserError(
            f"in Kubernetes MIM_TF_SERVICE (got {service!r}) must name the headless service, and "
            f"HOSTNAME (got {host!r}) be JOB-{index}, as in an indexed Job; see docs/scale.md"
        )
    addresses = (f"{job}-{place}.{service}:{PORT}" for place in range(int(count)))
    return Cluster(tuple(addresses), int(index))


def _of_slurm(environment: Mapping[str, str]) -> Cluster | None:
    """The tasks of a SLURM step, which ``srun`` starts."""
    tasks = environment.get("SLURM_STEP_NUM_TASKS", "1")
    if tasks == "1" or "SLURM_PROCID" not in environment:
        return None
    port = PORT + int(environment.get("SLURM_JOB_ID", "0")) % _PORTS
    try:
        # SLURM itself gives each task its GPUs (--gpus-per-task): here each counts as one, which
        # the resolver needs to be told, for without GPUs it fails.
        resolver = tf.distribute.cluster_resolver.SlurmClusterResolver(
            port_base=port, gpus_per_node=int(tasks), gpus_per_task=1, auto_set_gpu=False
        )
        workers = tuple(resolver.cluster_spec().as_dict()["worker"])
        # The resolver sorts nodes by name and SLURM by number (n9, n10), so the rank is not the
        # place among the addresses.
        own = f"{environment['SLURMD_NODENAME']}:{port + int(environment['SLURM_LOCALID'])}"
        return Cluster(workers, workers.index(own))
    except (RuntimeError, ValueError, KeyError) as error:
        raise UserError(
            f"SLURM's variables do not say who trains together ({error}); start by srun with "
            "machine.strategy=auto, or set TF_CONFIG"
        ) from None
