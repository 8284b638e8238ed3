import contextlib
import datetime
import gzip
import http.server
import io
import ipaddress
import signal
import socket
import ssl
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
def serving(answers, certificates=None):
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
        if certificates:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificates)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http{'s' * bool(certificates)}://127.0.0.1:{server.server_port}/tiny/", asked
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
            noisy_office.fetch_zip(noisy_office.Archive(url + path.name, 1), path)
        assert not path.exists()
        noisy_office.fetch_zip(noisy_office.Archive(good + path.name, 1), path)
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
        noisy_office.fetch_zip(noisy_office.Archive("http://127.0.0.1:9/it.zip", 1), path)
    assert not [one for one in path.parent.iterdir() if one.suffix != ".lock"]


@pytest.mark.fault("a host that sends damaged data")
def test_a_page_in_the_archive_s_place_is_refused(tmp_path):
    path = tmp_path / "archives" / "noisyoffice.zip"
    moved = {path.name: b"<html>We are moving.</html>"}
    with serving(moved) as (url, _), pytest.raises(SourceError, match="no zip file"):
        noisy_office.fetch_zip(noisy_office.Archive(url + path.name, 1), path)
    assert not [one for one in path.parent.iterdir() if one.suffix != ".lock"]


def archive_of_a_page():
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("page.png", b"0")
    return packed.getvalue()


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # requests leaves sockets open
def test_the_next_archive_is_tried_and_the_cached_one_is_kept(tmp_path, monkeypatch):
    with serving({"second.zip": archive_of_a_page()}) as (url, asked):
        archives = tuple(noisy_office.Archive(f"{url}{n}.zip", 1) for n in ("first", "second"))
        monkeypatch.setattr(noisy_office, "ARCHIVES", archives)
        for _ in range(2):
            assert noisy_office.archive_in(tmp_path) == tmp_path / "second.zip"
        assert len(asked) == 2
        (tmp_path / "second.zip").unlink()
        monkeypatch.setattr(noisy_office, "ARCHIVES", archives[:1])
        with pytest.raises(SourceError, match=r"^127\.0\.0\.1:\d+ \(404 .*\)$"):
            noisy_office.archive_in(tmp_path)


@pytest.mark.parametrize(
    ("megabytes", "answer", "is_fetched"),
    [(100, "n", True), (101, "n", False), (101, "", False), (101, "y", True), (101, None, True)],
)
def test_a_person_is_asked_before_a_large_download(
    tmp_path, monkeypatch, capsys, megabytes, answer, is_fetched
):
    if answer is not None:
        stdin = io.StringIO(f"{answer}\n")
        monkeypatch.setattr(stdin, "isatty", lambda: True, raising=False)
        monkeypatch.setattr("sys.stdin", stdin)
        monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    with serving({"it.zip": archive_of_a_page()}) as (url, asked):
        monkeypatch.setattr(
            noisy_office, "ARCHIVES", (noisy_office.Archive(f"{url}it.zip", megabytes),)
        )
        if is_fetched:
            noisy_office.archive_in(tmp_path)
        else:
            with pytest.raises(SourceError, match="you did not want it"):
                noisy_office.archive_in(tmp_path)
    assert bool(asked) == is_fetched
    is_asked = answer is not None and megabytes > 100
    assert ("Download 101 MB from 127.0.0.1" in capsys.readouterr().err) == is_asked


def test_a_certificate_that_is_not_trusted_is_named(tmp_path, monkeypatch):
    certificates = make_certificates(tmp_path)
    with serving(GZIPPED, certificates) as (url, _):
        tiny = make_data_set(tmp_path, host=[url])
        with pytest.raises(InputError, match=r"its certificate is not trusted here; .*CA_BUNDLE"):
            fetch(tiny, sources_for(tiny))
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificates))
        assert fetch(tiny, sources_for(tiny)).payloads == TINY


def make_certificates(folder):
    """Makes a key and a certificate of 127.0.0.1 that it signs itself; returns the file of both."""
    x509 = pytest.importorskip("cryptography.x509", reason="it comes with OCRmyPDF")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.timezone.utc)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path, pem = folder / "certificates.pem", serialization.Encoding.PEM
    private = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    path.write_bytes(certificate.public_bytes(pem) + key.private_bytes(pem, *private))
    return path


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
