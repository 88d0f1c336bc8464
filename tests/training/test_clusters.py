"""Who trains together, from the environments that clusters give; contradictions are one line."""

from __future__ import annotations

import json
import os

import pytest
import tensorflow as tf
from tiny import tiny_config

from mim_tf.errors import UserError
from mim_tf.training.clusters import Cluster, find_cluster
from mim_tf.training.strategies import (
    check_batch,
    dealt_out,
    described,
    is_chief,
    make_strategy,
    set_up,
)

WORKERS = ["a.example:2000", "b.example:2000"]


def tf_config(jobs: dict, kind: str, index: int) -> dict[str, str]:
    task = {"type": kind, "index": index}
    return {"TF_CONFIG": json.dumps({"cluster": jobs, "task": task})}


def slurm(rank: int, **changes: str) -> dict[str, str]:
    """What ``srun --nodes=2 --ntasks-per-node=1`` sets on nodes n9 and n10."""
    return {
        "SLURM_JOB_ID": "1007",
        "SLURM_STEP_NODELIST": "n[9-10]",
        "SLURM_STEP_NUM_TASKS": "2",
        "SLURM_STEP_TASKS_PER_NODE": "1(x2)",
        "SLURM_PROCID": str(rank),
        "SLURM_LOCALID": "0",
        "SLURMD_NODENAME": f"n{9 + rank}",
        **changes,
    }


def pod(index: int, **changes: str) -> dict[str, str]:
    """A pod of docs/scale.md's Job."""
    return {
        "JOB_COMPLETION_INDEX": str(index),
        "HOSTNAME": f"mim-train-{index}",
        "MIM_TF_WORKERS": "3",
        "MIM_TF_SERVICE": "mim-workers",
        **changes,
    }


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    """The machine that runs the tests may itself be part of a cluster."""
    for name in list(os.environ):
        if name.startswith(("SLURM", "JOB_COMPLETION", "MIM_TF_", "TF_CONFIG")):
            monkeypatch.delenv(name)


def find(environment: dict[str, str]) -> Cluster | None:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        return find_cluster()


def test_tf_config():
    assert find(tf_config({"worker": WORKERS}, "worker", 1)) == Cluster(tuple(WORKERS), 1)


def test_a_chief_of_tf_config_is_the_first_worker():
    jobs = {"worker": WORKERS, "chief": ["c.example:1"]}
    everybody = ("c.example:1", *WORKERS)
    assert find(tf_config(jobs, "chief", 0)) == Cluster(everybody, 0)
    assert find(tf_config(jobs, "worker", 1)) == Cluster(everybody, 2)


def test_the_tasks_of_slurm_agree_on_addresses_and_each_finds_its_own():
    """Sorted by name n10 comes before n9, but SLURM gives n9 the first rank."""
    first, second = find(slurm(0)), find(slurm(1))
    assert first is not None and second is not None
    assert first.workers == second.workers
    assert first.workers[first.index] == "n9:13352"  # 12345 + 1007
    assert second.workers[second.index] == "n10:13352"


def test_several_tasks_of_slurm_on_one_node_have_ports_of_their_own():
    four = {"SLURM_STEP_NUM_TASKS": "4", "SLURM_STEP_TASKS_PER_NODE": "2(x2)"}
    found = [
        find(slurm(rank, **four, SLURMD_NODENAME=node, SLURM_LOCALID=local))
        for rank, (node, local) in enumerate([("n9", "0"), ("n9", "1"), ("n10", "0"), ("n10", "1")])
    ]
    assert {cluster.workers for cluster in found} == {
        ("n10:13352", "n10:13353", "n9:13352", "n9:13353")
    }
    assert sorted(cluster.index for cluster in found) == [0, 1, 2, 3]


