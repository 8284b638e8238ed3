import dataclasses
from types import SimpleNamespace

from ae import cli, figures, report
from ae.proof import published
from ae.report import charts, content
from ae.runs import records

import numpy as np
import pytest
import tensorflow as tf
from matplotlib.axes import Axes
from running import lesson, smoke_settings
from stand_ins import CodeInPixels, Net, Sink


@pytest.fixture
def shown(monkeypatch):
    """Draws a lesson's figures; returns which arrays it hands to them."""

    def draw(name, network, data):
        seen = {}
        for kind in ("canvases", "strip", "feature_maps", "manifold", "scatter"):

            def keep(*arguments, kind=kind, **_):
                seen.setdefault(kind, []).append(arguments)

            monkeypatch.setattr(figures, kind, keep)
        lesson(name).draw(network, data, smoke_settings(name), Sink())
        return seen

    return draw


RNG = np.random.default_rng(0)
DIGITS = SimpleNamespace(x_test=RNG.random((16, 784)).astype("float32"))


@pytest.fixture
def net():
    """Its code is a quarter of the input, its output a half: so no row passes for another."""
    return Net(encode=lambda x: x / 4, decode=lambda z: z * 2)


def test_dense_ae_draws_digits_beside_their_reconstructions(shown, net):
    ((left, right),) = shown("dense_ae", net, DIGITS)["canvases"]
    np.testing.assert_allclose(left, DIGITS.x_test.reshape(-1, 28, 28))
    np.testing.assert_allclose(right, left / 2)


def test_sigmoid_ae_draws_digits_over_their_reconstructions(net, monkeypatch):
    drawn = {}
    monkeypatch.setattr(
        Sink, "figure", lambda sink, name, figure, shows: drawn.update({name: figure})
    )
    lesson("sigmoid_ae").draw(net, DIGITS, smoke_settings("sigmoid_ae"), Sink())
    images = [axis.images[0].get_array() for axis in drawn["strip"].axes]
    np.testing.assert_allclose(images[:10], DIGITS.x_test[:10].reshape(-1, 28, 28))
    np.testing.assert_allclose(images[10:], DIGITS.x_test[:10].reshape(-1, 28, 28) / 2)


def test_low_level_ae_draws_digits_over_their_decoded_codes(shown, net):
    ((rows,),) = shown("low_level_ae", net, DIGITS)["strip"]
    np.testing.assert_allclose(rows["original"], DIGITS.x_test[:10].reshape(-1, 28, 28))
    np.testing.assert_allclose(rows["decode(z)"], rows["original"] / 2)


def test_conv_denoiser_draws_garments_clean_noisy_and_cleaned_and_their_codes(shown, net):
    clean, noisy = RNG.random((2, 5, 28, 28, 1)).astype("float32")
    seen = shown("conv_denoiser", net, SimpleNamespace(x_shown=clean, x_shown_noisy=noisy))
    ((rows,),), ((maps,),) = seen["strip"], seen["feature_maps"]
    np.testing.assert_allclose(rows["clean"], clean[..., 0])
    np.testing.assert_allclose(rows["noisy"], noisy[..., 0])
    np.testing.assert_allclose(rows["output"], noisy[..., 0] / 2)
    np.testing.assert_allclose(maps, noisy / 4)


def test_document_cleaner_draws_pages_their_targets_and_the_cleaned_pages(shown, net):
    clean, noisy = RNG.random((2, 6, 28, 28, 1)).astype("float32")
    pages = SimpleNamespace(x_val=noisy, y_val=clean, x_test=noisy[3:])
    (validation,), (test,) = shown("document_cleaner", net, pages)["strip"]
    np.testing.assert_allclose(validation["input"], noisy[:3])
    np.testing.assert_allclose(validation["output"], noisy[:3] / 2)
    np.testing.assert_allclose(validation["target"], clean[:3])
    np.testing.assert_allclose(test["input"], noisy[3:4])
    np.testing.assert_allclose(test["output"], noisy[3:4] / 2)


def test_the_vae_s_strip_shows_decoded_mean_codes(shown):
    """The code of a grey x is (x, -x), which decodes to 100 x - x in every pixel."""
    x = np.linspace(0, 1, 40, dtype="float32")[:, None, None, None] * np.ones(
        [1, 28, 28, 1], "float32"
    )
    data = SimpleNamespace(x_train=x, y_train=np.arange(40) % 10, x_test=x[:12])
    seen = shown("fashion_vae", CodeInPixels(), data)
    ((rows,),) = seen["strip"]
    np.testing.assert_allclose(rows["original"], x[:10, ..., 0])
    np.testing.assert_allclose(rows["reconstructed"], rows["original"] * 99, rtol=1e-5)


def test_examples_are_what_is_given_and_what_should_come_out():
    denoiser = lesson("conv_denoiser")
    data = denoiser.load(smoke_settings("conv_denoiser"), None)
    examples = denoiser.examples(data)
    np.testing.assert_array_equal(examples.x, data.x_test_noisy[:10])
    np.testing.assert_array_equal(examples.target, data.x_test[:10])


def test_the_plane_lies_the_images_at_their_mean_codes():
    y = np.arange(20) % 10
    net = Net(encode=lambda x: (x[:, 0, 0] * tf.constant([1.0, 2]), tf.zeros([20, 2])))
    greys = np.linspace(0, 1, 20, dtype="float32")[:, None, None, None]
    x = greys * np.ones((1, 28, 28, 1), "float32")
    plane = lesson("fashion_vae").plane(net, SimpleNamespace(x_train=x, y_train=y))
    np.testing.assert_allclose(plane.z, x[:, 0, 0] * [1, 2], rtol=1e-6)
    np.testing.assert_array_equal(plane.labels, y)


def test_a_run_of_several_epochs_reports_the_last(tmp_path):
    sigmoid = lesson("sigmoid_ae")
    options = cli.article_options(preset="smoke", style="keras", epochs=3, jit_compile=False)
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
    index = report.write([sigmoid], {"sigmoid_ae": record["folder"]}, tmp_path / "pages")
    assert f"<td>3</td><td>{training['seconds']:.0f} s</td><td>{last}</td>" in index.read_text()
    frames = content.frames(sigmoid, training)
    assert [f["loss"] for f in frames] == [
        f"{training['history'][f['epoch'] - 1]['last_batch_loss']:.4f}" for f in frames
    ]
    line = sigmoid.epoch_line(7, {"loss": 0.5, "last_batch_loss": 0.25})
    assert line == "Epoch: 0007 cost= 0.250000000"
    line = lesson("low_level_ae").epoch_line(7, {"loss": 0.5, "seconds": 2.0})
    assert line == "Epoch 7 - loss: 0.5000"
    line = lesson("fashion_vae").epoch_line(12, {"loss": 0.5, "val_loss": 0.25, "seconds": 2.0})
    assert line == "Epoch 12 - loss: 0.5000 - val_loss: 0.2500"


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
