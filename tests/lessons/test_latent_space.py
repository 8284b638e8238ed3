"""The lesson `latent_space` and its article: options, data, measures, further figures."""

from types import SimpleNamespace

from ae.proof import planes
from tutorials import latent_space
from tutorials.articles import latent_space as article

import keras
import numpy as np
import pytest
import tensorflow as tf
from running import lesson, run, smoke_settings
from stand_ins import LinearNet, Net, NoFit

CLOTHES = SimpleNamespace(
    x_train=np.zeros((5, 28, 28), "uint8"),
    y_train=np.arange(5),
    x_test=np.full((3, 28, 28), 255, "uint8"),
    y_test=np.arange(5, 8),
    class_names=tuple("abcdefghij"),
    provenance=None,
)


def whole(**changes):
    return smoke_settings("latent_space", num_train=None, num_test=None, **changes)


def test_the_test_images_are_held_out_unless_all_images_are_asked_for():
    for held_out, labels in ((True, [0, 1, 2, 3, 4]), (False, [0, 1, 2, 3, 4, 5, 6, 7])):
        data = latent_space.load(whole(), None, lambda folder: CLOTHES, held_out)
        assert list(data.y_train) == labels
        np.testing.assert_array_equal(data.x_train[:, 0, 0, 0], [0] * 5 + [1] * (len(labels) - 5))
        assert list(data.y_test) == [5, 6, 7]
        assert (data.x_test == 1).all()


def test_fashion_is_fashion_mnist():
    one = lesson("latent_space")
    names = [
        one.load(smoke_settings("latent_space", data_set=name), None).class_names
        for name in ("mnist", "fashion")
    ]
    assert names[0][:3] == ("0", "1", "2")
    assert names[1][-1] == "Ankle boot"


def test_without_a_plane_its_figures_and_claims_are_left_out(tmp_path, capsys):
    chosen = ("--preset", "smoke", "--style", "keras", "--code-size", "3", "--out", tmp_path)
    assert run("latent_space", *chosen) == 0
    said = "A code has 3 numbers, so figures and claims about a plane are left out.\n"
    assert said in capsys.readouterr().err
    drawn = {path.name.rpartition("-")[2] for path in (tmp_path / "figures").iterdir()}
    assert drawn == {"interpolation.png", "ways.png"}
    network = Net(encode=lambda x: tf.reshape(x, [-1, 784])[:, :3])
    about_planes = [c for c in article.CLAIMS if "area" in c.quantity or "neighbours" in c.quantity]
    assert len(about_planes) == 7
    assert {claim.measure(network, None, None) for claim in about_planes} == {None}


def test_the_sweep_weights_the_divergence_and_measures_test_images(monkeypatch):
    """Nothing is trained here, so every epoch ends with the first weights."""
    fit = NoFit()
    monkeypatch.setattr(article.judges, "fit", fit)
    data = lesson("latent_space").load(smoke_settings("latent_space"), None)
    settings = smoke_settings("latent_space", num_epochs=2, seed=3)
    vae, parts = article.train_parts(data, settings, weight=4, code_size=3)
    assert len(parts) == 2
    (first, second) = fit.asked
    assert (first.steps, first.num_epochs) == (4, 1)
    assert not np.array_equal(first.minibatch[0], second.minibatch[0])  # another order
    (sampling,) = [layer for layer in vae.layers if hasattr(layer, "seed_generator")]
    assert (sampling.kl_weight, sampling.seed) == (4, 3)
    z_mean, z_log_var = (part.numpy() for part in vae.get_layer("encoder")(data.x_test))
    assert z_mean.shape[1] == 3
    noise = np.random.default_rng(4).standard_normal(z_mean.shape, "float32")
    x_hat = vae.get_layer("decoder")(z_mean + np.exp(z_log_var / 2) * noise).numpy()
    error = -(data.x_test * np.log(x_hat) + (1 - data.x_test) * np.log(1 - x_hat))
    divergence = (np.exp(z_log_var) + z_mean**2 - 1 - z_log_var).sum(axis=1).mean() / 2
    assert parts[0] == parts[1] == pytest.approx((error.sum() / len(error), divergence), rel=1e-4)


def linear():
    """A network whose code is linear in the image and whose image is linear in the code."""
    return LinearNet((28, 28, 1), (2,), variational=True)


def some_data():
    x = np.random.default_rng(1).random((500, 28, 28, 1), "float32")
    return SimpleNamespace(x_train=x, y_train=np.arange(500) % 10, x_test=x, y_test=np.arange(500))


def test_ways_of_a_linear_network_have_no_jump():
    assert article.jump(linear(), some_data(), whole()) == pytest.approx(1, abs=1e-3)


def test_a_midpoint_lies_halfway_between_two_test_images(monkeypatch):
    kept = []
    monkeypatch.setattr(planes, "share_typical", lambda decode, z, data: kept.append(z) or 0.5)
    data = some_data()
    assert article.midpoints(linear(), data, whole()) == 0.5
    z = article.codes(linear(), data.x_test)
    np.testing.assert_allclose(kept[0][1:], (z[1:] + z[:-1]) / 2, rtol=1e-5)


def test_codes_that_are_normal_cover_the_prior_as_it_covers_itself():
    """The test images stand for their codes: z_mean is 0, and sigma is 1."""
    zeros = np.zeros((2000, 28, 28, 1), "float32")
    network = Net(encode=lambda x: (0 * x[:, 0, :2, 0], 0 * x[:, 0, :2, 0]))
    data = SimpleNamespace(x_test=zeros)
    assert article.prior_coverage(network, data, whole()) == pytest.approx(0.97, abs=0.02)
    assert article.prior_density(network, data, whole()) == pytest.approx(1, abs=0.06)
    narrow = Net(encode=lambda x: (0 * x[:, 0, :2, 0], 0 * x[:, 0, :2, 0] - 6))
    assert article.prior_density(narrow, data, whole()) < 0.1


def test_the_spread_is_that_of_the_codes():
    z = np.random.default_rng(0).normal(scale=[3, 4], size=(5000, 2)).astype("float32")
    data = SimpleNamespace(x_test=z)
    assert article.spread(Net(), data, whole()) == pytest.approx(np.sqrt(12.5), rel=0.03)


def test_weight_zero_leaves_the_divergence_out():
    added = []
    for weight in (0, 1, 2):
        keras.utils.set_random_seed(0)
        vae = latent_space.build_variational(kl_weight=weight)
        vae(np.full((2, 28, 28, 1), 0.5, "float32"))
        added += map(float, vae.losses)
    assert added == pytest.approx([0, added[1], 2 * added[1]])
    assert added[1] > 0
