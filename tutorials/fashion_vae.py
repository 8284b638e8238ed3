"""A variational autoencoder lays clothes out on a plane, from which new clothes can be drawn.

Article: "Comprehensive Introduction to Autoencoders", Matthew Stewart, part 3, Variational
Autoencoders; the model is that of D. P. Kingma and M. Welling, arXiv:1312.6114.
It says that the code's plane holds each kind of clothing in a cluster, with smooth transitions;
the claims below measure how far that is so.
Network: Conv 32-64-64-64, Dense 32, a mean and a spread in 2 dimensions; Dense 12544,
Conv2DTranspose 32, Conv 1; cross entropy plus a Kullback-Leibler term; RMSprop 0.001.

The encoder answers an image with a normal distribution of codes and not with one code, and the
decoder is trained on codes drawn from it, so that codes near each other must decode to similar
images. The Kullback-Leibler term pulls these distributions towards N(0, 1), so that they stay near
each other and what lies between them decodes too. Drawing has no gradient; a code written as mean
plus standard deviation times noise has one.

Write q(z|x) for the encoder's distribution, p(x|z) for the decoder's and p(z) for N(0, 1). The
likelihood p(x), an integral over all codes, has no closed form, but log p(x) is never less than
E[log p(x|z)] - D(q(z|x) || p(z)), the evidence lower bound. Its mean E is over codes drawn from
q(z|x), and is estimated with one for each image. With `--variant corrected` the loss is that bound,
negated and divided by the 784 pixels: exactly for black and white images, for greys in form.
"""

# %% settings
# `settings.corrected`, of --variant corrected, is for what the errata below correct.
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from ae import cli, datasets, figures, metrics
from ae.datasets.batches import Shuffled
from ae.lesson import ONLY_NETWORK, Claim, Erratum, Lesson, Settings, Style, option
from ae.measures import garments
from ae.networks import codec
from ae.optimizers import RMSpropKeras2
from ae.runs.snapshots import Examples, Plane

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops
from scipy.stats import norm

LATENT_DIM = 2
FEATURE_SHAPE = (14, 14, 64)  # of the last convolution, and where the decoder begins; 12544 numbers
KL_WEIGHT = 5e-4
EPSILON = 1e-7  # Keras keeps probabilities this far from 0 and 1
HELD_OUT = 10_000  # images that validate; the published variant trains on them too
SIDE = 20  # tiles across the manifold
CLASSES = ("t-shirt", "trouser", "pullover", "dress", "coat",
           "sandal", "shirt", "sneaker", "bag", "boot")  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class VAESettings(Settings):
    """The article's constants."""

    num_epochs: int = 20
    batch_size: int = 16
    learning_rate: float = 0.001
    generate: str | None = option(None, "draw new clothes of a class", CLASSES)


PRESETS = {
    "article": VAESettings(),
    "quick": VAESettings(num_epochs=2, num_train=10_000, num_test=1000),
    "smoke": VAESettings(num_epochs=1, num_train=320, num_test=64),
}


# %% data
class Data(NamedTuple):
    """Clothes (n, 28, 28, 1) in [0, 1], with their classes 0 to 9."""

    x_train: np.ndarray
    y_train: np.ndarray
    x_val: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    provenance: datasets.Provenance


def load(settings, data_dir):
    """Loads Fashion-MNIST; the author's notebook validates on images that it also trains on.

    It draws 9,600 at random and then loads all 60,000 again to train on; these are the last 10,000.
    """
    fashion = datasets.load_fashion_mnist(data_dir)
    train = slice(-HELD_OUT) if settings.corrected else slice(None)  # erratum: validation images
    return Data(
        datasets.nhwc(fashion.x_train[train])[: settings.num_train],
        fashion.y_train[train][: settings.num_train],
        datasets.nhwc(fashion.x_train[-HELD_OUT:])[: settings.num_test],
        datasets.nhwc(fashion.x_test)[: settings.num_test],
        fashion.y_test[: settings.num_test],
        fashion.provenance,
    )


