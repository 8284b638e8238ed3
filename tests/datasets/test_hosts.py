import contextlib
import gzip
import http.server
import io
import signal
import socket
import threading
import time
import zipfile
from pathlib import Path

from ae.datasets import downloads, noisy_office
from ae.datasets.fetch import fetch, sources_for
from ae.datasets.registry import SourceError
from ae.errors import InputError

import pytest
from tiny_images import DAMAGED, IMAGES, TINY, make_data_set

pytestmark = pytest.mark.usefixtures("nothing_to_be_found")


@contextlib.contextmanager
def serving(answers):
    """Serves {file name: bytes or status} on this machine; yields the URL and what is asked for."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            answer = answers.get(self.path.rpartition("/")[2], 404)
            if isinstance(answer, int):
                self.send_error(answer)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            with contextlib.suppress(ConnectionError):
                self.wfile.write(answer)

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/tiny/", asked
        finally:
            server.shutdown()
            thread.join()


GZIPPED = {f"{name}.gz": gzip.compress(data) for name, data in TINY.items()}


def test_a_host_gives_gzipped_files(tmp_path):
    with serving(GZIPPED) as (url, asked):
        tiny = make_data_set(tmp_path, host=[url])
        fetched = fetch(tiny, sources_for(tiny))
    assert fetched.payloads == TINY
    assert fetched.source == url.split("/")[2]
    assert asked == [f"/tiny/{name}.gz" for name in TINY]


@pytest.mark.fault("a host that sends damaged data")
@pytest.mark.parametrize("damage", [name for name in DAMAGED if name != "folder"])
def test_what_a_host_gives_is_verified(tmp_path, damage):
    problem, contents = DAMAGED[damage]
    with serving(GZIPPED | {f"{IMAGES}.gz": contents}) as (url, _), serving(GZIPPED) as (good, _):
        tiny = make_data_set(tmp_path, host=[url])
        with pytest.raises(InputError, match=f"127.0.0.1:.*{problem}"):
            fetch(tiny, sources_for(tiny))
        tiny = make_data_set(tmp_path, host=[url, good])
        assert fetch(tiny, sources_for(tiny)).payloads == TINY


def test_a_host_that_fails_is_not_asked_again(tmp_path):
    with serving({name: 503 for name in GZIPPED}) as (url, asked):
        tiny = make_data_set(tmp_path, host=[url])
        with pytest.raises(InputError, match="503"):
            fetch(tiny, sources_for(tiny))
    assert len(asked) == 1


# How a host may misbehave once it has begun to send: takes the connection and the whole answer.
def ends_early(connection, body):
    connection.sendall(body[: len(body) // 2])


def stalls(connection, body):
    connection.sendall(body[: len(body) // 2])
    connection.settimeout(5)
    connection.recv(1)  # until the other side gives up


def trickles(connection, body):
    for byte in body[:100]:
        connection.sendall(bytes([byte]))
        time.sleep(0.05)


def hangs_up(connection, body):
    connection.shutdown(socket.SHUT_RDWR)


def talks_nonsense(connection, body):
    connection.sendall(b"\0" * 70_000)


@contextlib.contextmanager
def misbehaving(how, header=True):
    """Accepts connections, one after the other, and answers each in this way."""

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                connection.recv(65536)
                if header:
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n")
                how(connection, bytes(4000))

    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/tiny/"
        listener.shutdown(socket.SHUT_RDWR)


@pytest.mark.fault("a host that stalls, ends early, trickles or talks nonsense")
@pytest.mark.parametrize("how", [ends_early, stalls, trickles, hangs_up, talks_nonsense])
@pytest.mark.parametrize("header", [True, False])
@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # requests leaves sockets open
def test_a_host_that_misbehaves_is_given_up_in_time(tmp_path, monkeypatch, how, header):
    monkeypatch.setattr(downloads, "HTTP_TIMEOUT", (0.3, 0.3))
    monkeypatch.setattr(downloads, "DOWNLOAD_TIMEOUT", 0.6)
    started = time.monotonic()
    with misbehaving(how, header) as url:
        tiny = make_data_set(tmp_path, host=[url])
        with pytest.raises(InputError, match="Tiny could not be found or fetched") as refused:
            fetch(tiny, sources_for(tiny))
        assert f"- {url.split('/')[2]}: " in str(refused.value)
        assert time.monotonic() - started < 4
        assert not (tmp_path / "cache").exists()


@pytest.mark.fault("a host that stalls, ends early, trickles or talks nonsense")
@pytest.mark.parametrize("how", [ends_early, stalls, trickles, hangs_up, talks_nonsense])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_archive_is_there_whole_or_not_at_all(tmp_path, monkeypatch, how):
    path = tmp_path / "cache" / "noisyoffice.zip"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("page.png", b"0" * 5000)
    with misbehaving(how) as url, serving({path.name: packed.getvalue()}) as (good, _):
        with monkeypatch.context() as impatient, pytest.raises((OSError, SourceError)):
            impatient.setattr(noisy_office, "HTTP_TIMEOUT", (0.3, 0.3))
            impatient.setattr(noisy_office, "DOWNLOAD_TIMEOUT", 0.6)
            impatient.setattr(noisy_office, "URL", url + path.name)
            noisy_office.fetch_zip(path)
        assert not path.exists()
        monkeypatch.setattr(noisy_office, "URL", good + path.name)
        noisy_office.fetch_zip(path)
    assert path.read_bytes() == packed.getvalue()


@pytest.mark.fault("a host that stalls, ends early, trickles or talks nonsense")
def test_of_an_interrupted_download_nothing_stays(tmp_path, monkeypatch, ctrl_c):
    def interrupted(url, known_hash, fname, path, downloader):
        (Path(path) / "tmp-of-pooch").write_bytes(b"half of it")
        signal.raise_signal(signal.SIGINT)
        time.sleep(0.2)

    monkeypatch.setattr(noisy_office.pooch, "retrieve", interrupted)
    path = tmp_path / "archives" / "noisyoffice.zip"
    with pytest.raises(KeyboardInterrupt):
        noisy_office.fetch_zip(path)
    assert not [one for one in path.parent.iterdir() if one.suffix != ".lock"]


@pytest.mark.fault("a host that sends damaged data")
def test_a_page_in_the_archive_s_place_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "archives" / "noisyoffice.zip"
    with serving({path.name: b"<html>We are moving.</html>"}) as (url, _):
        monkeypatch.setattr(noisy_office, "URL", url + path.name)
        with pytest.raises(SourceError, match="no zip file"):
            noisy_office.fetch_zip(path)
    assert not [one for one in path.parent.iterdir() if one.suffix != ".lock"]


@pytest.mark.fault("no network")
def test_hosts_that_are_away_share_a_line(tmp_path):
    urls = [f"http://127.0.0.1:{port}/" for port in (9, 10)]
    tiny = make_data_set(tmp_path, host=urls)
    with pytest.raises(InputError) as refused:
        fetch(tiny, sources_for(tiny))
    (line,) = [line for line in str(refused.value).splitlines() if "the connection failed" in line]
    assert line == "  - 127.0.0.1:9, 127.0.0.1:10: the connection failed"


@pytest.mark.fault("no network")
def test_a_host_that_is_away(tmp_path):
    with serving({}) as (url, _):
        pass
    tiny = make_data_set(tmp_path, host=[url])
    with pytest.raises(InputError, match="the connection failed"):
        fetch(tiny, sources_for(tiny))


@pytest.mark.fault("a host that stalls, ends early, trickles or talks nonsense")
def test_a_host_that_does_not_answer(tmp_path, monkeypatch):
    monkeypatch.setattr(downloads, "HTTP_TIMEOUT", (0.2, 0.2))
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as silent:
        tiny = make_data_set(tmp_path, host=[f"http://127.0.0.1:{silent.getsockname()[1]}/"])
        with pytest.raises(InputError, match="no answer in time"):
            fetch(tiny, sources_for(tiny))
