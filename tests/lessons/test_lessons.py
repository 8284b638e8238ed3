"""Every lesson, run as a user runs it, at the smallest preset."""

import dataclasses
import datetime
import hashlib
import json
import math
import shutil
import struct

from ae import cli, datasets, errors
from ae.lesson import label_of
from ae.options import article_options
from ae.proof import published, variants
from ae.runs import saved
from ae.training.run import Run
from tutorials.__main__ import main as tutorials_main
from tutorials.articles import dense_ae

import keras
import numpy as np
import pytest
import tensorflow as tf
from expected import expected
from running import (
    EACH_LESSON,
    NETWORKS,
    WITH_XLA,
    lesson,
    nearly,
    pixels,
    read_record,
    run,
    smoke_settings,
)

STYLES = ("low-level", "keras")


# What a run leaves behind.


@EACH_LESSON
def test_a_record_tells_the_whole_run(smoke, name):
    folder = smoke(name)
    record = read_record(folder)
    assert (record["lesson"], record["preset"]) == (name, "smoke")
    settings = dataclasses.asdict(lesson(name).presets["smoke"])
    if name == "document_cleaner":
        settings["data"] = "synthetic"
    settings["jit_compile"] &= name == WITH_XLA
    assert record["settings"] == json.loads(json.dumps(settings))
    assert record["settings"]["seed"] == 0
    assert record["data"]["source"]
    assert {"python", "keras", "numpy", "matplotlib"} <= set(record["versions"])
    assert record["versions"]["keras"] == keras.__version__
    assert record["device"]
    started = datetime.datetime.fromisoformat(record["started"])
    age = datetime.datetime.now(datetime.timezone.utc) - started
    assert datetime.timedelta(0) <= age < datetime.timedelta(hours=1)


@EACH_LESSON
def test_a_record_tells_every_training(smoke, name):
    folder = smoke(name)
    trainings = read_record(folder)["trainings"]
    ran = [(training["network"], training["style"]) for training in trainings]
    assert ran == [(network, style) for network in expected(name).networks for style in STYLES]
    for training in trainings:
        assert len(training["history"]) == lesson(name).presets["smoke"].num_epochs
        assert 0 < sum(epoch["seconds"] for epoch in training["history"]) <= training["seconds"]
        for epoch in training["history"]:
            assert lesson(name).printed_loss in epoch
            assert ("val_loss" in epoch) == (expected(name).validates_on is not None)
            assert all(math.isfinite(value) and value > 0 for value in epoch.values())
        (entry, *_) = expected(name).networks[training["network"]].values()
        assert training["parameters"] == entry.parameters


def test_a_record_tells_the_digest_of_the_data(smoke):
    for name, load in [
        ("dense_ae", datasets.load_mnist),
        ("fashion_vae", datasets.load_fashion_mnist),
    ]:
        digests = read_record(smoke(name))["data"]["sha256"]
        assert len(digests) == 4
        image_set = load()
        idx = struct.pack(">IIII", 2051, *image_set.x_train.shape) + image_set.x_train.tobytes()
        assert digests["train-images-idx3-ubyte"] == hashlib.sha256(idx).hexdigest()
        idx = struct.pack(">II", 2049, len(image_set.y_test)) + image_set.y_test.tobytes()
        assert digests["t10k-labels-idx1-ubyte"] == hashlib.sha256(idx).hexdigest()
    assert len(read_record(smoke("document_cleaner"))["data"]["sha256"]) == 64


@EACH_LESSON
def test_a_record_holds_what_was_published_for_that_epoch(smoke, name):
    losses = expected(name).published_first or {}
    record = read_record(smoke(name))
    article = dataclasses.asdict(lesson(name).presets["article"])
    whole = {**record, "settings": article, "data": {"notice": ""}}
    if name == "document_cleaner":
        losses = {"autoencoder": [0.1448]}  # the smoke run's pages are generated
    for training in record["trainings"]:
        assert training["published"] is None  # it was printed of more images
        first = losses.get(training["network"])
        row = {"epoch": 1, "losses": first} if first else None
        assert published.at_epoch(lesson(name), training["network"], whole, 1) == row


