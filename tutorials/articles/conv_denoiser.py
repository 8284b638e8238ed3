"""What the article of `conv_denoiser` says, what it gets wrong, and how both are measured."""

from functools import partial

from ae import equations, metrics
from ae.lesson import ONLY_NETWORK, OWN_IMAGES, Claim, Erratum, Examples, Exercise, Option, Step
from ae.networks import codec
from tutorials.conv_denoiser import SALT_AND_PEPPER

import numpy as np
import tensorflow as tf
from imgaug import augmenters

ORDER = 4
LINK = "https://towardsdatascience.com/generating-images-with-autoencoders-77fd3a8dd368"
OPTIONS = {
    "images": OWN_IMAGES,
    "output": Option(
        "sigmoid",
        "sigmoid as in the article, linear as in its notebook",
        True,
        ("sigmoid", "linear"),
    ),
    "noise": Option(
        "salt-and-pepper",
        "salt and pepper as in the article's code, Gaussian white noise as in its text",
        True,
        ("salt-and-pepper", "gaussian"),
    ),
}
PRESETS = {
    "quick": {"num_epochs": 4, "batch_size": 128, "num_train": 10_000, "num_test": 1000},
    "smoke": {"num_epochs": 1, "batch_size": 64, "num_train": 256, "num_test": 64},
}
# The figure shows the article's five garments. Two of them are training images in Keras's set,
# which the notebook loads, so the article's figure comes from another split.
CAPTIONS = {
    "clean-noisy-output": "Five garments: clean, noisy, cleaned by a 3 x 3 median filter, and "
    "cleaned by the network. The decibels say how near a row comes to the clean one; more is "
    "nearer. Look for prints that go with the noise. The published picture has a linear output.",
    "latent-maps": "The five noisy garments, each before the 16 maps of its code. A map has 4 x 4 "
    "numbers. Each is scaled from black to white by itself.",
}
FIGURES_BY = {"article": ("clean-noisy-output",), "notebook": ("latent-maps",)}


# What options pass to the lesson

# The white noise has the mean square of the salt and pepper, 0.03.
WHITE = partial(augmenters.AdditiveGaussianNoise, scale=0.17 * 255)
AUGMENTERS = {"salt-and-pepper": SALT_AND_PEPPER, "gaussian": WHITE}


def drawn_each_epoch(data, settings, epoch):
    """Draws new noise for the training images in each epoch, so that no image keeps its noise."""
    (seed,) = np.random.SeedSequence([settings.seed, epoch]).generate_state(1)
    return AUGMENTERS[settings.noise](seed=int(seed)).augment_images(data.x_train * 255) / 255


FRESH = {"noisy": drawn_each_epoch}
ARGUMENTS = {
    # The last 10,000 training images validate instead of the test images.
    ("variant", "corrected"): {
        "load": {"held_out": 10_000},
        "train_low_level": FRESH,
        "train_keras": FRESH,
    },
    ("noise", "gaussian"): {"load": {"noise": WHITE}},
    ("output", "linear"): {
        "Denoiser": {"output": tf.identity},
        "build_keras": {"output": "linear"},
    },
}

# The article prints no loss. The author's notebook (mrdragonbear/Autoencoders,
# Autoencoder-Tutorial.ipynb), whose output layer is linear, printed two epochs
# (data/published/conv_denoiser.csv).
PUBLISHED = {ONLY_NETWORK: {"loss": ("loss",), "val_loss": ("val_loss",)}}
PUBLISHED_WITH = {"output": "linear"}


def examples(data):
    """Chooses ten test images to follow through the training."""
    return Examples(data.x_test_noisy[:10], data.x_test[:10])


# Measures


def cleaned_test_images(network, data):
    """Removes the noise from the test images."""
    return codec(network).reconstruct(data.x_test_noisy)


def noise_left(clean_up, data, settings):
    """Returns how much of the noise's variance is left in the output.

    The same 500 test images get noise ten times. What differs between the ten outputs of an image
    comes from the noise; the variance of a pixel is divided by its variance in the noisy images. A
    blur that is the same each time does not count.
    """
    x = data.x_test[:500]
    draw = AUGMENTERS[settings.noise]
    noisy = [draw(seed=seed)(images=255 * x) / 255 for seed in range(10)]
    left, added = (np.var(images, axis=0).mean() for images in (list(map(clean_up, noisy)), noisy))
    return left / added


