"""What the article of `fashion_vae` says, what it gets wrong, and how both are measured.

The article says that the plane of codes holds each kind of clothing in a cluster, with smooth
transitions between them, and that new clothes can be drawn around the middle of a cluster.
"""

import functools

from ae import equations, figures, metrics
from ae.lesson import ONLY_NETWORK, OWN_IMAGES, Claim, Erratum, Exercise, Option, Step
from ae.networks import codec
from ae.proof import garments, judges
from ae.report.snapshots import Plane
from ae.training.minibatches import Shuffled, dataset
from ae.training.optimizers import RMSpropKeras2
from tutorials.fashion_vae import (
    LATENT_DIM,
    NUM_VAL,
    SAMPLING_POWER,
    SIDE,
    build_keras,
    cross_entropy,
    manifold_codes,
)

import keras
import numpy as np
import tensorflow as tf

ORDER = 6
LINK = "https://towardsdatascience.com/generating-images-with-autoencoders-77fd3a8dd368"
CLASSES = (
    *("t-shirt", "trouser", "pullover", "dress", "coat"),
    *("sandal", "shirt", "sneaker", "bag", "boot"),
)
OPTIONS = {
    "images": OWN_IMAGES,
    "generate": Option(None, "draw new clothes of a class", False, CLASSES, type=str | None),
}
PRESETS = {
    "quick": {"num_epochs": 2, "num_train": 10_000, "num_test": 1000},
    "smoke": {"num_epochs": 1, "num_train": 320, "num_test": 64},
}
CAPTIONS = {
    "manifold": "Clothes that the decoder makes of 20 by 20 places on the plane of codes. The axes "
    "say which code a place is. Look for shapes that turn into each other.",
    "latent": "The mean codes of the training images on the plane, in the article's colours from "
    "blue (class 0) over red to green (class 9).",
    "classes": "The mean codes of the training images on the plane, with the names of their "
    "classes. Look for classes that lie apart, and for classes that share a place.",
    "reconstructions": "Ten test images over what the decoder makes of their mean codes.",
}
FIGURES_BY = {"article": ("manifold", "latent")}

# All 20 epochs of the author's notebook (data/published/fashion_vae.csv). The notebook draws 9,600
# validation images at random, then loads all 60,000 again to train on. The lesson's validation
# images are the last 10,000.
PUBLISHED = {ONLY_NETWORK: {"loss": ("loss",), "val_loss": ("val_loss",)}}

# The corrected variant

DIVERGENCE_POWER = 2  # the divergence takes s for log(sigma^2)
# The loss is the evidence lower bound (Kingma and Welling, equation 10), negated and divided by the
# 784 pixels, as the mean cross entropy is. That is exact for black and white images; for greys, the
# form is the same.
ELBO_WEIGHT = 1 / 784
ARGUMENTS = {
    ("variant", "corrected"): {
        "load": {"held_out": NUM_VAL},
        "VAE": {"power": DIVERGENCE_POWER},
        "train_low_level": {"kl_weight": ELBO_WEIGHT},
        "build_keras": {"power": DIVERGENCE_POWER, "kl_weight": ELBO_WEIGHT},
    },
}


def sampling_sigma(s, settings):
    """Computes the standard deviation that codes are drawn with, in the shape of `s`."""
    power = DIVERGENCE_POWER if settings.variant == "corrected" else SAMPLING_POWER
    return tf.exp(tf.constant(s) / power).numpy()


# More figures


def draw(network, data, settings, report):
    """Draws the plane in colours that differ, and new clothes of the class --generate names."""
    encode, decode, _ = codec(network)
    z_mean, s = encode(data.x_train)
    if z_mean.shape[1] == 2:
        classes = figures.planes({"": z_mean}, data.y_train, data.class_names, size=9)
        report.figure("classes", classes, CAPTIONS["classes"])
    if not settings.generate or settings.images:
        return
    of_class = data.y_train == CLASSES.index(settings.generate)
    new = decode(sample_around(z_mean[of_class], s[of_class], SIDE, settings))
    new = new.reshape(2, -1, 28, 28)
    strip = figures.strip({"new": new[0], " ": new[1]})
    shows = f"20 clothes decoded from codes around the middle of the class {settings.generate}."
    report.figure(settings.generate, strip, shows)


