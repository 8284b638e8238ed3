import hashlib
import json
import math
import os
import re
import warnings
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

from ae.errors import InputError
from ae.networks import weights_sha256
from ae.runs import saved
from ae.runs.drawing import Report, draw, draw_appendix
from ae.runs.records import environment, read_record, write_record
from ae.runs.saved import load_weights, save_network

import keras
import matplotlib.pyplot as plt
import numpy as np
import pytest
import tensorflow as tf
from made_records import NETWORKS, Module, deeper_model, model
from PIL import Image
from running import lesson, pixels, smoke_settings

RECORD = {"lesson": "dense_ae", "settings": {"seed": 0}, "trainings": [{"history": [{"loss": 1}]}]}


# Figures


def drawing():
    figure, axis = plt.subplots(figsize=(3, 2))
    axis.plot([0, 1], [1, 0], color="black")
    return figure


def red(picture):
    picture = picture.astype(int)
    return ((picture[..., 0] - picture[..., 1] > 60) & (picture[..., 0] > 150)).sum()


def test_figures_are_saved_under_their_names_and_closed(tmp_path):
    report = Report(tmp_path / "new" / "figures", "keras-")
    report.figure("digits", drawing())
    report.figure("curve", drawing())
    expected = [tmp_path / "new" / "figures" / f"keras-{name}.png" for name in ("digits", "curve")]
    assert report.figures == expected
    assert sorted(report.figures) == sorted((tmp_path / "new" / "figures").iterdir())
    assert all((pixels(path) < 100).any() for path in report.figures)
    assert plt.get_fignums() == []


def test_a_figure_keeps_what_it_shows(tmp_path):
    report = Report(tmp_path, "")
    report.figure("digits", drawing(), "ten digits")
    report.figure("curve", drawing())
    told = []
    for path in report.figures:
        with Image.open(path) as picture:
            told.append(picture.info.get("Description"))
    assert told == ["ten digits", None]


def test_a_dot_in_a_name_is_part_of_the_name(tmp_path):
    report = Report(tmp_path, "low-level-")
    report.figure("noise-0.5", drawing())
    report.figure("noise-0.1", drawing())
    assert {path.name for path in tmp_path.iterdir()} == {
        "low-level-noise-0.5.png",
        "low-level-noise-0.1.png",
    }


def test_show_keeps_figures_open(tmp_path):
    Report(tmp_path, "", show=True).figure("digits", drawing())
    assert len(plt.get_fignums()) == 1


