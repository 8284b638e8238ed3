"""Workers meet before TensorFlow starts, or say which of them is missing."""

import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

from ae.errors import InputError
from ae.training.peers import Cluster, meet, read_cluster

import pytest
from running import config, free_ports


def cluster(ports, own):
    return Cluster(tuple(f"127.0.0.1:{port}" for port in ports), own)


def test_each_worker_hears_what_the_others_say():
    ports = free_ports(3)
    with ThreadPoolExecutor() as pool:
        met = [
            pool.submit(meet, cluster(ports, own), {"about": (own, "x" * 10**6)}, 60)
            for own in range(3)
        ]
    for one in met:
        assert one.result() == [{"about": [own, "x" * 10**6]} for own in range(3)]


def test_a_worker_that_does_not_start_is_given_up():
    ports = free_ports(3)
    with ThreadPoolExecutor() as pool:
        met = [pool.submit(meet, cluster(ports, own), {}, 0.5) for own in (0, 2)]
    for one in met:
        with pytest.raises(InputError, match=rf"^worker 1 \(127\.0\.0\.1:{ports[1]}\) did not"):
            one.result()


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\n"])
def test_another_program_is_no_worker(answer):
    def serve():
        connection, _ = other.accept()
        with connection:
            connection.recv(1)
            connection.sendall(answer)

    ports = free_ports(1)
    with socket.create_server(("127.0.0.1", 0)) as other:
        threading.Thread(target=serve).start()
        with pytest.raises(InputError, match=r"worker 1 .* did not start within"):
            meet(cluster([*ports, other.getsockname()[1]], 0), {}, 0.5)


def test_what_is_no_worker_may_talk_nonsense():
    ports = free_ports(2)
    with ThreadPoolExecutor() as pool:
        first = pool.submit(meet, cluster(ports, 0), {}, 60)
        for nonsense in (b"", b"GET / HTTP/1.1\r\n", b"[1, 2]\n", b"[]\n"):
            while True:
                try:
                    with socket.create_connection(("127.0.0.1", ports[0])) as connection:
                        connection.sendall(nonsense)
                    break
                except ConnectionRefusedError:
                    continue
        second = pool.submit(meet, cluster(ports, 1), {"a": 1}, 60)
    assert first.result() == second.result() == [{}, {"a": 1}]


def test_a_place_that_is_taken():
    with socket.create_server(("", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(InputError, match=rf"worker 0 \(127\.0\.0\.1:{port}\) cannot listen"):
            meet(cluster([port, port], 0), {}, 60)


def test_the_chief_comes_first(monkeypatch):
    jobs = {"chief": ["a:1"], "worker": ["b:2", "c:3"]}
    task = {"type": "worker", "index": 1}
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": jobs, "task": task}))
    assert read_cluster() == Cluster(("a:1", "b:2", "c:3"), 2)
    monkeypatch.setenv("TF_CONFIG", config([1, 2], 0))
    assert read_cluster().is_chief


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "{}",
        "[]",
        "not JSON",
        config([1], 0),
        config([1, 2], 2),
        config([1, 2], -1),
        config(["port", 2], 0),
        config([1, 2], 0).replace('"type": "worker"', '"type": "evaluator"'),
    ],
)
def test_a_variable_that_names_no_workers(monkeypatch, text):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    if text is not None:
        monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(InputError, match="TF_CONFIG must name two workers or more"):
        read_cluster()
