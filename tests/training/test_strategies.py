"""Several devices, or several machines, train as one device does."""

import functools
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
LONG = {name: () if name in sharing.QUICK else pytest.mark.long for name in NETWORKS}
EACH_NETWORK = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=LONG[name]) for name in NETWORKS]
)
EACH_WITHOUT_NOISE = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=LONG[name]) for name in NETWORKS if name not in NOISY]
)


def start(kind, which, *styles, **variables):
    paths = [str(REPOSITORY), str(REPOSITORY / "tests")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)} | variables
    command = [sys.executable, Path(sharing.__file__), kind, which, *styles]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def by_name(trained):
    return {(style, name): (history, digest) for style, name, history, digest in trained}


def finished(process):
    out, _ = process.communicate()
    assert process.returncode == 0
    return by_name(map(json.loads, out.splitlines()))


def which(name):
    return "quick" if name in sharing.QUICK else "rest"


@functools.cache
def alone(which):
    return by_name(trained for style in STYLES for trained in sharing.train(which, style))


@functools.cache
def mirrored(which):
    return finished(start("mirrored", which, *STYLES))


@functools.cache
def workers(which):
    ports = free_ports(2)
    variables = [{"TF_CONFIG": config(ports, index)} for index in range(2)]
    started = [start("multi-worker", which, STYLES[0], **one) for one in variables]
    return [finished(process) for process in started]


def assert_alike(history, other):
    """Compares every loss of every epoch; the last minibatch's and the validation's too."""
    for logs, expected in zip(history, other, strict=True):
        assert logs == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("style", STYLES)
@EACH_WITHOUT_NOISE
def test_two_devices_train_as_one_does(style, name):
    assert_alike(mirrored(which(name))[style, name][0], alone(which(name))[style, name][0])


@EACH_WITHOUT_NOISE
def test_two_workers_train_as_one_process_does(name):
    history = workers(which(name))[0]["low-level", name][0]
    assert_alike(history, alone(which(name))["low-level", name][0])


@EACH_NETWORK
def test_two_workers_have_the_same_weights_and_losses(name):
    first, second = workers(which(name))
    assert first["low-level", name] == second["low-level", name]


@pytest.mark.parametrize("name", [pytest.param(name, marks=LONG[name]) for name in sorted(NOISY)])
def test_the_noise_of_a_replica_depends_on_its_number_alone(name):
    history = workers(which(name))[0]["low-level", name][0]
    assert_alike(history, mirrored(which(name))["low-level", name][0])
    single = alone(which(name))["low-level", name][0]
    assert history[0]["loss"] == pytest.approx(single[0]["loss"], rel=0.1)
    assert history[0]["loss"] != pytest.approx(single[0]["loss"], rel=1e-9)