def test_a_notice_stands_in_red_under_every_figure(tmp_path):
    plain, noticed = Report(tmp_path, "plain-"), Report(tmp_path, "noticed-", notice="no scans")
    for report in (plain, noticed):
        report.figure("page", drawing())
    without, with_notice = (pixels(report.figures[0]) for report in (plain, noticed))
    assert red(without) == 0
    lower_half = with_notice[with_notice.shape[0] // 2 :]
    assert red(with_notice) == red(lower_half) > 20


@pytest.mark.parametrize("layout", [None, "constrained"])
def test_a_title_stands_over_the_figure_and_changes_nothing_below(tmp_path, layout):
    saved = []
    for title in ("", "sigmoid_ae, keras"):
        figure, axis = plt.subplots(figsize=(7, 2), layout=layout)
        axis.plot([0, 1])
        axis.set(title="a title of its own", xlabel="pixels")
        report = Report(tmp_path, title, title)
        report.figure("digits", figure)
        saved.append(pixels(report.figures[0]))
    untitled, titled = saved
    added = titled[: len(titled) - len(untitled)]
    np.testing.assert_array_equal(titled[len(added) :], untitled)
    (inked,) = np.nonzero((added < 200).any(axis=(1, 2)))
    assert 3 <= inked[0] < inked[-1] < len(added), "the title is cut, or below"


def test_a_title_may_be_wider_than_the_figure(tmp_path):
    figure, _ = plt.subplots(figsize=(1, 1))
    Report(tmp_path, "", "contractive_ae, " * 4).figure("digits", figure)
    picture = pixels(tmp_path / "digits.png")
    assert (picture[:, :3] > 200).all() and (picture[:, -3:] > 200).all()
    assert picture.shape[1] > 300


def draw_one(network, data, settings, report):
    report.figure("digits", drawing())


def titles_of(tmp_path, **changes):
    """The texts over the figure of a run's training, and over that of its appendix."""
    lesson = SimpleNamespace(
        name="low_level_ae",
        printed_loss="last_batch_loss",
        draw=draw_one,
        appendix=lambda *args: args[2].figure("all", drawing(), of="all networks"),
    )
    data = SimpleNamespace(provenance=SimpleNamespace(notice=""))
    history = [{"loss": 1, "last_batch_loss": loss} for loss in (5, 7, 11937.4)]
    about = {"network_name": "class", "style": "keras", "history": history, **changes}
    settings = SimpleNamespace(variant=about.pop("variant", "published"))
    draw(lesson, data, settings, tmp_path, True, None, **about)
    draw_appendix(lesson, data, settings, tmp_path, True, None, {})
    texts = [[text.get_text() for text in plt.figure(n).texts] for n in plt.get_fignums()]
    plt.close("all")
    return texts


def test_titles_say_lesson_network_style_epochs_and_loss(tmp_path):
    first = [{"last_batch_loss": 2.34567}]
    for changes, title in (
        ({}, "low_level_ae, class, Keras, 3 epochs, loss 11937"),
        ({"network_name": "autoencoder"}, "low_level_ae, Keras, 3 epochs, loss 11937"),
        (
            {"style": "low-level", "history": first},
            "low_level_ae, class, low-level, 1 epoch, loss 2.3457",
        ),
        (
            {"variant": "corrected"},
            "low_level_ae, corrected, class, Keras, 3 epochs, loss 11937",
        ),
    ):
        assert titles_of(tmp_path, **changes) == [[title], ["low_level_ae, all networks"]]


def test_what_the_appendix_measured_is_not_measured_again(tmp_path):
    measured = []

    def appendix(data, settings, report, networks):
        report.kept("error", lambda: measured.append(1) or 0.5)

    lesson = SimpleNamespace(name="tiny", appendix=appendix)
    data = SimpleNamespace(provenance=SimpleNamespace(notice=""))
    drawn = draw_appendix(lesson, data, None, tmp_path, False, None, {})
    assert (drawn["results"], measured) == ({"error": 0.5}, [1])
    again = draw_appendix(lesson, data, None, tmp_path, False, None, {"error": 0.75})
    assert (again["results"], measured) == ({"error": 0.75}, [1])


def test_a_figure_that_cannot_be_saved_leaves_the_old_one(tmp_path):
    report = Report(tmp_path, "")
    report.figure("digits", drawing())
    before = report.figures[0].read_bytes()
    broken = drawing()
    broken.axes[0].set_title(r"$\nosuchcommand$")
    with pytest.raises(ValueError, match="nosuchcommand"):
        Report(tmp_path, "").figure("digits", broken)
    assert report.figures[0].read_bytes() == before
    assert [path for path in tmp_path.iterdir() if path.suffix == ".png"] == report.figures


def test_results_are_kept_by_name(tmp_path):
    report = Report(tmp_path / "unused", "")
    report.result("accuracy", 0.5)
    report.result("psnr", [1.0])
    assert report.results == {"accuracy": 0.5, "psnr": [1.0]}
    assert not (tmp_path / "unused").exists()


# Networks


BOTH = pytest.mark.parametrize(("build", "build_deeper"), NETWORKS.values(), ids=NETWORKS)


def values(network):
    return [np.array(v) for v in network.trainable_variables]


@BOTH
def test_a_saved_network_is_loaded_with_all_its_weights(tmp_path, build, build_deeper):
    network, other = build(seed=1), build(seed=2)
    assert not np.array_equal(values(network)[0], values(other)[0])
    path = save_network(network, tmp_path / "run" / "networks", "low-level")
    assert path.parent == tmp_path / "run" / "networks"
    assert not [p for p in path.parent.iterdir() if not p.name.startswith("low-level.")]
    load_weights(other, path)
    for written, loaded in zip(values(network), values(other), strict=True):
        np.testing.assert_array_equal(loaded, written)


@BOTH
def test_a_saved_network_survives_a_move(tmp_path, build, build_deeper):
    path = save_network(build(seed=1), tmp_path / "here", "net")
    (tmp_path / "here").rename(tmp_path / "there")
    other = build(seed=2)
    load_weights(other, tmp_path / "there" / path.name)
    np.testing.assert_array_equal(values(other)[0], values(build(seed=1))[0])


@BOTH
def test_saving_again_replaces_the_network(tmp_path, build, build_deeper):
    for seed in (1, 2):
        path = save_network(build(seed=seed), tmp_path, "net")
    other = build(seed=3)
    load_weights(other, path)
    np.testing.assert_array_equal(values(other)[0], values(build(seed=2))[0])
    assert len(list(tmp_path.iterdir())) == (1 if path.suffix == ".keras" else 2)


@BOTH
def test_another_network_is_refused(tmp_path, build, build_deeper):
    path = save_network(build(), tmp_path, "net")
    for other in (build(width=51), build_deeper()):
        with pytest.raises(
            InputError, match="this is not a saved network of this lesson and style"
        ):
            load_weights(other, path)


def test_keras_s_warnings_do_not_stand_before_the_sentence(tmp_path):
    path = save_network(model(), tmp_path, "net")
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        with pytest.raises(InputError):
            load_weights(deeper_model(), path)
    assert not [warning for warning in shown if "Skipping" in str(warning.message)]


@BOTH
def test_the_other_style_s_file_is_refused(tmp_path, build, build_deeper):
    (other_build,) = {Module, model} - {build}
    path = save_network(other_build(), tmp_path, "net")
    for file in (path, *tmp_path.iterdir()):
        with pytest.raises(InputError):
            load_weights(build(), file)


def damage(path, how):
    data = path.read_bytes()
    if how == "flipped":
        middle = len(data) // 2
        path.write_bytes(data[:middle] + bytes([data[middle] ^ 0xFF]) + data[middle + 1 :])
    else:
        path.write_bytes(data[:how])


@BOTH
@pytest.mark.parametrize("how", [0, 10, 100, -10, "flipped"])
def test_a_damaged_file_is_refused(tmp_path, build, build_deeper, how):
    for number in range(2):
        path = save_network(build(), tmp_path, "net")
        files = sorted(tmp_path.iterdir())
        if number == len(files):
            break
        damage(files[number], how)
        with pytest.raises(InputError, match=re.escape(str(path))):
            load_weights(build(), path)


def test_a_checkpoint_without_its_data_is_refused(tmp_path):
    path = save_network(Module(), tmp_path, "net")
    (tmp_path / "net.data-00000-of-00001").unlink()
    with pytest.raises(InputError, match="not a saved network"):
        load_weights(Module(), path)


@BOTH
def test_what_is_no_file_is_refused(tmp_path, build, build_deeper):
    for path in (tmp_path, tmp_path / "missing.keras", tmp_path / "missing"):
        with pytest.raises(InputError, match="there is no such saved network"):
            load_weights(build(), path)


def test_text_named_keras_is_refused(tmp_path):
    path = tmp_path / "net.keras"
    path.write_text("hello")
    with pytest.raises(InputError, match="not a saved network"):
        load_weights(model(), path)


@pytest.mark.parametrize("style", ["low-level", "keras"])
def test_the_digest_of_weights_is_that_of_all_their_bytes_in_order(style):
    network = saved.build(lesson("tiny_ae"), "autoencoder", style, smoke_settings("tiny_ae"))
    data = b"".join(weight.numpy().tobytes() for weight in network.weights)
    assert len(data) == 4 * (16 * 4 + 4 + 4 * 16 + 16)
    assert weights_sha256(network) == hashlib.sha256(data).hexdigest()


# The record


def test_a_record_is_read_as_it_was_written(tmp_path):
    path = write_record(tmp_path / "runs" / "dense_ae", RECORD)
    assert path == tmp_path / "runs" / "dense_ae" / "record.json"
    assert list(path.parent.iterdir()) == [path]
    assert read_record(path.parent) == RECORD


def test_numpy_and_paths_become_plain(tmp_path):
    special = {
        "loss": np.float32(0.5),
        "count": np.int64(3),
        "flag": np.bool_(True),
        "curve": np.array([[1.0, 2.0]]),
        "saved": Path("networks") / "keras.keras",
    }
    write_record(tmp_path, {**RECORD, "special": special})
    assert read_record(tmp_path)["special"] == {
        "loss": 0.5,
        "count": 3,
        "flag": True,
        "curve": [[1.0, 2.0]],
        "saved": os.path.join("networks", "keras.keras"),  # noqa: PTH118
    }


def test_the_seventeenth_digit_survives(tmp_path):
    losses = [0.1 + 0.2, 1 / 3, math.pi * 1e-300]
    write_record(tmp_path, {**RECORD, "losses": losses})
    assert read_record(tmp_path)["losses"] == losses


def test_a_new_record_takes_the_place_of_the_old(tmp_path):
    write_record(tmp_path, RECORD)
    write_record(tmp_path, {**RECORD, "lesson": "sigmoid_ae"})
    assert read_record(tmp_path)["lesson"] == "sigmoid_ae"
    assert [path.name for path in tmp_path.iterdir()] == ["record.json"]


@pytest.mark.parametrize("value", [object(), {1, 2}, 1j])
def test_what_cannot_be_written_leaves_the_old_record_and_nothing_else(tmp_path, value):
    write_record(tmp_path, RECORD)
    with pytest.raises(TypeError, match="record cannot hold"):
        write_record(tmp_path, {**RECORD, "first": "written", "then": value})
    assert read_record(tmp_path) == RECORD
    assert [path.name for path in tmp_path.iterdir()] == ["record.json"]


def test_a_folder_without_a_record_is_no_run(tmp_path):
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(InputError, match="there is no run here"):
            read_record(folder)
    (tmp_path / "record.json").mkdir()
    with pytest.raises(InputError, match="there is no run here"):
        read_record(tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"{", b"null", b"3", b"[]", b'"lesson"', b"\xff\xfe"),
        json.dumps(RECORD).encode()[:-3],
        *(json.dumps({k: v for k, v in RECORD.items() if k != key}).encode() for key in RECORD),
    ],
)
def test_what_is_no_record_is_refused(tmp_path, content):
    (tmp_path / "record.json").write_bytes(content)
    with pytest.raises(InputError, match="this is not the record of a run"):
        read_record(tmp_path)


def test_the_environment_names_versions_and_machine():
    found = environment()
    versions = found["versions"]
    assert (versions["keras"], versions["numpy"]) == (keras.__version__, np.__version__)
    installed = versions.get("tensorflow") or versions.get("tensorflow-cpu")
    assert installed == tf.__version__.replace("-", "")  # such as 2.22.0-rc0
    assert versions["matplotlib"] == metadata.version("matplotlib")
    assert versions["python"].startswith("3.")
    assert found["device"].strip(", ")
    json.dumps(found)
