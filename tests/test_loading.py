"""Trained networks in other programs."""

import shutil
import subprocess
import sys

import ae
from ae import paths
from ae.errors import InputError
from ae.maintain import pretrained
from ae.runs.folder import CHECKPOINTS
from ae.runs.records import UNFINISHED, read_run, write_record
from ae.runs.saved import build, load_data, load_network
from ae.training.checkpoints import Checkpoints

import numpy as np
import pytest
import tensorflow as tf
from running import lesson, read_record


def trained(run, name, network, style):
    """The network and test inputs, as the lesson's own functions give them."""
    record, settings = read_run(lesson(name), run)
    chosen = {(t["network"], t["style"]): t for t in record["trainings"]}
    found = load_network(lesson(name), run, chosen[network, style], settings)
    return found, load_data(lesson(name), run, record, settings).x_test[:3]


@pytest.mark.parametrize("style", ["low-level", "keras"])
def test_a_network_of_either_style_encodes_and_decodes_arrays(smoke, style):
    run = smoke("dense_ae")
    network, x = trained(run, "dense_ae", "autoencoder", style)
    loaded = ae.load(run, style=style)
    z = loaded.encode(x)
    assert z.shape == (3, 128)
    is_keras = style == "keras"
    expected = network(x) if is_keras else network.decode(network.encode(tf.constant(x)))
    np.testing.assert_allclose(loaded.decode(z), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(loaded.reconstruct(x), expected, rtol=1e-5, atol=1e-6)


def test_keras_and_the_first_network_are_taken_unless_others_are_named(smoke):
    run = smoke("low_level_ae")
    for asked, network, style in (
        ({}, "class", "keras"),
        ({"network": "layers"}, "layers", "keras"),
        ({"network": "layers", "style": "low-level"}, "layers", "low-level"),
    ):
        found, x = trained(run, "low_level_ae", network, style)
        z = found.get_layer("encoder")(x) if style == "keras" else found.encode(tf.constant(x))
        np.testing.assert_allclose(ae.load(run, **asked).encode(x), z, rtol=1e-4, atol=1e-5)


def test_a_network_that_comes_with_the_project(smoke, tmp_path, monkeypatch):
    for module in (pretrained, paths):
        monkeypatch.setattr(module, "PRETRAINED", tmp_path)
    pretrained.keep_run(smoke("dense_ae"))
    _, x = trained(smoke("dense_ae"), "dense_ae", "autoencoder", "keras")
    expected = ae.load(smoke("dense_ae")).encode(x)
    np.testing.assert_array_equal(ae.load("pretrained/dense_ae").encode(x), expected)


def test_the_newest_state_of_an_interrupted_run_is_taken_with_a_notice(smoke, tmp_path, capsys):
    record = read_record(smoke("dense_ae"))
    settings = read_run(lesson("dense_ae"), smoke("dense_ae"))[1]
    network = build(lesson("dense_ae"), "autoencoder", "keras", settings)
    work = tmp_path / UNFINISHED
    checkpoints = Checkpoints(work / CHECKPOINTS / "keras", network)
    checkpoints.follow(None)
    checkpoints.save([{"loss": 1.0}, {"loss": 0.5}], stopped=False)
    write_record(work, {**record, "trainings": []})
    _, x = trained(smoke("dense_ae"), "dense_ae", "autoencoder", "keras")
    for folder in (tmp_path, work):
        z = ae.load(folder).encode(x)
        assert "not finished; using its keras network after epoch 2" in capsys.readouterr().err
        np.testing.assert_allclose(z, network.get_layer("encoder")(x), rtol=1e-5, atol=1e-6)
    shutil.rmtree(work / CHECKPOINTS)
    with pytest.raises(InputError, match="interrupted before it had a network"):
        ae.load(tmp_path)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"run": "nowhere"}, "there is no run here"),
        ({"run": "pretrained/nothing"}, "there is no run here"),
        ({"network": "clas"}, "no network 'clas'; did you mean 'class'"),
        ({"style": "kera"}, "no style 'kera'; did you mean 'keras'"),
    ],
)
def test_what_is_not_there_is_named_in_a_sentence(smoke, asked, said):
    with pytest.raises(InputError, match=said):
        ae.load(**{"run": smoke("low_level_ae"), **asked})


ALONE = """
import sys, keras
for path in sys.argv[1:]:
    model = keras.models.load_model(path)
    print(model.count_params(), getattr(model, "optimizer", None))
"""


def test_keras_alone_opens_what_a_run_saved(smoke, tmp_path):
    """In any folder, without an optimizer; so a file is about as large as its weights."""
    names = ["dense_ae", "sigmoid_ae", "low_level_ae", "conv_denoiser", "document_cleaner"]
    paths = [
        smoke(name) / training["saved"]
        for name in names
        for training in read_record(smoke(name))["trainings"]
        if training["style"] == "keras"
    ]
    command = [sys.executable, "-c", ALONE, *map(str, paths)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for path, line in zip(paths, done.stdout.splitlines(), strict=True):
        parameters, optimizer = line.split()
        assert optimizer == "None"
        assert path.stat().st_size < 1.1 * 4 * int(parameters) + 100_000
