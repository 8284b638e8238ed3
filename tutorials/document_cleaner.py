"""A small convolutional autoencoder cleans scanned pages of creases, stains and footprints.

Article: "Comprehensive Introduction to Autoencoders", Matthew Stewart, part 2, Text Cleaning.
It shows that a smaller network of the kind that removes noise from pictures cleans pages of print;
the dirt on them is NoisyOffice's simulated one.
Network: Conv 64, 2 x 2 max pooling, Conv 64, up-sampling, Conv 1 with a sigmoid; mean squared
error; Adam 0.001. Its code has 16 numbers for every pixel: it compresses nothing.
To clean a page of your own:
python -m tutorials.document_cleaner clean SCAN.png -o CLEAN.png
"""

# %% settings
# `settings.corrected`, of --variant corrected, is for what the errata below correct.
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from ae import cleaning, cli, datasets, figures, metrics
from ae.datasets.batches import Shuffled
from ae.lesson import ONLY_NETWORK, Claim, Erratum, Lesson, Settings, Style, option
from ae.measures import readability
from ae.networks import codec
from ae.operations import pooled_relu, upsampled_conv2d
from ae.runs.snapshots import Examples

import keras
import numpy as np
import tensorflow as tf
from keras import layers

HEIGHT, WIDTH = 258, 540  # pixels; a third of the pages has this size, the rest 420 rows
VALIDATION_SHARE = 0.15
PATIENCE = 5  # epochs without a better validation loss; the last weights stay, not the best
# The notebook's, of 420 rows: size "n"ormal, font "s"ans serif, "m"edium weight, folded.
SHOWN_TEST_PAGE = ("n", "s", "m", "folded")


@dataclass(frozen=True, kw_only=True)
class CleanerSettings(Settings):
    """The article's constants."""

    num_epochs: int = 200
    batch_size: int = 16
    learning_rate: float = 0.001
    data: str = option(  # generated pages have a notice, which makes their runs another kind
        "auto",
        "published scans, generated pages, or (auto, the default) generated if there are no scans",
        ("auto", "real", "synthetic"),
    )


PRESETS = {
    "article": CleanerSettings(),
    "quick": CleanerSettings(num_epochs=12, batch_size=4, num_train=40),
    "smoke": CleanerSettings(num_epochs=1, batch_size=2, num_train=6, num_test=2),
}


# %% data
class Data(NamedTuple):
    """Pages (n, 258, 540, 1) in [0, 1], 0 black and 1 white: dirty x, clean y; kinds of dirt."""

    x_train: np.ndarray
    y_train: np.ndarray
    x_val: np.ndarray
    y_val: np.ndarray
    x_test: np.ndarray
    noise_val: tuple[str, ...]
    provenance: datasets.Provenance


def load(settings, data_dir):
    """Loads the pages and sets 15 % aside at random, as the author's notebook does.

    The article prints none of this. The 144 pages share 2 texts, so a random split validates on
    texts that were trained on; the corrected variant trains on one and validates on the other.
    """
    documents = datasets.load_or_generate_documents(settings.data, data_dir, settings.seed)
    order = np.random.default_rng(settings.seed).permutation(len(documents.train))
    pages = [documents.train[i] for i in order]
    if settings.corrected:  # erratum: the validation pages
        train = [page for page in pages if page.partition == "TR"]  # 72 pages of one text
        val = [page for page in pages if page.partition == "VA"]  # and 72 of the other
    else:
        pages = pages[: settings.num_train]
        num_val = int(np.ceil(VALIDATION_SHARE * len(pages)))  # 22 of 144
        train, val = pages[num_val:], pages[:num_val]
    train, val = train[: settings.num_train], val[: settings.num_train]
    test = sorted(documents.test, key=lambda page: describe(page) != SHOWN_TEST_PAGE)
    fit = crop if settings.corrected else squash  # erratum: pages of 420 rows

    def stack(scans):
        return datasets.nhwc(np.stack([fit(scan) for scan in scans]))

    return Data(
        x_train=stack(page.dirty for page in train),
        y_train=stack(page.clean for page in train),
        x_val=stack(page.dirty for page in val),
        y_val=stack(page.clean for page in val),
        x_test=stack(page.dirty for page in test)[: settings.num_test],
        noise_val=tuple(page.noise for page in val),
        provenance=documents.provenance,
    )


def describe(page):
    """Says what tells a page from the others of its partition."""
    return page.size, page.font, page.emphasis, page.noise


def squash(page):
    """Resizes a page by its nearest pixels, as Keras's `load_img` did; 420 rows become 258."""
    return datasets.resize_to_nearest(page, HEIGHT, WIDTH)


def crop(page):
    """Keeps the upper 258 rows as they are."""
    return page[:HEIGHT, :WIDTH]


def batches(data, settings):
    """Shuffles the pages at each epoch, as `Model.fit` does."""
    return Shuffled(len(data.x_train), settings.batch_size, settings.seed)