def batches(data, settings):
    """Shuffles the images at each epoch, as `Model.fit` does."""
    return Shuffled(len(data.x_train), settings.batch_size, settings.seed)


# %% low-level: network
class VAE(tf.Module):
    """The encoder gives a distribution of codes, q(z|x), the decoder one of images, p(x|z).

    q(z|x) is normal, with the mean z_mean and a standard deviation sigma that comes of s. The
    article samples as if s were log sigma, but its divergence takes s for log sigma^2 (errata).
    """

    def __init__(self, settings):
        super().__init__()
        self.corrected = settings.corrected
        self.convolutions = [self.conv(1, 32), self.conv(32, 64), self.conv(64, 64),
                             self.conv(64, 64)]  # fmt: skip
        self.hidden = self.dense(int(np.prod(FEATURE_SHAPE)), 32)
        self.to_mean = self.dense(32, LATENT_DIM)
        self.to_s = self.dense(32, LATENT_DIM)
        self.expand = self.dense(LATENT_DIM, int(np.prod(FEATURE_SHAPE)))
        self.transposed = self.conv(32, 64, num_biases=32)  # its kernel is (3, 3, out, in)
        self.to_image = self.conv(32, 1)
        self.weights = tf.nest.flatten(
            [
                *(self.convolutions, self.hidden, self.to_mean, self.to_s),
                *(self.expand, self.transposed, self.to_image),
            ]
        )
        self.noise = tf.random.Generator.from_seed(settings.seed)

    @staticmethod
    def conv(channels_in, channels_out, num_biases=None):
        """Draws a 3 x 3 kernel from U(-l, l) as Keras does, l = sqrt(6 / (9 in + 9 out)); b = 0."""
        dtype = keras.config.floatx()
        limit = np.sqrt(6 / (9 * channels_in + 9 * channels_out))
        shape = [3, 3, channels_in, channels_out]
        kernel = tf.random.uniform(shape, -limit, limit, dtype)
        return tf.Variable(kernel), tf.Variable(tf.zeros([num_biases or channels_out], dtype))

    @staticmethod
    def dense(fan_in, fan_out):
        """Draws W from U(-l, l), l = sqrt(6 / (fan_in + fan_out)), as Keras does; b = 0."""
        dtype = keras.config.floatx()
        limit = np.sqrt(6 / (fan_in + fan_out))
        kernel = tf.random.uniform([fan_in, fan_out], -limit, limit, dtype)
        return tf.Variable(kernel), tf.Variable(tf.zeros([fan_out], dtype))

    def encode(self, x):
        """Maps images (batch, 28, 28, 1) to z_mean and s, both (batch, 2)."""
        for (kernel, bias), stride in zip(self.convolutions, (1, 2, 1, 1), strict=True):
            x = tf.nn.relu(tf.nn.conv2d(x, kernel, stride, "SAME") + bias)  # at last (14, 14, 64)
        h = tf.reshape(x, [-1, np.prod(FEATURE_SHAPE)])  # (batch, 12544)
        h = tf.nn.relu(h @ self.hidden[0] + self.hidden[1])  # (batch, 32)
        return h @ self.to_mean[0] + self.to_mean[1], h @ self.to_s[0] + self.to_s[1]

    def sample(self, z_mean, s):
        """Draws z = mu + sigma eps with eps ~ N(0, 1): the reparameterisation trick."""
        epsilon = self.noise.normal(tf.shape(z_mean), dtype=z_mean.dtype)
        return z_mean + standard_deviation(s, self.corrected) * epsilon

    def decode(self, z):
        """Maps codes (batch, 2) to images (batch, 28, 28, 1)."""
        h = tf.nn.relu(z @ self.expand[0] + self.expand[1])  # (batch, 12544)
        h = tf.reshape(h, [-1, *FEATURE_SHAPE])
        kernel, bias = self.transposed
        shape = tf.stack([tf.shape(z)[0], 28, 28, 32])
        h = tf.nn.relu(tf.nn.conv2d_transpose(h, kernel, shape, 2, "SAME") + bias)  # (28, 28, 32)
        kernel, bias = self.to_image
        return tf.nn.sigmoid(tf.nn.conv2d(h, kernel, 1, "SAME") + bias)

    def reconstruct(self, x):
        """Maps images to what their mean codes decode to, both (batch, 28, 28, 1)."""
        return self.decode(self.encode(x)[0])


