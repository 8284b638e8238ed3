import argparse
import dataclasses
import re

from ae import cli, console
from ae.errors import Interrupted
from ae.lesson import ONLY_NETWORK
from ae.maintain import __main__ as maintain
from ae.options import article_options
from ae.proof import bands, check, graph_mode, parity, published, reproduced
from ae.runs import lifecycle
from ae.runs.records import write_record
from ae.training.run import Run
from tutorials import __main__ as tutorials

import numpy as np
import pytest
from made_records import a_record
from running import lesson, smoke_settings
from scipy import stats

SIGMOID = lesson("sigmoid_ae")
CLEANER = lesson("document_cleaner")
VAE = lesson("fashion_vae")


def runs(curves, loss):
    return [
        reproduced.Training({"network": ONLY_NETWORK}, [{loss: value} for value in curve])
        for curve in curves
    ]


def published_curve(lesson, column):
    return np.array(check.published.curve(lesson.name)[column])


def test_runs_around_two_published_ones_pass():
    first, second = (published_curve(SIGMOID, c) for c in ("run_2016", "run_2017"))
    result = check.compare(
        SIGMOID, ONLY_NETWORK, runs([first + 0.001, second - 0.001, second], "last_batch_loss")
    )
    assert not result.outside.any()
    assert check.verdict(result).startswith("passed: 0 of 40 published points outside")


def test_the_band_is_where_a_further_run_would_lie():
    """Of runs that are alike, the band of some excludes one more in five cases of a hundred."""
    rng = np.random.default_rng(0)
    for count in (3, 6, 12):
        draws = rng.normal(0.3, 0.01, (count + 1, 20_000))
        ours = draws[:-1]
        margin = bands.margin(ours, check.CHANCE)
        share = np.mean(abs(draws[-1] - ours.mean(axis=0)) > margin)
        assert share == pytest.approx(check.CHANCE, abs=0.006)  # four standard errors


def test_published_points_far_from_our_mean_are_outside():
    curve = published_curve(VAE, "loss")
    offsets = [-0.001, 0.0, 0.001]
    allowed = 0.001 * stats.t.ppf(0.975, 2) * (4 / 3) ** 0.5
    near, far = (
        check.compare(
            VAE, ONLY_NETWORK, runs([curve + share * allowed + o for o in offsets], "loss")
        )
        for share in (0.99, 1.01)
    )
    assert not near.outside.any()
    assert far.outside.all()
    assert (near.passed, far.passed) == (True, False)


def test_a_point_outside_is_found_named_and_may_be_chance():
    curve = published_curve(VAE, "loss")
    curves = np.array([curve - 0.0005, curve, curve + 0.0005])
    curves[:, 6] += 0.1
    result = check.compare(VAE, ONLY_NETWORK, runs(curves, "loss"))
    assert list(np.flatnonzero(result.outside[0])) == [6]
    words = check.verdict(result)
    assert words.startswith("passed: 1 of 20 published points outside the band")
    assert "expected by chance: 1; allowed: 4" in words
    assert "epoch 7: ours" in words
    curves[:, 8:12] += 0.1
    assert check.verdict(check.compare(VAE, ONLY_NETWORK, runs(curves, "loss"))).startswith(
        "FAILED: 5 of 20"
    )


def test_equal_runs_leave_room_for_rounding_and_no_more():
    curve = published_curve(VAE, "loss")
    near, far = (
        check.compare(VAE, ONLY_NETWORK, runs([curve + offset] * 3, "loss"))
        for offset in (4e-5, 6e-5)
    )
    assert not near.outside.any()
    assert far.outside.all()


def test_runs_in_bfloat16_have_a_band_of_float32_widened_by_its_rounding():
    curve = published_curve(VAE, "loss")
    float32 = runs([curve - 0.001, curve, curve + 0.001], "loss")
    allowed = 0.001 * stats.t.ppf(0.975, 2) * 2**0.5  # the mean is of one run
    near, far = (curve + allowed + share / 256 * curve for share in (0.95, 1.05))
    assert not check.compare(VAE, ONLY_NETWORK, runs([near], "loss"), float32).outside.any()
    assert check.compare(VAE, ONLY_NETWORK, runs([far], "loss"), float32).outside.all()
    with pytest.raises(ValueError, match="three or more"):
        check.compare(VAE, ONLY_NETWORK, runs([near], "loss"), float32[:2])