def sample_around(z_mean, s, number, settings):
    """Draws codes around the centroid of a class, with its learned spread.

    There is a row for each. The article speaks of it and has no code for it, so this is ours. The
    variance of a class is the variance of its means plus the mean of its learned variances.
    """
    sigma = sampling_sigma(s, settings)
    spread = np.sqrt(z_mean.var(axis=0) + np.square(sigma).mean(axis=0))
    noise = np.random.default_rng(settings.seed).standard_normal((number, z_mean.shape[1]))
    return (z_mean.mean(axis=0) + spread * noise).astype("float32")


def notice(network, settings):
    """Says what is left out if a reader has changed the number of numbers in a code."""
    size = code_size(network)
    if settings.images and settings.generate:
        return "--generate draws clothes of Fashion-MNIST, so of own images it draws nothing."
    left_out = f"A code has {size} numbers, so figures and claims about a plane are left out."
    return "" if size == LATENT_DIM else left_out


def code_size(network):
    """Counts the numbers in the code of an image."""
    return codec(network).encode(np.zeros([1, 28, 28, 1], "float32"))[0].size


def plane(network, data):
    """Lays the first 5,000 training images out by their mean codes, if these are on a plane."""
    if code_size(network) != LATENT_DIM:
        return None
    encode, decode, _ = codec(network)
    shown = slice(5000)
    z_mean, _ = encode(data.x_train[shown])
    return Plane(decode, z_mean, data.x_train[shown], data.y_train[shown], data.class_names)


def of_plane(measure):
    """Makes a measure return None if codes are not on a plane."""

    @functools.wraps(measure)
    def measured(network, data, settings):
        return measure(network, data, settings) if code_size(network) == LATENT_DIM else None

    return measured


# Claims. In the first three, the ten nearest codes of 10,000 training images vote on the class of a
# test image.


@of_plane
def beside_components(network, data, settings):
    """Returns the accuracy of the vote minus that of a vote by two principal components."""
    return garments.clearer(garments.linear_encoder, network, data, settings)


@of_plane
def beside_plain_code(network, data, settings):
    """Returns the accuracy of the vote minus that of a vote by a plain autoencoder's codes."""
    return garments.clearer(plain_encoder, network, data, settings)


def plain_encoder(x_train, settings):
    """Trains the lesson's network without noise and divergence; returns a function to its codes."""
    encoder = train_without_noise(judges.Hashable(x_train), settings)
    return lambda x: encoder.predict(x, batch_size=500, verbose=0)


@functools.lru_cache(maxsize=1)
def train_without_noise(images, settings):
    """Trains the encoder of mean codes and the decoder, for as long as the lesson trains them."""
    (x,) = images.arrays
    keras.utils.set_random_seed(settings.seed)
    vae = build_keras()
    encoder = vae.get_layer("encoder")
    to_mean = keras.Model(encoder.input, encoder.output[0])
    plain = keras.Model(encoder.input, vae.get_layer("decoder")(to_mean.output))
    plain.compile(RMSpropKeras2(settings.learning_rate), cross_entropy, **settings.compiled)
    order = Shuffled(len(x), settings.batch_size, settings.seed)
    judges.fit(plain, dataset(order, x, x), order.steps_per_epoch, settings.num_epochs)
    return to_mean


@of_plane
def step(network, data, settings):
    """Returns the distance of neighbouring tiles of the manifold over that of any two."""
    return metrics.tile_step(codec(network).decode(manifold_codes()), SIDE)


def recognised(network, data, settings):
    """Returns the share of new clothes that a classifier takes for the class they are meant to be.

    They are 100 of each class; see `sample_around`.
    """
    return garments.recognised(sample_around, network, data, settings)


def varied(network, data, settings):
    """Returns how much 100 new clothes of a class differ, over how much real ones do."""
    return garments.varied(sample_around, network, data, settings)