def standard_deviation(s, corrected):
    """Returns exp(s), as the article samples, or exp(s / 2), as s = log sigma^2 demands."""
    return tf.exp(s / 2) if corrected else tf.exp(s)  # erratum: sampling


# %% low-level: loss
def cross_entropy(x, x_hat):
    """Averages -x log x_hat - (1 - x) log(1 - x_hat) over pixels and batch."""
    x_hat = tf.clip_by_value(x_hat, EPSILON, 1 - EPSILON)
    return -tf.reduce_mean(x * tf.math.log(x_hat) + (1 - x) * tf.math.log(1 - x_hat))


def kl_divergence(z_mean, s, corrected):
    """Returns D = -1/2 sum(1 + s - mu^2 - e^s), weighted: D(q(z|x) || N(0, 1)) if s is log sigma^2.

    The article subtracts 5e-4 times the mean of the terms, which with two dimensions is 5e-4 D.
    The evidence lower bound (Kingma and Welling, equation 10), divided by 784 as the mean cross
    entropy is, has D / 784, which is 2.6 times as much.
    """
    terms = 1 + s - tf.square(z_mean) - tf.exp(s)  # (batch, 2)
    if corrected:  # erratum: the divergence
        return -0.5 / 784 * tf.reduce_mean(tf.reduce_sum(terms, axis=-1))
    return -KL_WEIGHT * tf.reduce_mean(terms)


# %% low-level: step
def train_low_level(network, data, settings, run):
    """Steps against the gradient of cross entropy plus divergence.

    RMSprop of Keras 2.2: v <- 0.9 v + 0.1 g^2, at first 0; w <- w - lr g / (sqrt(v) + 1e-7);
    g = dL/dw.
    """
    optimizer = RMSpropKeras2(settings.learning_rate)
    optimizer.build(network.weights)

    def loss_of(x):
        z_mean, s = network.encode(x)
        x_hat = network.decode(network.sample(z_mean, s))
        return cross_entropy(x, x_hat) + kl_divergence(z_mean, s, settings.corrected)

    @tf.function
    def train_step(x):
        with tf.GradientTape() as tape:
            loss = loss_of(x)
        gradients = tape.gradient(loss, network.weights)
        optimizer.apply(gradients, network.weights)
        return loss

    # For each epoch, for each minibatch x: train_step(x). `run.fit` takes many steps in one call.
    run.fit(
        train_step,
        batches(data, settings),
        data.x_train,
        optimizer=optimizer,
        test_step=tf.function(loss_of, reduce_retracing=True),
        validation=(data.x_val,),
        validation_batch_size=500,
        jit_compile=settings.jit_compile,
    )


# %% keras: network
@keras.saving.register_keras_serializable(package="fashion_vae")
class Sampling(layers.Layer):
    """Draws z = mu + sigma eps with eps ~ N(0, 1), from z_mean and s."""

    def __init__(self, corrected=False, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.corrected, self.seed = corrected, seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, inputs):
        """Maps z_mean and s, both (batch, 2), to codes (batch, 2)."""
        z_mean, s = inputs
        epsilon = keras.random.normal(ops.shape(z_mean), dtype=s.dtype, seed=self.seed_generator)
        sigma = ops.exp(s / 2) if self.corrected else ops.exp(s)  # erratum: sampling
        return z_mean + sigma * epsilon

    def get_config(self):
        """Returns what the constructor takes."""
        return {**super().get_config(), "corrected": self.corrected, "seed": self.seed}


