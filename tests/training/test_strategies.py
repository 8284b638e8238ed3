"""Several devices, or several machines, train as one device does."""

import json
import os
import subprocess
import sys
from pathlib import Path

from ae.paths import REPOSITORY

import pytest
import sharing
from running import LESSONS, config, free_ports

STYLES = ("low-level", "keras")
NETWORKS = [f"{lesson.name} {network}" for lesson in LESSONS for network in lesson.networks]
NOISY = {  # draw noise in each step
    "contractive_ae denoising",
    "fashion_vae autoencoder",
    "latent_space noisy",
    "latent_space variational",
}
EACH_NETWORK = pytest.mark.parametrize("name", NETWORKS)
EACH_WITHOUT_NOISE = pytest.mark.parametrize("name", [n for n in NETWORKS if n not in NOISY])


def start(kind, *styles, **variables):
    paths = [str(REPOSITORY), str(REPOSITORY / "tests")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)} | variables
    command = [sys.executable, Path(sharing.__file__), kind, *styles]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def by_name(trained):
    return {(style, name): (history, digest) for style, name, history, digest in trained}


def finished(process):
    out, _ = process.communicate()
    assert process.returncode == 0
    return by_name(map(json.loads, out.splitlines()))


@pytest.fixture(scope="module")
def alone():
    return by_name(trained for style in STYLES for trained in sharing.train(style))


@pytest.fixture(scope="module")
def mirrored():
    return finished(start("mirrored", *STYLES))


@pytest.fixture(scope="module")
def workers():
    ports = free_ports(2)
    started = [start("multi-worker", STYLES[0], TF_CONFIG=config(ports, i)) for i in range(2)]
    return [finished(process) for process in started]


def assert_alike(history, other):
    """Compares every loss of every epoch; the last minibatch's and the validation's too."""
    for logs, expected in zip(history, other, strict=True):
        assert logs == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("style", STYLES)
@EACH_WITHOUT_NOISE
def test_two_devices_train_as_one_does(alone, mirrored, style, name):
    assert_alike(mirrored[style, name][0], alone[style, name][0])


@EACH_WITHOUT_NOISE
def test_two_workers_train_as_one_process_does(alone, workers, name):
    assert_alike(workers[0]["low-level", name][0], alone["low-level", name][0])


@EACH_NETWORK
def test_two_workers_have_the_same_weights_and_losses(workers, name):
    assert workers[0]["low-level", name] == workers[1]["low-level", name]


@pytest.mark.parametrize("name", NOISY)
def test_the_noise_of_a_replica_depends_on_its_number_alone(workers, mirrored, alone, name):
    history = workers[0]["low-level", name][0]
    assert_alike(history, mirrored["low-level", name][0])
    assert history[0]["loss"] == pytest.approx(alone["low-level", name][0][0]["loss"], rel=0.1)
