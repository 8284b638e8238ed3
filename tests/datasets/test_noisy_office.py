import functools
import http.server
import threading
import zipfile
from collections import Counter

from ae.datasets import noisy_office
from ae.datasets.documents import load_documents
from ae.errors import InputError

import pytest
from tiny_documents import check, write_kaggle, write_uci, write_zip

pytestmark = pytest.mark.usefixtures("four_pages_alone")


def test_the_zip_file_inside_the_zip_file_is_read(tmp_path):
    inner = write_zip(tmp_path / "NoisyOffice.zip", write_uci(tmp_path / "uci"))
    (tmp_path / "cache").mkdir()
    with zipfile.ZipFile(tmp_path / "cache" / "noisyoffice.zip", "w") as archive:
        archive.write(inner, "NoisyOffice.zip")
    check(load_documents())


@pytest.mark.fault("a hostile zip file")
def test_zip_members_are_never_written_to_disk(tmp_path):
    archive = tmp_path / "cache" / "noisyoffice.zip"
    write_zip(archive, write_uci(tmp_path / "uci"), prefix="../../escaped")
    before = set(tmp_path.parent.rglob("*"))
    check(load_documents())
    assert set(tmp_path.parent.rglob("*")) == before


def test_a_zip_file_may_hold_kaggle_s_folders(tmp_path):
    for prefix in ("", "noisy_docs_data/"):
        with zipfile.ZipFile(tmp_path / "noisyoffice.zip", "w") as archive:
            for path in sorted(write_kaggle(tmp_path / "pages").rglob("*.png")):
                archive.write(path, f"{prefix}{path.relative_to(tmp_path / 'pages')}")
        (tmp_path / "cache").mkdir(exist_ok=True)
        (tmp_path / "noisyoffice.zip").replace(tmp_path / "cache" / "noisyoffice.zip")
        check(load_documents())


def test_the_zip_file_is_fetched_into_the_cache(tmp_path, monkeypatch, capfd):
    write_zip(tmp_path / "host" / "noisyoffice.zip", write_uci(tmp_path / "uci"))
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=tmp_path / "host")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            url = f"http://127.0.0.1:{server.server_port}/noisyoffice.zip"
            monkeypatch.setattr(noisy_office, "ARCHIVES", (noisy_office.Archive(url, 1),))
            first = check(load_documents())
        finally:
            server.shutdown()
            thread.join()
    assert (tmp_path / "cache" / "noisyoffice.zip").exists()
    assert check(load_documents()) == first


def test_a_page_missing_from_uci_is_named(tmp_path):
    folder = write_uci(tmp_path / "NoisyOffice")
    for path in folder.rglob("Fontfre_Clean_VA.png"):
        path.unlink()
    with pytest.raises(InputError, match=r"Fontfre_Clean_VA\.png is missing from NoisyOffice in"):
        load_documents(tmp_path)


@pytest.mark.fault("a hostile zip file")
def test_a_damaged_inner_zip_file_is_refused(tmp_path):
    (tmp_path / "cache").mkdir()
    with zipfile.ZipFile(tmp_path / "cache" / "noisyoffice.zip", "w") as archive:
        archive.writestr("NoisyOffice.zip", b"no zip file")
    with pytest.raises(InputError, match="cannot be read as a zip file"):
        load_documents()


@pytest.mark.fault("a hostile zip file")
@pytest.mark.parametrize("content", [b"", b"<html>not found</html>"])
def test_what_is_no_zip_file_is_refused(tmp_path, content):
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "noisyoffice.zip").write_bytes(content)
    with pytest.raises(InputError, match=r"noisyoffice\.zip cannot be read as a zip.*delete it"):
        load_documents()


@pytest.mark.fault("a full disk while training, saving or drawing")
def test_a_sound_zip_file_is_not_blamed_for_a_full_disk(tmp_path, monkeypatch):
    inner = write_zip(tmp_path / "inner.zip", write_uci(tmp_path / "uci"))
    (tmp_path / "cache").mkdir()
    with zipfile.ZipFile(tmp_path / "cache" / "noisyoffice.zip", "w") as archive:
        archive.write(inner, "inner.zip")

    def full(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(noisy_office.shutil, "copyfileobj", full)
    with pytest.raises(InputError, match="is full; make room there, or name another"):
        load_documents()


@pytest.mark.fault("a hostile zip file")
def test_a_damaged_zip_member_is_named(tmp_path):
    archive = write_zip(tmp_path / "cache" / "noisyoffice.zip", write_uci(tmp_path / "uci"))
    content = bytearray(archive.read_bytes())
    with zipfile.ZipFile(archive) as file:
        info = next(info for info in file.infolist() if "Noisec_VA" in info.filename)
    start = info.header_offset + 30 + len(info.filename)
    content[start : start + info.compress_size] = bytes(info.compress_size)
    archive.write_bytes(content)
    with pytest.raises(InputError, match=r"Fontfre_Noisec_VA\.png in .* cannot be read"):
        load_documents()


@pytest.mark.fault("a hostile zip file")
def test_a_huge_zip_member_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(noisy_office, "MAX_MEMBER_BYTES", 10)
    write_zip(tmp_path / "cache" / "noisyoffice.zip", write_uci(tmp_path / "uci"))
    with pytest.raises(InputError, match="it unpacks to"):
        load_documents()


def test_descriptions_count_as_the_data_set_does():
    descriptions = [noisy_office.describe_page(index) for index in range(216)]
    assert len({tuple(description.values()) for description in descriptions}) == 216
    for key, count in (("size", 72), ("font", 72), ("emphasis", 108), ("noise", 54)):
        assert set(Counter(each[key] for each in descriptions).values()) == {count}
    assert noisy_office.describe_page(215) == {
        "size": "n",
        "font": "t",
        "emphasis": "m",
        "noise": "wrinkled",
        "partition": "VA",
    }