def build_keras(settings):
    """Stacks the same layers; the loss is a layer too, as in the article."""
    relu = {"activation": "relu", "padding": "same"}
    full = {"dtype": keras.config.floatx()}  # whatever --mixed-precision does to the other layers

    x = keras.Input([28, 28, 1], name="image")
    h = layers.Conv2D(32, 3, **relu)(x)
    h = layers.Conv2D(64, 3, strides=2, **relu)(h)  # (14, 14, 64)
    h = layers.Conv2D(64, 3, **relu)(h)
    h = layers.Conv2D(64, 3, **relu)(h)
    h = layers.Dense(32, activation="relu")(layers.Flatten()(h))
    z_mean = layers.Dense(LATENT_DIM, name="z_mean", **full)(h)
    s = layers.Dense(LATENT_DIM, name="z_log_sigma", **full)(h)  # the article's name (`VAE`)
    encoder = keras.Model(x, (z_mean, s), name="encoder")

    z = keras.Input([LATENT_DIM], name="code")
    h = layers.Dense(int(np.prod(FEATURE_SHAPE)), activation="relu")(z)  # (12544,)
    h = layers.Reshape(FEATURE_SHAPE)(h)  # (14, 14, 64)
    h = layers.Conv2DTranspose(32, 3, strides=2, **relu)(h)  # (28, 28, 32)
    image = layers.Conv2D(1, 3, activation="sigmoid", padding="same", **full)(h)
    decoder = keras.Model(z, image, name="decoder")

    z_mean, s = encoder(x)
    z = Sampling(settings.corrected, settings.seed, **full)([z_mean, s])
    x_hat = VariationalLoss(settings.corrected, **full)([x, decoder(z), z_mean, s])
    return keras.Model(x, x_hat, name="fashion_vae")


# %% keras: loss
@keras.saving.register_keras_serializable(package="fashion_vae")
class VariationalLoss(layers.Layer):
    """Adds cross entropy plus divergence to the model's losses and passes the image on."""

    def __init__(self, corrected=False, **kwargs):
        super().__init__(**kwargs)
        self.corrected = corrected

    def call(self, inputs):
        """Takes image, decoded image, z_mean and s; returns the decoded image."""
        x, x_hat, z_mean, s = inputs
        # Keras 2 clipped; Keras 3 goes back to the logits unless something follows the sigmoid.
        clipped = ops.clip(x_hat, EPSILON, 1 - EPSILON)
        reconstruction_loss = ops.mean(keras.losses.binary_crossentropy(x, clipped))
        terms = 1 + s - ops.square(z_mean) - ops.exp(s)  # (batch, 2); the sum is -2 D
        if self.corrected:  # erratum: the divergence
            kl_loss = -0.5 / 784 * ops.mean(ops.sum(terms, axis=-1))
        else:
            kl_loss = -KL_WEIGHT * ops.mean(terms)
        self.add_loss(reconstruction_loss + kl_loss)
        return x_hat

    def get_config(self):
        """Returns what the constructor takes."""
        return {**super().get_config(), "corrected": self.corrected}


# %% keras: fit
def train_keras(vae, data, settings, run):
    """Compiles without a loss, which is in the model, and fits."""
    order = batches(data, settings)
    vae.compile(
        optimizer=RMSpropKeras2(settings.learning_rate),
        steps_per_execution=run.steps_at_once(order, settings.jit_compile),
        jit_compile=settings.jit_compile,
    )
    # In short: fit(x, batch_size=16, epochs=20, validation_data=...). What stands here instead
    # gives both styles the same minibatches, and lets an interrupted run go on.
    vae.fit(
        run.feed(order, data.x_train),
        epochs=settings.num_epochs,
        initial_epoch=run.epochs_done,
        validation_data=(data.x_val, data.x_val),
        validation_batch_size=500,
        callbacks=run.callbacks(),
        shuffle=False,  # run.feed() shuffles
        verbose=0,
    )


