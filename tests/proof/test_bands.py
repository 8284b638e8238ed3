"""Whether a result is called normal: it lies where our own runs do."""

import dataclasses

from ae.lesson import ONLY_NETWORK
from ae.proof import bands, published, reproduced

import numpy as np
import pytest
from running import LESSONS, lesson
from scipy import stats

VAE = lesson("fashion_vae")
SHA = "0" * 64


@pytest.fixture
def kept(monkeypatch):
    """Stands for the runs that the repository keeps."""

    def keep(*curves):
        about = {"network": ONLY_NETWORK, "data": {"sha256": SHA}}
        runs = [reproduced.Training(about, [{"loss": x} for x in curve]) for curve in curves]
        monkeypatch.setattr(reproduced, "kept", lambda name: runs if name == VAE.name else [])

    return keep


def judged(losses, sha=SHA, notice="", **settings):
    article = dataclasses.asdict(VAE.presets["article"])
    record = {"settings": article | settings, "data": {"sha256": sha, "notice": notice}}
    history = [{"loss": loss} for loss in losses]
    return bands.result(VAE, record, ONLY_NETWORK, "keras", history)


def test_a_loss_like_ours_is_normal_and_another_is_not(kept):
    kept([0.4, 0.30], [0.4, 0.32], [0.4, 0.34])
    reach = 0.02 * stats.t.ppf(0.995, 2) * (4 / 3) ** 0.5  # 0.02 is their standard deviation
    assert judged([0.4, 0.32 + 0.99 * reach]).kind == "passed"
    assert judged([0.4, 0.32 - 0.99 * reach]).kind == "passed"
    assert judged([0.4, 0.32 + 1.01 * reach]).kind == "unusual"
    result = judged([0.4, 0.33])
    assert result.text == (
        "0.3300 at epoch 2: normal. Our 3 runs had 0.3000 to 0.3400 there; published 0.3371."
    )


def test_a_loss_is_compared_at_its_own_epoch(kept):
    kept([0.4, 0.3, 0.2], [0.41, 0.31, 0.21], [0.42, 0.32, 0.22], [0.4])
    assert "Our 4 runs had 0.4000 to 0.4200" in judged([0.41]).text
    assert "Our 3 runs had 0.2000 to 0.2200" in judged([0.41, 0.31, 0.21]).text
    assert judged([0.41, 0.31, 0.41]).kind == "unusual"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"num_train": 10_000}, "10,000 training examples"),
        ({"num_test": 1000}, "1,000 test examples"),
        ({"batch_size": 8}, "minibatches of 8"),
        ({"learning_rate": 0.1}, "learning rate 0.1"),
        ({"notice": "generated pictures"}, "generated pictures"),
        ({"sha": "1" * 64}, "our runs had other data"),
        ({"variant": "corrected"}, "0 runs of ours are like this one"),
    ],
)
def test_what_cannot_be_compared_says_why(kept, changes, why):
    kept([0.3], [0.3], [0.3])
    result = judged([0.3], **changes)
    assert result.kind == "open"
    assert result.text == f"0.3000 at epoch 1; not compared: {why}."


def test_few_runs_say_little(kept):
    kept([0.3], [0.4])
    assert judged([0.3]).text.endswith("not compared: 2 runs of ours are like this one.")


@pytest.mark.parametrize("one", LESSONS, ids=lambda one: one.name)
def test_our_own_runs_are_normal(one):
    kept = reproduced.kept(one.name)
    for training in kept:
        network, style = training.about["network"], training.about["style"]
        for epochs in (1, len(training.history)):
            alike = [t for t in kept if t.about["network"] == network and len(t.history) >= epochs]
            history = training.history[:epochs]
            result = bands.result(one, training.about, network, style, history)
            assert result.kind == ("passed" if len(alike) >= bands.FEWEST_RUNS else "open")


def test_a_published_loss_of_another_epoch_is_not_named():
    denoiser = lesson("conv_denoiser")
    settings = dataclasses.asdict(denoiser.presets["article"]) | {"output": "linear"}
    record = {"settings": settings, "data": {"notice": ""}}
    assert published.at_epoch(denoiser, ONLY_NETWORK, record, 5)["epoch"] == 2
    assert np.isfinite(published.at_epoch(denoiser, ONLY_NETWORK, record, 1)["losses"]).all()