def test_the_corrected_variant_is_compared_with_nothing_published():
    settings = dataclasses.asdict(smoke_settings("sigmoid_ae", variant="corrected"))
    record = {"settings": settings, "data": {"notice": ""}}
    assert published.at_epoch(lesson("sigmoid_ae"), "autoencoder", record, 1) is None


@EACH_LESSON
def test_the_figures_are_pictures(smoke, name):
    folder = smoke(name)
    record = read_record(folder)
    names = []
    for training in record["trainings"]:
        label = label_of(training["network"], training["style"]).replace(" ", "-")
        assert all(path.startswith(f"figures/{label}-") for path in training["figures"])
        names.append([path.removeprefix(f"figures/{label}-") for path in training["figures"]])
        for path in training["figures"]:
            height, width, _ = pixels(folder / path).shape
            assert 100 <= min(height, width) <= max(height, width) <= 3000
    assert names[0]
    assert all(others == names[0] for others in names)
    parts = [*record["trainings"], record["appendix"]]
    listed = {path for part in parts for path in part["figures"]}
    assert {f"figures/{path.name}" for path in (folder / "figures").iterdir()} == listed


@EACH_LESSON
def test_the_networks_are_saved(smoke, name):
    folder = smoke(name)
    for training in read_record(folder)["trainings"]:
        saved = folder / training["saved"]
        if training["style"] == "keras":
            loaded = keras.saving.load_model(saved, compile=False, safe_mode=True)
            assert (
                sum(math.prod(w.shape) for w in loaded.trainable_variables)
                == (training["parameters"])
            )
        else:
            variables = [
                shape
                for variable, shape in tf.train.list_variables(str(saved))
                if "VARIABLE_VALUE" in variable and "noise" not in variable
            ]
            assert sum(math.prod(shape) for shape in variables) >= training["parameters"]


@EACH_LESSON
def test_a_run_s_figures_are_drawn_again_to_the_pixel_without_training(
    smoke, name, tmp_path, monkeypatch
):
    def train(*_, **__):
        pytest.fail("--from trains")

    monkeypatch.setattr(variants, "train", train)
    networks = {
        network: {style: parts._replace(train=train) for style, parts in styles.items()}
        for network, styles in lesson(name).networks.items()
    }
    untrainable = dataclasses.replace(lesson(name), networks=networks)
    folder = smoke(name)
    before = (folder / "record.json").read_bytes()
    assert run(untrainable, "--from", folder, "--out", tmp_path) == 0
    drawn = sorted(path.name for path in (folder / "figures").iterdir())
    assert sorted(path.name for path in (tmp_path / "figures").iterdir()) == drawn
    for figure in drawn:
        np.testing.assert_array_equal(
            pixels(tmp_path / "figures" / figure), pixels(folder / "figures" / figure), figure
        )
    assert (folder / "record.json").read_bytes() == before


@EACH_LESSON
def test_a_finished_run_with_the_same_options_is_taken_as_it_is(smoke, name, monkeypatch):
    folder = smoke(name)
    monkeypatch.setattr(cli, "run", lambda *_: pytest.fail("it trains again"))
    chosen = {"data": "synthetic", "jit_compile": name == WITH_XLA}
    options = article_options(preset="smoke", **chosen)
    assert cli.run_or_resume(lesson(name), options, folder)["folder"] == folder


def test_figures_drawn_later_join_the_run_and_its_report(smoke, tmp_path):
    folder = tmp_path / "fashion_vae"
    shutil.copytree(smoke("fashion_vae"), folder)
    expected = read_record(folder)
    expected["trainings"][1]["figures"].append("figures/keras-bag.png")
    assert run("fashion_vae", "--from", folder, "--generate", "bag", "--style", "keras") == 0
    assert read_record(folder) == expected
    assert run("fashion_vae", "--from", folder, "--style", "keras") == 0
    assert read_record(folder) == expected
    assert tutorials_main(["report", str(folder)]) == 0
    page = (folder / "report" / "fashion_vae.html").read_text()
    for name in ("low-level-latent", "keras-latent", "keras-bag"):
        assert page.count(f'src="fashion_vae/figures/{name}.png"') == 1