CLAIMS = [
    Claim(
        "Each kind of clothing has a cluster of its own.",
        quantity="Share of the worst class that its neighbours classify rightly",
        measure=garments.worst_recall,
        at_least=0.5,
        why="The bound is ours: more often than not, neighbours should be of the code's own class.",
    ),
    Claim(
        "Ours: The clusters are more distinct than those of two principal components.",
        quantity="Accuracy gained by ten neighbours",
        measure=beside_components,
        at_least=0.1,
        why="A gain of a class in ten is more than a straight projection shows.",
    ),
    Claim(
        "Ours: The noise and the divergence make the clusters more distinct.",
        quantity="Accuracy gained by ten neighbours over the same network without noise",
        measure=beside_plain_code,
        at_least=0,
        why="The article says that plain codes have gaps and mix. The other network has the same "
        "layers and as many steps, but neither noise nor divergence.",
    ),
    Claim(
        "Transitions are smooth.",
        quantity="Step between neighbouring tiles, as a share of any two's distance",
        measure=step,
        at_most=0.25,
        why="The bound is ours. Even steps give 0.1; the rest is for the borders of clusters.",
    ),
    Claim(
        "New clothes drawn around a class's centroid are of that class.",
        quantity="Share that a classifier recognises",
        measure=recognised,
        at_least=0.5,
        why="The bound is ours: more often than not. Chance gives 0.1.",
    ),
    Claim(
        "New clothes look similar, but not the same.",
        quantity="Their deviation, as a share of that of real clothes",
        measure=varied,
        at_least=0.5,
        why="The bound is ours: they differ at least half as much as real clothes of a class do.",
    ),
    Claim(
        "Random codes decode to clothes.",
        quantity="How often they look like clothes, as a share of how often test images do",
        measure=garments.drawn_and_typical,
        at_least=0.5,
        why="The bound is ours: half as often. Averages of two images stay far below it.",
    ),
]

# Errata


def spread_ratio(network, data, settings):
    """Divides the deviation that codes are drawn with by exp(s / 2), which the divergence assumes.

    A geometric mean over the validation images.
    """
    s = codec(network).encode(data.x_val)[1]
    return np.exp(np.mean(np.log(sampling_sigma(s, settings)) - s / 2))


def nats(network, data, settings):
    """Returns the divergence D(q(z|x) || N(0, 1)) of validation images, a mean in nats.

    q(z|x) is the distribution that codes are drawn from, not the one that the loss assumes.
    """
    z_mean, s = (part.astype("float64") for part in codec(network).encode(data.x_val))
    variance = np.square(sampling_sigma(s, settings))
    return -0.5 * np.mean(np.sum(1 + np.log(variance) - np.square(z_mean) - variance, axis=-1))


def validation_gap(network, data, settings):
    """Returns the cross entropy of test images minus that of validation images."""
    reconstruct = codec(network).reconstruct
    val, test = (cross_entropy(x, reconstruct(x)) for x in (data.x_val, data.x_test))
    return float(test - val)