def test_the_epochs_to_a_published_loss_are_counted():
    curve = published_curve(VAE, "loss")
    slower = np.concatenate([curve[:1], curve[:-1]])  # an epoch later
    result = check.compare(VAE, ONLY_NETWORK, runs([curve, curve, slower], "loss"))
    half, end = check.epochs_to_reach(result)
    assert half.endswith("published 11, ours 11 to 12")
    assert end.endswith("published 20, ours 20, 1 of 3 never")


def test_only_the_epochs_that_were_reached_are_compared():
    curve = published_curve(VAE, "loss")
    result = check.compare(VAE, ONLY_NETWORK, runs([curve[:5], curve[:8], curve], "loss"))
    assert list(result.epochs) == [1, 2, 3, 4, 5]


def test_an_epoch_that_three_of_four_runs_reached_is_compared_with_these():
    curve = published_curve(VAE, "loss")
    four = runs([curve[:2] + 1, curve - 0.001, curve, curve + 0.001], "loss")
    result = check.compare(VAE, ONLY_NETWORK, four)
    three = check.compare(VAE, ONLY_NETWORK, four[1:])
    assert list(result.epochs) == list(range(1, 21))
    for ours, theirs in ((result.lower, three.lower), (result.upper, three.upper)):
        np.testing.assert_array_equal(ours[2:], theirs[2:])
        assert (ours[:2] != theirs[:2]).all()
    assert check.control(result) == [2, 0, 0, 0]


def test_two_runs_are_too_few_for_a_band():
    with pytest.raises(ValueError, match="three or more"):
        check.compare(VAE, ONLY_NETWORK, runs([published_curve(VAE, "loss")] * 2, "loss"))


def test_a_curve_of_generated_pages_is_not_checked(monkeypatch, capsys, tmp_path):
    record = a_record(CLEANER, 0, [0.5])
    record["data"]["notice"] = "generated pages"
    trainings = {"document_cleaner-synthetic": reproduced.trainings_of(record)}
    monkeypatch.setattr(reproduced, "kept_of", lambda lesson: trainings)
    options = argparse.Namespace(kept=True, out=tmp_path, overwrite=False)
    assert check.main([CLEANER], options, train=None) == 0
    said = capsys.readouterr().out
    assert "not checked: generated pages" in said
    assert "Curves that failed: none; not checked: document_cleaner-synthetic." in said


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(reproduced, "FOLDER", tmp_path)
    return tmp_path


def test_kept_runs_are_read_back_as_they_were(folder):
    path = reproduced.keep(VAE, [a_record(VAE, 0, [0.5, 0.25]), a_record(VAE, 1, [0.75])])
    first, second = reproduced.kept(path.stem)
    assert first.history == [{"loss": 0.5, "seconds": 0.1}, {"loss": 0.25, "seconds": 0.1}]
    assert (second.about["seed"], second.history[0]["loss"]) == (1, 0.75)
    assert "/a/local/path" not in path.with_suffix(".json").read_text()
    rows = [line.split(",")[:2] for line in path.read_text().splitlines()[1:]]
    assert rows == [["0", "1"], ["0", "2"], ["1", "1"]]  # training and epoch


def test_runs_are_added_to_those_that_are_kept(folder):
    reproduced.keep(VAE, [a_record(VAE, 0, [0.5]), a_record(VAE, 1, [0.75])])
    path = reproduced.keep(VAE, [a_record(VAE, 1, [0.625]), a_record(VAE, 2, [0.25])])
    kept = reproduced.kept(path.stem)
    assert [t.about["seed"] for t in kept] == [0, 1, 2]
    assert [t.history[0]["loss"] for t in kept] == [0.5, 0.625, 0.25]


