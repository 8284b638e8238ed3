"""The book's variational autoencoder, compared with what its notebook says."""

from ae.proof import book_vae
from ae.proof.judges import Hashable

import numpy as np
import pytest
from scipy.special import expit
from stand_ins import NoFit


def elu(x):
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))


def run_dense(layers, x):
    for layer in layers[:-1]:
        x = elu(x @ layer.kernel.numpy() + layer.bias.numpy())
    return x @ layers[-1].kernel.numpy() + layers[-1].bias.numpy()


def test_it_has_the_layers_of_the_notebook():
    encoder, decoder, _ = book_vae.build()
    dense = [layer for layer in encoder.layers if hasattr(layer, "kernel")]
    assert [layer.units for layer in dense] == [784, 256, 128, 10, 10]
    x = np.random.default_rng(0).random((3, 784), "float32")
    for output, last in zip(encoder(x), dense[3:], strict=True):
        np.testing.assert_allclose(output, run_dense([*dense[:3], last], x), atol=1e-5)
    assert all(layer.bias.numpy().any() for layer in dense[:3])
    z = np.random.default_rng(1).normal(size=(3, 10)).astype("float32")
    dense = [layer for layer in decoder.layers if hasattr(layer, "kernel")]
    assert [layer.units for layer in dense] == [256, 384, 512, 784]
    np.testing.assert_allclose(decoder(z), expit(run_dense(dense, z)), atol=1e-5)


def test_its_loss_sums_the_cross_entropies_and_adds_the_divergence():
    encoder, _, whole = book_vae.build()
    x = np.random.default_rng(0).random((5, 784), "float32")
    mean, s = (part.numpy() for part in encoder(x))
    divergence = (np.exp(s) + mean**2 - 1 - s).sum(axis=1).mean() / 2
    x_hat = whole(x)
    assert float(whole.losses[0]) == pytest.approx(divergence, rel=1e-4)
    error = -(x * np.log(x_hat) + (1 - x) * np.log(1 - x_hat)).sum(axis=1).mean()
    assert float(book_vae.cross_entropy(x, x_hat)) == pytest.approx(error, rel=1e-4)
    spread = np.std([whole(x).numpy() for _ in range(3)], axis=0)
    assert spread.mean() > 1e-3  # it decodes draws


def test_it_is_trained_with_the_settings_of_the_notebook(monkeypatch):
    fit = NoFit()
    monkeypatch.setattr(book_vae, "fit", fit)
    book_vae.train.cache_clear()
    parts = book_vae.train(Hashable(np.zeros((1050, 784), "float32")))
    book_vae.train.cache_clear()
    (asked,) = fit.asked
    assert asked.model is parts.whole
    assert (asked.steps, asked.num_epochs) == (10, 100)
    assert asked.minibatch[0].shape == (100, 784)
    optimizer = parts.whole.optimizer.get_config()
    assert type(parts.whole.optimizer).__name__ == "Adam"
    assert optimizer["epsilon"] == 1e-8  # TensorFlow 1's
    assert optimizer["learning_rate"] == pytest.approx(1e-4)
