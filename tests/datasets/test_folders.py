import dataclasses
import gzip
import io
import os
import tracemalloc

from ae.datasets.fetch import fetch, sources_for
from ae.datasets.idx import parse_idx
from ae.datasets.registry import PayloadError
from ae.errors import InputError, MissingDataError

import numpy as np
import pytest
from running import nearly
from tiny_images import DAMAGED, IMAGES, OTHER, TINY, make_data_set, place, put

pytestmark = pytest.mark.usefixtures("nothing_to_be_found")


@pytest.mark.parametrize("gz", [False, True])
@pytest.mark.parametrize("subfolder", [".", "tiny", "TINY/raw"])
def test_where_a_data_folder_may_hold_the_files(tiny, tmp_path, subfolder, gz):
    place(tmp_path / "mine" / subfolder, gz=gz)
    fetched = fetch(tiny, sources_for(tiny, tmp_path / "mine"))
    assert fetched.payloads == TINY
    assert fetched.source == (tmp_path / "mine").as_posix()
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("layout", ["{0}/{0}", "{1}", "{1}.gz", "{1}/{1}"])
def test_names_that_kaggle_and_unpackers_give_the_files(tiny, tmp_path, layout):
    for name, data in TINY.items():
        path = tmp_path / "mine" / layout.format(name, name.replace("-idx", ".idx"))
        put(path, gzip.compress(data) if path.suffix == ".gz" else data)
    assert fetch(tiny, sources_for(tiny, tmp_path / "mine")).payloads == TINY


def test_a_data_folder_may_hold_the_archive_of_keras(tmp_path):
    (tmp_path / "mine" / "tiny").mkdir(parents=True)
    np.savez_compressed(tmp_path / "mine" / "tiny" / "tiny.npz", **keras_arrays())
    tiny = make_data_set(tmp_path, keras_npz=["tiny.npz"])
    fetched = fetch(tiny, sources_for(tiny, tmp_path / "mine"))
    assert (fetched.payloads, fetched.source) == (TINY, (tmp_path / "mine").as_posix())


def test_a_folder_that_was_asked_for_must_have_the_data(tiny, tmp_path, monkeypatch):
    (tmp_path / "mine").mkdir()
    place(tmp_path / "cache" / "tiny")
    with pytest.raises(InputError, match=f"mine has no file of Tiny; put {IMAGES}, "):
        sources_for(tiny, tmp_path / "mine")
    monkeypatch.setenv("AE_DATA_DIR", str(tmp_path / "mine"))  # it may hold other data sets
    assert fetch(tiny, sources_for(tiny)).payloads == TINY


def test_the_data_folder_may_come_from_the_environment(tiny, tmp_path, monkeypatch):
    place(tmp_path / "mine")
    monkeypatch.setenv("AE_DATA_DIR", str(tmp_path / "mine"))
    assert fetch(tiny, sources_for(tiny)).source == (tmp_path / "mine").as_posix()


def test_the_argument_goes_before_the_environment(tiny, tmp_path, monkeypatch):
    place(tmp_path / "mine")
    place(tmp_path / "yours")
    monkeypatch.setenv("AE_DATA_DIR", str(tmp_path / "yours"))
    fetched = fetch(tiny, sources_for(tiny, tmp_path / "mine"))
    assert fetched.source == (tmp_path / "mine").as_posix()


@pytest.mark.parametrize("is_file", [False, True])
def test_a_named_folder_must_be_one(tiny, tmp_path, is_file):
    if is_file:
        (tmp_path / "mine").write_text("not a folder")
    with pytest.raises(InputError, match=r"mine does not exist or is not a folder; name one"):
        sources_for(tiny, tmp_path / "mine")


