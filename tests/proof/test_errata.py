import dataclasses
import json
import shutil

from ae import cli, console
from ae.errors import InputError
from ae.maintain import __main__ as maintain
from ae.options import article_options
from ae.proof import errata
from ae.runs.saved import load_weights
from tutorials import __main__ as tutorials

import pytest
from running import LESSONS, lesson, read_record, smoke_settings

LOW_LEVEL = lesson("low_level_ae")
NOTHING = {"measured": []}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Runs low_level_ae for a moment, as published and corrected."""
    folders = {}
    for variant in ("published", "corrected"):
        options = article_options(
            preset="smoke", style="low-level", variant=variant, jit_compile=False
        )
        folders[variant] = tmp_path_factory.mktemp(variant)
        cli.run(LOW_LEVEL, options, folders[variant])
    return folders


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(errata, "FOLDER", tmp_path / "errata")
    return tmp_path / "errata"


def measured(*runs):
    return console.guard(lambda: maintain.run(["errata", *map(str, runs)]))


def test_both_kinds_of_run_are_measured_and_kept(runs, folder):
    path = errata.measure(LOW_LEVEL, [runs["published"], runs["corrected"]])
    kept = json.loads(path.read_text())
    assert (kept["preset"], kept["epochs"]) == ("smoke", 1)
    values = {entry["quantity"]: entry for entry in kept["measured"]}
    dead = values["units of 128 that no test digit excites"]
    for kind, variant in (("published", "published"), ("changed", "corrected")):
        settings = smoke_settings("low_level_ae", variant=variant)
        network = LOW_LEVEL.networks["class"]["low-level"].build(settings)
        saved = runs[variant] / "networks" / "class-low-level"
        load_weights(network, saved)
        x = LOW_LEVEL.load(settings, None).x_test
        active = x @ network.W1.numpy() + network.b1.numpy() > 0
        assert dead[kind] == [128 - active.any(axis=0).sum()]
    kept["measured"][1]["note"] = "written by hand"
    path.write_text(json.dumps(kept))
    errata.measure(LOW_LEVEL, [runs["published"], runs["corrected"]])
    assert json.loads(path.read_text()) == kept


def test_an_erratum_may_change_how_long_to_train(runs, folder, tmp_path):
    (first, *_) = [e for e in LOW_LEVEL.errata if e.measures and e.network == "class"]
    longer = first._replace(quote="ten epochs", change=("num_epochs", 2))
    one = dataclasses.replace(LOW_LEVEL, errata=(first, longer))
    options = article_options(preset="smoke", style="low-level", epochs=2, jit_compile=False)
    cli.run(one, options, tmp_path / "longer")
    kept = json.loads(errata.measure(one, [*runs.values(), tmp_path / "longer"]).read_text())
    counts = {(e["erratum"], len(e["published"]), len(e["changed"])) for e in kept["measured"]}
    assert counts == {(first.quote, 1, 1), ("ten epochs", 1, 1)}
    assert kept["epochs"] == 1


def test_a_record_from_before_an_option_counts_as_its_default(runs, folder, tmp_path):
    shutil.copytree(runs["published"], tmp_path / "run")
    record = read_record(tmp_path / "run")
    del record["settings"]["code_size"]
    (tmp_path / "run" / "record.json").write_text(json.dumps(record))
    path = errata.measure(LOW_LEVEL, [tmp_path / "run", runs["corrected"]])
    assert all(len(entry["published"]) == 1 for entry in json.loads(path.read_text())["measured"])


def test_a_run_with_other_packages_is_refused(runs, folder, tmp_path):
    shutil.copytree(runs["corrected"], tmp_path / "run")
    record = read_record(tmp_path / "run")
    record["versions"]["keras"] = "2.2.4"
    (tmp_path / "run" / "record.json").write_text(json.dumps(record))
    with pytest.raises(InputError, match=r"versions is .*2\.2\.4"):
        errata.measure(LOW_LEVEL, [runs["published"], tmp_path / "run"])


def test_a_run_with_another_learning_rate_is_refused(runs, folder, tmp_path):
    record = read_record(runs["published"])
    record["settings"]["learning_rate"] = 0.1
    (tmp_path / "record.json").write_text(json.dumps(record))
    with pytest.raises(InputError, match=r"learning_rate is 0\.1"):
        errata.measure(LOW_LEVEL, [runs["corrected"], tmp_path])
    assert not folder.exists()


def test_a_run_on_other_data_is_refused(runs, folder, tmp_path):
    record = read_record(runs["published"])
    record["data"]["sha256"] = "another"
    (tmp_path / "record.json").write_text(json.dumps(record))
    with pytest.raises(InputError, match="on other data"):
        errata.measure(LOW_LEVEL, [runs["corrected"], tmp_path])
    assert not folder.exists()


def test_the_command_keeps_and_prints_what_was_measured(runs, folder, capsys):
    maintain.run(["errata", str(runs["corrected"]), str(runs["published"])])
    assert capsys.readouterr().out.strip() == str(folder / "low_level_ae.json")
    assert tutorials.main(["errata", "low_level_ae"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "Measured: units of 128 that no test digit excites: " in printed
    assert (
        "Measured after 1 epoch at most of the preset 'smoke', 1 run with the change, on "
        in printed
    )


def test_each_erratum_is_printed_in_full(capsys):
    assert tutorials.main(["errata"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    for one in LESSONS:
        assert one.errata
        for erratum in one.errata:
            for part in (erratum.quote, erratum.problem, erratum.effect, erratum.fix):
                assert " ".join(part.split()) in printed


def test_errata_are_printed_by_their_effect(capsys):
    for one in LESSONS:
        errata.print_all([dataclasses.replace(one, errata=one.errata[::-1])])
        printed = " ".join(capsys.readouterr().out.split())
        measured = {entry["erratum"] for entry in (errata.read(one) or NOTHING)["measured"]}
        ranks = {
            printed.index(f'"{erratum.quote}"'): (erratum.quote not in measured, not erratum.effect)
            for erratum in one.errata
        }
        assert [ranks[place] for place in sorted(ranks)] == sorted(ranks.values())


def test_a_run_is_measured_once_and_at_its_end(runs, folder, tmp_path):
    both = [runs["published"], runs["corrected"]]
    with pytest.raises(InputError, match="Two runs of low_level_ae have the seed 0"):
        errata.measure(LOW_LEVEL, [*both, runs["published"]])
    record = read_record(runs["published"])
    del record["source"]
    (tmp_path / "record.json").write_text(json.dumps(record))
    with pytest.raises(InputError, match="is not finished"):
        errata.measure(LOW_LEVEL, [tmp_path, runs["corrected"]])
    assert not folder.exists()


def test_one_kind_of_run_alone_shows_no_difference(runs, folder, capsys):
    run = str(runs["published"])
    assert measured(run) == 2
    assert "needs a changed run of low_level_ae too" in capsys.readouterr().err
    assert not folder.exists()


def test_runs_of_another_lesson_or_scale_are_refused(runs, folder, tmp_path, capsys):
    run = str(runs["published"])
    other = tmp_path / "other"
    other.mkdir()
    record = read_record(runs["published"])
    (other / "record.json").write_text(json.dumps({**record, "lesson": "dense_ae"}))
    assert measured(run, other) == 2
    assert "not of low_level_ae" in capsys.readouterr().err
    record = read_record(runs["corrected"])
    record["settings"]["num_epochs"] = 7
    (tmp_path / "record.json").write_text(json.dumps(record))
    assert measured(run, tmp_path) == 2
    assert "epochs is 7, in the first run 1" in capsys.readouterr().err


def test_what_is_kept_is_what_the_errata_measure():
    for one in LESSONS:
        kept = errata.read(one)
        if kept is None:
            continue
        assert [(e["erratum"], e["quantity"]) for e in kept["measured"]] == [
            (erratum.quote, what) for erratum in one.errata for what in erratum.measures
        ]


def test_measures_tell_errata_of_one_lesson_apart():
    for one in LESSONS:
        names = [what for erratum in one.errata for what in erratum.measures]
        assert len(set(names)) == len(names)
        assert {e.network for e in one.errata if e.measures} <= set(one.networks)
        for erratum in one.errata:
            assert hasattr(one.presets["article"], erratum.change[0])