# %% figures
# codec(network) gives either style's encode, decode and reconstruct, on NumPy arrays.
def draw(network, data, settings, report):
    """Draws the manifold, the training set's codes, reconstructions and new clothes of a class."""
    encode, decode, _ = codec(network)

    manifold = figures.manifold(decode(manifold_codes()), SIDE)
    report.figure("manifold", manifold, "the plane of codes, decoded at 20 by 20 places")

    z_mean, s = encode(data.x_train)
    latent = figures.scatter({"": z_mean}, data.y_train, cmap="brg")
    report.figure("latent", latent, "mean codes of the training images, coloured by class")

    images = data.x_test[:10]
    pictures = {"original": images, "reconstructed": decode(encode(images)[0])}
    strip = figures.strip({k: v[..., 0] for k, v in pictures.items()})
    report.figure("reconstructions", strip, "ten test images over their reconstructions")

    if settings.generate:
        of_class = data.y_train == CLASSES.index(settings.generate)
        z = sample_around(z_mean[of_class], s[of_class], SIDE, settings)
        new = decode(z).reshape(2, -1, 28, 28)
        strip = figures.strip({"new": new[0], " ": new[1]})
        report.figure(settings.generate, strip, f"new clothes around the class {settings.generate}")


def manifold_codes():
    """Lays 20 x 20 codes out, row by row, at quantiles 0.05 to 0.95 of N(0, 1)."""
    grid = norm.ppf(np.linspace(0.05, 0.95, SIDE)).astype("float32")
    rows, columns = np.meshgrid(grid, grid, indexing="ij")
    return np.stack([columns.ravel(), rows.ravel()], axis=1)


def sample_around(z_mean, s, number, settings):
    """Draws codes around the centroid of a class with its learned spread.

    The article speaks of it and has no code for it; this is ours. The variance of a class is that
    of its means plus the mean of its learned variances.
    """
    sigma = standard_deviation(tf.constant(s), settings.corrected).numpy()
    spread = np.sqrt(z_mean.var(axis=0) + np.square(sigma).mean(axis=0))
    noise = np.random.default_rng(settings.seed).standard_normal((number, LATENT_DIM))
    return (z_mean.mean(axis=0) + spread * noise).astype("float32")


def examples(data):
    """Chooses test images to follow through the training."""
    return Examples(data.x_test[:10])


def plane(network, data):
    """Lays the training images out by their mean codes."""
    encode, decode, _ = codec(network)
    shown = slice(5000)
    z_mean, _ = encode(data.x_train[shown])
    return Plane(decode, z_mean, data.x_train[shown], data.y_train[shown], CLASSES)


# %% published
# All 20 epochs of the author's notebook (data/published).
PUBLISHED = {ONLY_NETWORK: {"loss": ("loss",), "val_loss": ("val_loss",)}}


# %% claims
# Claim(what is claimed, what measures it, the bound, the reason for it)
# Neighbours: the ten nearest codes of 10,000 training images vote on the class of a test image.
CLAIMS = (
    Claim("Distinct clusters: share of the worst class that nearest neighbours classify rightly",
          garments.worst_recall, at_least=0.5, reason="more often than not of its own"),
    Claim("Distinct clusters: accuracy of nearest neighbours above two principal components'",
          partial(garments.clearer, garments.linear_encoder), at_least=0.1,
          reason="more than a straight projection shows, by a class in ten"),
    Claim("Distinct clusters: the same, above a plain autoencoder's code of two numbers",
          partial(garments.clearer, garments.plain_encoder), at_least=0,
          reason="the article says of plain codes that they mix the classes; ours is of a dense "
                 "network after three passes, so that more than the noise differs"),
    Claim("Smooth transitions: step between neighbouring tiles, as a share of any two's distance",
          lambda network, *_: metrics.tile_step(codec(network).decode(manifold_codes()), SIDE),
          at_most=0.25, reason="even steps give 0.1; the rest is for clusters' borders"),
    Claim("New clothes around a class's centroid are of that class: share recognised",
          partial(garments.recognised, sample_around), at_least=0.5,
          reason="more often than not; chance gives 0.1"),
    Claim("New clothes look similar, but not the same: deviation as a share of real ones'",
          partial(garments.varied, sample_around), at_least=0.5,
          reason="half as much as real clothes of a class differ"),
    Claim("Random codes decode to clothes: share that are of some class for sure",
          garments.drawn_and_recognised, at_least=0.5,
          reason="more often than not, as is asked of random codes in dense_ae"),
)  # fmt: skip


