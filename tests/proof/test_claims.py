"""The contract of claims, and that the lessons on digits keep it."""

import dataclasses
import json
from types import SimpleNamespace

from ae.lesson import Claim
from ae.proof import claims
from ae.proof.digits import BASIC_CLAIMS, two_d_encoders
from ae.proof.judges import train_deep_autoencoder

import keras
import numpy as np
import pytest
from random_data import random_digits
from running import lesson, read_record, run, smoke_settings

DIGIT_LESSONS = ("dense_ae", "sigmoid_ae", "low_level_ae")


def claim(value, sentence="It works.", **bounds):
    return Claim(sentence, "How well", lambda *_: value, "because", **bounds)


# What a summary asks of a lesson.
ALONE = Claim("It is so.", "Of the data", lambda *_: 0, "because", of_network=False)
LESSON = SimpleNamespace(claims=[ALONE])


def of_data(value):
    return ALONE._replace(measure=lambda *_: value)


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
    measure(Claim("It works.", "How well", lambda *arguments: seen.append(arguments), "because"))
    assert seen == [("network", "data", "settings")]


def test_a_result_says_all_that_the_claim_does_and_what_came_out():
    declared = Claim(
        "It works.", "How well", lambda *_: np.float32(0.5), "a quarter", at_least=0.25
    )
    (result,) = measure(declared)
    assert 0 <= result.pop("seconds") < 60
    assert type(result["value"]) is float
    assert result["holds"] is True
    assert result == {
        "claim": "It works.",
        "quantity": "How well",
        "value": 0.5,
        "at_least": 0.25,
        "at_most": None,
        "why": "a quarter",
        "holds": True,
    }


def test_a_claim_that_fails_is_reported_and_does_not_stop_the_others():
    results = measure(claim(3, at_most=2), claim(1, at_most=2))
    assert [result["holds"] for result in results] == [False, True]
    assert claims.lines(results) == [
        "FAILS: It works. How well: 3 (at most 2)",
        "holds: It works. How well: 1 (at most 2)",
    ]


def test_what_cannot_be_measured_neither_holds_nor_fails():
    (result,) = measure(claim(None, at_least=1))
    assert result["value"] is None
    assert result["holds"] is None
    assert claims.lines([result]) == ["not measured: It works. How well (at least 1)"]


def test_a_line_names_both_thresholds():
    lines = claims.lines(measure(claim(1.23456, at_least=0, at_most=2.5)))
    assert lines == ["holds: It works. How well: 1.23 (at least 0) (at most 2.5)"]


@pytest.mark.parametrize("name", DIGIT_LESSONS)
def test_a_lesson_on_digits_says_why_each_threshold_is_where_it_is(name):
    declared_by_it = lesson(name).claims
    assert declared_by_it[: len(BASIC_CLAIMS)] == BASIC_CLAIMS
    for declared in declared_by_it:
        assert declared.why
        assert declared.at_least is not None or declared.at_most is not None


@pytest.mark.parametrize("style", ["low-level", "keras"])
@pytest.mark.parametrize("name", DIGIT_LESSONS)
def test_every_claim_is_measured_on_every_network(name, style, monkeypatch):
    monkeypatch.setattr("ae.proof.judges.LINEAR_STEPS", 2)
    if name == "dense_ae":
        monkeypatch.setattr("tutorials.articles.dense_ae.compare_classifiers", few_labels)
    settings = smoke_settings(name, batch_size=20, jit_compile=False)
    for styles in lesson(name).networks.values():
        keras.utils.set_random_seed(0)
        network = styles[style].build(settings)
        data = random_digits(80, 20)
        results = claims.measure(lesson(name), network, data, settings)
        for result in results:  # random digits look like none
            unknown = "look like" in result["quantity"]
            assert (result["value"] is None) == unknown
            assert unknown or np.isfinite(result["value"])
        assert len(results) == len(lesson(name).claims)
        holds = {result["claim"]: result["holds"] for result in results}
        assert holds["It compresses."]
        assert holds["Barp: It can be taken apart."]
        assert not holds["It replicates."]  # it is untrained
        if name == "dense_ae":
            assert [r["value"] for r in results[-3:]] == pytest.approx([0.2, 0.1, 0.05])


