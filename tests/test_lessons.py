"""Every lesson, run as a user runs it, at the smallest preset."""

import dataclasses
import datetime
import hashlib
import importlib
import json
import math
import os
import shutil
import struct
import subprocess
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

from ae import cleaning, cli, datasets, errors, figures
from ae.datasets.pictures import read_grey, write_grey
from ae.networks import codec
from ae.paths import REPOSITORY
from ae.runs import records
from ae.training import Run
from tutorials import (
    conv_denoiser,
    dense_ae,
    document_cleaner,
    fashion_vae,
    low_level_ae,
    sigmoid_ae,
)
from tutorials.__main__ import NAMES
from tutorials.__main__ import main as tutorials_main

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from scipy.stats import norm

EACH_LESSON = pytest.mark.parametrize("name", NAMES)
STYLES = ("low-level", "keras")
NETWORKS = {name: ["autoencoder"] for name in NAMES} | {"low_level_ae": ["class", "layers"]}
FIGURES = {
    "dense_ae": ["digits"],
    "sigmoid_ae": ["strip"],
    "low_level_ae": ["reconstructions"],
    "conv_denoiser": ["clean-noisy-output", "latent-maps"],
    "document_cleaner": ["validation-pages", "test-page"],
    "fashion_vae": ["manifold", "latent", "reconstructions"],
}
NOTICE = "generated pages, not the article's scans"
NOTICE_RED = (214, 39, 40)  # matplotlib's tab:red


def lesson(name):
    return importlib.import_module(f"tutorials.{name}").LESSON


def run(name_or_lesson, *arguments):
    """Runs a lesson's command line; the documents are generated ones."""
    a_lesson = lesson(name_or_lesson) if isinstance(name_or_lesson, str) else name_or_lesson
    arguments = [str(argument) for argument in arguments]
    if a_lesson.name == "document_cleaner" and "--preset" in arguments:
        arguments += ["--data", "synthetic"]
    with pytest.raises(SystemExit) as stopped:
        cli.main(a_lesson, arguments)
    return stopped.value.code


def read_record(folder):
    return json.loads((folder / "record.json").read_text(encoding="utf-8"))


def smoke_settings(name, **changes):
    return dataclasses.replace(lesson(name).presets["smoke"], **changes)


# What a run leaves behind.


@EACH_LESSON
def test_a_record_tells_the_whole_run(smoke, name):
    folder = smoke(name)
    record = read_record(folder)
    assert (record["lesson"], record["preset"]) == (name, "smoke")
    settings = dataclasses.asdict(lesson(name).presets["smoke"])
    if name == "document_cleaner":
        settings["data"] = "synthetic"
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
    assert ran == [(network, style) for network in NETWORKS[name] for style in STYLES]
    for training in trainings:
        assert len(training["history"]) == lesson(name).presets["smoke"].num_epochs
        assert 0 < sum(epoch["seconds"] for epoch in training["history"]) <= training["seconds"]
        for epoch in training["history"]:
            assert lesson(name).measure in epoch
            assert ("val_loss" in epoch) == (
                name in ("conv_denoiser", "document_cleaner", "fashion_vae")
            )
            assert all(math.isfinite(value) and value > 0 for value in epoch.values())
    for network in NETWORKS[name]:
        counts = {t["parameters"] for t in trainings if t["network"] == network}
        assert len(counts) == 1


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


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("dense_ae", None),
        ("sigmoid_ae", {"epoch": 1, "losses": [0.218654603, 0.200306907]}),
        ("low_level_ae", None),
        ("conv_denoiser", None),  # the notebook's output is linear
        ("document_cleaner", None),  # nobody published generated pages
        ("fashion_vae", {"epoch": 1, "losses": [0.3938]}),
    ],
)
def test_a_record_holds_what_was_published_for_that_epoch(smoke, name, row):
    record = read_record(smoke(name))
    assert [training["published"] for training in record["trainings"]] == [row] * len(
        record["trainings"]
    )


def pixels(path):
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        return np.asarray(picture.convert("RGB"))


