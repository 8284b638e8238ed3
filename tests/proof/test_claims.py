"""The contract of claims, and that the lessons on digits keep it."""

import dataclasses
import importlib
from types import SimpleNamespace

from ae.lesson import Claim
from ae.proof import claims
from ae.proof.digits import BASIC_CLAIMS
from ae.proof.judges import train_two_d_encoder

import keras
import numpy as np
import pytest
from random_data import random_digits
from running import lesson, run

DIGIT_LESSONS = ("dense_ae", "sigmoid_ae", "low_level_ae")


def claim(value, text="it works", **thresholds):
    return Claim(text, lambda *_: value, **thresholds)


# What a summary asks of a lesson.
LESSON = SimpleNamespace(claims=[Claim("of the data", lambda *_: 0, of_network=False)])


def measure(*declared):
    return claims.measure(SimpleNamespace(claims=declared), "network", "data", "settings")


@pytest.mark.parametrize(
    ("thresholds", "value", "holds"),
    [
        ({}, -1e9, True),
        ({"at_least": 2}, 2, True),
        ({"at_least": 2}, 1.999, False),
        ({"at_most": 2}, 2, True),
        ({"at_most": 2}, 2.001, False),
        ({"at_least": 1, "at_most": 2}, 1.5, True),
        ({"at_least": 1, "at_most": 2}, 0.5, False),
        ({"at_least": 1, "at_most": 2}, 2.5, False),
        ({"at_least": 0}, -0.1, False),  # a threshold of zero is a threshold
        ({"at_most": 0}, 0.1, False),
        ({"at_most": 1}, float("nan"), False),
        ({"at_least": 1}, float("nan"), False),
    ],
)
def test_a_claim_holds_between_its_thresholds_and_on_them(thresholds, value, holds):
    assert claim(value, **thresholds).holds(value) is holds


def test_what_is_measured_is_the_network_on_the_data_with_the_settings():
    seen = []
    measure(Claim("it works", lambda *arguments: seen.append(arguments)))
    assert seen == [("network", "data", "settings")]


def test_a_result_says_all_that_the_claim_does_and_what_came_out():
    declared = Claim("it works", lambda *_: np.float32(0.5), at_least=0.25, reason="a quarter")
    (result,) = measure(declared)
    assert result.pop("seconds") >= 0
    assert type(result["value"]) is float
    assert result["holds"] is True
    assert result == {
        "claim": "it works",
        "value": 0.5,
        "at_least": 0.25,
        "at_most": None,
        "reason": "a quarter",
        "holds": True,
    }


def test_a_claim_that_fails_is_reported_and_does_not_stop_the_others():
    results = measure(claim(3, at_most=2), claim(1, at_most=2))
    assert [result["holds"] for result in results] == [False, True]
    assert claims.lines(results) == [
        "FAILS: it works: 3 (at most 2)",
        "holds: it works: 1 (at most 2)",
    ]


def test_what_cannot_be_measured_neither_holds_nor_fails():
    (result,) = measure(claim(None, at_least=1))
    assert result["value"] is None
    assert result["holds"] is None
    assert claims.lines([result]) == ["not measured: it works (at least 1)"]


def test_a_line_names_both_thresholds():
    lines = claims.lines(measure(claim(1.23456, at_least=0, at_most=2.5)))
    assert lines == ["holds: it works: 1.23 (at least 0) (at most 2.5)"]


@pytest.mark.parametrize("name", DIGIT_LESSONS)
def test_a_lesson_on_digits_says_why_each_threshold_is_where_it_is(name):
    declared_by_it = lesson(name).claims
    assert [c.text for c in declared_by_it[: len(BASIC_CLAIMS)]] == [c.text for c in BASIC_CLAIMS]
    for declared in declared_by_it:
        assert declared.reason
        assert (declared.at_least is None) != (declared.at_most is None)


@pytest.mark.parametrize("style", ["low-level", "keras"])
@pytest.mark.parametrize("name", DIGIT_LESSONS)
def test_every_claim_is_measured_on_every_network(name, style, monkeypatch):
    monkeypatch.setattr("ae.proof.judges.LINEAR_STEPS", 2)
    module = importlib.import_module(f"tutorials.{name}")
    if name == "dense_ae":
        monkeypatch.setattr(module, "compare_classifiers", few_labels)
    settings = dataclasses.replace(module.PRESETS["smoke"], batch_size=20, jit_compile=False)
    for styles in module.LESSON.networks.values():
        keras.utils.set_random_seed(0)
        network = styles[style].build(settings)
        data = random_digits(80, 20)
        results = claims.measure(module.LESSON, network, data, settings)
        assert all(np.isfinite(result["value"]) for result in results)
        assert len(results) == len(module.LESSON.claims)
        holds = {result["claim"].split(":")[0]: result["holds"] for result in results}
        assert holds["it compresses"]
        assert holds["it can be taken apart"]
        assert not holds["it replicates"]  # it is untrained
        if name == "dense_ae":
            assert [r["value"] for r in results[-3:]] == pytest.approx([0.2, 0.1, 0.05])


def few_labels(network, data, settings):
    """Gains 0.2 with 100 labels, 0.1 with 1,000 and 0.05 with all."""
    (count,) = settings.label_counts
    return {"trained encoder": [0.9], "from scratch": [{100: 0.7, 1000: 0.8, 55_000: 0.85}[count]]}


def test_the_network_of_two_units_is_trained_once_for_the_same_digits():
    module = importlib.import_module("tutorials.sigmoid_ae")
    data = random_digits(80, 20)
    settings = dataclasses.replace(module.PRESETS["smoke"], batch_size=20, jit_compile=False)
    train_two_d_encoder.cache_clear()
    encoders = digits.two_d_encoders(data, settings, 1)
    again = digits.two_d_encoders(data, settings, 1)
    assert train_two_d_encoder.cache_info().misses == 1
    assert set(encoders) == {"PCA", "autoencoder"}
    for name, encode in encoders.items():
        assert encode(data.x_test).shape == (20, 2)
        np.testing.assert_array_equal(encode(data.x_test), again[name](data.x_test))


def test_claims_are_measured_at_the_articles_settings_alone(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(claims, "measure", lambda *_: pytest.fail("measured after one epoch"))
    arguments = ("--epochs", 1, "--style", "keras", "--out", tmp_path / "run")
    assert run("sigmoid_ae", *arguments) == 0
    assert "those of the article's settings, not of these" in capsys.readouterr().out


def test_a_summary_counts_the_runs_in_which_a_claim_held():
    runs = [measure(claim(value, at_least=2), claim(None, "it is read")) for value in (1, 2, 3)]
    assert claims.summary(LESSON, runs) == [
        "mixed, 2 of 3: it works: 1 to 3 (at least 2)",
        "not measured: it is read",
    ]


def test_what_does_not_depend_on_the_network_is_counted_once():
    runs = [measure(claim(7, "of the data"), claim(7)) for _ in range(4)]
    runs.append(measure(claim(7.0001, "of the data"), claim(7)))  # on another machine
    runs.append(measure(claim(8, "of the data"), claim(8)))  # on other data
    assert claims.summary(LESSON, runs) == [
        "holds, 2 of 2: of the data: 7 to 8",
        "holds, 6 of 6: it works: 7 to 8",
    ]


def test_claims_of_older_runs_are_matched_by_what_they_say():
    old, new = [claim(1)], [claim(5, "a later claim"), claim(1)]
    assert claims.summary(LESSON, [measure(*old), measure(*new)]) == [
        "holds, 2 of 2: it works: 1",
        "holds, 1 of 1: a later claim: 5",
    ]