def test_results_drawn_later_join_the_run(smoke, tmp_path, monkeypatch):
    accuracies = {"trained encoder": [0.5, 0.75], "from scratch": [0.25, 0.5]}
    monkeypatch.setattr(dense_ae, "compare_classifiers", lambda *_: accuracies)
    folder = tmp_path / "dense_ae"
    shutil.copytree(smoke("dense_ae"), folder)
    assert run("dense_ae", "--from", folder, "--classifier") == 0
    for training in read_record(folder)["trainings"]:
        assert training["results"] == {"classifier_accuracy": accuracies}
        assert training["figures"][1:] == [f"figures/{training['style']}-classifier.png"]


def test_an_appendix_drawn_later_joins_the_run(smoke, tmp_path):
    folder = tmp_path / "sigmoid_ae"
    shutil.copytree(smoke("sigmoid_ae"), folder)
    record = read_record(folder)
    record["settings"]["jit_compile"] = False  # XLA takes longer to compile than to train
    (folder / "record.json").write_text(json.dumps(record))
    assert run("sigmoid_ae", "--from", folder, "--two-d") == 0
    figures = ["figures/published-and-corrected.png", "figures/two-d.png"]
    assert read_record(folder)["appendix"]["figures"] == figures
    assert (folder / "figures" / "two-d.png").is_file()


def test_what_was_drawn_before_a_network_is_missed_is_listed(smoke, tmp_path, capsys):
    folder = tmp_path / "fashion_vae"
    shutil.copytree(smoke("fashion_vae"), folder)
    (folder / "networks" / "keras.keras").unlink()
    assert run("fashion_vae", "--from", folder, "--generate", "bag") == 2
    assert "there is no such saved network" in capsys.readouterr().err
    figures = [training["figures"] for training in read_record(folder)["trainings"]]
    assert ["figures/low-level-bag.png" in listed for listed in figures] == [True, False]


