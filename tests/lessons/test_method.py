"""The published method: settings, minibatches, seeds and patience, in a resumed run too."""

import contextlib
import dataclasses
import importlib
import shutil
from types import SimpleNamespace

from ae import cli, datasets
from ae.runs import lifecycle, saved
from ae.training.checkpoints import Checkpoints
from ae.training.run import Run
from tutorials import dense_ae, fashion_vae, low_level_ae, sigmoid_ae
from tutorials.articles.fashion_vae import CLASSES

import keras
import numpy as np
import pytest
import tensorflow as tf
from random_data import PROVENANCE, random_data
from running import EACH_LESSON, EACH_NETWORK, lesson, smoke_settings

STYLES = pytest.mark.parametrize("style", ["low-level", "keras"])


ARTICLE = {
    "dense_ae": {"num_epochs": 10, "batch_size": 256, "learning_rate": 0.001},
    "sigmoid_ae": {"num_epochs": 20, "batch_size": 256, "learning_rate": 0.01},
    "low_level_ae": {"num_epochs": 10, "batch_size": 64, "learning_rate": 0.005},  # of the class
    "conv_denoiser": {"num_epochs": 20, "batch_size": 2048, "learning_rate": 0.001},
    "document_cleaner": {"num_epochs": 200, "batch_size": 16, "learning_rate": 0.001},
    "fashion_vae": {"num_epochs": 20, "batch_size": 16, "learning_rate": 0.001},
}


@EACH_LESSON
def test_the_article_s_settings(name):
    article = dataclasses.asdict(lesson(name).presets["article"])
    assert {key: article[key] for key in ARTICLE[name]} == ARTICLE[name]
    assert article["variant"] == "published"
    assert article["num_train"] is article["num_test"] is None


def test_the_settings_of_the_layers_of_low_level_ae():
    assert low_level_ae.LAYERS_BATCH_SIZE == 32
    assert low_level_ae.LAYERS_LEARNING_RATE == 0.001


@pytest.mark.parametrize(
    ("make", "steps", "batch_size"),
    [
        (dense_ae.minibatches, 100, 256),
        (sigmoid_ae.minibatches, 214, 256),
        (low_level_ae.permuted, 859, 64),
        (low_level_ae.shuffled, 1719, 32),
    ],
)
def test_an_epoch_of_digits_has_the_article_s_steps(make, steps, batch_size):
    data = SimpleNamespace(x_train=np.zeros((55_000, 1)))
    name = make.__module__.rpartition(".")[2]
    order = make(data, lesson(name).presets["article"])
    assert (order.steps_per_epoch, order.batch_size) == (steps, batch_size)


def two_of_each(name):
    """Two random images or pages to train on, to validate on and to test on."""
    module = importlib.import_module(f"tutorials.{name}")
    rng = np.random.default_rng(0)
    fields = [f for f in module.Data._fields if f[:2] in ("x_", "y_")]
    side = (28, 28, 1) if name == "conv_denoiser" else (8, 8, 1)
    arrays = {f: rng.random((2, *side)).astype("float32") for f in fields}
    extra = {"noise_val": ("a", "b")} if name == "document_cleaner" else {}
    return module.Data(**arrays, **extra, provenance=PROVENANCE)


@STYLES
@pytest.mark.parametrize(("name", "patience"), [("conv_denoiser", 10), ("document_cleaner", 5)])
def test_a_lesson_stops_early_with_the_article_s_patience(name, patience, style):
    """With steps of nothing no validation loss is better than the first."""
    settings = smoke_settings(name, num_epochs=30, batch_size=2, learning_rate=1e-30)
    data = two_of_each(name)
    run = Run(name, 30)
    made = lesson(name).networks["autoencoder"][style]
    made.train(made.build(settings), data, settings, run)
    assert len(run.history) == 1 + patience


@STYLES
def test_patience_is_counted_from_the_beginning_in_a_resumed_run(style, tmp_path):
    name = "document_cleaner"
    settings = smoke_settings(name, num_epochs=30, batch_size=2, learning_rate=1e-30)
    data = two_of_each(name)
    made = lesson(name).networks["autoencoder"][style]

    def go_on(stop_at=None):
        def after_epoch(epoch):
            if epoch == stop_at:
                raise KeyboardInterrupt

        network = made.build(settings)
        checkpoints = Checkpoints(tmp_path, network)
        run = Run("a run", 30, after_epoch=after_epoch, checkpoints=checkpoints)
        if not run.is_over:
            with contextlib.suppress(KeyboardInterrupt):
                made.train(network, data, settings, run)
        return run

    go_on(stop_at=4)
    assert len(go_on().history) == 1 + 5
    over = go_on()
    assert over.is_over
    assert len(over.history) == 1 + 5