def test_a_folder_of_the_environment_that_is_missing_is_passed_over(
    tiny, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("AE_DATA_DIR", str(tmp_path / "gone"))
    place(tmp_path / "cache" / "tiny")
    assert fetch(tiny, sources_for(tiny)).source == (tmp_path / "cache").as_posix()
    assert "gone, which is not a folder" in capsys.readouterr().err


def test_what_a_data_folder_lacks_comes_from_the_next_source(tiny, tmp_path):
    labels = "t10k-labels-idx1-ubyte"
    place(tmp_path / "mine", {labels: TINY[labels]})
    place(tmp_path / "cache" / "tiny", {name: TINY[name] for name in TINY if name != labels})
    fetched = fetch(tiny, sources_for(tiny, tmp_path / "mine"))
    assert fetched.payloads == TINY
    assert fetched.source == f"{(tmp_path / 'mine').as_posix()}, {(tmp_path / 'cache').as_posix()}"


@pytest.mark.fault("a damaged data file")
@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_file_in_a_data_folder_is_reported(tiny, tmp_path, damage):
    problem, contents = DAMAGED[damage]
    place(tmp_path / "mine")
    place(tmp_path / "cache" / "tiny")
    put(tmp_path / "mine" / IMAGES, contents)
    with pytest.raises(InputError) as caught:
        fetch(tiny, sources_for(tiny, tmp_path / "mine"))
    message = str(caught.value)
    assert message.startswith((tmp_path / "mine" / IMAGES).as_posix())
    assert problem in message
    assert f"put a good copy of Tiny's {IMAGES} in its place, or delete it" in message


def test_a_pipe_is_refused_without_waiting_for_it(tiny, tmp_path):
    (tmp_path / "mine").mkdir()
    os.mkfifo(tmp_path / "mine" / IMAGES)
    with pytest.raises(InputError, match="cannot be read \\(not an ordinary file\\)"):
        fetch(tiny, sources_for(tiny, tmp_path / "mine"))


def test_another_data_set_of_the_same_file_names_is_no_damage(tiny, tmp_path):
    place(tmp_path / "mine", OTHER)
    place(tmp_path / "cache" / "tiny")
    fetched = fetch(tiny, sources_for(tiny, tmp_path / "mine"))
    assert fetched.payloads == TINY
    (tmp_path / "cache" / "tiny" / IMAGES).unlink()
    with pytest.raises(InputError, match="mine holds Other instead"):
        fetch(tiny, sources_for(tiny, tmp_path / "mine"))


@pytest.mark.fault("a damaged data file")
@pytest.mark.parametrize("damage", [d for d in DAMAGED if DAMAGED[d][1] is not None])
def test_no_damaged_payload_passes(tiny, damage):
    problem, contents = DAMAGED[damage]
    with pytest.raises(PayloadError, match=f"^it .*{problem}"):
        tiny.payloads[0].read(io.BytesIO(contents), "it")


def test_every_digit_of_a_checksum_counts(tiny):
    for payload in tiny.payloads:
        sound = TINY[payload.name]
        assert payload.read(io.BytesIO(sound), "it") == sound
        for number, digit in enumerate(payload.sha256):
            other = payload.sha256[:number] + format(int(digit, 16) ^ 1, "x")
            pinned = payload._replace(sha256=other + payload.sha256[number + 1 :])
            with pytest.raises(PayloadError, match="sha256 checksum"):
                pinned.read(io.BytesIO(sound), "it")


def test_a_file_of_nearly_the_checksum_is_no_good_in_any_folder(tiny, tmp_path, capsys):
    place(tmp_path / "mine")
    place(tmp_path / "cache" / "tiny")
    payloads = tuple(p._replace(sha256=nearly(p.sha256)) for p in tiny.payloads)
    other = dataclasses.replace(tiny, payloads=payloads)
    with pytest.raises(InputError, match=r"mine/.* has the sha256 checksum"):
        fetch(other, sources_for(other, tmp_path / "mine"))
    with pytest.raises(MissingDataError):
        fetch(other, sources_for(other))
    assert capsys.readouterr().err.count("looking for a good copy") == len(payloads)


@pytest.mark.fault("a damaged data file")
def test_a_bomb_is_not_unpacked(tiny):
    tracemalloc.start()
    try:
        with pytest.raises(PayloadError):
            tiny.payloads[0].read(io.BytesIO(DAMAGED["bomb"][1]), "it")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000


def keras_arrays():
    return {
        "x_train": parse_idx(TINY["train-images-idx3-ubyte"]),
        "y_train": parse_idx(TINY["train-labels-idx1-ubyte"]),
        "x_test": parse_idx(TINY["t10k-images-idx3-ubyte"]),
        "y_test": parse_idx(TINY["t10k-labels-idx1-ubyte"]),
    }


@pytest.mark.parametrize("variable", [None, "KERAS_HOME"])
def test_the_archive_of_keras(tmp_path, monkeypatch, variable):
    home = tmp_path / "home" / ".keras"
    if variable:
        home = tmp_path / "elsewhere"
        monkeypatch.setenv(variable, str(home))
    (home / "datasets").mkdir(parents=True)
    np.savez_compressed(home / "datasets" / "tiny.npz", **keras_arrays())
    tiny = make_data_set(tmp_path, keras_npz=["tiny.npz"])
    fetched = fetch(tiny, sources_for(tiny))
    assert fetched.payloads == TINY
    assert fetched.source == "the Keras cache"


@pytest.mark.fault("a damaged data file")
@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"x_train": np.zeros((12, 4, 3), np.uint8)}, "sha256 checksum"),
        ({"x_train": np.zeros((12, 4, 3), np.float32)}, "not an array of bytes"),
        ({"x_train": np.zeros((1000, 4, 3), np.uint8)}, "holds more than the expected 160 bytes"),
        ({"x_train": np.array([{"a": 1}], object)}, "[Oo]bject arrays"),
    ],
)
def test_a_damaged_archive_of_keras(tmp_path, change, problem):
    datasets = tmp_path / "home" / ".keras" / "datasets"
    datasets.mkdir(parents=True)
    np.savez(datasets / "tiny.npz", **(keras_arrays() | change))
    tiny = make_data_set(tmp_path, keras_npz=["tiny.npz"])
    with pytest.raises(InputError, match=f"the Keras cache: .*{problem}"):
        fetch(tiny, sources_for(tiny))


