"""What each network is: its size, its shapes, its first weights, its loss."""

import dataclasses
import functools
import importlib
import itertools
import math

from ae.networks import codec, count_parameters, reconstruct, weights_sha256
from tutorials import fashion_vae, low_level_ae
from tutorials.articles import low_level_ae as low_level_article

import keras
import numpy as np
import pytest
import tensorflow as tf
from running import lesson
from scipy import special

STYLES = pytest.mark.parametrize("style", ["low-level", "keras"])


def build(name, network, style, **changes):
    settings = dataclasses.replace(lesson(name).presets["article"], **changes)
    keras.utils.set_random_seed(0)
    return lesson(name).networks[network][style].build(settings)


def dense(*widths):
    return sum(m * n + n for m, n in itertools.pairwise(widths))


PARAMETERS = {
    ("dense_ae", "autoencoder"): dense(784, 784, 256, 128, 128, 256, 784),
    ("sigmoid_ae", "autoencoder"): dense(784, 256, 128, 256, 784),
    ("low_level_ae", "class"): 784 * 128 + 128 + 128 * 784 + 784,
    ("low_level_ae", "layers"): dense(784, 256, 128, 784),
    ("conv_denoiser", "autoencoder"): 49_761,  # as the article's model.summary() printed
    ("document_cleaner", "autoencoder"): 38_145,
    ("fashion_vae", "autoencoder"): 550_629,
}
EACH = pytest.mark.parametrize(("name", "network"), PARAMETERS)


@STYLES
@EACH
def test_a_network_has_the_article_s_number_of_parameters(name, network, style):
    assert count_parameters(build(name, network, style)) == PARAMETERS[name, network]


SHAPES = {
    ("dense_ae", "autoencoder"): ((784,), (128,)),
    ("sigmoid_ae", "autoencoder"): ((784,), (128,)),
    ("low_level_ae", "class"): ((784,), (128,)),
    ("low_level_ae", "layers"): ((784,), (128,)),
    ("conv_denoiser", "autoencoder"): ((28, 28, 1), (4, 4, 16)),
    ("document_cleaner", "autoencoder"): ((258, 540, 1), (129, 270, 64)),
    ("fashion_vae", "autoencoder"): ((28, 28, 1), (2,)),
}


@STYLES
@EACH
def test_codes_and_reconstructions_have_the_article_s_shapes(name, network, style):
    built = build(name, network, style)
    encode, decode, reconstruct = codec(built)
    shape, code_shape = SHAPES[name, network]
    x = np.random.default_rng(0).random((2, *shape), "float32")
    z = encode(x)
    if name == "fashion_vae":
        z, s = z
        assert s.shape == (2, 2)
    assert z.shape == (2, *code_shape)
    assert decode(z).shape == reconstruct(x).shape == x.shape
    np.testing.assert_allclose(decode(z), reconstruct(x), atol=1e-6)
    if style == "keras" and name != "fashion_vae":  # that model samples its codes
        np.testing.assert_allclose(built(x), reconstruct(x), atol=1e-5)


@STYLES
def test_a_cleaner_takes_pages_of_any_even_size(style):
    reconstruct = codec(build("document_cleaner", "autoencoder", style)).reconstruct
    for shape in [(1, 420, 540, 1), (1, 2, 34, 1)]:
        assert reconstruct(np.ones(shape, "float32")).shape == shape


def test_the_keras_vae_samples_where_the_decoder_does_not():
    vae = build("fashion_vae", "autoencoder", "keras")
    x = np.random.default_rng(0).random((2, 28, 28, 1), "float32")
    vae.get_layer("decoder").trainable_variables[0].assign(np.ones((2, 12544)))
    assert not np.allclose(vae(x), vae(x), atol=1e-6)
    first, second = (vae.get_layer("encoder")(x)[0] for _ in range(2))
    np.testing.assert_array_equal(first, second)


def output_range(name, network, style, bias, **changes):
    """The least and the greatest output, once the output layer's bias is set."""
    built = build(name, network, style, **changes)
    weights = built.trainable_variables if style == "keras" else built.weights
    weights[-1].assign(np.full(weights[-1].shape, bias))
    x = np.random.default_rng(0).random((4, *SHAPES[name, network][0]), "float32")
    x_hat = np.asarray(built(x)) if style == "keras" else reconstruct(built, x)
    return x_hat.min(), x_hat.max()


@STYLES
@pytest.mark.parametrize(
    ("name", "network", "changes"),
    [(*key, {}) for key in PARAMETERS if key[0] != "dense_ae"]
    + [("dense_ae", "autoencoder", {"variant": "corrected"})],
)
def test_a_sigmoid_keeps_pixels_between_black_and_white(name, network, style, changes):
    for bias in (-30, 30):
        low, high = output_range(name, network, style, bias, **changes)
        assert 0 <= low <= high <= 1