def timed(seed, style, seconds, device="a machine"):
    """A record of a training whose epochs took so many seconds."""
    record = {**a_record(VAE, seed, [0.5] * len(seconds)), "device": device}
    (training,) = record["trainings"]
    training["style"] = style
    for logs, taken in zip(training["history"], seconds, strict=True):
        logs["seconds"] = taken
    return record


def test_times_are_summed_over_networks_and_averaged_over_seeds(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(reproduced, "TIMES", tmp_path / "times.json")
    reproduced.keep(VAE, [timed(0, "keras", [100] * 5), timed(1, "keras", [20] * 5)])
    quick = {**a_record(VAE, 0, [0.5]), "preset": "quick"}
    quick["settings"] = dataclasses.asdict(VAE.presets["quick"])
    quick["trainings"] = [{**quick["trainings"][0], "seconds": s} for s in (10, 20.4)]
    write_record(tmp_path / VAE.name, quick)
    reproduced.keep_times([VAE], tmp_path)

    def row():
        return reproduced.times_table([VAE]).splitlines()[2]

    assert row() == "| fashion_vae | not recorded | 30 s | not recorded | 5 min |"
    halted = timed(2, "low-level", [8, 9, 10, 4000, 11], "another machine")
    reproduced.keep(VAE, [halted, timed(2, "keras", [1] * 5, "another machine")])
    assert row() == "| fashion_vae | not recorded | 30 s | 50 s (another machine) | 5 min |"
    write_record(tmp_path / VAE.name, {**quick, "preset": "smoke"})
    with pytest.raises(reproduced.InputError, match="'quick'"):
        reproduced.keep_times([VAE], tmp_path)
    write_record(tmp_path / VAE.name, quick)
    for part in ({"settings": {**quick["settings"], "num_epochs": 1}},
                 {"data": {**quick["data"], "notice": "generated pages"}}):  # fmt: skip
        write_record(tmp_path / VAE.name, {**quick, **part})
        with pytest.raises(reproduced.InputError, match="'quick'"):
            reproduced.keep_times([VAE], tmp_path)


def test_runs_of_different_kinds_are_not_kept_together(folder):
    runs = [a_record(VAE, 0, [0.5]), a_record(VAE, 1, [0.5], variant="corrected")]
    with pytest.raises(reproduced.InputError, match="more than the seed"):
        reproduced.keep(VAE, runs)
    assert not list(folder.iterdir())


@pytest.mark.parametrize(
    ("changes", "settings", "words"),
    [
        ({"preset": "quick"}, {}, "preset quick"),
        ({}, {"num_train": 10_000}, "10,000 training examples"),
        ({}, {"batch_size": 8}, "minibatches of 8"),
        ({}, {"learning_rate": 0.5}, r"learning rate 0\.5"),
        ({}, {"num_epochs": 1}, "1 epoch instead of 20"),
        ({}, {"num_epochs": 50}, "50 epochs instead of 20"),
    ],
)
def test_runs_at_other_settings_do_not_count(tmp_path, changes, settings, words):
    write_record(tmp_path, {**a_record(VAE, 0, [0.5], **settings), **changes})
    with pytest.raises(reproduced.InputError, match=words):
        reproduced.read_runs(VAE, [tmp_path])


def test_the_notebook_s_run_is_as_long_as_what_it_printed():
    denoiser = lesson("conv_denoiser")
    assert published.departures(denoiser, a_record(denoiser, 0, [0.5], num_epochs=2))
    linear = a_record(denoiser, 0, [0.5], num_epochs=2, output="linear")
    assert published.departures(denoiser, linear) == []


def keeping(*runs):
    return console.guard(lambda: maintain.run(["keep", *runs]))


def checking(out):
    command = ["check", "fashion_vae", "--out", str(out), "--from"]
    return lambda *runs: tutorials.main([*command, *runs])


def test_what_is_kept_is_of_one_lesson_and_whole(tmp_path, capsys):
    for name, record in (("vae", a_record(VAE, 0, [0.5])), ("digits", a_record(SIGMOID, 0, [0.5]))):
        write_record(tmp_path / name, record)
    runs = [str(tmp_path / "vae"), str(tmp_path / "digits")]
    assert keeping(*runs) == 2
    assert "not of fashion_vae" in capsys.readouterr().err
    begun = a_record(VAE, 0, [0.5])
    del begun["source"]
    write_record(tmp_path / "begun", begun)
    for command in (keeping, checking(tmp_path)):
        assert command(str(tmp_path / "begun")) == 2
        assert "is not finished" in capsys.readouterr().err


def test_one_run_is_not_taken_for_two(tmp_path, capsys):
    write_record(tmp_path / "vae", a_record(VAE, 4, [0.5]))
    for command in (keeping, checking(tmp_path)):
        assert command(*[str(tmp_path / "vae")] * 2) == 2
        assert "Two runs of fashion_vae have the seed 4" in capsys.readouterr().err


def test_runs_from_before_there_was_bfloat16_are_checked(tmp_path, capsys):
    record = a_record(VAE, 0, [0.5])
    del record["settings"]["mixed_precision"]
    write_record(tmp_path / "vae", record)
    arguments = ["check", "fashion_vae", "--out", str(tmp_path), "--from", str(tmp_path / "vae")]
    assert tutorials.main(arguments) == 0
    out = capsys.readouterr().out
    assert "1 of 3 runs" in out
    assert "Curves that failed: none; not checked: fashion_vae." in out


@pytest.mark.parametrize("flag", ["--resume", "--seeds=3"])
def test_what_is_for_training_is_refused_beside_kept_runs(capsys, flag):
    assert tutorials.main(["check", "--kept", flag]) == 2
    assert "for training" in capsys.readouterr().err


def test_an_interrupted_check_says_how_to_resume_all_of_it(monkeypatch, tmp_path, capsys):
    def interrupt(*_):
        raise Interrupted("python -m tutorials.fashion_vae --resume there")

    monkeypatch.setattr(cli, "run", interrupt)
    out = str(tmp_path / "my out")
    assert tutorials.main(["check", "fashion_vae", "--out", out]) == 130
    expected = f"python -m tutorials check fashion_vae --out '{out}' --resume\n"
    assert capsys.readouterr().err.endswith(expected)


def test_an_interrupted_check_resumes_where_it_was(monkeypatch, tmp_path, capsys):
    """The second of three seeds is stopped in its second epoch; the settings are small ones."""
    (tmp_path / "tiny_ae.csv").write_text("epoch,loss\n1,0.22\n2,0.16\n")
    monkeypatch.setattr(published, "FOLDER", tmp_path)
    tiny = dataclasses.replace(
        lesson("tiny_ae"),
        presets={"article": smoke_settings("tiny_ae", num_epochs=2)},
        claims=(),
        draw=lambda *_: None,
        published={ONLY_NETWORK: {"loss": ("loss",)}},
    )
    train, observe = lifecycle.train, Run.observe
    seeds = []

    def note_seed(lesson, settings, *arguments, **options):
        seeds.append(settings.seed)
        return train(lesson, settings, *arguments, **options)

    def stop(run, losses):
        if seeds[-1] == 1 and run.epochs_done == 1:
            raise KeyboardInterrupt
        observe(run, losses)

    def check_all(out, resume=False):
        options = argparse.Namespace(seeds=3, out=out, overwrite=False, from_runs=None, kept=False)

        def train(lesson, folder, changes):
            run = cli.run_or_resume if resume else cli.run
            return run(lesson, article_options(**changes), folder)

        code = check.main([tiny], options, train)
        return code, capsys.readouterr().out.partition("  curve ")[2].replace(str(out), "OUT")

    monkeypatch.setattr(lifecycle, "train", note_seed)
    whole = check_all(tmp_path / "whole")
    assert re.search(r"of 2 published points.*6 runs", whole[1], re.DOTALL)
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Run, "observe", stop)
        check_all(tmp_path / "again")
    capsys.readouterr()
    assert check_all(tmp_path / "again", resume=True) == whole
    assert seeds == [0, 1, 2, 0, 1, 2]  # none of them began twice


