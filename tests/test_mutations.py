"""Files damaged at random: each is refused in one sentence, or gives what the sound file gives."""

import gzip
import io
from functools import partial

from ae.datasets.idx import format_idx
from ae.datasets.images import load_image_set
from ae.errors import InputError
from ae.pictures import read_grey
from ae.proof.published import departures
from ae.proof.reproduced import title, trainings_of
from ae.runs.records import read_run, table
from ae.runs.saved import load_weights, save_network
from ae.training.checkpoints import Checkpoints

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_records import NETWORKS
from PIL import Image
from random_data import SMALL, SMALL_FILES
from running import lesson

CHANGES = ("flip", "cut", "remove", "insert", "blank", "double")
MUTATIONS = st.lists(
    st.tuples(
        st.sampled_from(CHANGES),
        st.floats(0, 1, exclude_max=True, allow_subnormal=False),
        st.integers(0, 255),
    ),
    min_size=1,
    max_size=3,
)
RANDOM = np.random.default_rng(0)


def mutate(data, mutations):
    """Changes bytes at places that are given as shares of the length."""
    for change, share, value in mutations:
        at = int(share * len(data))
        length = value % 16 + 1
        data = {
            "flip": data[:at]
            + bytes(b ^ 1 << value % 8 for b in data[at : at + 1])
            + data[at + 1 :],
            "cut": data[:at],
            "remove": data[:at] + data[at + length :],
            "insert": data[:at] + bytes([value]) * length + data[at:],
            "blank": data[:at] + bytes(len(data[at : at + length])) + data[at + length :],
            "double": data + data[at:],
        }[change]
    return data


def try_mutations(cases, examples, data, write, read, expected):
    """Writes mutated bytes and reads them, many times.

    Args:
        cases: the fixture.
        examples: how many times.
        data: the sound bytes.
        write: takes the mutated bytes.
        read: raises `InputError` or returns a value.
        expected: takes that value and raises if it is not what the sound bytes give.
    """
    refused = 0

    @settings(max_examples=examples, deadline=None, derandomize=True, database=None)
    @given(mutations=MUTATIONS)
    def once(mutations):
        nonlocal refused
        with cases.case():
            write(mutate(data, mutations))
            try:
                value = read()
            except InputError as error:
                refused += 1
                assert str(error).count("\n") == 0
                assert str(error).endswith(".")
            else:
                expected(value)

    once()
    assert refused


@pytest.mark.fault("a data file damaged at random")
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_data_files(tmp_path, monkeypatch, cases, suffix):
    monkeypatch.setenv("AE_CACHE_DIR", str(tmp_path / "cache"))
    cache, folder = tmp_path / "cache" / "small", tmp_path / "data"
    cache.mkdir(parents=True)
    folder.mkdir()
    for name, data in SMALL_FILES.items():
        (cache / name).write_bytes(data)
    name = "train-images-idx3-ubyte"
    sound = gzip.compress(SMALL_FILES[name]) if suffix else SMALL_FILES[name]

    def expected(images):
        assert format_idx(images.x_train) == SMALL_FILES[name]

    write = (folder / f"{name}{suffix}").write_bytes
    try_mutations(cases, 150, sound, write, lambda: load_image_set(SMALL, folder), expected)
    assert {path.name: path.read_bytes() for path in cache.iterdir()} == SMALL_FILES


def picture(file_format, mode):
    image = Image.fromarray(RANDOM.integers(0, 256, (23, 31), dtype=np.uint8)).convert(mode)
    buffer = io.BytesIO()
    image.save(buffer, file_format)
    return buffer.getvalue()


@pytest.mark.fault("a picture damaged at random")
@pytest.mark.parametrize(
    ("file_format", "mode"),
    [("PNG", "L"), ("PNG", "P"), ("PNG", "RGBA"), ("TIFF", "L"), ("JPEG", "CMYK"), ("GIF", "P")],
)
def test_pictures(tmp_path, cases, file_format, mode):
    """A damaged pixel of a format without checksums cannot be told from another picture."""

    def expected(page):
        assert page.dtype == np.uint8
        assert page.ndim == 2

    path = tmp_path / "page"
    sound = picture(file_format, mode)
    try_mutations(cases, 100, sound, path.write_bytes, lambda: read_grey(path), expected)


def weights(network):
    return [np.array(v) for v in network.trainable_variables]


def forget(network):
    """Lets no weights of an earlier reading pass for those of the next."""
    for variable in network.trainable_variables:
        variable.assign(np.full(variable.shape, 7.0))


def assert_equal(some, others):
    for one, another in zip(some, others, strict=True):
        np.testing.assert_array_equal(one, another)


@pytest.mark.fault("a saved network damaged at random")
@pytest.mark.parametrize("kind", NETWORKS)
def test_saved_networks(tmp_path, cases, kind):
    build, _ = NETWORKS[kind]
    saved, network = build(seed=1), build(seed=2)
    path = save_network(saved, tmp_path, "network")

    def read():
        forget(network)
        load_weights(network, path)
        return weights(network)

    for file in sorted(tmp_path.iterdir()):
        sound = file.read_bytes()
        try_mutations(
            *(cases, 60, sound, file.write_bytes, read),
            lambda loaded: assert_equal(loaded, weights(saved)),
        )
        file.write_bytes(sound)


@pytest.mark.fault("an interrupted run's state damaged at random")
def test_states_of_interrupted_runs(tmp_path, cases):
    build, _ = NETWORKS["model"]
    saved, network = build(seed=1), build(seed=2)
    history = [{"loss": 0.5, "seconds": 1.0}]

    def optimizer_of(model):
        optimizer = keras.optimizers.Adam()
        optimizer.build(model.trainable_variables)
        return optimizer

    state = Checkpoints(tmp_path, saved)
    state.follow(optimizer_of(saved))
    state.save(history, stopped=False)

    def read():
        forget(network)
        state = Checkpoints(tmp_path, network)
        state.follow(optimizer_of(network))
        return state.history

    def expected(read_history):
        assert read_history == history
        assert_equal(weights(network), weights(saved))

    for file in sorted(tmp_path.iterdir()):
        sound = file.read_bytes()
        try_mutations(cases, 60, sound, file.write_bytes, read, expected)
        file.write_bytes(sound)


@pytest.mark.fault("a run's record damaged at random")
def test_records(smoke, tmp_path, cases):
    dense = lesson("dense_ae")
    sound = (smoke("dense_ae") / "record.json").read_bytes()
    read = partial(read_run, dense, tmp_path)

    def expected(run):
        record, _ = run
        table([record])
        trainings_of(record)
        title(dense, record)
        departures(dense, record)
        for part in (*record["trainings"], record.get("appendix", {})):
            [*part.get("figures", ())], {**part.get("results", {})}  # as drawing again adds to them

    try_mutations(cases, 150, sound, (tmp_path / "record.json").write_bytes, read, expected)