@STYLES
def test_the_published_dense_network_has_no_bound_above(style):
    assert output_range("dense_ae", "autoencoder", style, -30) == (0, 0)
    assert output_range("dense_ae", "autoencoder", style, 30)[1] > 29


@STYLES
def test_a_linear_output_leaves_the_range_of_pixels(style):
    linear = {"output": "linear"}
    assert output_range("conv_denoiser", "autoencoder", style, -30, **linear)[0] < -29
    assert output_range("conv_denoiser", "autoencoder", style, 30, **linear)[1] > 29


# How kernels and biases are drawn, published and corrected: a standard deviation, "glorot" or 0.
FIRST_WEIGHTS = {
    ("dense_ae", "autoencoder", "published"): ("glorot", "glorot"),
    ("dense_ae", "autoencoder", "corrected"): ("glorot", "glorot"),
    ("sigmoid_ae", "autoencoder", "published"): (1.0, 1.0),
    ("sigmoid_ae", "autoencoder", "corrected"): ("glorot", 0),
    ("low_level_ae", "class", "published"): (1.0, 0),
    ("low_level_ae", "class", "corrected"): (math.sqrt(2 / (784 + 128)), 0),
    ("low_level_ae", "layers", "published"): ("glorot", 0),
    ("low_level_ae", "layers", "corrected"): ("glorot", 0),
    ("conv_denoiser", "autoencoder", "published"): ("glorot", 0),
    ("document_cleaner", "autoencoder", "published"): ("glorot", 0),
    ("fashion_vae", "autoencoder", "published"): ("glorot", 0),
    ("fashion_vae", "autoencoder", "corrected"): ("glorot", 0),
}


def assert_drawn(w, how):
    if how == 0:
        assert not w.any()
        return
    spread = 5 / math.sqrt(w.size)  # more than five standard errors of a standard deviation
    if how != "glorot":
        assert w.std() == pytest.approx(how, rel=spread)
        assert abs(w).max() > 2 * w.std()  # not uniform
        assert abs(w.mean()) < how * spread
        return
    field = math.prod(w.shape[:-2])
    fans = w.shape[-2:] if w.ndim > 1 else (w.size, w.size)
    limit = math.sqrt(6 / (field * sum(fans)))
    assert abs(w).max() <= limit
    assert abs(w).max() > limit * (1 - 10 / w.size)
    assert w.std() == pytest.approx(limit / math.sqrt(3), rel=spread)
    assert abs(w.mean()) < limit * spread


@STYLES
@pytest.mark.parametrize(("name", "network", "variant"), FIRST_WEIGHTS)
def test_the_first_weights_are_drawn_as_the_article_drew_them(name, network, variant, style):
    kernel, bias = FIRST_WEIGHTS[name, network, variant]
    built = build(name, network, style, variant=variant)
    for variable in built.trainable_variables:
        w = np.asarray(variable)
        assert w.dtype == "float32"
        assert_drawn(w, bias if w.ndim == 1 else kernel)


# Losses, against the same formulas in NumPy and float64.

RNG = np.random.default_rng(0)
X = (RNG.random((5, 784)) ** 3).astype("float32")
LOGITS = (3 * RNG.normal(size=(5, 784))).astype("float32")


def cross_entropies(x, p):
    x, p = x.astype("float64"), np.asarray(p, "float64")
    return -x * np.log(p) - (1 - x) * np.log(1 - p)


def test_the_class_sums_over_pixels_and_batch():
    expected = cross_entropies(X, special.expit(LOGITS)).sum()
    loss = float(low_level_ae.sum_of_cross_entropies(X, LOGITS))
    assert loss == pytest.approx(expected, rel=1e-5)


def test_the_layers_published_loss_applies_a_second_sigmoid():
    x_hat = special.expit(LOGITS)
    expected = cross_entropies(X, special.expit(x_hat)).mean()
    loss = float(low_level_ae.doubled_sigmoid_cross_entropy(X, x_hat))
    assert loss == pytest.approx(expected, rel=1e-5)


def test_the_second_sigmoid_keeps_even_a_perfect_reconstruction_from_a_small_loss():
    loss = low_level_ae.doubled_sigmoid_cross_entropy
    x_hat = np.linspace(0, 1, 101, dtype="float32")
    best = {
        pixel: min(float(loss(np.float32([pixel]), x_hat[i : i + 1])) for i in range(101))
        for pixel in (0, 1)
    }
    assert best[0] == pytest.approx(math.log(2))  # a black pixel: a fair coin
    assert best[1] == pytest.approx(math.log(1 + math.exp(-1)))