# %% low-level: network
class Cleaner(tf.Module):
    """A convolution at full size, one at half, and one that makes a page: for pages of any size."""

    def __init__(self, settings):
        super().__init__()
        self.kernel_1, self.bias_1 = self.conv(1, 64)
        self.kernel_2, self.bias_2 = self.conv(64, 64)
        self.kernel_3, self.bias_3 = self.conv(64, 1)
        self.weights = [self.kernel_1, self.bias_1, self.kernel_2, self.bias_2]
        self.weights += [self.kernel_3, self.bias_3]

    @staticmethod
    def conv(channels_in, channels_out):
        """Draws a 3 x 3 kernel from U(-l, l), l = sqrt(6 / (9 in + 9 out)) as Keras does; b = 0."""
        dtype = keras.config.floatx()
        limit = np.sqrt(6 / (9 * channels_in + 9 * channels_out))
        shape = [3, 3, channels_in, channels_out]
        kernel = tf.random.uniform(shape, -limit, limit, dtype)
        return tf.Variable(kernel), tf.Variable(tf.zeros([channels_out], dtype))

    def encode(self, x):
        """Maps pages (batch, height, width, 1) to codes (batch, height / 2, width / 2, 64)."""
        h = tf.nn.conv2d(x, self.kernel_1, 1, "SAME")  # (height, width, 64)
        # max_pool(relu(h + bias)), in the order that adds and clips a quarter as much
        return pooled_relu(h, self.bias_1)

    def decode(self, z):
        """Maps codes (batch, height / 2, width / 2, 64) to pages (batch, height, width, 1)."""
        h = tf.nn.conv2d(z, self.kernel_2, 1, "SAME")  # (height / 2, width / 2, 64)
        h = tf.nn.relu(h + self.bias_2)
        # conv2d(upsample(h), kernel_3), without ever storing the up-sampled maps
        return tf.nn.sigmoid(upsampled_conv2d(h, self.kernel_3) + self.bias_3)

    def reconstruct(self, x):
        """Maps dirty pages to clean ones, both (batch, height, width, 1) with even sides."""
        return self.decode(self.encode(x))


# %% low-level: loss
def mean_squared_error(y, y_hat):
    """Averages (y - y_hat)^2 over pixels and batch."""
    return tf.reduce_mean(tf.square(y - y_hat))


# %% low-level: step
def train_low_level(network, data, settings, run):
    """Steps against the gradient of the error between clean page and cleaned page.

    Adam: m <- 0.9 m + 0.1 g, v <- 0.999 v + 0.001 g^2, and in step t
    w <- w - lr sqrt(1 - 0.999^t) / (1 - 0.9^t) m / (sqrt(v) + 1e-7); g = dL/dw.
    """
    optimizer = keras.optimizers.Adam(settings.learning_rate)
    optimizer.build(network.weights)

    @tf.function(reduce_retracing=True)
    def train_step(dirty, clean):
        with tf.GradientTape() as tape:
            loss = mean_squared_error(clean, network.reconstruct(dirty))
        gradients = tape.gradient(loss, network.weights)
        optimizer.apply(gradients, network.weights)
        return loss

    @tf.function(reduce_retracing=True)
    def test_step(dirty, clean):
        return mean_squared_error(clean, network.reconstruct(dirty))

    # For each epoch, for each minibatch: train_step, many in one call; then test_step, by batches.
    run.fit(
        train_step,
        batches(data, settings),
        *(data.x_train, data.y_train),
        optimizer=optimizer,
        test_step=test_step,
        validation=(data.x_val, data.y_val),
        patience=PATIENCE,
        jit_compile=settings.jit_compile,
    )


# %% keras: network
def build_keras(settings):
    """Stacks the same three convolutions as encoder, decoder and the model that joins them."""
    x = keras.Input([None, None, 1], name="dirty")  # in the article 258 x 540; any even size works
    h = layers.Conv2D(64, 3, activation="relu", padding="same")(x)
    z = layers.MaxPooling2D(2, padding="same")(h)  # (129, 270, 64)
    encoder = keras.Model(x, z, name="encoder")

    full = {"dtype": keras.config.floatx()}  # whatever --mixed-precision does to the other layers
    z = keras.Input([None, None, 64], name="code")
    h = layers.Conv2D(64, 3, activation="relu", padding="same")(z)
    h = layers.UpSampling2D(2)(h)  # (258, 540, 64)
    page = layers.Conv2D(1, 3, activation="sigmoid", padding="same", **full)(h)
    decoder = keras.Model(z, page, name="decoder")

    return keras.Model(x, decoder(encoder(x)), name="document_cleaner")


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
    # In short: fit(dirty, clean, batch_size=16, epochs=200, validation_data=...). What stands here
    # instead gives both styles the same minibatches, and lets an interrupted run go on.
    autoencoder.fit(
        run.feed(order, data.x_train, data.y_train),
        epochs=settings.num_epochs,
        initial_epoch=run.epochs_done,
        validation_data=(data.x_val, data.y_val),
        validation_batch_size=settings.batch_size,
        callbacks=run.callbacks(patience=PATIENCE),
        shuffle=False,  # run.feed() shuffles
        verbose=0,
    )


