import dataclasses

from ae import cli, report
from ae.options import article_options
from ae.proof import published
from ae.report import charts, content
from ae.runs import records

import pytest
from matplotlib.axes import Axes
from running import lesson


def test_a_run_of_several_epochs_reports_the_last(tmp_path):
    sigmoid = lesson("sigmoid_ae")
    options = article_options(preset="smoke", style="keras", epochs=3, jit_compile=False)
    record = cli.run(sigmoid, options, tmp_path / "run")
    (training,) = record["trainings"]
    last = f"{training['history'][2]['last_batch_loss']:.4f}"
    assert last != f"{training['history'][0]['last_batch_loss']:.4f}"
    curve = published.curve("sigmoid_ae")
    assert training["published"] is None  # it was printed of more digits
    whole = {**record, "settings": {**record["settings"], "num_train": None, "num_test": None}}
    printed = published.at_epoch(sigmoid, "autoencoder", whole, 3)
    assert printed == {"epoch": 3, "losses": [curve["run_2016"][2], curve["run_2017"][2]]}
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