@STYLES
@EACH_NETWORK
def test_every_lesson_resumes_with_its_batches_and_optimizer(
    name, network, style, tmp_path, monkeypatch
):
    monkeypatch.setattr(dense_ae, "STEPS_PER_EPOCH", 5)
    data, settings = random_data(name)
    made = lesson(name).networks[network][style]
    after_one_epoch = tmp_path / "after one epoch"

    class Copied(Checkpoints):
        def save(self, history, stopped):
            super().save(history, stopped)
            if len(history) == 1:
                shutil.copytree(tmp_path / "whole", after_one_epoch)

    def train(folder):
        keras.utils.set_random_seed(0)
        built = made.build(settings)
        run = Run(name, 2, settings.steps_per_call, checkpoints=Copied(folder, built))
        done = run.epochs_done
        made.train(built, data, settings, run)
        return done, [np.array(w) for w in built.trainable_variables]

    done, whole = train(tmp_path / "whole")
    done_before, resumed = train(after_one_epoch)
    assert (done, done_before) == (0, 1)
    for a, b in zip(whole, resumed, strict=True):
        np.testing.assert_array_equal(a, b)


@EACH_LESSON
def test_a_seed_orders_the_batches(name):
    module = importlib.import_module(f"tutorials.{name}")
    data = SimpleNamespace(x_train=np.zeros((3000, 1)))
    names = ("permuted", "shuffled") if name == "low_level_ae" else ("minibatches",)
    article = lesson(name).presets["article"]
    for make in (getattr(module, n) for n in names):
        settings = [dataclasses.replace(article, seed=seed) for seed in (0, 1)]
        orders = [np.concatenate(make(data, one).epoch(0)) for one in settings]
        assert not np.array_equal(*orders)


@STYLES
def test_a_seed_draws_the_noise_of_the_vae(style):
    z_mean, s = tf.zeros([5, 2]), tf.zeros([5, 2])
    drawn = []
    for seed in (0, 1):
        settings = smoke_settings("fashion_vae", seed=seed)
        vae = lesson("fashion_vae").networks["autoencoder"][style].build(settings)
        if style == "low-level":
            drawn.append(vae.sample(z_mean, s))
        else:
            (layer,) = [x for x in vae.layers if isinstance(x, fashion_vae.Sampling)]
            drawn.append(layer([z_mean, s]))
    assert not np.array_equal(*drawn)


def test_a_seed_draws_the_first_weights():
    first = []
    for seed in (0, 0, 1):
        settings = smoke_settings("sigmoid_ae", seed=seed)
        network = saved.build(lesson("sigmoid_ae"), "autoencoder", "keras", settings)
        first.append(network.get_weights()[0])
    np.testing.assert_array_equal(first[0], first[1])
    assert not np.array_equal(first[0], first[2])


def test_class_names_are_those_of_the_data_set():
    names = datasets.load_fashion_mnist(None).class_names
    for short, full in zip(CLASSES, names, strict=True):
        assert short in full.lower()


class StoppedError(Exception):
    """A training is about to begin."""


@EACH_NETWORK
@pytest.mark.parametrize("jit_compile", [True, False])
def test_a_lesson_has_its_steps_compiled_as_it_is_told(monkeypatch, name, network, jit_compile):
    seen = []
    function = tf.function

    def stop(*arguments, **options):
        if "jit_compile" in options:
            seen.append(options["jit_compile"])
            raise StoppedError
        return function(*arguments, **options)

    monkeypatch.setattr(tf, "function", stop)
    monkeypatch.setattr(keras.Model, "compile", stop)
    data, settings = random_data(name)
    settings = dataclasses.replace(settings, jit_compile=jit_compile)
    for style in lesson(name).networks[network].values():
        with pytest.raises(StoppedError):
            style.train(style.build(settings), data, settings, Run("a run", 1))
    assert seen == [jit_compile] * 2


def test_options_reach_the_run(monkeypatch):
    seen = {}
    monkeypatch.setattr(lifecycle, "train", lambda *_, **keywords: seen.update(keywords))
    parser = cli.Parser()
    cli.add_options(parser, "smoke")
    arguments = ["--tensorboard", "--show", "--data-dir", "here", "--style", "keras"]
    cli.run(lesson("tiny_ae"), parser.parse_args(arguments), "out")
    assert seen["tensorboard"] is seen["show"] is True
    assert (str(seen["data_dir"]), seen["style"], seen["preset"]) == ("here", "keras", "smoke")