# %% figures
# codec(network) gives either style's encode, decode and reconstruct, on NumPy arrays.
def draw(network, data, settings, report):
    """Draws three validation pages (input, target, output) and one test page (input, output).

    The test page is the notebook's, which shows one training page too, before training.
    """
    clean = codec(network, batch_size=1).reconstruct
    dirty, target = data.x_val[:3], data.y_val[:3]
    rows = {"input": dirty, "target": target, "output": clean(dirty)}
    images = {title: x[..., 0] for title, x in rows.items()}
    shows = "three validation pages, what they should become and what they became"
    report.figure("validation-pages", figures.strip(images, size=5), shows)
    page = data.x_test[:1]
    rows = {"input": page[..., 0], "output": clean(page)[..., 0]}
    report.figure("test-page", figures.strip(rows, size=7), "a test page over its cleaned copy")


def examples(data):
    """Chooses a validation page to follow through the training."""
    return Examples(data.x_val[:1], data.y_val[:1])


# %% published
# All 200 epochs of the author's notebook (data/published).
PUBLISHED = {ONLY_NETWORK: {"loss": ("loss",), "val_loss": ("val_loss",)}}


# %% claims
# Claim(what is claimed, what measures it, the bound, the reason for it)
def worst_kind(worst, compare, network, data, settings):
    """Returns the worst of `compare(clean, dirty, cleaned)` over the kinds of dirt."""
    cleaned = codec(network, batch_size=1).reconstruct(data.x_val)
    kinds = metrics.by_label(data.noise_val, data.y_val, data.x_val, cleaned)
    return worst(compare(*pages) for pages in kinds)


CLAIMS = (
    Claim("Creases and dark areas go: share of the RMSE left, for the kind of dirt with the most",
          partial(worst_kind, max, metrics.error_left), at_most=0.5,
          reason="a quarter of the squared error"),
    Claim("Creases and dark areas go: SSIM gained, for the kind of dirt with the least",
          partial(worst_kind, min, metrics.likeness_gained), at_least=0.1,
          reason="a tenth of the scale is a difference to be seen"),
    Claim("The text stays: character errors of Tesseract that cleaning adds",
          readability.misreadings_added, at_most=0,
          reason="a cleaned page reads no worse than a dirty one"),
)  # fmt: skip


# %% errata
# Erratum(where, what stands there, what follows, what the variants do, {what measures it})
def validation_gap(network, data, settings):
    """Divides the mean squared error of validation pages by that of training pages."""
    clean = codec(network, batch_size=1).reconstruct
    train, val = (
        metrics.rmse(data.y_train, clean(data.x_train)),
        metrics.rmse(data.y_val, clean(data.x_val)),
    )
    return (val / train) ** 2


def misread(network, data, settings):
    """Returns Tesseract's character error rate on fitted clean pages, against the rows they show.

    Squashed pages show all rows; cropped ones keep theirs as they are, so their rate is 0.
    """
    documents = datasets.load_or_generate_documents(settings.data, None, settings.seed)
    clean = [page.clean for page in documents.train if len(page.clean) > HEIGHT]
    pages = list({page.tobytes(): page for page in clean}.values())  # four dirty ones share each
    shapes = (crop, crop) if settings.corrected else (np.asarray, squash)
    shown, fitted = ([datasets.nhwc(fit(page)) for page in pages] for fit in shapes)
    rates = readability.error_rates(shown, fitted)
    return None if rates is None else rates[0]


ERRATA = (
    # The first three are of the notebook's preprocessing, which the article refers to.
    Erratum("the validation pages", "are drawn at random from the 144",
            "144 pages hold 2 texts, so pages much like these were trained on",
            "trains on the 72 pages of one text, validates on those of the other",
            {"squared error of validation pages over that of training pages": validation_gap}),
    Erratum("pages of 420 rows", "are squashed to 258 by their nearest pixels",
            "two thirds of the pages lose rows of their letters",
            "keeps the upper 258 rows as they are, and leaves the lower 162 out",
            {"Tesseract's character error rate on clean fitted pages of 420 rows": misread}),
    Erratum("the pairs of pages", "are matched by the order of two unsorted `glob`s",
            "harmless where names alone decide the order, as on ext4: all 144 pairs are right; on "
            "tmpfs, which lists files as they were made, targets may be other pages'",
            "both variants match by name"),
    Erratum("denoising autoencoders", "are said to be trained on images that noise was added to, "
            "by themselves as targets",
            "the dirty pages come dirty, and the clean ones are given: this is supervised",
            "both variants train on such pairs"),
    Erratum("an autoencoder", "is said to need the least information for its code",
            "this one's code of 129 x 270 x 64 is 16 times as large as the page",
            "both variants have the article's network"),
)  # fmt: skip

# %% main
LESSON = Lesson(
    name="document_cleaner",
    doc=__doc__,
    presets=PRESETS,
    load=load,
    networks={
        ONLY_NETWORK: {
            "low-level": Style(Cleaner, train_low_level),
            "keras": Style(build_keras, train_keras),
        }
    },
    draw=draw,
    examples=examples,
    claims=CLAIMS,
    errata=ERRATA,
    published=PUBLISHED,
    commands={"clean": cleaning.main},
)

if __name__ == "__main__":
    cli.main(LESSON)