# %% errata
# Erratum(where, what stands there, what follows, what the variants do, {what measures it})
def spread_ratio(network, data, settings):
    """Divides the deviation that codes are sampled with by exp(s / 2), which the divergence means.

    A geometric mean over the validation images.
    """
    s = codec(network).encode(data.x_val)[1]
    sampled = standard_deviation(tf.constant(s), settings.corrected).numpy()
    return np.exp(np.mean(np.log(sampled) - s / 2))


def nats(network, data, settings):
    """Returns the divergence D(q(z|x) || N(0, 1)) of validation images, a mean in nats.

    q(z|x) is what codes are drawn from, whatever the loss takes for its variance.
    """
    z_mean, s = (part.astype("float64") for part in codec(network).encode(data.x_val))
    variance = np.square(standard_deviation(tf.constant(s), settings.corrected))
    return -0.5 * np.mean(np.sum(1 + np.log(variance) - np.square(z_mean) - variance, axis=-1))


def validation_gap(network, data, settings):
    """Returns how much larger the cross entropy of test images is than that of validation ones."""
    reconstruct = codec(network).reconstruct
    val, test = (cross_entropy(x, reconstruct(x)) for x in (data.x_val, data.x_test))
    return float(test - val)


ERRATA = (
    Erratum("sampling", "takes s for the logarithm of sigma, as its name z_log_sigma says",
            "the divergence takes the same s for the logarithm of sigma squared, as the comment "
            "beside it says: codes are drawn nearer to their mean than it assumes",
            "samples with exp(s / 2)",
            {"deviation of sampling over the one that the divergence assumes": spread_ratio}),
    Erratum("the divergence", "is weighted by 5e-4 and averaged over the dimensions",
            "the evidence lower bound weights it 2.6 times as much", "the evidence lower bound",
            {"divergence of an image's code from N(0, 1), nats": nats}),
    Erratum("the validation images",
            "are not defined, and in the author's notebook are a subset of the training images",
            "the validation loss says too little about new images", "10,000 images are held out",
            {"cross entropy of the test images above that of the validation ones": validation_gap}),
    Erratum("the clothes", "are said to be of MNIST, and the decoder to begin with 784 pixels",
            "they are of Fashion-MNIST, and it begins with 12,544 units",
            "both variants have these"),
    Erratum("new items", "are said to be drawn around a class's centroid",
            "the code draws nothing and knows no classes: it decodes a grid of codes, which are no "
            "reconstructions either", "both variants draw the grid; --generate draws new clothes"),
    Erratum("generating data from z", "is said to take p(z|x)",
            "it takes p(x|z), the decoder; p(z|x) is what the encoder approximates",
            "both variants have encoder and decoder"),
    Erratum("mean field inference", "is said to let one choose clusters, as 10 for the digits",
            "it takes the numbers of an image's code to be independent of each other; how many "
            "there are has nothing to do with classes", "both variants have two such numbers"),
    Erratum("the evidence lower bound", "is said to be differentiated and set to zero",
            "no network's equations are solved so; the code descends by RMSprop",
            "both variants descend"),
    Erratum("CustomVariationalLayer", "returns its input", "the model predicts the image given it",
            "both variants return the decoded image"),
    Erratum("the Kullback-Leibler divergence", "is said to be strictly positive",
            "it is zero where the distributions are equal, as the sentence before says",
            "both variants compute it"),
    Erratum("Lambda and CustomVariationalLayer",
            "are code in the saved model, and an add_loss with inputs",
            "Keras 3 neither loads a Lambda's code nor takes add_loss(..., inputs=...)",
            "both variants have registered layers, Sampling and VariationalLoss"),
)  # fmt: skip

# %% main
LESSON = Lesson(
    name="fashion_vae",
    doc=__doc__,
    presets=PRESETS,
    load=load,
    networks={
        ONLY_NETWORK: {
            "low-level": Style(VAE, train_low_level),
            "keras": Style(build_keras, train_keras),
        }
    },
    draw=draw,
    examples=examples,
    plane=plane,
    claims=CLAIMS,
    errata=ERRATA,
    published=PUBLISHED,
)

if __name__ == "__main__":
    cli.main(LESSON)