def test_what_a_run_began_with_is_no_option_of_redrawing_it(smoke, tmp_path, capsys):
    for name, *options in (
        ("conv_denoiser", "--output", "linear"),
        ("tiny_ae", "--epochs", "3"),
        ("tiny_ae", "--preset", "smoke"),
    ):
        assert run(name, "--from", smoke(name), "--out", tmp_path / "out", *options) == 2
        assert "--from takes its settings from the run" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def copied_with_other_data(run, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    record = read_record(folder)
    record["data"]["sha256"] = nearly(record["data"]["sha256"])
    (folder / "record.json").write_text(json.dumps(record))
    return folder


def test_a_run_is_not_redrawn_on_other_data(smoke, tmp_path, capsys):
    folder = copied_with_other_data(smoke("tiny_ae"), tmp_path)
    figures_before = {path: path.stat().st_mtime_ns for path in (folder / "figures").iterdir()}
    assert run("tiny_ae", "--from", folder) == 2
    assert "other data" in capsys.readouterr().err
    assert {p: p.stat().st_mtime_ns for p in (folder / "figures").iterdir()} == figures_before


def test_figures_of_other_data_go_to_another_folder(smoke, tmp_path, capsys):
    folder = copied_with_other_data(smoke("document_cleaner"), tmp_path)
    arguments = ("document_cleaner", "--from", folder, "--data", "synthetic")
    assert run(*arguments) == 2
    assert "with --out" in capsys.readouterr().err
    assert run(*arguments, "--out", tmp_path / "others") == 0
    assert list((tmp_path / "others" / "figures").iterdir())


@pytest.mark.parametrize("state", [".", "unfinished"])
def test_figures_do_not_take_the_place_of_another_run_s(smoke, tmp_path, capsys, state):
    other = tmp_path / state
    other.mkdir(exist_ok=True)
    shutil.copyfile(smoke("tiny_ae") / "record.json", other / "record.json")
    assert run("tiny_ae", "--from", smoke("tiny_ae"), "--out", tmp_path) == 2
    assert "another run is in this folder" in capsys.readouterr().err
    assert not list(tmp_path.rglob("*.png"))


def test_figures_of_the_run_beside_an_unfinished_one_join_it(smoke, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(smoke("tiny_ae"), folder)
    shutil.copytree(smoke("tiny_ae"), folder / "unfinished")
    (folder / "figures" / "keras-pair.png").unlink()
    before = sorted((folder / "unfinished").rglob("*"))
    assert run("tiny_ae", "--from", folder / "unfinished", "--style", "keras") == 0
    assert (folder / "figures" / "keras-pair.png").is_file()
    assert sorted((folder / "unfinished").rglob("*")) == before


def test_figures_come_from_the_saved_network_of_that_style(smoke, tmp_path, capsys):
    folder = tmp_path / "run"
    shutil.copytree(smoke("tiny_ae"), folder)
    (folder / "networks" / "keras.keras").unlink()
    out = tmp_path / "out"
    assert run("tiny_ae", "--from", folder, "--out", out, "--style", "low-level") == 0
    assert [path.name for path in (out / "figures").iterdir()] == ["low-level-pair.png"]
    capsys.readouterr()
    assert run("tiny_ae", "--from", folder, "--out", out, "--style", "keras") == 2
    assert "keras.keras" in capsys.readouterr().err


def test_nothing_stays_of_the_run_that_a_folder_held_before(tmp_path, capsys):
    for style in ("keras", "low-level"):
        arguments = ["--preset", "smoke", "--style", style, "--out", tmp_path, "--overwrite"]
        assert run("tiny_ae", *arguments) == 0
    names = {path.name for path in tmp_path.rglob("*")}
    assert "low-level-pair.png" in names
    assert not any("keras" in name for name in names)
    capsys.readouterr()
    assert run("tiny_ae", "--from", tmp_path, "--style", "keras") == 2
    assert "no keras network" in capsys.readouterr().err


def test_a_saved_network_of_another_lesson_is_refused(smoke):
    networks = lesson("dense_ae").networks["autoencoder"]
    settings = lesson("dense_ae").presets["smoke"]
    other = smoke("sigmoid_ae") / "networks"
    for style, file in [("keras", "keras.keras"), ("low-level", "low-level")]:
        with pytest.raises(errors.InputError, match="not a saved network of this lesson"):
            saved.load_weights(networks[style].build(settings), other / file)


# Options.


def losses(record):
    return [
        {entry: value for entry, value in epoch.items() if entry != "seconds"}
        for training in record["trainings"]
        for epoch in training["history"]
    ]


def test_a_seed_repeats_a_run_and_another_seed_does_not(smoke, tmp_path):
    first = losses(read_record(smoke("tiny_ae")))
    for seed in (0, 1):
        out = tmp_path / str(seed)
        assert run("tiny_ae", "--preset", "smoke", "--seed", seed, "--out", out) == 0
        again = losses(read_record(out))
        if seed == 0:
            assert again == first
        else:
            assert all(a != b for a, b in zip(again, first, strict=True))


def test_options_take_the_place_of_the_preset_s_settings(tmp_path):
    arguments = ["--preset", "smoke", "--style", "keras", "--epochs", 3, "--batch-size", 4]
    arguments += ["--learning-rate", 0.25, "--seed", 5, "--variant", "corrected", "--xla"]
    assert run("tiny_ae", *arguments, "--darkness", 3, "--out", tmp_path) == 0
    record = read_record(tmp_path)
    chosen = {"num_epochs": 3, "batch_size": 4, "learning_rate": 0.25, "seed": 5}
    chosen |= {"variant": "corrected", "jit_compile": True, "darkness": 3}
    assert record["settings"] == dataclasses.asdict(smoke_settings("tiny_ae", **chosen))
    (training,) = record["trainings"]
    assert training["style"] == "keras"
    assert len(training["history"]) == 3


@pytest.mark.parametrize(("name", "network"), [*NETWORKS, ("tiny_ae", "autoencoder")])
def test_every_network_learns(name, network):
    """In one style: `test_expected.py` says that both take the same steps."""
    settings = smoke_settings(name, jit_compile=False, **expected(name).learns)
    data = lesson(name).load(settings, None)
    keras.utils.set_random_seed(0)
    training = Run(name, settings.num_epochs, settings.steps_per_call)
    build, train = lesson(name).networks[network]["low-level"]
    train(build(settings), data, settings, training)
    (entry, *_) = expected(name).networks[network].values()
    first, *_, last = [epoch["loss"] for epoch in training.history]
    assert last < entry.learns_to < 0.95 * first
