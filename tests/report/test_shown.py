"""What figures, tables and pages show is what was computed."""

import dataclasses
import shutil
from types import SimpleNamespace

from ae import cli, figures
from ae.proof import published
from ae.report import charts, content, verdicts
from ae.runs import records
from tutorials import conv_denoiser, fashion_vae

import numpy as np
import pytest
import tensorflow as tf
from matplotlib.axes import Axes
from running import lesson, smoke_settings
from stand_ins import Net, Sink, draw_code_in_pixels


def drawn(monkeypatch, name, network, data):
    """Returns which arrays a lesson hands to the figures."""
    seen = {}
    for kind in ("canvases", "strip", "feature_maps"):

        def keep(*arguments, kind=kind, **_):
            seen.setdefault(kind, []).append(arguments)

        monkeypatch.setattr(figures, kind, keep)
    lesson(name).draw(network, data, smoke_settings(name), Sink())
    return seen


def test_figures_show_what_their_titles_say(monkeypatch):
    """A network that halves and a code that is a quarter tell every row from every other."""
    rng = np.random.default_rng(0)
    net = Net(encode=lambda x: x / 4, decode=lambda z: z * 3, reconstruct=lambda x: x / 2)
    digits = rng.random((16, 784)).astype("float32")
    data = SimpleNamespace(x_test=digits)
    ((left, right, *_),) = drawn(monkeypatch, "dense_ae", net, data)["canvases"]
    np.testing.assert_allclose(right, left / 2)
    np.testing.assert_allclose(left, digits.reshape(-1, 28, 28))
    ((rows,),) = drawn(monkeypatch, "sigmoid_ae", net, data)["strip"]
    np.testing.assert_allclose(rows["original"], digits[:10].reshape(-1, 28, 28))
    np.testing.assert_allclose(rows["reconstructed"], rows["original"] / 2)
    ((rows,),) = drawn(monkeypatch, "low_level_ae", net, data)["strip"]
    np.testing.assert_allclose(rows["reconstructed"], rows["original"] / 2)
    np.testing.assert_allclose(rows["decode(z)"], rows["original"] * 0.75)
    clean, noisy = rng.random((2, 6, 28, 28, 1)).astype("float32")
    data = SimpleNamespace(x_shown=clean[:5], x_shown_noisy=noisy[:5])
    seen = drawn(monkeypatch, "conv_denoiser", net, data)
    ((rows,),), ((maps,),) = seen["strip"], seen["feature_maps"]
    np.testing.assert_allclose(rows["clean"], clean[:5, ..., 0])
    np.testing.assert_allclose(rows["noisy"], noisy[:5, ..., 0])
    np.testing.assert_allclose(rows["output"], noisy[:5, ..., 0] / 2)
    np.testing.assert_allclose(maps, noisy[:5] / 4)
    pages = SimpleNamespace(x_val=noisy, y_val=clean, x_test=noisy[3:])
    strips = drawn(monkeypatch, "document_cleaner", net, pages)["strip"]
    (validation,), (test,) = strips
    np.testing.assert_allclose(validation["output"], noisy[:3, ..., 0] / 2)
    np.testing.assert_allclose(validation["target"], clean[:3, ..., 0])
    np.testing.assert_allclose(test["output"], noisy[3:4, ..., 0] / 2)


def test_the_vae_s_strip_shows_decoded_mean_codes(monkeypatch):
    seen, *_ = draw_code_in_pixels(monkeypatch)
    ((rows,),) = seen["strip"]
    np.testing.assert_allclose(rows["reconstructed"], rows["original"] * 99, rtol=1e-5)


def test_examples_are_what_is_given_and_what_should_come_out():
    data = conv_denoiser.load(conv_denoiser.PRESETS["smoke"], None)
    shown = conv_denoiser.examples(data)
    np.testing.assert_array_equal(shown.x, data.x_test_noisy[:10])
    np.testing.assert_array_equal(shown.target, data.x_test[:10])


def test_the_plane_lies_the_images_at_their_mean_codes():
    y = np.arange(20) % 10
    net = Net(encode=lambda x: (x[:, 0, 0] * tf.constant([1.0, 2]), tf.zeros([20, 2])))
    greys = np.linspace(0, 1, 20, dtype="float32")[:, None, None, None]
    x = greys * np.ones((1, 28, 28, 1), "float32")
    plane = fashion_vae.plane(net, SimpleNamespace(x_train=x, y_train=y))
    np.testing.assert_allclose(plane.z, x[:, 0, 0] * [1, 2], rtol=1e-6)
    np.testing.assert_array_equal(plane.labels, y)