ERRATA = [
    Erratum(
        quote="return z_mu + K.exp(z_log_sigma) * epsilon",
        problem="Sampling takes z_log_sigma for log sigma, as its name says. The divergence takes "
        "it for log sigma^2, as the comment beside it says: latent mean and (log)variance.",
        effect="Codes are drawn nearer to their mean than the divergence assumes.",
        fix="The corrected variant samples with exp(z_log_sigma / 2).",
        measures={"deviation of sampling over the one that the divergence assumes": spread_ratio},
    ),
    Erratum(
        quote="kl_loss = -5e-4 * K.mean(1 + z_log_sigma - K.square(z_mu) - K.exp(z_log_sigma), "
        "axis=-1)",
        problem="The divergence has the weight 5e-4 and is averaged over the two dimensions. The "
        "evidence lower bound gives it 2.6 times as much.",
        effect="The codes of images stay further from N(0, 1).",
        fix="The corrected variant trains on the evidence lower bound.",
        measures={"divergence of an image's code from N(0, 1), nats": nats},
    ),
    Erratum(
        quote="validation_data=(val_x, None)",
        problem="Nothing defines val_x. Our copy of the article may be at fault. In the author's "
        "notebook it is a subset of the training images.",
        effect="The validation loss says too little about new images.",
        fix="The corrected variant holds 10,000 images out of the training.",
        measures={
            "cross entropy of the test images above that of the validation ones": validation_gap
        },
    ),
    Erratum(
        quote="self.add_loss(loss, inputs=inputs) ... return x",
        problem="CustomVariationalLayer returns its input.",
        effect="The model predicts the image that it is given.",
        fix="Both variants return the decoded image.",
    ),
    Erratum(
        quote="x = Conv2D(64, 3,",
        problem="This line and others of the VAE break off. Paddings, activations, perhaps strides "
        "and the number of epochs are missing. Our copy of the article may be at fault.",
        fix="Both variants have those of the author's notebook.",
    ),
    Erratum(
        quote="after training the network on the MNIST dataset ... # Expand to 784 total pixels",
        problem="The clothes are those of Fashion-MNIST, and the decoder begins with 12,544 units.",
        fix="Both variants have these.",
    ),
    Erratum(
        quote="when we want to generate a similar image, we sample from one of the centroids ... "
        "We can now view our reconstructed samples",
        problem="The code draws nothing and knows no classes. Its figure decodes a grid of codes, "
        "which are no reconstructions either.",
        fix="Both variants draw the grid. --generate draws new clothes of a class.",
    ),
    Erratum(
        quote="to learn our mean and standard deviations within the latent space, which forms our "
        "data generating distribution",
        problem="The means and deviations are those of q(z|x), the codes of given images. Data are "
        "generated by p(z) and p(x|z): draw a code from the prior, then decode it.",
        fix="Both variants decode a grid of quantiles of N(0, 1), the prior.",
    ),
    Erratum(
        quote="how to generate data, x, from our latent variables, z. This implies that we want to "
        "learn p(z|x)",
        problem="Generating takes p(x|z), the decoder. The encoder approximates p(z|x).",
        fix="Both variants have an encoder and a decoder.",
    ),
    Erratum(
        quote="The other term is not influenced by our choice of distribution since it does not "
        "depend on q. Thus, we can minimize the KL divergence by maximizing",
        problem="This holds while p(x|z) is fixed. Training changes the decoder as well, and log "
        "p(x) with it. So a larger ELBO may come from a larger log p(x), and need not mean a "
        "smaller divergence.",
        fix="Both variants train encoder and decoder together.",
    ),
    Erratum(
        quote="the exponential family of distributions does, in fact, have a closed form solution",
        problem="Here the best q has no closed form, because the likelihood is a network. What has "
        "one is the divergence between two normal distributions.",
        fix="Both variants compute this divergence in closed form, and descend.",
    ),
    Erratum(
        quote="differentiate the ELBO, set it to zero and voila",
        problem="This gives equations that cannot be solved for the weights of these networks. The "
        "code descends by RMSprop.",
        fix="Both variants descend.",
    ),
    Erratum(
        quote="taking the derivative of a random variable gives us much larger errors due to their "
        "inherent randomness",
        problem="A draw has no derivative with respect to the parameters of its distribution. "
        "The gradient of an expectation has an estimate without the trick, by the score function. "
        "It is this estimate that usually has a much larger variance.",
        fix="Both variants use the trick: z = z_mean + sigma epsilon.",
    ),
    Erratum(
        quote="we could select as many fields, or clusters, as we would like. In the case of "
        "MNIST, for example, we might select 10 clusters",
        problem="Mean field inference takes the numbers of an image's code to be independent of "
        "each other. How many numbers there are has nothing to do with classes.",
        fix="Both variants have two such numbers.",
    ),
    Erratum(
        quote="The KL divergence is strictly positive",
        problem="It is zero where the distributions are equal, as the sentence before says.",
        fix="Only the text is wrong.",
    ),
]

# The page's texts

