"""Seeds, and what a resumed run resumes: minibatches, optimizer and patience."""

import contextlib
import shutil

from ae import cli, datasets
from ae.console import Parser
from ae.options import add_options
from ae.runs import lifecycle, saved
from ae.training.checkpoints import Checkpoints
from ae.training.run import Run
from tutorials import fashion_vae
from tutorials.articles.fashion_vae import CLASSES

import keras
import numpy as np
import pytest
import tensorflow as tf
from expected import expected
from running import EACH_NETWORK, lesson, smoke_settings

STYLES = pytest.mark.parametrize("style", ["low-level", "keras"])


@STYLES
def test_patience_is_counted_from_the_beginning_in_a_resumed_run(style, tmp_path):
    name = "document_cleaner"
    settings = smoke_settings(name, num_epochs=30, batch_size=2, learning_rate=1e-30)
    data = expected(name).data(2)
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
def test_every_lesson_resumes_with_its_batches_and_optimizer(name, network, style, tmp_path):
    data = expected(name).data(10)
    settings = smoke_settings(name, num_epochs=2, batch_size=4, jit_compile=False)
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


def test_options_reach_the_run(tmp_path, monkeypatch):
    seen = {}
    monkeypatch.setattr(lifecycle, "train", lambda *_, **keywords: seen.update(keywords))
    parser = Parser()
    add_options(parser, "smoke")
    arguments = ["--tensorboard", "--show", "--data-dir", str(tmp_path), "--style", "keras"]
    cli.run(lesson("tiny_ae"), parser.parse_args(arguments), "out")
    assert seen["tensorboard"] is seen["show"] is True
    assert (seen["data_dir"], seen["style"], seen["preset"]) == (tmp_path, "keras", "smoke")