def few_labels(network, data, settings):
    """Gains 0.2 with 100 labels, 0.1 with 1,000 and 0.05 with all."""
    (count,) = settings.label_counts
    return {"trained encoder": [0.9], "from scratch": [{100: 0.7, 1000: 0.8, 55_000: 0.85}[count]]}


def test_the_network_of_two_units_is_trained_once_for_the_same_digits():
    data = random_digits(80, 20)
    settings = smoke_settings("sigmoid_ae", batch_size=20, jit_compile=False)
    train_deep_autoencoder.cache_clear()
    encoders = two_d_encoders(data, settings, 1)
    again = two_d_encoders(data, settings, 1)
    assert train_deep_autoencoder.cache_info().misses == 1
    assert set(encoders) == {"PCA", "autoencoder"}
    for name, encode in encoders.items():
        assert encode(data.x_test).shape == (20, 2)
        np.testing.assert_array_equal(encode(data.x_test), again[name](data.x_test))


def test_claims_are_measured_at_the_articles_settings_alone(monkeypatch, tmp_path):
    monkeypatch.setattr(claims, "measure", lambda *_: pytest.fail("measured after one epoch"))
    arguments = ("--epochs", 1, "--style", "keras", "--out", tmp_path / "run")
    assert run("tiny_ae", *arguments) == 0
    assert read_record(tmp_path / "run")["trainings"][0]["claims"] == []


def test_a_summary_counts_the_runs_in_which_a_claim_held():
    runs = [measure(claim(value, at_least=2), claim(None, "It is read.")) for value in (1, 2, 3)]
    assert claims.summary(LESSON, runs) == [
        "mixed, 2 of 3: It works. How well: 1 to 3 (at least 2)",
        "not measured: It is read. How well",
    ]


def test_what_does_not_depend_on_the_network_is_counted_once():
    runs = [measure(of_data(7), claim(7)) for _ in range(4)]
    runs.append(measure(of_data(7.0001), claim(7)))  # on another machine
    runs.append(measure(of_data(8), claim(8)))  # on other data
    assert claims.summary(LESSON, runs) == [
        "holds, 2 of 2: It is so. Of the data: 7 to 8",
        "holds, 6 of 6: It works. How well: 7 to 8",
    ]


def test_claims_of_older_runs_are_matched_by_what_they_say():
    old, new = [claim(1)], [claim(5, "It came later."), claim(1)]
    assert claims.summary(LESSON, [measure(*old), measure(*new)]) == [
        "holds, 2 of 2: It works. How well: 1",
        "holds, 1 of 1: It came later. How well: 5",
    ]


def test_claims_that_a_run_lacks_are_measured_on_its_networks(tmp_path, capsys):
    """An old claim keeps its value, a new one gets one, and one that is no longer made goes."""
    one = lesson("tiny_ae")
    assert run(one, "--out", tmp_path) == 0
    before = read_record(tmp_path)
    gone = {**before["trainings"][0]["claims"][0], "claim": "It flies."}
    for training in before["trainings"]:
        training["claims"] = [gone, {**training["claims"][0], "value": 0.125}]
    (tmp_path / "record.json").write_text(json.dumps(before))
    new = claim(7, sentence="It counts.", at_most=6)
    other = new._replace(sentence="Another network counts.", network="another")
    more = dataclasses.replace(one, claims=(new, *one.claims, other))
    told = list(claims.complete(more, tmp_path, read_record(tmp_path)))
    assert told == [
        f"{tmp_path} {style}: FAILS: It counts. How well: 7 (at most 6)"
        for style in ("low-level", "keras")
    ]
    for training in read_record(tmp_path)["trainings"]:
        assert [result["value"] for result in training["claims"]] == [7, 0.125]
    # What was written so is the program's own, which the same command may write again.
    assert run(one, "--out", tmp_path) == 0