STEPS = [
    Step(
        "layers of the encoder",
        low_level=(
            "tf.nn.conv2d(x, W1",
            "tf.nn.conv2d(h, W2",
            "tf.nn.conv2d(h, W3",
            "tf.nn.conv2d(h, W4",
            "[-1, FEATURES]) @ W5",
        ),
        keras=("layers.Conv2D(32", "layers.Conv2D(64", "layers.Dense(32"),
        equation=r"h' = \mathrm{relu}(W * h + b), \quad h_5 = \mathrm{relu}(h_4 W_5 + b_5)",
    ),
    Step(
        "mean and logarithm",
        low_level=("h @ W_mean + b_mean",),
        keras=('name="z_mean")', 'name="z_log_sigma")'),
        equation=r"\mu = h_5 W_\mu + b_\mu, \quad s = h_5 W_s + b_s",
    ),
    Step(
        "sampling",
        low_level=("epsilon = self.noise.normal(", "tf.exp(s / self.power)"),
        keras=("epsilon = keras.random.normal(", "ops.exp(s / self.power)"),
        equation=r"z = \mu + \sigma \odot \epsilon, \quad \sigma = e^{s / \mathrm{power}}, \quad "
        r"\epsilon \sim N(0, 1)",
    ),
    Step(
        "layers of the decoder",
        low_level=("tf.nn.relu(z @ W6", "tf.nn.conv2d_transpose(h, W7", "tf.nn.conv2d(h, W8"),
        keras=("layers.Dense(FEATURES", "layers.Conv2DTranspose(32", "layers.Conv2D(1, 3"),
        equation=r"h_6 = \mathrm{relu}(z W_6 + b_6), \quad "
        r"\hat{x} = \mathrm{sigmoid}(W_8 * h_7 + b_8)",
    ),
    Step(
        "reconstruction loss",
        low_level=("tf.clip_by_value(x_hat", "tf.reduce_mean(x * tf.math.log(x_hat)"),
        keras=("ops.clip(x_hat", "keras.losses.binary_crossentropy("),
        equation=r"R = -\frac{1}{784 n} \sum_{i=1}^{n} \sum_{j=1}^{784} "
        r"(x_{ij} \log \hat{x}_{ij} + (1 - x_{ij}) \log(1 - \hat{x}_{ij}))",
    ),
    Step(
        "divergence",
        low_level=("-tf.reduce_mean(1 + s",),
        keras=("-ops.mean(1 + s",),
        equation=r"D = -\frac{1}{2 n} \sum_{i=1}^{n} \sum_{j=1}^{2} "
        r"(1 + s_{ij} - \mu_{ij}^2 - e^{s_{ij}})",
    ),
    Step(
        "loss",
        low_level=("return cross_entropy(x, x_hat)",),
        keras=("self.add_loss(reconstruction_loss",),
        equation=r"L = R + 0.0005 \, D, \quad "
        r"-\frac{\mathrm{ELBO}}{784} = R + \frac{1}{784} D",
    ),
    Step(
        "gradient",
        low_level=("tf.GradientTape()", "loss = loss_of(x)"),
        keras=("vae.fit(",),
        equation=equations.GRADIENT,
    ),
    Step(
        "update",
        low_level=("optimizer = RMSpropKeras2(", "optimizer.apply("),
        keras=("vae.compile(RMSpropKeras2(", "vae.fit("),
        equation=r"v \leftarrow 0.9 v + 0.1 g^2, \quad "
        r"w \leftarrow w - \mathrm{lr} \, \frac{g}{\sqrt{v} + 10^{-7}}, \quad v_0 = 0",
    ),
    Step(
        "loop",
        low_level=(
            "= minibatches(data, settings)",
            "for i in tf.range(",
            "in run.epochs(",
            "in run.chunks(",
        ),
        keras=("run.dataset(minibatches(", "epochs=settings.num_epochs"),
    ),
]
DIFFERS = {
    "network": "In the low-level style, `VAE` owns every kernel and bias. `layer` draws them, "
    "`weights` lists them, and `encode` and `decode` say where each one goes. In Keras, each layer "
    "owns its weights and draws them by the same rule, which no line shows. Sampling is a layer "
    "there, because it owns a random generator, and Keras saves what layers own.",
    "loss": "The low-level style has two functions that return a number, and the training adds "
    "these. A loss that `compile` takes gets only the target and the output, but the divergence "
    "needs `z_mean` and `s`. So `VariationalLoss` is a layer. It takes all four arrays, gives the "
    "loss to the model with `add_loss`, and returns the image unchanged.",
    "training": "`compile` gets the optimizer and no loss, because the model brings its own. `fit` "
    "then hides the tape, the gradients, both loops and the validation. `train_steps` makes one "
    "graph of 64 steps by hand, and `steps_per_execution` does the same for `fit`. `run.dataset` "
    "gives pairs of equal images, but this model reads only the first of each pair.",
}
EXERCISES = [
    Exercise(
        task="Train on the evidence lower bound. The divergence has 2.6 times its weight there, "
        "and sampling has the noise that the divergence assumes. Predict how far the distribution "
        "of an image's code is from N(0, 1) then, in nats.",
        options=("--variant", "corrected"),
        answer="The mean divergence falls from {before:.1f} to {after:.1f} nats. The published "
        "code draws with less noise than its divergence assumes. So the loss counts a divergence "
        "that is smaller than that of the codes, and gives it a smaller weight too.",
        measure=nats,
    ),
    Exercise(
        task="Take minibatches of 160 images in place of 16. Their gradients have less noise. "
        "Predict whether this makes the loss of the second epoch smaller or larger.",
        options=("--batch-size", "160"),
        answer="It is much larger: {after:.4f} in place of {before:.4f}. Two epochs have 126 "
        "updates now, and they had 1250. RMSprop divides a gradient by its usual size, so an "
        "update is about as long as before, however many images it is for.",
    ),
    Exercise(
        task="Keep the minibatches, and make the learning rate a tenth. There are as many updates, "
        "and each is a tenth as long. Predict the loss, and compare it with that of a tenth of the "
        "updates, in the second exercise.",
        options=("--learning-rate", "0.0001"),
        answer="The loss is {after:.4f} in place of {before:.4f}: nearly that of the second "
        "exercise. In these first epochs the way is long, and what counts is the number of updates "
        "times their length.",
    ),
]
