"""A Ray cluster of processes on this machine, whose nodes can be killed.

It is held by a process of its own (this file, run as a program), so that nothing of Ray is imported
here; whatever happens, all of its processes have ended when the cluster is left.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

HERE = find_spec("ray") is not None
MEMORY = 80 << 20  # bytes of objects that a node keeps; Ray takes no less than 75 MiB
SOON = {  # a lost node is known to be lost soon
    "health_check_initial_delay_ms": 500,
    "health_check_period_ms": 500,
    "health_check_timeout_ms": 500,
    "health_check_failure_threshold": 3,
    "gcs_rpc_server_reconnect_timeout_s": 5,
}


class ClusterError(Exception):
    """What the process that holds a cluster has said last."""


class RayCluster:
    """The head, which runs no tasks, and nodes that do.

    Attributes:
        address: of the head, for RAY_ADDRESS.
        client: of the server for ``ray://``, if it was asked for.
        nodes: number of each node that lives.
    """

    def __init__(self, holder: subprocess.Popen[str], log: Path) -> None:
        self.holder, self.log = holder, log
        self.address, self.client = self.ask("address")
        self.nodes: list[int] = []

    def ask(self, *words: Any) -> Any:
        assert self.holder.stdin is not None and self.holder.stdout is not None  # noqa: PT018
        self.holder.stdin.write(json.dumps(words) + "\n")
        self.holder.stdin.flush()
        answer = self.holder.stdout.readline()
        if not answer:
            raise ClusterError(f"{words[0]}: {self.log.read_text()[-2000:]}")
        return json.loads(answer)

    def add(self, cpus: int = 1, **environment: str) -> int:
        """Start a node, and return its number."""
        self.nodes.append(self.ask("add", cpus, environment))
        return self.nodes[-1]

    def kill(self, node: int) -> None:
        """End a node and all that runs on it, as by kill -9."""
        self.nodes.remove(node)
        end_tree(self.ask("pid", node))

    def kill_head(self) -> None:
        """The same of the head."""
        for pid in self.ask("head"):
            end_tree(pid)


@contextmanager
def ray_cluster(*nodes: int, path: str = "", client: bool = False) -> Iterator[RayCluster]:
    """A head and nodes of so many CPUs each.

    Args:
        path: goes before PYTHONPATH of all of them.
        client: whether the head has a server for ``ray://``.
    """
    temp = Path(tempfile.mkdtemp(prefix="ray", dir="/tmp"))  # paths of sockets are short
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*filter(None, [path]), *sys.path])}
    environment.pop("RAY_ADDRESS", None)
    environment["RAY_USAGE_STATS_ENABLED"] = "0"
    log = temp / "holder.log"
    with log.open("w") as said:
        holder = subprocess.Popen(
            [sys.executable, __file__, str(temp), str(free_port() if client else "")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said,
            text=True, env=environment, start_new_session=True,
        )  # fmt: skip
    try:
        cluster = RayCluster(holder, log)
        for cpus in nodes:
            cluster.add(cpus)
        yield cluster
    finally:
        end_tree(holder.pid)
        holder.wait()
        for pipe in (holder.stdin, holder.stdout):
            with suppress(OSError):
                pipe.close()  # type: ignore[union-attr]
        shutil.rmtree(temp, ignore_errors=True)


def end_tree(pid: int) -> None:
    """End a process and all below it; stopped first, so that none is started meanwhile."""
    found = [pid]
    for one in found:
        with suppress(ProcessLookupError):
            os.kill(one, signal.SIGSTOP)
            found += children(one)
    for one in found:
        with suppress(ProcessLookupError):
            os.kill(one, signal.SIGKILL)


def children(pid: int) -> list[int]:
    """Those of a process; of one that ends meanwhile, as of any that has ended, none."""
    found = []
    with suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208
            with suppress(OSError):
                found += map(int, Path(f"/proc/{pid}/task/{task}/children").read_text().split())
    return found


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _hold(temp: str, port: str) -> None:
    from ray.cluster_utils import Cluster

    common = {"object_store_memory": MEMORY, "include_dashboard": False}
    head: dict[str, Any] = {"num_cpus": 0, "_system_config": SOON, "temp_dir": temp, **common}
    if port:
        head["ray_client_server_port"] = int(port)
    cluster = Cluster(initialize_head=True, head_node_args=head)
    nodes: list[Any] = []
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        word, *given = json.loads(line)
        if word == "address":
            said: Any = cluster.address, f"ray://127.0.0.1:{port}" if port else ""
        elif word == "add":
            cpus, environment = given
            os.environ.update(environment)
            nodes.append(cluster.add_node(num_cpus=cpus, **common))
            said = len(nodes) - 1
        elif word == "pid":
            said = nodes[given[0]].all_processes["raylet"][0].process.pid
        elif word == "head":
            said = [p.process.pid for all in cluster.head_node.all_processes.values() for p in all]
        out.write(json.dumps(said) + "\n")
        out.flush()


if __name__ == "__main__":
    _hold(*sys.argv[1:])
