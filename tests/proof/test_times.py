"""How long a training may take is what recorded ones took, or is not said."""

import dataclasses
import json

from ae.proof import times
from ae.proof.reproduced import Training

import pytest
from running import lesson

DENSE = lesson("dense_ae")
ARTICLE = dataclasses.asdict(DENSE.presets["article"])


def training(
    style, epoch, device="2 cores, of one maker", seed=0, network="autoencoder", **changes
):
    about = {"style": style, "device": device, "seed": seed, "network": network}
    history = [{"seconds": seconds} for seconds in (9 * epoch, epoch, epoch)]  # the first compiles
    return Training({**about, "settings": {**ARTICLE, **changes}}, history)


@pytest.fixture
def recorded(monkeypatch, tmp_path):
    """Takes trainings, and times of the preset "quick", for the recorded ones."""

    def record(*trainings, **quick):
        path = tmp_path / "times.json"
        path.write_text(json.dumps({"device": "2 cores, of another maker", "quick": quick}))
        monkeypatch.setattr(times, "TIMES", path)
        monkeypatch.setattr(times, "kept", lambda name: list(trainings))

    return record


def expected(style="both", of=DENSE, **changes):
    return times.expected(of, dataclasses.replace(of.presets["article"], **changes), style)


def test_the_median_epoch_counts_as_often_as_there_are_epochs(recorded):
    recorded(training("low-level", 3), training("keras", 2))
    assert expected() == "about 50 s of training on 2 cores"
    assert expected("keras", num_epochs=6, seed=4) == "about 12 s of training on 2 cores"


def test_several_runs_make_a_span_and_other_machines_none(recorded):
    recorded(
        *(training("keras", 2), training("keras", 3, seed=1), training("keras", 1, "1 core, old")),
        dense_ae={"keras": 70},
    )
    assert expected("keras") == "about 20 s to 70 s of training on 2 cores"


def test_the_networks_of_a_run_are_trained_one_after_the_other(recorded):
    low_level_ae = lesson("low_level_ae")
    settings = dataclasses.asdict(low_level_ae.presets["article"])
    both = [training("keras", 2, network=name, **settings) for name in low_level_ae.networks]
    recorded(*both)
    assert expected("keras", low_level_ae) == "about 40 s of training on 2 cores"
    recorded(both[0])
    assert expected("keras", low_level_ae) == ""


@pytest.mark.parametrize("change", [{"num_train": 512}, {"batch_size": 64}, {"jit_compile": True}])
def test_nothing_is_said_of_what_nobody_timed(recorded, change):
    change = {name: not ARTICLE[name] if value is True else value for name, value in change.items()}
    recorded(training("low-level", 3), training("keras", 2), dense_ae={"keras": 70})
    assert expected("keras", **change) == ""
    recorded(training("keras", 2))
    assert expected() == ""
