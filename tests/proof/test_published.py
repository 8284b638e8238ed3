from ae.proof import published

import pytest
from running import EACH_LESSON, NAMES, lesson


@pytest.mark.parametrize(
    ("name", "abscissa", "values"),
    [
        ("sigmoid_ae", "epoch", list(range(1, 21))),
        ("sigmoid_ae_30000_steps", "step", [1, *range(1000, 30_001, 1000)]),
        ("conv_denoiser", "epoch", [1, 2]),
        ("document_cleaner", "epoch", list(range(1, 201))),
        ("fashion_vae", "epoch", list(range(1, 21))),
        ("fashion_vae_dense", "epoch", list(range(1, 21))),
    ],
)
def test_every_epoch_that_was_printed_is_here_once(name, abscissa, values):
    assert published.curve(name)[abscissa] == values


@pytest.mark.parametrize(
    ("name", "column", "row", "value"),
    [
        ("sigmoid_ae", "run_2016", 0, 0.218654603),
        ("sigmoid_ae", "run_2017", 0, 0.200306907),
        ("conv_denoiser", "loss", 0, 0.0877),
        ("conv_denoiser", "val_loss", 1, 0.0346),
        ("document_cleaner", "loss", 0, 0.1448),
        ("fashion_vae", "loss", 0, 0.3938),
        ("fashion_vae", "loss", 19, 0.3227),
    ],
)
def test_a_value_is_the_printed_one(name, column, row, value):
    assert published.curve(name)[column][row] == value


def test_all_curves_are_of_one_length_and_positive():
    for path in published.FOLDER.glob("*.csv"):
        curve = published.curve(path.stem)
        assert len({len(column) for column in curve.values()}) == 1
        assert min(min(column) for column in curve.values()) > 0


def test_every_file_says_where_it_was_printed():
    files = sorted(published.FOLDER.glob("*.csv"))
    assert len(files) == 6
    for path in files:
        comments = [line for line in path.read_text().splitlines() if line.startswith("#")]
        assert any("Printed in" in line for line in comments), path.name


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


def test_the_lessons_that_have_a_number_to_compare_with():
    assert {name for name in NAMES if lesson(name).published} == {
        "sigmoid_ae",
        "conv_denoiser",
        "document_cleaner",
        "fashion_vae",
    }
