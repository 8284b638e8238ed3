"""Model files from elsewhere: their code never runs, and what does not fit is refused."""

import json
import os
import pickle
import zipfile

from ae.cleaning.command import main
from ae.errors import InputError
from ae.pictures import write_grey
from ae.runs.saved import load_weights, save_network

import keras
import numpy as np
import pytest
from running import lesson, smoke_settings

LESSON = lesson("document_cleaner")
BUILD = LESSON.networks["autoencoder"]["keras"].build
SETTINGS = smoke_settings("document_cleaner")


class Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.fixture
def scan(tmp_path):
    path = tmp_path / "scan.png"
    write_grey(path, np.full((8, 8), 200, np.uint8))
    return path


@pytest.fixture
def cleaner(tmp_path):
    return save_network(BUILD(SETTINGS), tmp_path, "cleaner")


def rewrite(path, change):
    """Copies a zip file with the contents of each member changed."""
    with zipfile.ZipFile(path) as archive:
        members = {name: change(name, archive.read(name)) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def assert_refused(scan, model):
    out = scan.with_name("out.png")
    with pytest.raises(InputError, match=str(model)) as refused:
        main([str(scan), "-o", str(out), "--from", str(model)])
    assert str(refused.value).count("\n") == 0
    assert not out.exists()


@pytest.mark.fault("a model file from elsewhere")
def test_code_in_a_lambda_layer(tmp_path, scan):
    model, trap = tmp_path / "model.keras", tmp_path / "trap"
    spring = eval(f"lambda x: (__import__('os').makedirs({str(trap)!r}, exist_ok=True), x)[1]")
    layer = keras.layers.Lambda(spring, (28, 28, 1))
    keras.Sequential([keras.Input([28, 28, 1]), layer]).save(model)
    keras.models.load_model(model, safe_mode=False)(np.zeros((1, 28, 28, 1)))
    trap.rmdir()  # so the file does hold the code, and it runs where it is let
    assert_refused(scan, model)
    assert not trap.exists()


@pytest.mark.fault("a model file from elsewhere")
def test_a_configuration_that_names_code(scan, cleaner):
    """The weights are sound, so the page is cleaned; nothing but the weights is read."""
    trap, sound, out = (scan.with_name(name) for name in ("trap", "sound.png", "out.png"))
    main([str(scan), "-o", str(sound), "--from", str(cleaner)])
    config = {"module": "os", "class_name": "system", "config": {"command": f"mkdir {trap}"}}
    planted = json.dumps(config).encode()
    rewrite(cleaner, lambda name, data: planted if name == "config.json" else data)
    main([str(scan), "-o", str(out), "--from", str(cleaner)])
    assert out.read_bytes() == sound.read_bytes()
    assert not trap.exists()


@pytest.mark.fault("a model file from elsewhere")
@pytest.mark.parametrize("name", ["model.weights.h5", "everything"])
def test_a_pickle(tmp_path, scan, cleaner, name):
    trap = tmp_path / "trap"
    poison = pickle.dumps(Trap(trap))
    if name == "everything":
        cleaner.write_bytes(poison)
    else:
        rewrite(cleaner, lambda member, data: poison if member == name else data)
    assert_refused(scan, cleaner)
    assert not trap.exists()


@pytest.mark.fault("a model file from elsewhere")
def test_the_model_of_another_lesson(tmp_path, scan):
    style = lesson("fashion_vae").networks["autoencoder"]["keras"]
    network = style.build(smoke_settings("fashion_vae"))
    assert_refused(scan, save_network(network, tmp_path, "vae"))


@pytest.mark.fault("a model file from elsewhere")
@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.99])
def test_a_cut_file(scan, cleaner, share):
    data = cleaner.read_bytes()
    cleaner.write_bytes(data[: int(share * len(data))])
    assert_refused(scan, cleaner)


@pytest.mark.fault("NaN or infinity")
def test_weights_that_are_no_numbers(scan, cleaner):
    network = BUILD(SETTINGS)
    network.trainable_variables[0].assign(np.nan * network.trainable_variables[0])
    save_network(network, cleaner.parent, "cleaner")
    assert_refused(scan, cleaner)


def test_a_sound_file_is_loaded(tmp_path):
    saved, other = BUILD(SETTINGS), BUILD(SETTINGS)
    load_weights(other, save_network(saved, tmp_path, "cleaner"))
    for loaded, weight in zip(other.get_weights(), saved.get_weights(), strict=True):
        np.testing.assert_array_equal(loaded, weight)