def test_our_own_runs_are_compared_with_each_other_in_the_same_way():
    """1 is outside 11 +- 5; in a band that the 1 widened, each of the others is inside."""
    ours = np.array([[10, 1], [11, 1], [12, 1], [1, 1.0]])
    comparison = check.Comparison(np.arange(2), ours, np.array([[5, 1]]), None, None)
    assert check.control(comparison) == [0, 0, 0, 1]
    assert check.control(comparison._replace(ours=ours[:3])) == []


def test_there_must_be_something_to_check(tmp_path, capsys):
    write_record(tmp_path / "vae", a_record(VAE, 0, [0.5]))
    chosen = ["check", "sigmoid_ae", "--out", str(tmp_path / "out"), "--from"]
    assert tutorials.main([*chosen, str(tmp_path / "vae")]) == 2
    assert "no runs" in capsys.readouterr().err
    write_record(tmp_path / "vae", a_record(VAE, 0, [0.5], batch_size=8))
    chosen[1] = "fashion_vae"
    assert tutorials.main([*chosen, str(tmp_path / "vae")]) == 2
    assert "minibatches of 8" in capsys.readouterr().err
    assert tutorials.main([*chosen, str(tmp_path / "vae"), "--kept"]) == 2
    assert "not allowed with" in capsys.readouterr().err
    chosen[3] = __file__
    assert tutorials.main([*chosen, str(tmp_path / "vae")]) == 2
    assert "no folder can be made" in capsys.readouterr().err