def test_a_run_of_several_epochs_reports_the_last(tmp_path):
    sigmoid = lesson("sigmoid_ae")
    options = cli.article_options(preset="smoke", style="keras", epochs=3)
    record = cli.run(sigmoid, options, tmp_path / "run")
    (training,) = record["trainings"]
    last = f"{training['history'][2]['last_batch_loss']:.4f}"
    assert last != f"{training['history'][0]['last_batch_loss']:.4f}"
    curve = published.curve("sigmoid_ae")
    expected = {"epoch": 3, "losses": [curve["run_2016"][2], curve["run_2017"][2]]}
    assert training["published"] == expected
    assert training["seconds"] == pytest.approx(sum(e["seconds"] for e in training["history"]))
    row = records.table([record]).splitlines()[1].split()
    assert (row[2], row[5]) == ("3", last)
    assert content._row(sigmoid, training)["loss"] == last
    pages = tmp_path / "pages"
    shutil.copytree(record["folder"] / "snapshots", pages / "sigmoid_ae" / "snapshots")
    frames = content._learning(sigmoid, record, training, pages)["frames"]
    assert [f["loss"] for f in frames] == [
        f"{training['history'][f['epoch'] - 1]['last_batch_loss']:.4f}" for f in frames
    ]
    line = sigmoid.epoch_line(7, {"loss": 0.5, "last_batch_loss": 0.25})
    assert line == "Epoch: 0007 cost= 0.250000000"
    line = lesson("low_level_ae").epoch_line(7, {"loss": 0.5, "seconds": 2.0})
    assert line == "Epoch 7 - loss: 0.5000"
    line = lesson("fashion_vae").epoch_line(12, {"loss": 0.5, "val_loss": 0.25, "seconds": 2.0})
    assert line == "Epoch 12 - loss: 0.5000 - val_loss: 0.2500"


def test_the_table_of_claims_says_what_held():
    def result(holds, value):
        threshold = {"at_least": 0.25, "at_most": None, "reason": "r"}
        return {"claim": "c", "value": value, "holds": holds, **threshold}

    trainings = [
        {"style": s, "network": "autoencoder", "claims": [result(h, v)]}
        for s, h, v in (("low-level", True, 0.5), ("keras", False, 0.1))
    ]
    (row,) = verdicts.claims_table(lesson("dense_ae"), {"trainings": trainings})["claims"]
    assert row["cells"] == [
        {"kind": "passed", "text": "0.5, holds"},
        {"kind": "failed", "text": "0.1, fails"},
    ]
    assert row["threshold"] == "at least 0.25"


@pytest.fixture
def lines(monkeypatch):
    """What is plotted, by its label."""
    found, plot = {}, Axes.plot

    def keep(axis, x, y, *arguments, **keywords):
        found.setdefault(keywords.get("label"), []).append(list(y))
        return plot(axis, x, y, *arguments, **keywords)

    monkeypatch.setattr(Axes, "plot", keep)
    return found


def test_curves_are_drawn_through_the_measured_points(lines):
    sigmoid = lesson("sigmoid_ae")
    history = [{"loss": 0.3, "last_batch_loss": 0.2}, {"loss": 0.2, "last_batch_loss": 0.1}]
    record = {
        "settings": dataclasses.asdict(sigmoid.presets["article"]),
        "data": {"notice": ""},
        "trainings": [{"network": "autoencoder", "style": "keras", "history": history}],
    }
    charts.curves(sigmoid, "autoencoder", record)
    assert lines["keras"] == [[0.2, 0.1]]
    curve = published.curve("sigmoid_ae")
    assert lines["published"] + lines[None] == [curve["run_2016"], curve["run_2017"]]


def test_published_validation_losses_are_drawn_beside_the_others(lines):
    vae = lesson("fashion_vae")
    training = {"network": "autoencoder", "style": "keras"}
    training["history"] = [{"loss": 0.4, "val_loss": 0.3}]
    record = {
        "settings": dataclasses.asdict(vae.presets["article"]),
        "data": {"notice": ""},
        "trainings": [training],
    }
    charts.curves(vae, "autoencoder", record)
    curve = published.curve("fashion_vae")
    assert lines == {
        "keras": [[0.4]],
        "keras, validation": [[0.3]],
        "published": [curve["loss"]],
        "published, validation": [curve["val_loss"]],
    }