def noise_left_by_network(network, data, settings):
    """Returns `noise_left` of a denoiser."""
    return noise_left(codec(network).reconstruct, data, settings)


def noise_left_beside_median(network, data, settings):
    """Divides `noise_left` of a denoiser by that of a 3 x 3 median filter."""
    by_median = noise_left(metrics.median_filter, data, settings)
    return noise_left_by_network(network, data, settings) / by_median


def detail_kept(network, data, settings):
    """Returns the energy of fine detail in the output as a share of that in the clean images."""
    cleaned = cleaned_test_images(network, data)
    return metrics.fine_detail(cleaned) / metrics.fine_detail(data.x_test)


def test_loss(network, data, settings):
    """Returns the mean squared error of cleaned test images."""
    return metrics.rmse(data.x_test, cleaned_test_images(network, data)) ** 2


def test_over_training_error(network, data, settings):
    """Divides the squared error on noisy test images by that on as many training images."""
    reconstruct, number = codec(network).reconstruct, len(data.x_test)
    x, x_noisy = data.x_train[:number], data.x_train_noisy[:number]
    return test_loss(network, data, settings) / metrics.rmse(x, reconstruct(x_noisy)) ** 2


def out_of_range(network, data, settings):
    """Returns the share of output pixels that are no shade between black and white."""
    cleaned = cleaned_test_images(network, data)
    return np.mean((cleaned < 0) | (cleaned > 1))


# Claims

CLAIMS = [
    Claim(
        "The noise is removed.",
        quantity="Share of the noise's variance left in the output",
        measure=noise_left_by_network,
        at_most=0.1,
        why="The bound is ours: nine tenths of the noise are gone.",
    ),
    Claim(
        "The noise is removed adequately.",
        quantity="Share of the noise's variance left, over what a 3 x 3 median filter leaves",
        measure=noise_left_beside_median,
        at_most=1,
        why="The bound is ours. The simplest remedy for such noise needs no training.",
    ),
    Claim(
        "A fair amount of the finer features is lost.",
        quantity="Energy above half of Nyquist's limit, as a share of the clean images'",
        measure=detail_kept,
        at_most=0.5,
        why="The bound is ours: a fair amount is half of the energy or more.",
    ),
]

# Errata

ERRATA = [
    Erratum(
        quote="output_layer = Conv2D(1, (3, 3), padding='same', activation='sigmoid')",
        problem="The output layer is linear in the author's notebook.",
        effect="The losses that the notebook prints are those of the linear output. So are the "
        "pictures, to judge by their grey backgrounds.",
        fix="Both variants have the sigmoid. --output linear has the notebook's output.",
        measures={
            "mean squared error on test images": test_loss,
            "share of output pixels below 0 or above 1": out_of_range,
        },
        change=("output", "linear"),
    ),
    Erratum(
        quote="validation_data=(val_x_n, x_test), callbacks=[early_stopping]",
        problem="Early stopping watches the loss on the test images.",
        effect="The test images may choose the number of epochs. In the three recorded runs they "
        "do not: their loss is smallest after the last epoch.",
        fix="The corrected variant holds out 10,000 training images for validation.",
    ),
    Erratum(
        quote="These autoencoders add some white noise to the data prior to training",
        problem="The code adds nothing. It replaces a tenth of the pixels, once, before training. "
        "So a network may learn the noise of its training images.",
        effect="After four epochs it has not: its error on test images is no larger.",
        fix="Both variants replace pixels; the corrected one draws new noise in each epoch. "
        "--noise gaussian adds white noise.",
        measures={"error on test images over that on training images": test_over_training_error},
    ),
    Erratum(
        quote="This is one of the prices we pay for a robust network",
        problem="A likelier cause is the small code: 4 x 4 x 16 numbers for 28 x 28 pixels. A "
        "3 x 3 median filter has no code, and it comes nearer to the clean images.",
        fix="Both variants have the article's network. A claim compares it with the median filter.",
    ),
    Erratum(
        quote="This can be thought of as a neural form of ridge regression",
        problem="Ridge regression penalises weights. The penalty of a contractive autoencoder is "
        "on the derivatives of the code with respect to the image. They are the weights only if "
        "the code is linear.",
        fix="Only the text is wrong. `contractive_ae` compares the two penalties.",
    ),
    Erratum(
        quote="This is analogous to how zip files work",
        problem="A zip file gives back every bit. An autoencoder's output only resembles its "
        "input, as a JPEG does.",
        fix="Only the text is wrong.",
    ),
]