def test_another_variant_output_or_data_set_is_another_kind():
    denoiser = lesson("conv_denoiser")
    article = dataclasses.asdict(denoiser.presets["article"])
    about = {"settings": article, "data": {"notice": ""}}
    assert reproduced.title(denoiser, about) == "conv_denoiser"
    linear = {**article, "output": "linear", "variant": "corrected"}
    about = {"settings": linear, "data": {"notice": "generated"}}
    found = reproduced.title(denoiser, about)
    assert found == "conv_denoiser-output-linear-variant-corrected-synthetic"
    about = {"settings": {**article, "mixed_precision": True}, "data": {"notice": ""}}
    assert reproduced.title(denoiser, about) == "conv_denoiser-mixed_precision"


def test_the_table_states_mean_deviation_and_the_published_value_of_the_same_epoch(folder):
    reproduced.keep(VAE, [a_record(VAE, 0, [0.5, 0.30]), a_record(VAE, 1, [0.5, 0.32])])
    elsewhere = {**a_record(VAE, 2, [0.5, 0.31]), "device": "another"}
    reproduced.keep(VAE, [elsewhere])
    *_, row, _, machines = reproduced.table([VAE]).splitlines()
    assert machines == "The machines: a machine; another."
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells == ["fashion_vae", "mean loss, epoch 2", "0.3371", "0.3100 ± 0.0100", "3 keras"]


def test_the_kept_runs_of_sigmoid_ae_follow_the_published_curves():
    trainings = reproduced.kept("sigmoid_ae")
    assert len({t.about["seed"] for t in trainings}) >= 3
    assert not check.compare(SIGMOID, ONLY_NETWORK, trainings).outside.any()


@pytest.fixture
def trained(monkeypatch):
    """Stands for training: gives each run the curves that `curves_of(options)` makes."""
    runs = []

    def train_with(curves_of):
        def run(lesson, options, folder):
            runs.append((folder.name, options.epochs))
            changes = {"output": options.output} if hasattr(options, "output") else {}
            record = a_record(lesson, options.seed, [], **changes)
            (training,) = record["trainings"]
            curves = curves_of(options)
            epochs = zip(*curves.values(), strict=True)
            training["history"] = [dict(zip(curves, losses, strict=True)) for losses in epochs]
            return record

        monkeypatch.setattr(cli, "run", run)
        return runs

    return train_with


def shifted(lesson, **offsets):
    """The published curves, each moved by so much."""
    return {loss: published_curve(lesson, loss) + by for loss, by in offsets.items()}


