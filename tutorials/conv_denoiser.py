"""A convolutional autoencoder removes salt and pepper from pictures of clothes.

Article: "Comprehensive Introduction to Autoencoders", Matthew Stewart, part 1, Denoising.
It shows that a network trained to turn noisy images into clean ones removes the noise, and the
finer features with it; its code has 256 numbers for 784 pixels.
Network: Conv 64-32-16, each with 2 x 2 max pooling, then Conv 16-32-64 with up-sampling, Conv 1;
mean squared error; Adam 0.001.
"""

# %% settings
# `settings.corrected`, of --variant corrected, is for what the errata below correct.
import itertools
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from ae import cli, datasets, figures, metrics
from ae.datasets.batches import Shuffled
from ae.lesson import ONLY_NETWORK, Claim, Erratum, Lesson, Settings, Style, option
from ae.networks import codec
from ae.operations import pooled_relu, upsampled_conv2d
from ae.runs.snapshots import Examples

import keras
import numpy as np
import tensorflow as tf
from imgaug import augmenters
from keras import layers

NOISE = 0.1  # share of the pixels that salt and pepper replace
PATIENCE = 10  # epochs without a better validation loss; the last weights stay, not the best
# The five garments in the article's figures, by split and number in Keras's set, which the author's
# notebook loads. Two of them are training images there, so the figures come of another split.
SHOWN = (("test", 6616), ("test", 6329), ("train", 32595), ("test", 9830), ("train", 5469))
HELD_OUT = 10_000  # corrected: training images that validate instead of the test images


@dataclass(frozen=True, kw_only=True)
class DenoiserSettings(Settings):
    """The article's constants."""

    num_epochs: int = 20
    batch_size: int = 2048
    learning_rate: float = 0.001
    output: str = option(
        "sigmoid",
        "sigmoid as in the article, linear as in its notebook",
        ("sigmoid", "linear"),
        makes_other_numbers=True,
    )


PRESETS = {
    "article": DenoiserSettings(),
    "quick": DenoiserSettings(num_epochs=4, batch_size=128, num_train=10_000, num_test=1000),
    "smoke": DenoiserSettings(num_epochs=1, batch_size=64, num_train=256, num_test=64),
}


# %% data
class Data(NamedTuple):
    """Clothes (n, 28, 28, 1) in [0, 1], clean and noisy."""

    x_train: np.ndarray
    x_train_noisy: np.ndarray
    x_val: np.ndarray
    x_val_noisy: np.ndarray
    x_test: np.ndarray
    x_test_noisy: np.ndarray
    x_shown: np.ndarray
    x_shown_noisy: np.ndarray
    provenance: datasets.Provenance


def load(settings, data_dir):
    """Loads Fashion-MNIST and adds noise; the article validates on the test images."""
    fashion = datasets.load_fashion_mnist(data_dir)
    train = slice(-HELD_OUT) if settings.corrected else slice(None)  # erratum: validation_data
    x_train = datasets.nhwc(fashion.x_train[train])[: settings.num_train]
    x_test = datasets.nhwc(fashion.x_test)[: settings.num_test]

    salt_and_pepper = augmenters.Sequential([augmenters.SaltAndPepper(NOISE, seed=settings.seed)])

    def with_noise(x):
        """Replaces pixels on imgaug's scale of 0 to 255, then returns to [0, 1]."""
        return salt_and_pepper.augment_images(x * 255) / 255

    x_train_noisy, x_test_noisy = with_noise(x_train), with_noise(x_test)
    x_val, x_val_noisy = x_test, x_test_noisy
    if settings.corrected:
        x_val = datasets.nhwc(fashion.x_train[-HELD_OUT:])[: settings.num_test]
        x_val_noisy = with_noise(x_val)
    sets = {"train": fashion.x_train, "test": fashion.x_test}
    x_shown = datasets.nhwc(np.stack([sets[split][index] for split, index in SHOWN]))
    return Data(
        x_train=x_train,
        x_train_noisy=x_train_noisy,
        x_val=x_val,
        x_val_noisy=x_val_noisy,
        x_test=x_test,
        x_test_noisy=x_test_noisy,
        x_shown=x_shown,
        x_shown_noisy=with_noise(x_shown),
        provenance=fashion.provenance,
    )


