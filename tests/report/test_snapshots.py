import itertools
import json
from types import SimpleNamespace

from ae.lesson import ONLY_NETWORK, Examples
from ae.pictures import read_grey
from ae.report.snapshots import Plane, Snapshots, write_examples, write_plane
from ae.runs.unfinished import Training

import numpy as np
import pytest
from stand_ins import Net


@pytest.fixture
def training(tmp_path):
    """A training whose network makes brighter images from one snapshot to the next."""
    number = itertools.count(1)
    examples = Examples(np.zeros((3, 4, 6, 1), "float32"))
    lesson = SimpleNamespace(examples=lambda data: examples, plane=None)
    network = Net(decode=lambda z: z + next(number) / 100)
    return Training(
        *(lesson, ONLY_NETWORK, "low-level", network),
        **{"data": None, "settings": None, "record": {}, "folder": tmp_path, "history": []},
    )


def test_snapshots_are_kept_at_powers_of_two_and_at_the_end(training, tmp_path):
    snapshots = Snapshots(training)
    for epoch in range(1, 12):
        training.history.append({})
        snapshots.after_epoch(epoch)
    kept = snapshots.result()["snapshots"]
    assert snapshots.result() == {"snapshots": kept, "plane": None}
    assert [one["epoch"] for one in kept] == [1, 2, 4, 8, 11]
    for number, one in enumerate(kept, start=1):
        picture = read_grey(tmp_path / one["image"])
        assert picture.shape == (4, 18)
        assert (picture == round(255 * number / 100)).all()


def test_a_resumed_training_has_the_snapshots_of_its_first_process(training, tmp_path):
    first = Snapshots(training)
    for epoch in range(1, 6):
        training.history.append({})
        first.after_epoch(epoch)
    second = Snapshots(training)
    training.history.append({})
    second.after_epoch(6)
    kept = second.result()["snapshots"]
    assert [one["epoch"] for one in kept] == [1, 2, 4, 6]
    shades = [read_grey(tmp_path / one["image"])[0, 0] for one in kept]
    assert shades == [round(255 * number / 100) for number in range(1, 5)]


def test_examples_are_written_in_a_row_and_out_of_range_values_clipped(tmp_path):
    digits = np.stack([np.full(784, value, "float32") for value in (-1, 0.2, 2)])
    written = write_examples(tmp_path, Examples(digits, digits))
    assert written["count"] == 3
    for picture in (written["input"], written["target"]):
        columns = read_grey(tmp_path / picture)[0]
        assert columns.tolist() == [0] * 28 + [51] * 28 + [255] * 28
    assert "target" not in write_examples(tmp_path, Examples(digits))


@pytest.fixture
def plane(tmp_path):
    rng = np.random.default_rng(0)
    z = rng.normal(size=(500, 2)).astype("float32") * [1, 10]
    images = np.broadcast_to(rng.random((500, 1, 1, 1), "float32"), (500, 2, 2, 1))

    def decode(codes):  # the upper half is z_1, the lower z_2
        return np.repeat(codes[:, :, None, None] / [[[[4]], [[40]]]] + 0.5, 2, axis=2)

    plane = Plane(decode, z, images, np.arange(500) % 2, ("even", "odd"))
    return plane, write_plane(tmp_path, "keras", plane)


def test_the_plane_leaves_outliers_out_and_keeps_each_item_with_its_code(plane, tmp_path):
    plane, written = plane
    codes = np.array(written["codes"])
    assert 0.94 * 500 < len(codes) == len(written["labels"]) < 0.99 * 500
    assert (codes >= np.array(written["low"]) - 1e-3).all()
    assert (codes <= np.array(written["high"]) + 1e-3).all()
    items = read_grey(tmp_path / written["items"])
    for number in (0, 7, len(codes) - 1):
        row, column = divmod(number, written["columns"])
        (original,) = np.flatnonzero(np.abs(plane.z - codes[number]).max(axis=1) < 1e-3)
        assert items[2 * row, 2 * column] == round(255 * float(plane.images[original, 0, 0, 0]))
        assert written["labels"][number] == original % 2
    json.dumps(written)


def test_the_decoded_tiles_run_along_the_axes(plane, tmp_path):
    _, written = plane
    tiles = read_grey(tmp_path / written["decoded"])
    low, high, across = written["low"], written["high"], written["tiles"]
    assert tiles.shape == (2 * across, 2 * across)
    for row, column in ((0, 0), (0, across - 1), (across - 1, 0)):
        z_1 = low[0] + (high[0] - low[0]) * column / (across - 1)
        z_2 = low[1] + (high[1] - low[1]) * row / (across - 1)
        upper, lower = tiles[2 * row, 2 * column], tiles[2 * row + 1, 2 * column]
        expected = np.clip([z_1 / 4 + 0.5, z_2 / 40 + 0.5], 0, 1)
        np.testing.assert_allclose([upper, lower], 255 * expected, atol=0.51)