@pytest.mark.parametrize("missed", ["", "loss", "val_loss"])
def test_the_command_trains_a_run_for_each_seed(trained, tmp_path, capsys, missed):
    """One curve that is missed, of the training or of the validation, is enough to fail."""

    def curves(options):
        offsets = {m: 1e-3 * options.seed + 0.05 * (m == missed) for m in ("loss", "val_loss")}
        return shifted(VAE, **offsets)

    runs = trained(curves)
    code = tutorials.main(["check", "fashion_vae", "--seeds", "3", "--out", str(tmp_path)])
    assert code == bool(missed)
    assert runs == [(f"fashion_vae-{seed}", None) for seed in range(3)]
    out = capsys.readouterr().out
    for loss in ("loss", "val_loss"):
        word = "FAILED: 20 of 20" if loss == missed else "passed: 0 of 20"
        assert f"  curve   {loss.replace('_', ' ')} {word} published points" in out
        assert (tmp_path / f"fashion_vae-{loss}.png").stat().st_size > 1000
    assert f"Curves that failed: {'fashion_vae' if code else 'none'}." in out


def test_numbers_that_other_settings_printed_are_checked_with_those(trained, tmp_path, capsys):
    denoiser = lesson("conv_denoiser")

    def curves(options):
        by = 0.0 if hasattr(options, "output") else 0.1
        return shifted(denoiser, loss=by, val_loss=by)

    runs = trained(curves)
    assert tutorials.main(["check", "conv_denoiser", "--out", str(tmp_path)]) == 0
    pairs = [
        ((f"conv_denoiser-{seed}", None), (f"conv_denoiser-published-{seed}", 2))
        for seed in range(3)
    ]
    assert runs == [run for pair in pairs for run in pair]
    article, notebook, _ = capsys.readouterr().out.split("\n\n")
    assert article.startswith("\nconv_denoiser\n  curve   not checked")
    assert notebook.startswith("conv_denoiser-output-linear\n  picture ")
    assert "  curve   loss passed: 0 of 2" in notebook


@pytest.mark.parametrize(("other", "code"), [([1.0, 0.5], 0), ([1.0, 0.6], 1)])
def test_without_a_curve_tensorflow_1_decides(trained, monkeypatch, tmp_path, capsys, other, code):
    def settle(lesson, network, num_steps, against):
        assert (lesson.name, num_steps, against) == ("dense_ae", 100, parity.GRAPH)
        losses = np.array([1.0, 0.5])
        difference = float(np.abs(losses - other).max())
        return [
            parity.Parity(
                *("dense_ae", network, against, "float32", losses, np.array(other)),
                *(difference, 0.0, None),
            )
        ]

    monkeypatch.setattr(parity, "settle", settle)
    trained(lambda options: {"last_batch_loss": [0.5]})
    assert tutorials.main(["check", "dense_ae", "--seeds", "1", "--out", str(tmp_path)]) == code
    assert ("FAILED" in capsys.readouterr().out) == bool(code)


@pytest.mark.long
def test_the_graph_of_an_article_judges_the_lesson_itself(monkeypatch):
    dense = lesson("dense_ae")
    agrees, words = check.against_graph(dense, ONLY_NETWORK)
    assert agrees, words
    losses = graph_mode.losses
    monkeypatch.setattr(
        graph_mode, "losses", lambda a, b, w, x: losses(a, b, [1.001 * v for v in w], x)
    )
    agrees, words = check.against_graph(dense, ONLY_NETWORK)
    assert not agrees
    assert words.startswith("FAILED")


def test_what_generated_pages_or_a_corrected_lesson_gave_is_not_what_was_published():
    cleaner = lesson("document_cleaner")
    settings = dataclasses.asdict(cleaner.presets["article"])
    columns = check.published.columns
    both = {"loss": ("loss",), "val_loss": ("val_loss",)}
    assert columns(cleaner, ONLY_NETWORK, settings) == both
    assert not columns(cleaner, ONLY_NETWORK, settings, "generated pages")
    assert not columns(cleaner, ONLY_NETWORK, {**settings, "variant": "corrected"})