@pytest.mark.fault("a damaged data file")
@pytest.mark.parametrize("contents", [b"", b"<html>", b"PK\x03\x04 and no more", None])
def test_what_is_no_archive_of_keras(tmp_path, contents):
    put(tmp_path / "home" / ".keras" / "datasets" / "tiny.npz", contents)
    tiny = make_data_set(tmp_path, keras_npz=["tiny.npz"])
    with pytest.raises(InputError, match="is not the archive that Keras saves"):
        fetch(tiny, sources_for(tiny))


@pytest.mark.fault("a damaged data file")
@pytest.mark.parametrize(("offset", "value"), [(6, 1), (8, 99)])  # encrypted; an unknown method
def test_an_archive_of_keras_with_an_odd_header(tmp_path, offset, value):
    datasets = tmp_path / "home" / ".keras" / "datasets"
    datasets.mkdir(parents=True)
    np.savez(datasets / "tiny.npz", **keras_arrays())
    contents = bytearray((datasets / "tiny.npz").read_bytes())
    for start, extra in ((b"PK\x03\x04", 0), (b"PK\x01\x02", 2)):
        contents[contents.index(start) + offset + extra] = value
    (datasets / "tiny.npz").write_bytes(contents)
    tiny = make_data_set(tmp_path, keras_npz=["tiny.npz"])
    with pytest.raises(InputError, match="the Keras cache: "):
        fetch(tiny, sources_for(tiny))


@pytest.mark.parametrize(
    ("kind", "pinned", "folder"),
    [
        ("debian_folder", "{tmp}/share/tiny", "share/tiny"),
        ("keras_folder", "tiny", "home/.keras/datasets/tiny"),
        ("torchvision_folder", "TINY/raw", "home/data/TINY/raw"),
        ("torchvision_folder", "TINY/raw", "home/.cache/torch/TINY/raw"),
    ],
)
def test_folders_of_other_software(tmp_path, kind, pinned, folder):
    place(tmp_path / folder, gz=True)
    tiny = make_data_set(tmp_path, **{kind: [pinned.format(tmp=tmp_path)]})
    assert fetch(tiny, sources_for(tiny)).payloads == TINY
    again = fetch(tiny, sources_for(tiny))
    assert again.source == (tmp_path / "cache").as_posix()


def test_torchvision_in_the_current_folder(tmp_path, monkeypatch):
    place(tmp_path / "project" / "data" / "TINY" / "raw")
    monkeypatch.chdir(tmp_path / "project")
    tiny = make_data_set(tmp_path, torchvision_folder=["TINY/raw"])
    assert fetch(tiny, sources_for(tiny)).payloads == TINY
