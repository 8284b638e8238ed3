"""What `expected.py` does not say of the networks: noise, saved layers, pages of other sizes."""

import functools
import math

from ae.lesson import ONLY_NETWORK
from ae.networks import codec, weights_sha256
from tutorials import fashion_vae, low_level_ae

import keras
import numpy as np
import pytest
import tensorflow as tf
from running import lesson, smoke_settings

STYLES = pytest.mark.parametrize("style", ["low-level", "keras"])


def build(name, style, **changes):
    keras.utils.set_random_seed(0)
    return lesson(name).networks[ONLY_NETWORK][style].build(smoke_settings(name, **changes))


@STYLES
def test_a_cleaner_takes_pages_of_any_even_size(style):
    reconstruct = codec(build("document_cleaner", style)).reconstruct
    for shape in [(1, 258, 540, 1), (1, 2, 34, 1)]:
        assert reconstruct(np.ones(shape, "float32")).shape == shape


def test_the_keras_vae_samples_where_the_decoder_does_not():
    vae = build("fashion_vae", "keras")
    x = np.random.default_rng(0).random((2, 28, 28, 1), "float32")
    vae.get_layer("decoder").trainable_variables[0].assign(np.ones((2, 12544)))
    assert not np.allclose(vae(x), vae(x), atol=1e-6)
    first, second = (vae.get_layer("encoder")(x)[0] for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_the_second_sigmoid_keeps_even_a_perfect_reconstruction_from_a_small_loss():
    loss = low_level_ae.doubled_sigmoid_cross_entropy
    x_hat = np.linspace(0, 1, 101, dtype="float32")
    best = {
        pixel: min(float(loss(np.float32([pixel]), x_hat[i : i + 1])) for i in range(101))
        for pixel in (0, 1)
    }
    assert best[0] == pytest.approx(math.log(2))  # a black pixel: a fair coin
    assert best[1] == pytest.approx(math.log(1 + math.exp(-1)))


def test_the_vae_s_cross_entropy_stays_away_from_infinity():
    white, black, code = np.ones((1, 4), "float32"), np.zeros((1, 4), "float32"), np.zeros((1, 2))
    layer = fashion_vae.VariationalLoss()
    np.testing.assert_array_equal(layer([white, black, code, code]), black)
    for loss in (fashion_vae.cross_entropy(white, black), *layer.losses):
        assert float(loss) == pytest.approx(-math.log(1e-7))


@STYLES
@pytest.mark.parametrize(("variant", "power"), [("published", 1.0), ("corrected", 0.5)])
def test_a_vae_draws_codes_with_that_spread(style, variant, power):
    vae = build("fashion_vae", style, variant=variant)
    if style == "keras":
        (layer,) = [x for x in vae.layers if isinstance(x, fashion_vae.Sampling)]
        sample = functools.partial(lambda layer, *inputs: layer(list(inputs)), layer)
    else:
        sample = vae.sample
    z_mean, s = (tf.constant([row] * 20_000) for row in ([1.0, -2.0], [0.5, -1.0]))
    z = np.asarray(sample(z_mean, s))
    np.testing.assert_allclose(z.mean(axis=0), [1, -2], atol=0.06)  # five standard errors
    np.testing.assert_allclose(z.std(axis=0), np.exp([0.5 * power, -1.0 * power]), rtol=0.03)
    assert abs(np.corrcoef(z.T)[0, 1]) < 0.05  # each dimension has its own noise


def test_the_vae_s_layers_are_made_again_from_their_configuration():
    sampling = fashion_vae.Sampling(power=2, seed=7)
    again = fashion_vae.Sampling.from_config(sampling.get_config())
    assert (again.power, again.seed) == (2, 7)
    loss = fashion_vae.VariationalLoss(kl_weight=0.25)
    assert fashion_vae.VariationalLoss.from_config(loss.get_config()).kl_weight == 0.25
    for layer_class in (fashion_vae.Sampling, fashion_vae.VariationalLoss):
        name = f"fashion_vae>{layer_class.__name__}"
        assert keras.saving.get_registered_name(layer_class) == name
        assert keras.saving.get_registered_object(name) is layer_class


@STYLES
def test_a_digest_tells_weights_apart_by_a_bit(style):
    network = build("sigmoid_ae", style)
    digest = weights_sha256(network)
    assert digest == weights_sha256(build("sigmoid_ae", style))
    first, last = network.trainable_variables[0], network.trainable_variables[-1]
    for variable in (first, last):
        before = variable.numpy()
        changed = before.copy()
        changed.flat[0] = np.nextafter(before.flat[0], np.float32(9))
        variable.assign(changed)
        assert weights_sha256(network) != digest
        variable.assign(before)
        assert weights_sha256(network) == digest
    first.assign(first.numpy()[::-1])
    assert weights_sha256(network) != digest
