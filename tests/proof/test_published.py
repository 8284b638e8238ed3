import dataclasses

from ae.proof import published

import pytest
from running import EACH_LESSON, lesson

FILES = sorted(published.FOLDER.glob("*.csv"))
EACH_FILE = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


@EACH_FILE
def test_every_epoch_that_was_printed_is_here_once(path):
    curve = published.curve(path.stem)
    if "step" in curve:
        assert curve["step"] == [1, *range(1000, 30_001, 1000)]
    else:
        assert curve["epoch"] == list(range(1, len(curve["epoch"]) + 1))


@pytest.mark.parametrize(
    ("name", "column", "row", "value"),
    [
        ("sigmoid_ae", "run_2016", 0, 0.218654603),
        ("sigmoid_ae", "run_2017", 0, 0.200306907),
        ("conv_denoiser", "loss", 0, 0.0877),
        ("conv_denoiser", "val_loss", 1, 0.0346),
        ("document_cleaner", "loss", 0, 0.1448),
        ("document_cleaner", "epoch", 199, 200),
        ("fashion_vae", "loss", 0, 0.3938),
        ("fashion_vae", "loss", 19, 0.3227),
        ("fashion_vae_dense", "epoch", 19, 20),
        ("sigmoid_ae", "epoch", 19, 20),
    ],
)
def test_a_value_is_the_printed_one(name, column, row, value):
    assert published.curve(name)[column][row] == value


@EACH_FILE
def test_all_columns_of_a_curve_are_of_one_length_and_positive(path):
    curve = published.curve(path.stem)
    assert len({len(column) for column in curve.values()}) == 1
    assert min(min(column) for column in curve.values()) > 0


@EACH_FILE
def test_every_file_says_where_it_was_printed(path):
    comments = [line for line in path.read_text().splitlines() if line.startswith("#")]
    assert any("Printed in" in line for line in comments)


@EACH_LESSON
def test_the_columns_that_a_lesson_compares_with_exist(name):
    lesson_ = lesson(name)
    compared = set()
    for network, by_loss in lesson_.published.items():
        assert network in lesson_.networks
        assert lesson_.printed_loss in by_loss
        compared.update(column for columns in by_loss.values() for column in columns)
    if compared:
        assert compared == set(published.curve(name)) - {"epoch", "seconds"}


def test_what_changes_the_network_leaves_nothing_to_compare_with():
    """Except bfloat16, and what the published run had itself."""
    for name, changes, compared in [
        ("sigmoid_ae", {}, True),
        ("sigmoid_ae", {"two_d": True}, True),
        ("sigmoid_ae", {"mixed_precision": True}, True),
        ("sigmoid_ae", {"code_size": 32}, False),
        ("sigmoid_ae", {"variant": "corrected"}, False),
        ("conv_denoiser", {}, False),
        ("conv_denoiser", {"output": "linear"}, True),
        ("conv_denoiser", {"output": "linear", "noise": "gaussian"}, False),
    ]:
        settings = dataclasses.asdict(lesson(name).presets["article"]) | changes
        columns = published.columns(lesson(name), "autoencoder", settings)
        assert bool(columns) == compared, (name, changes)
    older = {k: v for k, v in settings.items() if k != "noise"}  # of a record before this option
    assert published.columns(lesson("conv_denoiser"), "autoencoder", older)
