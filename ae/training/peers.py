"""The workers that train together on several machines, as the variable TF_CONFIG names them.

TensorFlow would wait for a worker for ever, and Ctrl-C would not stop it. So the workers meet
before TensorFlow starts its own server: each listens at its own address and tells all others what
it is going to train.
"""

import json
import os
import socket
import socketserver
import threading
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from ae.errors import InputError
from ae.terminal import duration

PATIENCE = 300  # seconds that a worker may start later than another
EXAMPLE = (
    '{"cluster": {"worker": ["host0:2222", "host1:2222"]}, "task": {"type": "worker", "index": 0}}'
)


class Cluster(NamedTuple):
    """The addresses "host:port" of all workers, the chief's first, and the own place in them."""

    addresses: tuple[str, ...]
    own: int

    @property
    def is_chief(self) -> bool:
        """Whether this worker keeps the run."""
        return self.own == 0

    def name(self, worker: int) -> str:
        """Names a worker for readers."""
        return f"worker {worker} ({self.addresses[worker]})"


def read_cluster() -> Cluster:
    """Reads TF_CONFIG, or raises InputError if it does not name two workers or more."""
    try:
        config = json.loads(os.environ.get("TF_CONFIG", ""))
        jobs, task = config["cluster"], config["task"]
        chief, workers = jobs.get("chief", []), jobs.get("worker", [])
        own = int(task["index"]) + {"chief": 0, "worker": len(chief)}[task["type"]]
        cluster = Cluster((*chief, *workers), own)
        for address in cluster.addresses:
            int(address.rpartition(":")[2])
        if len(cluster.addresses) < 2 or len(chief) > 1 or not 0 <= own < len(cluster.addresses):
            raise LookupError
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise InputError(
            "--strategy multi-worker: the variable TF_CONFIG must name two workers or more, and "
            f"which of them this is, as in TF_CONFIG='{EXAMPLE}'."
        ) from error
    return cluster


def meet(cluster: Cluster, about: Mapping[str, Any], patience: float) -> list[dict[str, Any]]:
    """Tells all workers what this one is going to train; returns what each of them says.

    Raises:
        InputError: if one of them does not come within `patience` seconds.
    """
    line = json.dumps([cluster.own, about]).encode() + b"\n"
    said = dict([json.loads(line)])
    end = time.monotonic() + patience
    waiting = set(range(len(cluster.addresses))) - {cluster.own}  # for what this worker says
    with _listener(cluster, said) as listener:
        serving = threading.Thread(target=listener.serve_forever, args=(0.05,), daemon=True)
        serving.start()
        try:
            while waiting or len(said) < len(cluster.addresses):
                waiting -= {worker for worker in waiting if _tell(cluster.addresses[worker], line)}
                missing = sorted(waiting | (set(range(len(cluster.addresses))) - set(said)))
                if missing and time.monotonic() > end:
                    names = " and ".join(map(cluster.name, missing))
                    raise InputError(
                        f"{names} did not start within {duration(patience)}; start each worker "
                        "with the same command, and with its own index in TF_CONFIG."
                    )
                time.sleep(0.05)
        finally:
            listener.shutdown()
    return [said[worker] for worker in sorted(said)]


def _tell(address: str, line: bytes) -> bool:
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=5) as connection:
            connection.sendall(line)
            return connection.recv(1) == b"\n"
    except OSError:
        return False


def _listener(cluster: Cluster, said: dict[int, Any]) -> socketserver.ThreadingTCPServer:
    class Handler(socketserver.StreamRequestHandler):
        timeout = 5

        def handle(self) -> None:
            try:
                worker, about = json.loads(self.rfile.readline())
                said[int(worker)] = dict(about)
                self.wfile.write(b"\n")
            except (OSError, ValueError, TypeError):  # it is no worker
                return

    class Listener(socketserver.ThreadingTCPServer):
        allow_reuse_address = True

    address = cluster.addresses[cluster.own]
    try:
        return Listener(("", int(address.rpartition(":")[2])), Handler)
    except OSError as error:
        raise InputError(
            f"{cluster.name(cluster.own)} cannot listen there ({error.strerror}); end the process "
            "that does, or give this worker its own index in TF_CONFIG."
        ) from error