@EACH_LESSON
def test_the_figures_are_pictures(smoke, name):
    folder = smoke(name)
    labels = [
        style if len(NETWORKS[name]) == 1 else f"{network}-{style}"
        for network in NETWORKS[name]
        for style in STYLES
    ]
    record = read_record(folder)
    listed = [path for training in record["trainings"] for path in training["figures"]]
    assert listed == [
        f"figures/{label}-{figure}.png" for label in labels for figure in FIGURES[name]
    ]
    assert {path.name for path in (folder / "figures").iterdir()} == {
        Path(path).name for path in listed
    }
    for path in listed:
        image = pixels(folder / path)
        assert 100 <= min(image.shape[:2]) <= max(image.shape[:2]) <= 3000
        assert image.std() > 10  # there is something on it


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
def test_a_run_s_figures_are_drawn_again_to_the_pixel_without_training(smoke, name, tmp_path):
    def train(*_):
        pytest.fail("--from trains")

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
    monkeypatch.setattr(cli, "run", lambda *_: pytest.fail("it trains again"))
    options = cli.article_options(preset="smoke", data="synthetic")
    record = cli.run_or_resume(lesson(name), options, smoke(name))
    assert record["folder"] == smoke(name)


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


def test_what_a_run_began_with_is_no_option_of_redrawing_it(smoke, tmp_path, capsys):
    for name, *options in (
        ("conv_denoiser", "--output", "linear"),
        ("sigmoid_ae", "--epochs", "3"),
        ("sigmoid_ae", "--preset", "smoke"),
    ):
        assert run(name, "--from", smoke(name), "--out", tmp_path / "out", *options) == 2
        assert "--from takes its settings from the run" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def copied_with_other_data(run, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    record = json.loads((folder / "record.json").read_text())
    record["data"]["sha256"] = "another"
    (folder / "record.json").write_text(json.dumps(record))
    return folder


def test_a_run_is_not_redrawn_on_other_data(smoke, tmp_path, capsys):
    folder = copied_with_other_data(smoke("sigmoid_ae"), tmp_path)
    figures_before = {path: path.stat().st_mtime_ns for path in (folder / "figures").iterdir()}
    assert run("sigmoid_ae", "--from", folder) == 2
    assert "other data" in capsys.readouterr().err
    assert {p: p.stat().st_mtime_ns for p in (folder / "figures").iterdir()} == figures_before


def test_figures_of_other_data_go_to_another_folder(smoke, tmp_path, capsys):
    folder = copied_with_other_data(smoke("document_cleaner"), tmp_path)
    arguments = ("document_cleaner", "--from", folder, "--data", "synthetic")
    assert run(*arguments) == 2
    assert "with --out" in capsys.readouterr().err
    assert run(*arguments, "--out", tmp_path / "others") == 0
    assert list((tmp_path / "others" / "figures").iterdir())


def test_figures_come_from_the_saved_network_of_that_style(smoke, tmp_path, capsys):
    folder = tmp_path / "run"
    shutil.copytree(smoke("sigmoid_ae"), folder)
    (folder / "networks" / "keras.keras").unlink()
    out = tmp_path / "out"
    assert run("sigmoid_ae", "--from", folder, "--out", out, "--style", "low-level") == 0
    assert [path.name for path in (out / "figures").iterdir()] == ["low-level-strip.png"]
    capsys.readouterr()
    assert run("sigmoid_ae", "--from", folder, "--out", out, "--style", "keras") == 2
    assert "keras.keras" in capsys.readouterr().err


def test_nothing_stays_of_the_run_that_a_folder_held_before(tmp_path, capsys):
    for style in ("keras", "low-level"):
        arguments = ["--preset", "smoke", "--style", style, "--out", tmp_path]
        assert run("sigmoid_ae", *arguments) == 0
    names = {path.name for path in tmp_path.rglob("*")}
    assert "low-level-strip.png" in names
    assert not any("keras" in name for name in names)
    capsys.readouterr()
    assert run("sigmoid_ae", "--from", tmp_path, "--style", "keras") == 2
    assert "no keras network" in capsys.readouterr().err


def test_a_saved_network_of_another_lesson_is_refused(smoke):
    networks = lesson("dense_ae").networks["autoencoder"]
    settings = lesson("dense_ae").presets["smoke"]
    other = smoke("sigmoid_ae") / "networks"
    for style, file in [("keras", "keras.keras"), ("low-level", "low-level")]:
        with pytest.raises(errors.InputError, match="not a saved network of this lesson"):
            records.load_weights(networks[style].build(settings), other / file)


# Options.


def losses(record):
    return [
        {entry: value for entry, value in epoch.items() if entry != "seconds"}
        for training in record["trainings"]
        for epoch in training["history"]
    ]


def test_a_seed_repeats_a_run_and_another_seed_does_not(smoke, tmp_path):
    first = losses(read_record(smoke("sigmoid_ae")))
    for seed in (0, 1):
        out = tmp_path / str(seed)
        assert run("sigmoid_ae", "--preset", "smoke", "--seed", seed, "--out", out) == 0
        again = losses(read_record(out))
        if seed == 0:
            assert again == first
        else:
            assert all(a != b for a, b in zip(again, first, strict=True))


def test_options_take_the_place_of_the_preset_s_settings(tmp_path):
    arguments = ["--preset", "smoke", "--style", "keras", "--epochs", 3, "--batch-size", 128]
    arguments += ["--learning-rate", 0.25, "--seed", 5, "--variant", "corrected", "--no-xla"]
    assert run("sigmoid_ae", *arguments, "--out", tmp_path) == 0
    record = read_record(tmp_path)
    chosen = {"num_epochs": 3, "batch_size": 128, "learning_rate": 0.25, "seed": 5}
    chosen |= {"variant": "corrected", "jit_compile": False}
    assert record["settings"] == dataclasses.asdict(smoke_settings("sigmoid_ae", **chosen))
    (training,) = record["trainings"]
    assert training["style"] == "keras"
    assert len(training["history"]) == 3
    assert training["published"] is None  # that was not the corrected variant


EPOCHS_TO_LEARN = {"dense_ae": 2, "sigmoid_ae": 70, "fashion_vae": 2}  # of 100, 3 and 20 steps


@EACH_LESSON
def test_every_network_learns_in_both_styles(name):
    num_epochs = EPOCHS_TO_LEARN.get(name, 4)
    settings = smoke_settings(name, num_epochs=num_epochs, jit_compile=False)
    if name == "document_cleaner":
        settings = dataclasses.replace(settings, data="synthetic")
    data = lesson(name).load(settings, None)
    if name == "document_cleaner":  # a corner of each page is enough
        pages = {field: x for field, x in data._asdict().items() if field[:2] in ("x_", "y_")}
        data = data._replace(**{field: x[:, :64, :96] for field, x in pages.items()})
    for network, styles in lesson(name).networks.items():
        for style in STYLES:
            keras.utils.set_random_seed(0)
            training = Run(name, num_epochs)
            styles[style].train(styles[style].build(settings), data, settings, training)
            history = [epoch["loss"] for epoch in training.history]
            assert len(history) == num_epochs
            assert history[-1] < 0.95 * history[0], (network, style, history)


# dense_ae and sigmoid_ae: the articles' closing ideas.


def test_digits_are_those_after_the_first_five_thousand():
    mnist = datasets.load_mnist()
    for module in (dense_ae, sigmoid_ae, low_level_ae):
        data = module.load(smoke_settings(module.LESSON.name), None)
        kept = mnist.x_train[5000 : 5000 + len(data.x_train)].reshape(-1, 784)
        np.testing.assert_allclose(data.x_train, kept / 255, atol=1e-6)
        np.testing.assert_allclose(data.x_test[-1], mnist.x_test[127].ravel() / 255, atol=1e-6)
        assert data.x_train.dtype == "float32"


@pytest.mark.long
def test_a_classifier_on_few_labels_does_better_than_chance(tmp_path):
    arguments = ["--preset", "smoke", "--style", "keras", "--classifier", "--out", tmp_path]
    assert run("dense_ae", *arguments) == 0
    (training,) = read_record(tmp_path)["trainings"]
    accuracies = training["results"]["classifier_accuracy"]
    assert set(accuracies) == {"trained encoder", "from scratch"}
    for start in accuracies.values():
        assert len(start) == 2  # 100 and 200 labelled digits
        assert all(0.4 < accuracy < 1 for accuracy in start)  # chance is 0.1
    assert pixels(tmp_path / "figures" / "keras-classifier.png").std() > 10


def test_only_one_of_the_classifiers_begins_with_the_trained_encoder():
    settings = smoke_settings("dense_ae", label_counts=(100,))
    dead = dense_ae.build_keras(settings)
    dead.set_weights([0 * w for w in dead.get_weights()])  # ReLUs at zero never learn
    data = dense_ae.load(settings, None)
    accuracies = dense_ae.compare_classifiers(dead, data, settings)
    assert accuracies["trained encoder"][0] < 0.25 < 0.4 < accuracies["from scratch"][0]


def test_two_dimensions_are_drawn_once_a_run(smoke, tmp_path):
    folder = smoke("sigmoid_ae")
    assert read_record(folder)["appendix"]["figures"] == []
    out = ["--two-d", "--out", tmp_path]
    assert run("sigmoid_ae", "--preset", "smoke", "--style", "keras", *out) == 0
    record = read_record(tmp_path)
    assert record["settings"]["two_d"] is True
    assert record["appendix"]["figures"] == ["figures/two-d.png"]
    image = pixels(tmp_path / "figures" / "two-d.png")
    assert image.shape[1] > 1.5 * image.shape[0]  # two panels side by side
    assert image.std() > 10


# conv_denoiser: noise and validation.


def test_a_tenth_of_the_pixels_is_replaced_and_the_targets_are_clean():
    data = conv_denoiser.load(smoke_settings("conv_denoiser"), None)
    fashion = datasets.load_fashion_mnist()
    for clean, noisy, original in [
        (data.x_train, data.x_train_noisy, fashion.x_train),
        (data.x_test, data.x_test_noisy, fashion.x_test),
    ]:
        n = len(clean)
        assert clean.dtype == noisy.dtype == "float32"
        np.testing.assert_allclose(clean[..., 0], original[:n] / 255, atol=1e-6)
        assert 0 <= noisy.min() <= noisy.max() <= 1
        share = np.mean(abs(noisy - clean) > 1e-3)
        error = math.sqrt(0.1 * 0.9 / clean.size)
        assert 0.09 < share < 0.1 + 5 * error  # a pixel may be replaced by its own value
    assert data.x_val is data.x_test  # as the article validates


def test_the_noise_is_that_of_the_seed():
    first, again, other = (
        conv_denoiser.load(smoke_settings("conv_denoiser", seed=seed), None) for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first.x_train_noisy, again.x_train_noisy)
    np.testing.assert_array_equal(first.x_test_noisy, again.x_test_noisy)
    assert np.mean(first.x_train_noisy != other.x_train_noisy) > 0.1
    np.testing.assert_array_equal(first.x_train, other.x_train)


@pytest.fixture
def countable_clothes(monkeypatch):
    """Sixty images, image i of grey level i; ten of them are held out; ten more are for tests."""
    x = np.arange(70, dtype="uint8")[:, None, None] * np.ones((28, 28), "uint8")
    clothes = SimpleNamespace(
        **{"x_train": x[:60], "y_train": x[:60, 0, 0] % 10, "x_test": x[60:]},
        **{"y_test": x[60:, 0, 0] % 10, "provenance": None},
    )
    monkeypatch.setattr(datasets, "load_fashion_mnist", lambda _: clothes)
    for module in (conv_denoiser, fashion_vae):
        monkeypatch.setattr(module, "HELD_OUT", 10)
    monkeypatch.setattr(conv_denoiser, "SHOWN", (("test", 6), ("train", 32)))


def numbers(images):
    return list(np.rint(images[:, 0, 0, 0] * 255).astype(int))


def test_validation_of_the_denoiser(countable_clothes):
    published, corrected = (
        conv_denoiser.load(
            smoke_settings("conv_denoiser", variant=variant, num_train=None, num_test=None), None
        )
        for variant in ("published", "corrected")
    )
    assert numbers(published.x_train) == list(range(60))
    assert numbers(published.x_val) == numbers(published.x_test) == list(range(60, 70))
    assert numbers(corrected.x_train) == list(range(50))
    assert numbers(corrected.x_val) == list(range(50, 60))
    assert numbers(corrected.x_test) == list(range(60, 70))
    assert numbers(corrected.x_shown) == numbers(published.x_shown) == [66, 32]
    for data in (published, corrected):
        typical = np.median(data.x_val_noisy, axis=(1, 2, 3))
        np.testing.assert_allclose(typical, data.x_val[:, 0, 0, 0], atol=1e-6)


def test_validation_of_the_vae(countable_clothes):
    published, corrected = (
        fashion_vae.load(
            smoke_settings("fashion_vae", variant=variant, num_train=None, num_test=None), None
        )
        for variant in ("published", "corrected")
    )
    assert numbers(published.x_train) == list(range(60))
    assert numbers(corrected.x_train) == list(range(50))
    for data in (published, corrected):
        assert numbers(data.x_val) == list(range(50, 60))
        assert list(data.y_train) == [i % 10 for i in numbers(data.x_train)]
        assert list(data.y_test) == [i % 10 for i in numbers(data.x_test)]


# document_cleaner: pages, notice, and the command that cleans.

HAS_REAL = any(
    (Path(os.environ.get("AE_DATA_DIR", "/nowhere")) / folder).is_dir()
    for folder in ("dirty_documents", "NoisyOffice")
)
KINDS = pytest.mark.parametrize(
    "kind",
    [
        "synthetic",
        pytest.param("real", marks=pytest.mark.skipif(not HAS_REAL, reason="no real documents")),
    ],
)


def load_pages(kind, variant):
    settings = dataclasses.replace(
        lesson("document_cleaner").presets["article"], data=kind, variant=variant
    )
    return document_cleaner.load(settings, None)


def nearest(page):
    return datasets.resize(page, 258, 540, "nearest")


def grey_levels(page):
    return np.rint(255 * page[..., 0]).astype("uint8").tobytes()


def pairs(x, y):
    return {grey_levels(dirty): grey_levels(clean) for dirty, clean in zip(x, y, strict=True)}


@KINDS
def test_the_published_split_squashes_and_sets_15_percent_aside(kind):
    data = load_pages(kind, "published")
    assert data.x_train.shape == data.y_train.shape == (122, 258, 540, 1)
    assert data.x_val.shape == data.y_val.shape == (22, 258, 540, 1)
    assert data.x_test.shape == (72, 258, 540, 1)
    train, val = pairs(data.x_train, data.y_train), pairs(data.x_val, data.y_val)
    assert not set(train) & set(val)
    documents = datasets.load_or_generate_documents(kind, None, 0)
    assert train | val == {
        nearest(page.dirty).tobytes(): nearest(page.clean).tobytes() for page in documents.train
    }
    noise = {nearest(page.dirty).tobytes(): page.noise for page in documents.train}
    assert data.noise_val == tuple(noise[grey_levels(page)] for page in data.x_val)
    tall = next(page.dirty for page in documents.train if page.dirty.shape == (420, 540))
    rows = [i for i in range(258) if (2 * i + 1) % 43]  # the others lie between two old rows
    old = [int((i + 0.5) * 420 / 258) for i in rows]
    np.testing.assert_array_equal(nearest(tall)[rows], tall[old])
    first = [nearest(page.dirty).tobytes() for page in documents.train[:22]]
    assert set(first) - set(val)  # drawn at random
    if kind == "real":
        folded = next(page for page in documents.test if page.name == "184.png")
        assert grey_levels(data.x_test[0]) == nearest(folded.dirty).tobytes()
    assert bool(data.provenance.notice) == (kind == "synthetic")


@KINDS
def test_the_corrected_split_crops_and_validates_on_another_text(kind):
    data = load_pages(kind, "corrected")
    documents = datasets.load_or_generate_documents(kind, None, 0)
    for partition, x, y in [("TR", data.x_train, data.y_train), ("VA", data.x_val, data.y_val)]:
        pages = [page for page in documents.train if page.partition == partition]
        assert len(x) == len(pages) > 0
        assert pairs(x, y) == {
            page.dirty[:258, :540].tobytes(): page.clean[:258, :540].tobytes() for page in pages
        }


def test_another_seed_sets_other_pages_aside():
    splits = []
    documents = datasets.load_or_generate_documents("synthetic", None, 0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets, "load_or_generate_documents", lambda *_: documents)
        for seed in (0, 0, 1):
            settings = smoke_settings("document_cleaner", seed=seed, num_train=40)
            data = document_cleaner.load(settings, None)
            assert (len(data.x_train), len(data.x_val)) == (34, 6)
            splits.append({grey_levels(page) for page in data.x_val})
    assert splits[0] == splits[1] != splits[2]


def has_red(image):
    return bool((image == NOTICE_RED).all(axis=-1).any())


def test_generated_pages_are_called_so_everywhere(smoke, tmp_path, capsys):
    folder = smoke("document_cleaner")
    assert read_record(folder)["data"]["notice"] == NOTICE
    assert run("document_cleaner", "--from", folder, "--style", "keras", "--out", tmp_path) == 0
    assert f"document_cleaner: {NOTICE}" in capsys.readouterr().out.splitlines()
    for path in (folder / "figures").iterdir():
        assert has_red(pixels(path)), path.name
    assert read_record(smoke("conv_denoiser"))["data"]["notice"] == ""
    for path in (smoke("conv_denoiser") / "figures").iterdir():
        assert not has_red(pixels(path)), path.name


@pytest.fixture
def scan(tmp_path):
    """A scan of odd sides, in grey."""
    path = tmp_path / "scan.png"
    write_grey(path, np.random.default_rng(0).integers(0, 256, (101, 77), np.uint8))
    return path


def cleaned_at_once(run_folder, style, page):
    settings = lesson("document_cleaner").presets["smoke"]
    network = lesson("document_cleaner").networks["autoencoder"][style].build(settings)
    file = "keras.keras" if style == "keras" else "low-level"
    records.load_weights(network, run_folder / "networks" / file)
    even = np.vstack([page, page[-1:]])
    even = np.hstack([even, even[:, -1:]])
    whole = codec(network).reconstruct(even[None, :, :, None].astype("float32") / 255)
    return 255 * whole[0, :101, :77, 0]


def test_the_command_cleans_a_scan_of_odd_size(smoke, scan, tmp_path):
    folder = smoke("document_cleaner")
    command = [sys.executable, "-m", "tutorials.document_cleaner", "clean", scan]
    done = subprocess.run(
        [*command, "-o", tmp_path / "clean.png", "--from", folder],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (0, f"{tmp_path / 'clean.png'}\n"), done.stderr
    clean = read_grey(tmp_path / "clean.png")
    assert clean.shape == (101, 77)
    expected = cleaned_at_once(folder, "keras", read_grey(scan))
    np.testing.assert_allclose(clean, expected, atol=0.51)  # rounded to a grey level


def test_the_command_takes_either_style_and_a_file_of_its_own(smoke, scan, tmp_path, capsys):
    folder = smoke("document_cleaner")
    networks = {
        "low-level": ["--from", folder, "--style", "low-level"],
        "keras": ["--from", folder / "networks" / "keras.keras"],
    }
    for style, arguments in networks.items():
        out = tmp_path / style
        out.mkdir()
        assert run("document_cleaner", "clean", scan, "-o", out, *arguments) == 0
        assert ("preset 'smoke'" in capsys.readouterr().err) == (style == "low-level")
        expected = cleaned_at_once(folder, style, read_grey(scan))
        np.testing.assert_allclose(read_grey(out / "scan.png"), expected, atol=0.51)


def test_the_command_refuses_what_it_cannot_use(smoke, scan, tmp_path, capsys):
    folder, out = smoke("document_cleaner"), tmp_path / "clean.png"
    capsys.readouterr()
    for arguments, part in [
        ([tmp_path / "gone.png", "--from", folder], "gone.png"),
        ([scan, "--from", tmp_path], "no run"),
        ([scan, tmp_path / "other.png", "--from", folder], "several pages need a folder"),
        ([scan, "--from", smoke("conv_denoiser")], "conv_denoiser"),
        ([scan, "--from", smoke("conv_denoiser") / "networks" / "keras.keras"], "keras.keras"),
    ]:
        capsys.readouterr()
        assert run("document_cleaner", "clean", *arguments, "-o", out) == 2
        err = capsys.readouterr().err
        assert part in err
        assert err.count("\n") == 1
        assert not out.exists()


def test_a_large_page_is_cleaned_in_tiles_that_do_not_show(smoke):
    settings = lesson("document_cleaner").presets["smoke"]
    network = document_cleaner.build_keras(settings)
    records.load_weights(network, smoke("document_cleaner") / "networks" / "keras.keras")
    page = np.random.default_rng(0).integers(0, 256, (90, 130), np.uint8)
    reconstruct = codec(network, batch_size=1).reconstruct
    tiled = cleaning.clean_page(page, reconstruct, tile=32).astype(int)
    whole = cleaning.clean_page(page, reconstruct, tile=512).astype(int)
    assert abs(tiled - whole).max() <= 1


# fashion_vae: a file without code, and the figures' geometry.


def all_layers(model):
    for layer in model.layers:
        yield layer
        if isinstance(layer, keras.Model):
            yield from all_layers(layer)


def test_the_saved_vae_loads_in_safe_mode_and_holds_no_lambda(smoke):
    path = smoke("fashion_vae") / "networks" / "keras.keras"
    with zipfile.ZipFile(path) as archive:
        assert "Lambda" not in archive.read("config.json").decode()
    vae = keras.saving.load_model(path, safe_mode=True)
    layers = list(all_layers(vae))
    assert [type(x) for x in layers].count(fashion_vae.Sampling) == 1
    assert [type(x) for x in layers].count(fashion_vae.VariationalLoss) == 1
    assert not any(isinstance(x, keras.layers.Lambda) for x in layers)
    again = fashion_vae.build_keras(lesson("fashion_vae").presets["smoke"])
    records.load_weights(again, path)
    x = np.random.default_rng(0).random((3, 28, 28, 1), "float32")
    for one, two in zip(codec(vae).encode(x), codec(again).encode(x), strict=True):
        np.testing.assert_array_equal(one, two)


class Stub:
    """A network whose decoded image holds the code: 100 z_1 + z_2 in every pixel."""

    def encode(self, x):
        return tf.stack([x[:, 0, 0, 0], -x[:, 0, 0, 0]], axis=1), tf.zeros([tf.shape(x)[0], 2])

    def decode(self, z):
        return (100 * z[:, 0] + z[:, 1])[:, None, None, None] * tf.ones([1, 28, 28, 1])

    def reconstruct(self, x):
        return self.decode(self.encode(x)[0])


class Sink:
    """A report that draws nothing."""

    def __init__(self):
        self.figures = []

    def figure(self, name, figure):
        self.figures.append(name)


def draw_stub(monkeypatch, **changes):
    """Lets `fashion_vae.draw` draw the stub's codes; returns what reached the figures."""
    seen = {}
    for kind in ("manifold", "scatter", "strip"):
        monkeypatch.setattr(
            figures, kind, lambda *a, kind=kind, **k: seen.setdefault(kind, []).append(a)
        )
    grey = np.linspace(0, 1, 40, dtype="float32")[:, None, None, None]
    x = grey * np.ones((1, 28, 28, 1), "float32")
    data = fashion_vae.Data(x, np.arange(40) % 10, x[:5], x[:12], np.arange(12) % 10, None)
    sink = Sink()
    fashion_vae.draw(Stub(), data, smoke_settings("fashion_vae", **changes), sink)
    return seen, sink.figures, data


def test_the_manifold_s_columns_vary_the_first_coordinate(monkeypatch):
    seen, _, _ = draw_stub(monkeypatch)
    ((tiles, side),) = seen["manifold"]
    assert side == 20
    grid = norm.ppf(np.linspace(0.05, 0.95, 20))
    expected = [[100 * z_1 + z_2 for z_1 in grid] for z_2 in grid]
    assert tiles.shape == (400, 28, 28, 1)
    np.testing.assert_allclose(tiles[:, 3, 4, 0].reshape(20, 20), expected, rtol=1e-5, atol=1e-4)
    assert expected[0][0] == pytest.approx(101 * -1.6448536)


def test_the_latent_figure_shows_every_training_image_in_its_class_s_colour(monkeypatch):
    seen, _, data = draw_stub(monkeypatch)
    ((codes, labels),) = seen["scatter"]
    ((_, points),) = codes.items()
    np.testing.assert_allclose(points, np.stack([data.x_train[:, 0, 0, 0]] * 2, 1) * [1, -1])
    np.testing.assert_array_equal(labels, data.y_train)


def test_new_clothes_are_decoded_around_their_class(monkeypatch):
    _, names, _ = draw_stub(monkeypatch)
    assert names == ["manifold", "latent", "reconstructions"]
    given = []

    def sample(z_mean, s, number, settings):
        given.extend([z_mean, s])
        return np.tile(np.float32([[0.5, 0.25]]), (number, 1))

    monkeypatch.setattr(fashion_vae, "sample_around", sample)
    seen, names, data = draw_stub(monkeypatch, generate="trouser")
    assert names == ["manifold", "latent", "reconstructions", "trouser"]
    trousers = data.x_train[data.y_train == 1][:, 0, 0, 0]
    np.testing.assert_allclose(given[0], np.stack([trousers, -trousers], 1))
    new = np.concatenate(list(seen["strip"][-1][0].values()))
    assert new.shape == (20, 28, 28)
    np.testing.assert_allclose(new, 50.25)


def test_new_clothes_of_a_trained_vae_are_drawn_on_request(smoke, tmp_path):
    out = ["--from", smoke("fashion_vae"), "--style", "keras", "--out", tmp_path]
    assert run("fashion_vae", *out, "--generate", "trouser") == 0
    assert pixels(tmp_path / "figures" / "keras-trouser.png").std() > 10


@pytest.mark.parametrize(("variant", "sigma"), [("published", 0.6), ("corrected", 0.6**0.5)])
def test_new_codes_lie_as_the_class_lies(variant, sigma):
    settings = smoke_settings("fashion_vae", variant=variant)
    z_mean = np.float32([3, -1]) + np.float32([0.5, 2]) * np.random.default_rng(1).standard_normal(
        (4000, 2)
    ).astype("float32")
    s = np.full((4000, 2), math.log(0.6), "float32")
    z = fashion_vae.sample_around(z_mean, s, 20_000, settings)
    assert z.dtype == "float32"
    spread = np.sqrt(z_mean.var(axis=0) + sigma**2)
    np.testing.assert_allclose(z.mean(axis=0), z_mean.mean(axis=0), atol=0.08)
    np.testing.assert_allclose(z.std(axis=0), spread, rtol=0.03)
    again = fashion_vae.sample_around(z_mean, s, 20_000, settings)
    np.testing.assert_array_equal(again, z)
    other = dataclasses.replace(settings, seed=1)
    assert not np.array_equal(fashion_vae.sample_around(z_mean, s, 20_000, other), z)
