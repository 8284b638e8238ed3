"""What the article of `document_cleaner` says, what it gets wrong, and how both are measured.

The article leaves the preprocessing of its pages to the author's notebook, to which it refers:
mrdragonbear/Autoencoders, Autoencoder-Tutorial.ipynb. The first three errata are about that.
"""

from functools import partial

from ae import datasets, equations, metrics
from ae.cleaning import command
from ae.lesson import ONLY_NETWORK, Claim, Erratum, Examples, Exercise, Option, Step
from ae.networks import codec
from ae.proof import readability
from tutorials.document_cleaner import HEIGHT, WIDTH, squash

import numpy as np

ORDER = 5
LINK = "https://towardsdatascience.com/generating-images-with-autoencoders-77fd3a8dd368"
OPTIONS = {
    "pairs": Option(
        None,
        "train on the pages in two folders instead; a page and its original have the same name",
        retrains=True,
        type=tuple[str, ...] | None,
        folders=("DIRTY", "CLEAN"),
    ),
    "data": Option(
        "auto",
        "published scans, generated pages, or (auto, the default) generated if there are no scans",
        retrains=False,  # generated pages have a notice, which makes their runs another kind
        choices=("auto", "real", "synthetic"),
    ),
}
PRESETS = {
    "quick": {"num_epochs": 12, "batch_size": 4, "num_train": 40},
    "smoke": {"num_epochs": 1, "batch_size": 2, "num_train": 6, "num_test": 2},
}
CAPTIONS = {
    "validation-pages": "Three stained pages of text, the clean pages that they should become, and "
    "what the network makes of them. Look for letters that are lost with the stains.",
    "test-page": "A stained page that the network never saw, over what it makes of it.",
}
FIGURES_BY = {"notebook": ("test-page",)}
# The author's notebook printed all 200 epochs (data/published/document_cleaner.csv).
PUBLISHED = {ONLY_NETWORK: {"loss": ("loss",), "val_loss": ("val_loss",)}}
COMMANDS = {"clean": lambda lesson, arguments: command.main(arguments, f"{lesson.command} clean")}


def examples(data):
    """Chooses a validation page to follow through the training."""
    return Examples(data.x_val[:1], data.y_val[:1])


# The corrected variant


def by_text(pages, num_train):
    """Splits shuffled pages by their text: 72 pages train on one, 72 validate on the other."""
    train = [page for page in pages if page.partition == "TR"]
    val = [page for page in pages if page.partition == "VA"]
    return train[:num_train], val[:num_train]


def crop(page):
    """Keeps the upper 258 rows as they are."""
    return page[:HEIGHT, :WIDTH]


ARGUMENTS = {("variant", "corrected"): {"load": {"split": by_text, "fit": crop}}}

# Claims


def worst_kind(worst, compare, network, data, settings):
    """Returns the worst of `compare(clean, dirty, cleaned)` over the kinds of dirt."""
    cleaned = codec(network, batch_size=1).reconstruct(data.x_val)
    kinds = metrics.by_label(data.noise_val, data.y_val, data.x_val, cleaned)
    return worst(compare(*pages) for pages in kinds)


CLAIMS = [
    Claim(
        "Creases and dark areas go.",
        quantity="Share of the RMSE that is left, for the kind of dirt with the most",
        measure=partial(worst_kind, max, metrics.error_left),
        at_most=0.5,
        why="The bound is ours: a quarter of the squared error.",
    ),
    Claim(
        "Creases and dark areas go.",
        quantity="SSIM gained, for the kind of dirt with the least",
        measure=partial(worst_kind, min, metrics.likeness_gained),
        at_least=0.1,
        why="The bound is ours: the eye sees a difference of a tenth of the scale.",
    ),
    Claim(
        "Ours: The text stays.",
        quantity="Character errors of Tesseract that cleaning adds",
        measure=readability.misreadings_added,
        at_most=0,
        why="A cleaned page should read no worse than a dirty one.",
    ),
]

# Errata


def validation_gap(network, data, settings):
    """Divides the mean squared error of validation pages by that of training pages."""
    clean = codec(network, batch_size=1).reconstruct
    train = metrics.rmse(data.y_train, clean(data.x_train))
    val = metrics.rmse(data.y_val, clean(data.x_val))
    return (val / train) ** 2


def misread(network, data, settings):
    """Returns Tesseract's character error rate on fitted clean pages, against the rows they show.

    Squashed pages show all rows. Cropped pages keep the rows that they show, so their rate is 0.
    """
    documents = datasets.load_or_generate_documents(settings.data, None, settings.seed)
    clean = [page.clean for page in documents.train if len(page.clean) > HEIGHT]
    pages = list({page.tobytes(): page for page in clean}.values())  # four dirty ones share each
    fits = (crop, crop) if settings.variant == "corrected" else (np.asarray, squash)
    shown, fitted = ([datasets.nhwc(fit(page)) for page in pages] for fit in fits)
    rates = readability.error_rates(shown, fitted)
    return None if rates is None else rates[0]