# The page's texts

STEPS = [
    Step(
        "initializer",
        low_level=("limit = np.sqrt", "tf.random.uniform("),
        keras=("layers.Conv2D(",),
        equation=r"W \sim U(-l, l), \quad l = \sqrt{\frac{6}{9 m + 9 n}}, \quad b = 0",
    ),
    Step(
        "convolutions down to the code",
        low_level=("conv(1, 64)", "pooled_relu("),
        keras=("layers.MaxPooling2D(",),
        equation=r"h' = \mathrm{maxpool}(\mathrm{relu}(W * h + b))",
    ),
    Step(
        "convolutions up",
        low_level=("conv2d(z, W4", "upsample(h), W5", "upsample(h), W6"),
        keras=("layers.UpSampling2D(",),
        equation=r"h' = \mathrm{relu}(W * \mathrm{upsample}(h) + b)",
    ),
    Step(
        "output",
        low_level=("self.output(",),
        keras=("activation=output",),
        equation=r"\hat{x} = \sigma(W_7 * \mathrm{upsample}(h) + b_7)",
    ),
    Step(
        "loss",
        low_level=("def mean_squared_error", "tf.reduce_mean(", "mean_squared_error(clean"),
        keras=('"mse"',),
        equation=equations.MEAN_SQUARED_ERROR,
    ),
    Step(
        "gradient",
        low_level=("tf.GradientTape()", "loss = loss_of("),
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
        "noise",
        low_level=("x_noisy = tf.constant(", "tf.gather(x_noisy"),
        keras=("run.dataset(",),
        equation=r"\hat{x} = \mathrm{decode}(\mathrm{encode}(\tilde{x})), \quad "
        r"\tilde{x} \mathrm{\ noisy}",
    ),
    Step(
        "loop",
        low_level=("for i in tf.range(", "for epoch in run.epochs(", "for rows in run.chunks("),
        keras=("epochs=settings.num_epochs",),
    ),
    Step(
        "validation",
        low_level=("run.validate(", "test_step = "),
        keras=("validation_data=", "validation_batch_size="),
    ),
]
DIFFERS = {
    "network": "Keras's layers stand in the order of the equation: convolution, ReLU, pooling. The "
    "low-level style may choose. `pooled_relu` pools before the ReLU, and `upsampled_conv2d` never "
    "stores the large image. Both give the same numbers with less work, because the largest of "
    "some ReLUs is the ReLU of the largest. A run that trains the layers lets them do the same.",
    "training": "A step needs two images: the network gets the noisy one, and the loss compares "
    "its output with the clean one. The low-level step has an argument for each. Keras gets pairs "
    "of input and target from `run.dataset`, which asks `noisy` for the images of each epoch. "
    "After each epoch `fit` validates, where the low-level loop calls `run.validate`.",
}
EXERCISES = [
    Exercise(
        "Add Gaussian white noise instead of salt and pepper. Both have the same mean square. "
        "Which noise is harder to remove?",
        ("--noise", "gaussian"),
        "Neither. The loss is {before:.4f} with salt and pepper and {after:.4f} with white noise. "
        "In both cases less than 3 % of the noise's variance is left. Nearly all of the loss is "
        "detail of the clothes that the network does not bring back.",
    ),
    Exercise(
        "Leave out the sigmoid at the end. Which share of the output's pixels is then no shade "
        "between black and white?",
        ("--output", "linear"),
        "With the sigmoid it is {before:.1%}, without it {after:.1%}. A sigmoid cannot leave the "
        "range from 0 to 1. A linear output has no bounds. Most of these pixels are black "
        "background, which it misses on both sides of 0.",
        measure=out_of_range,
    ),
    Exercise(
        "Take minibatches of 1024 garments instead of 128. The network still sees 10,000 garments "
        "in each of 4 epochs. Does the loss stay about the same?",
        ("--batch-size", "1024"),
        "It doubles, from {before:.4f} to {after:.4f}. What counts is the number of steps: there "
        "are 40 now, and there were 316. So large minibatches need more epochs, or a larger "
        "learning rate. The article has minibatches of 2048, with six times as many garments and "
        "five times as many epochs.",
    ),
]