def test_the_pods_of_an_indexed_job():
    workers = tuple(f"mim-train-{index}.mim-workers:12345" for index in range(3))
    assert find(pod(2)) == Cluster(workers, 2)


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"TF_CONFIG": "{}"},
        tf_config({"worker": WORKERS[:1]}, "worker", 0),
        slurm(0, SLURM_STEP_NUM_TASKS="1"),
        {"SLURM_JOB_ID": "7", "SLURM_NTASKS": "2"},  # sbatch without srun
        {"JOB_COMPLETION_INDEX": "1", "HOSTNAME": "seeds-1"},  # trainings that are not one
    ],
)
def test_a_process_that_is_alone(environment):
    assert find(environment) is None


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"TF_CONFIG": "{"}, "TF_CONFIG cannot be read"),
        ({"TF_CONFIG": json.dumps({"cluster": {"worker": WORKERS}})}, "KeyError('task')"),
        (tf_config({"worker": WORKERS}, "worker", 2), "this is worker 2 of 2, counted from 0"),
        (tf_config({"worker": WORKERS, "ps": ["p:1"]}, "ps", 0), "names ps; there are only"),
        (slurm(0, SLURMD_NODENAME="n7"), "SLURM's variables do not say who trains together"),
        (slurm(0, SLURM_STEP_NODELIST="n[9"), "Invalid"),
        (pod(0, MIM_TF_SERVICE=""), "MIM_TF_SERVICE"),
        (pod(0, HOSTNAME="another"), "HOSTNAME (got 'another') be JOB-0"),
        (pod(0, MIM_TF_WORKERS="three"), "must be whole numbers"),
        (pod(3, HOSTNAME="mim-train-3"), "this is worker 3 of 3"),
    ],
)
def test_contradictions_are_one_line(environment, expected):
    with pytest.raises(UserError) as caught:
        find(environment)
    assert expected in str(caught.value) and "\n" not in str(caught.value)


def test_a_cluster_is_looked_for_only_where_it_is_wanted(monkeypatch):
    monkeypatch.setenv(*tf_config({"worker": WORKERS}, "worker", 1).popitem())
    for wanted in ("one", "mirrored"):
        machine = tiny_config(machine={"strategy": wanted}).machine
        strategy = make_strategy(machine, alone=False)
        assert is_chief(strategy) and described(strategy) == "1 x CPU"
    monkeypatch.setenv("TF_CONFIG", "{")
    with pytest.raises(UserError, match="TF_CONFIG cannot be read"):
        make_strategy(tiny_config().machine, alone=False)
    with pytest.raises(UserError, match="nothing says who the workers are"):
        make_strategy(tiny_config(machine={"strategy": "multiworker"}).machine)
    assert described(make_strategy(tiny_config().machine)) == "1 x CPU"


def test_a_batch_that_devices_cannot_share_is_refused():
    two = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    check_batch(tiny_config(), two)
    with pytest.raises(UserError, match="train.batch_size=5 cannot be shared by 2 devices"):
        check_batch(tiny_config(train={"batch_size": 5}), two)


@pytest.mark.parametrize(
    ("wanted", "gpus", "expected"),
    [(None, [], True), (None, ["GPU"], False), (True, ["GPU"], True), (False, [], False)],
)
def test_operations_are_deterministic_on_cpus_or_as_asked(monkeypatch, wanted, gpus, expected):
    switched = []
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: gpus)
    monkeypatch.setattr(tf.config.optimizer, "set_jit", switched.append)
    monkeypatch.setattr(
        tf.config.experimental, "enable_op_determinism", lambda: switched.append("deterministic")
    )
    machine = tiny_config(machine={"deterministic": wanted, "xla": expected}).machine
    assert set_up(machine) is expected
    assert switched == (["autoclustering", "deterministic"] if expected else [False])


def test_batches_wait_for_their_step_on_the_one_gpu_and_on_cpus_as_they_are(monkeypatch):
    plain, prefetch, asked = tf.data.Dataset.range(3), tf.data.experimental.prefetch_to_device, []
    assert dealt_out(tf.distribute.get_strategy(), lambda _: plain) is plain

    def to_second_cpu(device):
        asked.append(device)
        return prefetch("/CPU:1")

    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [kind])
    monkeypatch.setattr(tf.data.experimental, "prefetch_to_device", to_second_cpu)
    batches = list(dealt_out(tf.distribute.get_strategy(), lambda _: plain))
    assert asked == ["/GPU:0"]
    assert [int(batch) for batch in batches] == [0, 1, 2]
    assert all(batch.device.endswith("CPU:1") for batch in batches)