ERRATA = [
    Erratum(
        quote="validation_data=(x_val, y_val), callbacks=[early_stopping]",
        problem="The notebook draws the validation pages at random from the 144, which hold only "
        "2 texts. So the network trains on pages much like those that it validates on.",
        effect="The validation loss hides that the error is larger on a text not trained on.",
        fix="The corrected variant trains on the 72 pages of one text and validates on the 72 of "
        "the other.",
        measures={"squared error of validation pages over that of training pages": validation_gap},
    ),
    Erratum(
        quote="input_layer = Input(shape=(258, 540, 1))",
        problem="Two thirds of the pages have 420 rows. The notebook squashes them to 258 by their "
        "nearest pixels.",
        effect="These pages lose rows of their letters.",
        fix="The corrected variant keeps the upper 258 rows as they are and leaves out the lower "
        "162.",
        measures={"Tesseract's character error rate on clean fitted pages of 420 rows": misread},
    ),
    Erratum(
        quote="The data preprocessing for this is a bit more involved",
        problem="The notebook pairs dirty and clean pages by the order of two unsorted `glob`s, "
        "which is the order of the file system.",
        effect="Where names alone decide the order, as on ext4, all 144 pairs are right. On tmpfs, "
        "which lists files as they were made, a target may belong to another page.",
        fix="Both variants pair pages by name.",
    ),
    Erratum(
        quote="compare the error to the original image when training",
        problem="The article says that a denoising autoencoder gets noise added to its images and "
        "has the images themselves as targets. Here the pages come dirty, and their clean "
        "originals are given. This is supervised learning.",
        fix="Both variants train on pairs of a dirty and a clean page.",
    ),
    Erratum(
        quote="the bottleneck (the smallest layer in the network, aka. code) ... we require the "
        "minimal information to encode the image",
        problem="The code of this network has 129 x 270 x 64 numbers, 16 for each pixel of the "
        "page. Its smallest layers are the input and the output.",
        fix="Both variants have the article's network.",
    ),
]

# The page's texts

STEPS = [
    Step(
        "initializer",
        low_level=("limit = np.sqrt", "tf.random.uniform("),
        keras=("layers.Conv2D(",),
        equation=r"W \sim U(-l, l), \quad "
        r"l = \sqrt{\frac{6}{9 n_{\mathrm{in}} + 9 n_{\mathrm{out}}}}, \quad b = 0",
    ),
    Step(
        "input of any size",
        low_level=("any even height and width",),
        keras=("[None, None, 1]",),
    ),
    Step(
        "code",
        low_level=("return pooled_relu(",),
        keras=('(64, 3, activation="relu", padding="same")(x)', "layers.MaxPooling2D("),
        equation=r"z = \mathrm{maxpool}(\mathrm{relu}(W_1 * x + b_1))",
    ),
    Step(
        "output",
        low_level=("tf.nn.conv2d(z, self.W2", "return tf.nn.sigmoid("),
        keras=('padding="same")(z)', "layers.UpSampling2D("),
        equation=r"\hat{y} = \sigma(W_3 * \mathrm{upsample}(\mathrm{relu}(W_2 * z + b_2)) + b_3)",
    ),
    Step(
        "loss",
        low_level=("def mean_squared_error", "tf.reduce_mean(", "loss = mean_squared_error("),
        keras=('"mse"',),
        equation=r"L = \frac{1}{n h w} \sum_{i=1}^{n} \sum_{j=1}^{h} \sum_{k=1}^{w} "
        r"(y_{ijk} - \hat{y}_{ijk})^2",
    ),
    Step(
        "gradient",
        low_level=("tf.GradientTape()", "tape.gradient("),
        keras=("autoencoder.fit(",),
        equation=equations.GRADIENT,
    ),
    Step(
        "update",
        low_level=("keras.optimizers.Adam(", "optimizer.apply("),
        keras=("keras.optimizers.Adam(", "autoencoder.fit("),
        equation=equations.ADAM,
    ),
    Step(
        "pages of a minibatch",
        low_level=("order = minibatches(", "x, y = tf.gather("),
        keras=("run.dataset(",),
    ),
    Step(
        "loop",
        low_level=("for i in tf.range(", "for epoch in run.epochs(", "for rows in run.chunks("),
        keras=("epochs=settings.num_epochs",),
    ),
    Step(
        "validation",
        low_level=("def test_step(", "run.validate("),
        keras=("validation_data=", "validation_batch_size="),
    ),
]
DIFFERS = {
    "network": "A convolution has the same weights at every pixel, so the network takes pages of "
    "any even height and width. The low-level style never names a size: `conv2d` reads it from the "
    "page. Keras builds its graph before it sees a page, and `None` in `Input` leaves the size "
    "open. This is why `clean` works on your own scan.",
    "training": "One step takes a second or two, so both styles take a single step in each "
    "compiled call. `fit` ends an epoch with the validation pages, counts the epochs without a "
    "better loss, and a callback stops the training. The low-level loop writes the first of these "
    "as `run.validate`, and `run.epochs` does the others. Both keep the last weights.",
}
EXERCISES = [
    Exercise(
        "Stop after 3 epochs instead of 12. Are the pages cleaner than the dirty ones already?",
        ("--epochs", "3"),
        "They are empty rather than clean: the loss is {after:.3f}, and {before:.3f} after 12 "
        "epochs. A page of one even grey would have 0.071, and the dirty pages themselves have "
        "0.023. So the network first learns the mean grey of a page, and its text comes later.",
    ),
    Exercise(
        "Take minibatches of 16 pages instead of 4. A gradient is then a mean over more pages. Is "
        "the network better after the same 12 epochs?",
        ("--batch-size", "16"),
        "No: the loss is {after:.3f} instead of {before:.3f}. An epoch of 34 pages now has 3 steps "
        "instead of 9, so the network takes a third of the steps. Better gradients do not make up "
        "for that.",
    ),
    Exercise(
        "Make the learning rate ten times larger. In `dense_ae` this does harm. Does it here?",
        ("--learning-rate", "0.01"),
        "No, here it helps: the loss goes from {before:.4f} to {after:.4f}. This network takes "
        "only 108 steps, `dense_ae` takes 1000. So few steps of 0.001 do not lead far. The best "
        "learning rate depends on the network and on how long you train it.",
    ),
]