def batches(data, settings):
    """Shuffles the images at each epoch, as `Model.fit` does."""
    return Shuffled(len(data.x_train), settings.batch_size, settings.seed)


# %% low-level: network
class Denoiser(tf.Module):
    """Three convolutions down to a code of 4 x 4 x 16, three up, and one to make an image."""

    def __init__(self, settings):
        super().__init__()
        channels = (1, 64, 32, 16, 16, 32, 64, 1)
        pairs = [self.conv(m, n) for m, n in itertools.pairwise(channels)]
        self.encoder, self.decoder = pairs[:3], pairs[3:]
        self.weights = tf.nest.flatten(pairs)
        self.output_activation = tf.nn.sigmoid if settings.output == "sigmoid" else tf.identity

    @staticmethod
    def conv(channels_in, channels_out):
        """Draws a 3 x 3 kernel from U(-l, l), l = sqrt(6 / (9 in + 9 out)) as Keras does; b = 0."""
        dtype = keras.config.floatx()
        limit = np.sqrt(6 / (9 * channels_in + 9 * channels_out))
        shape = [3, 3, channels_in, channels_out]
        kernel = tf.random.uniform(shape, -limit, limit, dtype)
        return tf.Variable(kernel), tf.Variable(tf.zeros([channels_out], dtype))

    def encode(self, x):
        """Maps images (batch, 28, 28, 1) to codes (batch, 4, 4, 16)."""
        for kernel, bias in self.encoder:
            x = tf.nn.conv2d(x, kernel, 1, "SAME")
            # max_pool(relu(x + bias)), in the order that adds and clips a quarter as much
            x = pooled_relu(x, bias)  # (14, 14, 64), (7, 7, 32), (4, 4, 16)
        return x

    def decode(self, z):
        """Maps codes (batch, 4, 4, 16) to images (batch, 28, 28, 1)."""
        (kernel_1, bias_1), (kernel_2, bias_2), *last = self.decoder
        (kernel_3, bias_3), (kernel_4, bias_4) = last
        h = tf.nn.relu(tf.nn.conv2d(z, kernel_1, 1, "SAME") + bias_1)  # (4, 4, 16)
        h = tf.nn.relu(tf.nn.conv2d(upsample(h), kernel_2, 1, "SAME") + bias_2)  # (8, 8, 32)
        # no padding, so that 16 rows become 14 and the last up-sampling ends at 28
        h = tf.nn.relu(tf.nn.conv2d(upsample(h), kernel_3, 1, "VALID") + bias_3)  # (14, 14, 64)
        # conv2d(upsample(h), kernel_4), without ever storing the up-sampled maps
        return self.output_activation(upsampled_conv2d(h, kernel_4) + bias_4)  # (28, 28, 1)

    def reconstruct(self, x):
        """Maps noisy images to clean ones, both (batch, 28, 28, 1)."""
        return self.decode(self.encode(x))


def upsample(x):
    """Repeats every pixel twice across and twice down."""
    return tf.repeat(tf.repeat(x, 2, axis=1), 2, axis=2)


# %% low-level: loss
def mean_squared_error(x, x_hat):
    """Averages (x - x_hat)^2 over pixels and batch."""
    return tf.reduce_mean(tf.square(x - x_hat))


# %% low-level: step
def train_low_level(network, data, settings, run):
    """Steps against the gradient of the error between clean image and cleaned image.

    Adam: m <- 0.9 m + 0.1 g, v <- 0.999 v + 0.001 g^2, and in step t
    w <- w - lr sqrt(1 - 0.999^t) / (1 - 0.9^t) m / (sqrt(v) + 1e-7); g = dL/dw.
    """
    optimizer = keras.optimizers.Adam(settings.learning_rate)
    optimizer.build(network.weights)

    @tf.function
    def train_step(noisy, clean):
        with tf.GradientTape() as tape:
            loss = mean_squared_error(clean, network.reconstruct(noisy))
        gradients = tape.gradient(loss, network.weights)
        optimizer.apply(gradients, network.weights)
        return loss

    @tf.function(reduce_retracing=True)
    def test_step(noisy, clean):
        return mean_squared_error(clean, network.reconstruct(noisy))

    # For each epoch, for each minibatch: train_step, many in one call; then test_step, by batches.
    run.fit(
        train_step,
        batches(data, settings),
        *(data.x_train_noisy, data.x_train),
        optimizer=optimizer,
        test_step=test_step,
        validation=(data.x_val_noisy, data.x_val),
        patience=PATIENCE,
        jit_compile=settings.jit_compile,
    )


