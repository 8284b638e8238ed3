"""The other variant of a network, which two lessons train to draw both beside each other."""

import dataclasses

from ae.errors import NotFiniteError
from ae.networks import weights_sha256
from ae.proof import variants

import numpy as np
import pytest
from running import lesson, press, smoke_settings, train_run
from stand_ins import AnyData, Kept, Net

NAMES = {"sigmoid_ae": "autoencoder", "low_level_ae": "class"}
FEW = {"num_train": 64, "num_test": 16, "batch_size": 16, "jit_compile": False}
DATA = AnyData((784,), 12)


def draw(variant, monkeypatch, trained):
    """Draws an identity beside what stands for the other variant; returns report and settings."""
    report, asked = Kept(), []
    monkeypatch.setattr(variants, "train", lambda *chosen: asked.append(chosen) or trained)
    settings = smoke_settings("sigmoid_ae", variant=variant, code_size=50)
    networks = {"autoencoder": Net(decode=lambda z: z)}
    chosen = "sigmoid_ae", lambda: networks, "autoencoder", DATA, settings, report, "Because."
    variants.draw(*chosen)
    return report, asked, settings


@pytest.mark.parametrize("style", ["low-level", "keras"])
@pytest.mark.parametrize("name", NAMES)
def test_it_is_trained_as_a_run_of_that_variant_trains_it(name, style, tmp_path, monkeypatch):
    settings = smoke_settings(name, variant="corrected", seed=3, **FEW)
    with monkeypatch.context() as patch:
        patch.setattr(variants, "train", lambda *_: None)
        record = train_run(lesson(name), settings, tmp_path, preset="smoke", style=style)
    (of_run,) = [t for t in record["trainings"] if t["network"] == NAMES[name]]
    data = lesson(name).load(settings, None)
    trained = variants.train(name, NAMES[name], style, data, settings)
    assert weights_sha256(trained) == of_run["weights_sha256"]


@pytest.mark.parametrize(
    ("variant", "other"), [("published", "corrected"), ("corrected", "published")]
)
def test_the_rows_say_which_variant_is_which(variant, other, monkeypatch):
    report, asked, settings = draw(variant, monkeypatch, Net(decode=lambda z: z / 2))
    expected = dataclasses.replace(settings, variant=other)
    assert asked == [("sigmoid_ae", "autoencoder", "low-level", DATA, expected)]
    (figure,) = report.figures.values()
    rows = {axis.get_ylabel(): axis.images[0].get_array() for axis in figure.axes[::10]}
    half = np.mean((DATA.x_test / 2) ** 2)
    errors = {variant: "0.0000", other: f"{half:.4f}"}
    labels = [f"{row}\nerror {errors[row]}" for row in ("published", "corrected")]
    assert list(rows) == ["original", *labels]
    x = DATA.x_test[0].reshape(28, 28)
    np.testing.assert_allclose(rows[f"{variant}\nerror 0.0000"], x)
    np.testing.assert_allclose(rows[f"{other}\nerror {half:.4f}"], x / 2, atol=0.5 / 255 + 1e-6)


def test_one_that_diverges_costs_the_figure_and_not_the_run(monkeypatch, capsys):
    settings = smoke_settings("sigmoid_ae", **FEW)
    data = lesson("sigmoid_ae").load(settings, None)

    def diverge(*_):
        raise NotFiniteError("The loss became nan.")

    style = lesson("sigmoid_ae").networks["autoencoder"]["keras"]._replace(train=diverge)
    broken = dataclasses.replace(
        lesson("sigmoid_ae"), networks={"autoencoder": {"keras": style, "low-level": style}}
    )
    monkeypatch.setattr(variants, "load", lambda _: broken)
    assert variants.train("sigmoid_ae", "autoencoder", "keras", data, settings) is None
    assert capsys.readouterr().err.startswith("The loss became nan. So no figure")
    report, _, _ = draw("published", monkeypatch, None)
    assert report.figures == {}


def test_ctrl_c_stops_it(ctrl_c, monkeypatch):
    settings = smoke_settings("sigmoid_ae", num_epochs=50, **FEW)
    data, epochs = lesson("sigmoid_ae").load(settings, None), []

    class Pressed(variants.Run):
        def _begin_epoch(self):
            epochs.append(self.epochs_done)
            press()
            super()._begin_epoch()

    monkeypatch.setattr(variants, "Run", Pressed)
    with pytest.raises(KeyboardInterrupt):
        variants.train("sigmoid_ae", "autoencoder", "keras", data, settings)
    assert epochs == [0]