def test_the_layers_corrected_loss_is_the_mean_cross_entropy():
    x_hat = special.expit(LOGITS)
    loss = float(low_level_article.mean_cross_entropy(X, x_hat))
    assert loss == pytest.approx(cross_entropies(X, x_hat).mean(), rel=1e-5)


@pytest.mark.parametrize("name", ["dense_ae", "sigmoid_ae", "conv_denoiser", "document_cleaner"])
def test_a_mean_squared_error_is_a_mean_over_pixels_and_batch(name):
    module = importlib.import_module(f"tutorials.{name}")
    expected = np.mean((X.astype("float64") - LOGITS) ** 2)
    assert float(module.mean_squared_error(X, LOGITS)) == pytest.approx(expected, rel=1e-5)


Z_MEAN = RNG.normal(size=(50, 2)).astype("float32")
S = RNG.normal(size=(50, 2)).astype("float32")


def test_the_vae_s_cross_entropy_stays_away_from_infinity():
    x_hat = special.expit(LOGITS)
    expected = cross_entropies(X, x_hat).mean()
    assert float(fashion_vae.cross_entropy(X, x_hat)) == pytest.approx(expected, rel=1e-5)
    white, black = np.ones((1, 4), "float32"), np.zeros((1, 4), "float32")
    assert float(fashion_vae.cross_entropy(white, black)) == pytest.approx(-math.log(1e-7))


def test_the_divergence_is_that_of_two_gaussians_a_mean_over_the_images():
    mu, sigma = Z_MEAN.astype("float64"), np.exp(S.astype("float64") / 2)
    divergence = np.log(1 / sigma) + (sigma**2 + mu**2) / 2 - 1 / 2  # of N(mu, sigma) and N(0, 1)
    got = float(fashion_vae.kl_divergence(Z_MEAN, S))
    assert got == pytest.approx(divergence.sum(axis=1).mean(), rel=1e-5)


def test_no_divergence_from_the_prior_itself():
    zeros = np.zeros((3, 2), "float32")
    assert float(fashion_vae.kl_divergence(zeros, zeros)) == 0


@STYLES
@pytest.mark.parametrize(("variant", "power"), [("published", 1.0), ("corrected", 0.5)])
def test_a_vae_draws_codes_with_that_spread(style, variant, power):
    vae = build("fashion_vae", "autoencoder", style, variant=variant)
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


@pytest.mark.parametrize(("variant", "weight"), [("published", 5e-4), ("corrected", 1 / 784)])
def test_the_keras_vae_s_loss_layer_adds_cross_entropy_and_divergence(variant, weight):
    (layer,) = [
        layer
        for layer in build("fashion_vae", "autoencoder", "keras", variant=variant).layers
        if isinstance(layer, fashion_vae.VariationalLoss)
    ]
    x, x_hat = (a.reshape(-1, 28, 28, 1) for a in (X, special.expit(LOGITS)))
    np.testing.assert_array_equal(layer([x, x_hat, Z_MEAN[:5], S[:5]]), x_hat)
    (loss,) = layer.losses
    mu, s = Z_MEAN[:5].astype("float64"), S[:5].astype("float64")
    divergences = -(1 + s - mu**2 - np.exp(s)).sum(axis=1) / 2
    expected = cross_entropies(x, x_hat).mean() + weight * divergences.mean()
    assert float(loss) == pytest.approx(expected, rel=1e-5)


# low_level_ae: the parts of a trained stack.


def test_the_parts_of_a_stack_share_its_weights():
    parts = low_level_ae.build_layers()
    encoder, decoder = parts.get_layer("encoder"), parts.get_layer("decoder")
    assert (len(encoder.weights), len(decoder.weights)) == (4, 2)
    assert {id(w) for w in parts.weights} == {id(w) for w in encoder.weights + decoder.weights}
    parts.set_weights([w + 0.01 for w in parts.get_weights()])
    W1, b1, W2, b2, W3, b3 = parts.get_weights()
    z = (X @ W1 + b1) @ W2 + b2
    np.testing.assert_allclose(encoder(X), z, atol=1e-4)
    np.testing.assert_allclose(decoder(z), special.expit(z @ W3 + b3), atol=1e-5)
    np.testing.assert_allclose(parts(X), decoder(encoder(X)), atol=1e-6)


# fashion_vae: layers that a file can name.


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
    network = build("sigmoid_ae", "autoencoder", style)
    digest = weights_sha256(network)
    assert digest == weights_sha256(build("sigmoid_ae", "autoencoder", style))
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