# %% keras: network
def build_keras(settings):
    """Stacks the same layers as encoder, decoder and the model that joins them."""
    same = {"activation": "relu", "padding": "same"}
    full = {"dtype": keras.config.floatx()}  # whatever --mixed-precision does to the other layers

    x = keras.Input([28, 28, 1], name="noisy")
    h = layers.Conv2D(64, 3, **same)(x)
    h = layers.MaxPooling2D(2, padding="same")(h)  # (14, 14, 64)
    h = layers.Conv2D(32, 3, **same)(h)
    h = layers.MaxPooling2D(2, padding="same")(h)  # (7, 7, 32)
    h = layers.Conv2D(16, 3, **same)(h)
    z = layers.MaxPooling2D(2, padding="same")(h)  # (4, 4, 16)
    encoder = keras.Model(x, z, name="encoder")

    z = keras.Input([4, 4, 16], name="code")
    h = layers.Conv2D(16, 3, **same)(z)
    h = layers.UpSampling2D(2)(h)  # (8, 8, 16)
    h = layers.Conv2D(32, 3, **same)(h)
    h = layers.UpSampling2D(2)(h)  # (16, 16, 32)
    h = layers.Conv2D(64, 3, activation="relu")(h)  # (14, 14, 64), for it has no padding
    h = layers.UpSampling2D(2)(h)  # (28, 28, 64)
    image = layers.Conv2D(1, 3, padding="same", activation=settings.output, **full)(h)
    decoder = keras.Model(z, image, name="decoder")

    return keras.Model(x, decoder(encoder(x)), name="conv_denoiser")


# %% keras: loss
LOSS = "mean_squared_error"


# %% keras: fit
def train_keras(autoencoder, data, settings, run):
    """Compiles and fits; the batches are those of the low-level style."""
    order = batches(data, settings)
    autoencoder.compile(
        optimizer=keras.optimizers.Adam(settings.learning_rate),
        loss=LOSS,
        steps_per_execution=run.steps_at_once(order, settings.jit_compile),
        jit_compile=settings.jit_compile,
    )
    # In short: fit(noisy, clean, batch_size=2048, epochs=20, validation_data=...). What stands here
    # instead gives both styles the same minibatches, and lets an interrupted run go on.
    autoencoder.fit(
        run.feed(order, data.x_train_noisy, data.x_train),
        epochs=settings.num_epochs,
        initial_epoch=run.epochs_done,
        validation_data=(data.x_val_noisy, data.x_val),
        validation_batch_size=settings.batch_size,
        callbacks=run.callbacks(patience=PATIENCE),
        shuffle=False,  # run.feed() shuffles
        verbose=0,
    )


# %% figures
# codec(network) gives either style's encode, decode and reconstruct, on NumPy arrays.
def draw(network, data, settings, report):
    """Draws the article's garments clean, noisy and cleaned, and the 16 maps of their codes.

    As in the article, the greys of each picture run from its least value to its greatest; the maps
    are in the author's notebook.
    """
    clean, noisy = data.x_shown, data.x_shown_noisy
    encode, _, reconstruct = codec(network)
    rows = {"clean": clean, "noisy": noisy, "output": reconstruct(noisy)}
    images = {title: x[..., 0] for title, x in rows.items()}
    strip = figures.strip(images, size=2, stretched=True)
    report.figure("clean-noisy-output", strip, "five garments, clean, noisy and cleaned")
    report.figure("latent-maps", figures.feature_maps(encode(noisy)), "the 16 maps of their codes")


def examples(data):
    """Chooses test images to follow through the training."""
    return Examples(data.x_test_noisy[:10], data.x_test[:10])


# %% published
# Two epochs of the author's notebook, whose output layer is linear (data/published).
PUBLISHED = {ONLY_NETWORK: {"loss": ("loss",), "val_loss": ("val_loss",)}}
PUBLISHED_WITH = {"output": "linear"}


# %% claims
# Claim(what is claimed, what measures it, the bound, the reason for it)
def gain(measure, baseline, network, data, settings):
    """Returns how much nearer the output is to the clean images than a baseline is."""
    cleaned = codec(network).reconstruct(data.x_test_noisy)
    return measure(data.x_test, cleaned) - measure(data.x_test, baseline(data.x_test_noisy))


def detail_kept(network, data, settings):
    """Returns the energy of fine detail in the output as a share of that in the clean images."""
    cleaned = codec(network).reconstruct(data.x_test_noisy)
    return metrics.fine_detail(cleaned) / metrics.fine_detail(data.x_test)


CLAIMS = (
    Claim("The noise is removed: PSNR above that of the noisy images, dB",
          partial(gain, metrics.psnr, np.asarray), at_least=3,
          reason="half of the squared error is gone"),
    Claim("The noise is removed: SSIM above that of the noisy images",
          partial(gain, metrics.ssim, np.asarray), at_least=0.1,
          reason="a tenth of the scale is a difference to be seen"),
    Claim("It is removed adequately: PSNR above that of a 3 x 3 median filter, dB",
          partial(gain, metrics.psnr, metrics.median_filter), at_least=0,
          reason="the simplest cure for such noise needs no training"),
    Claim("Finer features are lost: share of the energy above half of Nyquist's limit",
          detail_kept, at_most=0.5, reason="'a fair amount' is half of the energy or more"),
)  # fmt: skip


# %% errata
# Erratum(where, what stands there, what follows, what the variants do, {what measures it})
def test_loss(network, data, settings):
    """Returns the mean squared error of cleaned test images."""
    return metrics.rmse(data.x_test, codec(network).reconstruct(data.x_test_noisy)) ** 2


def out_of_range(network, data, settings):
    """Returns the share of output pixels that are no shade between black and white."""
    cleaned = codec(network).reconstruct(data.x_test_noisy)
    return np.mean((cleaned < 0) | (cleaned > 1))


ERRATA = (
    Erratum("the output layer", "is a sigmoid in the article and linear in the author's notebook",
            "the losses that the notebook prints are the linear one's, and so are the pictures, to "
            "judge by their grey backgrounds",
            "both variants have the sigmoid; --output linear has the notebook's",
            {"mean squared error on test images": test_loss,
             "share of output pixels below 0 or above 1": out_of_range},
            change=("output", "linear")),
    Erratum("validation_data", "is the test set, and early stopping watches it",
            "the test images may choose the number of epochs; in the three runs that are kept they "
            "do not, for their loss is least after the last",
            "10,000 training images are held out for it"),
    Erratum("denoising autoencoders", "are said to add white noise",
            "the code adds nothing: it replaces a tenth of the pixels",
            "both variants do as the code"),
    Erratum("compression", "is likened to that of zip files",
            "a zip file gives back every bit; an autoencoder's output resembles its input, like a "
            "JPEG's", "both variants lose detail"),
    Erratum("the lost features", "are called the price of a robust network",
            "the code is small, 4 x 4 x 16 numbers for 28 x 28 pixels; a median filter, which has "
            "none, comes nearer to the clean images (a claim measures both)",
            "both variants have the article's network"),
    Erratum("the scale of the noise", "is that of imgaug's SaltAndPepper, up to 255",
            "in [0, 1] the salt would be 255 times white, so the article scales first",
            "both variants do as the article"),
    Erratum("the noise", "is called salt and pepper, and is drawn from Beta(0.5, 0.5) x 255",
            "only 6 % of the replacements round to black or white; the rest are greys",
            "both variants do as the article"),
    Erratum("the contractive autoencoder", "is called a neural form of ridge regression",
            "ridge regression penalises weights; the contractive penalty is on the derivatives of "
            "the code with respect to the image; for a linear code alone these are the weights",
            "both variants have neither"),
)  # fmt: skip

# %% main
LESSON = Lesson(
    name="conv_denoiser",
    doc=__doc__,
    presets=PRESETS,
    load=load,
    networks={
        ONLY_NETWORK: {
            "low-level": Style(Denoiser, train_low_level),
            "keras": Style(build_keras, train_keras),
        }
    },
    draw=draw,
    examples=examples,
    claims=CLAIMS,
    errata=ERRATA,
    published=PUBLISHED,
    published_with=PUBLISHED_WITH,
)

if __name__ == "__main__":
    cli.main(LESSON)
