"""What the articles say about the plane of codes, and how it is measured.

The article of `fashion_vae` names three faults of plain autoencoders: gaps in the latent space,
separability, and a discrete latent space. It shows them in a picture and measures none.
"""

import functools

from ae import datasets, equations, figures
from ae.lesson import OWN_IMAGES, Claim, Erratum, Exercise, Option, Step
from ae.networks import codec, style_of
from ae.proof import judges, planes
from ae.proof.planes import gap_codes
from ae.report.snapshots import Plane
from ae.runs.records import trained
from ae.training.minibatches import Shuffled, dataset
from tutorials.latent_space import build_variational, cross_entropy

import keras
import numpy as np

ORDER = 9
LINK = "https://towardsdatascience.com/generating-images-with-autoencoders-77fd3a8dd368"
OPTIONS = {
    "images": OWN_IMAGES,
    "data_set": Option("mnist", "digits or clothes", True, ("mnist", "fashion")),
    "kl_weight": Option(1.0, "weight of the divergence; 1 is that of the lower bound", True),
    "code_size": Option(2, "numbers in a code; figures of a plane need 2", True),
    "all_images": Option(False, "train on the test images too, as Keras's example does", True),
    "sweep": Option(False, "train with five weights of the divergence; draw what they do", False),
}
PRESETS = {"quick": {"num_epochs": 3, "num_train": 20_000, "num_test": 2000}}
ARGUMENTS = {
    ("data_set", "fashion"): {"load": {"load_images": datasets.load_fashion_mnist}},
    ("all_images", True): {"load": {"held_out": False}},
}
PASSED_ON = {
    "code_size": dict.fromkeys(
        ("Plain", "Noisy", "VAE", "build_plain", "build_noisy", "build_variational"), "code_size"
    ),
    "kl_weight": {"train_low_level": "kl_weight", "build_variational": "kl_weight"},
}
CAPTIONS = {
    "interpolation": "What the decoder makes of ten codes on the way from one test image to "
    "another, twice. Look for pictures in the middle that are neither.",
    "plane": "The codes of the test images on the plane, with the names of their classes. Look for "
    "empty places between the classes.",
    "manifold": "What the decoder makes of 20 by 20 places on the plane of codes. The axes say "
    "which code a place is. They leave out the first and the last percent of the codes.",
    "ways": "What each network's decoder makes of ten codes on the way from the first test image "
    "to the second.",
    "planes": "The codes of the test images on the planes of three networks, in one scale. Look "
    "for gaps between the classes, and for classes that overlap.",
    "gaps": "What each network's decoder makes of ten codes that are far from all codes of images.",
    "rate-distortion": "What more divergence costs: each dot is a network with another weight of "
    "the divergence, at its test images' divergence and cross entropy.",
    "error-by-epoch": "The cross entropy of test images after each epoch, for five weights of the "
    "divergence.",
    "divergence-by-epoch": "The divergence of the codes of test images after each epoch, for five "
    "weights of the divergence.",
    "active-units": "How much each of ten numbers of a code varies between test images. A "
    "variational autoencoder uses those above the line.",
}

FIGURES_BY = {"notebook": ("plane", "manifold")}

# Keras's example trains the variational network on all 70,000 digits, for 30 epochs.
PUBLISHED = {"variational": {"loss": ("run_keras3", "run_keras2")}}
PUBLISHED_WITH = {"all_images": True, "data_set": "mnist"}


def notice(network, settings):
    """Says that figures and claims of a plane are left out, unless a code has two numbers."""
    size = code_size(network)
    left_out = f"A code has {size} numbers, so figures and claims about a plane are left out."
    return "" if size == 2 else left_out


def code_size(network):
    """Counts the numbers in the code of an image."""
    return codes(network, np.zeros([1, 28, 28, 1], "float32")).shape[1]


def codes(network, x):
    """Encodes images; of a distribution of codes it takes the mean."""
    z = codec(network).encode(x)
    return z[0] if isinstance(z, tuple) else z


def plane(network, data):
    """Lays the first 5,000 training images out by their codes."""
    x, y = data.x_train[:5000], data.y_train[:5000]
    z = codes(network, x)
    return Plane(codec(network).decode, z, x, y, data.class_names) if z.shape[1] == 2 else None


# Further figures

WEIGHTS = (1 / 16, 1 / 4, 1, 4, 16)  # of the divergence
TEN = 10  # numbers in a code; a variational autoencoder does not use most of them
ACTIVE = 0.01  # variance of a number's mean above which it is used


def appendix(data, settings, report, networks):
    """Draws the three networks together, and what --sweep asks for."""
    draw_together(networks(), data, settings, report)
    if settings.sweep:
        draw_sweep(data, settings, report)


def draw_together(networks, data, settings, report):
    """Draws the planes, a way between two test images, and what decodes in the gaps.

    Each plane is divided by the standard deviation of its codes, so that all have one scale.
    """
    of = trained("all networks", style_of(networks["plain"]), settings.num_epochs)
    encoded = {name: codes(network, data.x_test) for name, network in networks.items()}
    decoders = {name: codec(network).decode for name, network in networks.items()}
    ways = {name: decoders[name](np.linspace(*z[:2], 10)) for name, z in encoded.items()}
    strip = figures.strip({name: images[..., 0] for name, images in ways.items()})
    report.figure("ways", strip, CAPTIONS["ways"], of)
    if not all(z.shape[1] == 2 for z in encoded.values()):
        return
    panels = {}
    for name, z in encoded.items():
        deviation = np.sqrt(z.var(axis=0).mean())
        panels[f"{name}, divided by {deviation:.3g}"] = (z - z.mean(axis=0)) / deviation
    planes = figures.planes(panels, data.y_test, data.class_names, size=5)
    report.figure("planes", planes, CAPTIONS["planes"], of)
    empty = {name: gap_codes(z, 10) for name, z in encoded.items()}
    rows = {n: decoders[n](z)[..., 0] for n, z in empty.items() if len(z) == 10}
    if rows:
        report.figure("gaps", figures.strip(rows), CAPTIONS["gaps"], of)


def draw_sweep(data, settings, report):
    """Draws what the weight of the divergence does; counts the active numbers of a code of ten.

    Source of the count: Burda, Grosse and Salakhutdinov, "Importance weighted autoencoders", 2016.
    """
    parts = {weight: np.array(train_parts(data, settings, weight)[1]) for weight in WEIGHTS}
    report.result("sweep", {weight: by_epoch.tolist() for weight, by_epoch in parts.items()})
    epochs = range(1, len(parts[1]) + 1)
    errors, rates = np.array([by_epoch[-1] for by_epoch in parts.values()]).T
    figure = figures.curves(
        {"weights 1/16 to 16": errors},
        rates,
        xlabel="rate: divergence, nats an image",
        ylabel="distortion: cross entropy, nats an image",
    )
    for weight, place in zip(WEIGHTS, zip(rates, errors, strict=True), strict=True):
        figure.axes[0].annotate(f"{weight:g}", place, (4, 4), textcoords="offset points")
    of = trained("variational", "keras", settings.num_epochs)
    report.figure("rate-distortion", figure, CAPTIONS["rate-distortion"], of)
    for number, (name, label) in enumerate(
        {
            "error": "cross entropy of test images, nats",
            "divergence": "divergence of their codes, nats",
        }.items()
    ):
        lines = {f"weight {weight:g}": by_epoch[:, number] for weight, by_epoch in parts.items()}
        figure = figures.curves(lines, epochs, xlabel="epoch", ylabel=label)
        report.figure(f"{name}-by-epoch", figure, CAPTIONS[f"{name}-by-epoch"], of)

    network, _ = train_parts(data, settings, 1, TEN)
    sizes = np.sort(variances(network, data))[::-1]
    report.result("active_units", int(np.sum(sizes > ACTIVE)))
    figure = figures.curves(
        {"a number of the code": sizes, "active above": [ACTIVE] * TEN},
        range(1, TEN + 1),
        xlabel="numbers of the code, sorted",
        ylabel="variance of their means over test images",
        yscale="log",
    )
    report.figure("active-units", figure, CAPTIONS["active-units"], of)


def train_parts(data, settings, weight, code_size=2):
    """Trains the variational network with a weight of the divergence.

    Returns:
        The network, and after each epoch the cross entropy and the divergence of the test images.
    """
    keras.utils.set_random_seed(settings.seed)
    vae = build_variational(settings.seed, code_size, weight)
    optimizer = keras.optimizers.Adam(settings.learning_rate)
    vae.compile(optimizer, cross_entropy, **settings.compiled)
    order = Shuffled(len(data.x_train), settings.batch_size, settings.seed)
    parts = []
    for epoch in range(settings.num_epochs):
        batches = dataset(order, data.x_train, epochs=lambda epoch=epoch: [epoch])
        judges.fit(vae, batches, order.steps_per_epoch)
        z_mean, z_log_var = codec(vae).encode(data.x_test)
        x_hat = codec(vae).decode(drawn_codes(z_mean, z_log_var, settings))
        divergences = np.sum(np.exp(z_log_var) + z_mean**2 - 1 - z_log_var, axis=1) / 2
        parts.append((float(cross_entropy(data.x_test, x_hat)), float(divergences.mean())))
    return vae, parts


def variances(network, data):
    """Returns the variance of each number's mean over the test images."""
    return codes(network, data.x_test).var(axis=0)


def drawn_codes(z_mean, z_log_var, settings):
    """Draws a code for each image, as training does."""
    noise = np.random.default_rng(settings.seed + 1).standard_normal(z_mean.shape, "float32")
    return z_mean + np.exp(z_log_var / 2) * noise


# Claims. Neighbours are among the codes of the first 10,000 training images.

JUDGED = 2000  # test images or new ones that are enough to judge
WAYS = 200  # from one test image to another


def of_plane(measure):
    """Makes a measure return None if codes are not on a plane."""

    @functools.wraps(measure)
    def measured(network, data, settings):
        return measure(network, data, settings) if code_size(network) == 2 else None

    return measured


@of_plane
def gaps(network, data, settings):
    """Returns the share of the area between the codes of test images that holds none."""
    return planes.gaps(codes(network, data.x_test))


def recalls(network, data, settings):
    """Returns the share of test images that their neighbours classify rightly, in each class."""
    train, test = (codes(network, x) for x in (data.x_train[:10_000], data.x_test))
    return planes.recalls(train, data.y_train[:10_000], test, data.y_test)


@of_plane
def best_recall(network, data, settings):
    """Returns the largest of the `recalls`."""
    return recalls(network, data, settings).max()


@of_plane
def mean_recall(network, data, settings):
    """Returns the mean of the `recalls`."""
    return recalls(network, data, settings).mean()


@of_plane
def worst_recall(network, data, settings):
    """Returns the smallest of the `recalls`."""
    return recalls(network, data, settings).min()


def pairs_of_codes(network, data):
    """Returns the codes of 200 test images, and of 200 others."""
    z = codes(network, data.x_test[: 2 * WAYS])
    return z[::2], z[1::2]


def jump(network, data, settings):
    """Returns the largest step of the image over the median one, on the way between two codes."""
    return planes.jump(codec(network).decode, *pairs_of_codes(network, data))


def share_typical(network, z, data):
    """Decodes codes; returns how often they look like test images, as a share of real ones."""
    return planes.share_typical(codec(network).decode, z, data)


def midpoints(network, data, settings):
    """Returns how often the points halfway between two codes decode to what looks like data."""
    z = codes(network, data.x_test[:JUDGED])
    return share_typical(network, (z + np.roll(z, 1, axis=0)) / 2, data)


def prior_draws(network, data, settings):
    """Draws codes from N(0, 1)."""
    generator = np.random.default_rng(settings.seed)
    return generator.standard_normal((JUDGED, code_size(network)), "float32")


def prior_typical(network, data, settings):
    """Returns how often codes from N(0, 1) decode to what looks like data."""
    return share_typical(network, prior_draws(network, data, settings), data)


def mixture_gain(network, data, settings):
    """Returns what a mixture on the codes of training images gains over one normal distribution."""
    z = codes(network, data.x_train[:10_000])
    return planes.mixture_gain(codec(network).decode, z, data, settings.seed)


def beside_prior(network, data, settings):
    """Returns coverage and density of N(0, 1) beside codes drawn for 2,000 test images."""
    drawn = drawn_codes(*codec(network).encode(data.x_test[:JUDGED]), settings)
    return planes.coverage_and_density(drawn, prior_draws(network, data, settings))


def prior_coverage(network, data, settings):
    """Returns the share of drawn codes that codes from N(0, 1) come near."""
    return beside_prior(network, data, settings)[0]


def prior_density(network, data, settings):
    """Returns how densely drawn codes surround codes from N(0, 1), as a share of N(0, 1)'s own."""
    return beside_prior(network, data, settings)[1]


def spread(network, data, settings):
    """Returns the standard deviation of the codes' numbers."""
    return np.sqrt(codes(network, data.x_test).var(axis=0).mean())


def about_gaps(sentence, network, **bound):
    """Makes a claim about gaps."""
    return Claim(
        sentence,
        quantity="Share of the area between codes that is far from every code",
        measure=gaps,
        why="The bound is ours: a twentieth of the area. Codes from one normal distribution leave "
        "none.",
        network=network,
        **bound,
    )


def about_jumps(sentence, network, **bound):
    """Makes a claim about ways from code to code."""
    return Claim(
        sentence,
        quantity="Largest step of the image over the median one, on straight ways between codes",
        measure=jump,
        why="The bound is ours: a tenth of the way in one of 100 steps. A linear decoder gives 1.",
        network=network,
        **bound,
    )


def about_new_images(sentence, measure, network=None):
    """Makes a claim about images that no code of an image gave."""
    return Claim(
        sentence,
        quantity="How often they look like test images, as a share of how often those do",
        measure=measure,
        at_least=0.5,
        why="The bound is ours: half as often.",
        network=network,
    )


def about_mixtures(sentence, network, **bound):
    """Makes a claim about codes drawn from a mixture."""
    return Claim(
        sentence,
        quantity="What ten normal distributions gain over one, as a share of test images",
        measure=mixture_gain,
        why="The bound is ours: one image in ten.",
        network=network,
        **bound,
    )


CLAIMS = [
    about_gaps("The codes of a plain autoencoder leave gaps.", "plain", at_least=0.05),
    about_gaps("Ours: Noise alone leaves gaps too.", "noisy", at_least=0.05),
    about_gaps("A variational autoencoder closes the gaps.", "variational", at_most=0.05),
    Claim(
        "On the plane of a plain autoencoder, several digits are well separated.",
        quantity="Share of the best class that its neighbours classify rightly",
        measure=best_recall,
        at_least=0.9,
        why="The bound is ours: nine of ten.",
        network="plain",
    ),
    Claim(
        "There are regions where its digits mix.",
        quantity="Share of the worst class that its neighbours classify rightly",
        measure=worst_recall,
        at_most=0.5,
        why="The bound is ours: neighbours are more often of other classes.",
        network="plain",
    ),
    Claim(
        "In a variational autoencoder, similar digits cluster together.",
        quantity="Share of the worst class that its neighbours classify rightly",
        measure=worst_recall,
        at_least=0.5,
        why="The bound is ours: neighbours are more often of the code's own class.",
        network="variational",
    ),
    Claim(
        "Ours: A code of two numbers separates the classes.",
        quantity="Share that neighbours classify rightly, the mean of the classes",
        measure=mean_recall,
        at_least=0.5,
        why="The bound is ours: more often than not. Chance gives 0.1.",
    ),
    about_jumps("The latent space of a plain autoencoder is discrete.", "plain", at_least=10),
    about_jumps("Transitions of a variational one have no jumps.", "variational", at_most=10),
    about_new_images("Random codes of a variational one are images.", prior_typical, "variational"),
    about_new_images("Ghosh: Halfway between two codes, there are images.", midpoints),
    about_mixtures(
        "Ghosh: A plain autoencoder generates, if its codes come from a mixture that fits them.",
        "plain",
        at_least=0.1,
    ),
    about_mixtures(
        "Ghosh: A variational one gains little from such a mixture.", "variational", at_most=0.1
    ),
    Claim(
        "Ours: The codes of a variational autoencoder fill N(0, 1).",
        quantity="Share of them that codes from N(0, 1) come near (coverage)",
        measure=prior_coverage,
        at_least=0.8,
        why="The bound is ours. Two equal normal distributions give 0.97.",
        network="variational",
    ),
    Claim(
        "Ours: The codes of a variational autoencoder fill N(0, 1).",
        quantity="How many of them surround codes from N(0, 1) (density)",
        measure=prior_density,
        at_least=0.8,
        why="The bound is ours. Two equal normal distributions give 1.",
        network="variational",
    ),
    Claim(
        "Ours: With noise of a fixed size, codes move apart.",
        quantity="Standard deviation of the codes, over that of the noise",
        measure=spread,
        at_least=10,
        why="The bound was set after a first look at the plane. At 10, the noise is a hundredth of "
        "the variance.",
        network="noisy",
    ),
]

# Errata

ERRATA = [
    Erratum(
        quote="Discrete latent space ... the inability to study a continuous latent space",
        problem="The code of a plain autoencoder is continuous: its numbers are real, and the "
        "decoder takes any of them. What it lacks is a distribution to draw codes from.",
        effect="On a straight way between two codes, images do not jump. A claim measures it.",
        fix="Only the text is wrong.",
    ),
    Erratum(
        quote="regions where the labeled is randomly interspersed, making it difficult to separate "
        "the unique features of characters",
        problem="Two numbers are few for ten classes. A divergence pulls the codes of all classes "
        "towards one place, so it does not separate them better.",
        effect="In a variational autoencoder of the same layers, digits mix as much. Claims "
        "measure it.",
        fix="Both variants have three networks with the same layers.",
    ),
    Erratum(
        quote="we still have a way to go before we can learn the data generating distribution and "
        "produce new data",
        problem="A plain autoencoder needs only a distribution that fits its codes. Ghosh et al., "
        "2020, fit a mixture of normal distributions after the training.",
        effect="Draws from such a mixture look like data more often than draws from one normal "
        "distribution. A claim measures it.",
        fix="Only the text is wrong.",
    ),
]

# The page's texts

STEPS = [
    Step(
        "layers of the encoder",
        low_level=("tf.nn.conv2d(x, W1", "tf.nn.conv2d(h, W2", "[-1, FEATURES]) @ W3"),
        keras=("layers.Conv2D(32", "layers.Conv2D(64", "layers.Dense(16"),
        equation=r"h' = \mathrm{relu}(W * h + b), \quad h_3 = \mathrm{relu}(h_2 W_3 + b_3)",
    ),
    Step(
        "code",
        low_level=("self.features(x) @ W + b", "h @ W_mean + b_mean"),
        keras=("layers.Dense(code_size, name=name)",),
        equation=r"z = h_3 W + b \; \mathrm{(plain, noisy)}, \quad "
        r"\mu = h_3 W_\mu + b_\mu, \quad \log \sigma^2 = h_3 W_\sigma + b_\sigma",
    ),
    Step(
        "noise of the noisy network",
        low_level=("self.decode(z + self.noise.normal(",),
        keras=("Sampling(kl_weight=0.0",),
        equation=r"z' = z + \epsilon, \quad \epsilon \sim N(0, 1)",
    ),
    Step(
        "sampling",
        low_level=("sigma = tf.exp(z_log_var / 2)", "z = z_mean + sigma * self.noise.normal("),
        keras=("epsilon = keras.random.normal(", "return z_mean + ops.exp(z_log_var / 2)"),
        equation=r"z = \mu + \sigma \odot \epsilon, \quad \epsilon \sim N(0, 1)",
    ),
    Step(
        "divergence",
        low_level=("each = 1 + z_log_var", "tf.reduce_sum(each, axis=1)"),
        keras=("each = 1 + z_log_var", "ops.sum(each, axis=1)"),
        equation=r"D = -\frac{1}{2 n} \sum_{i=1}^{n} \sum_{j=1}^{2} "
        r"(1 + \log \sigma_{ij}^2 - \mu_{ij}^2 - \sigma_{ij}^2)",
    ),
    Step(
        "layers of the decoder",
        low_level=("tf.nn.relu(z @ W1", "tf.nn.conv2d_transpose("),
        keras=("layers.Dense(FEATURES", "layers.Conv2DTranspose("),
        equation=r"h_1 = \mathrm{relu}(z W_1 + b_1), \quad "
        r"\hat{x} = \mathrm{sigmoid}(W_4 * h_3 + b_4)",
    ),
    Step(
        "loss",
        low_level=(
            "each = x * tf.math.log(x_hat)",
            "tf.reduce_sum(each, axis=(1, 2, 3))",
            "loss = cross_entropy(x, x_hat)",
        ),
        keras=("autoencoder.compile(optimizer, cross_entropy",),
        equation=r"R = -\frac{1}{n} \sum_{i=1}^{n} \sum_{j=1}^{784} "
        r"(x_{ij} \log \hat{x}_{ij} + (1 - x_{ij}) \log(1 - \hat{x}_{ij})), \quad "
        r"L = R + \lambda D, \quad \lambda = 1: \; L = -\mathrm{ELBO}",
    ),
    Step(
        "gradient",
        low_level=("tf.GradientTape()",),
        keras=("autoencoder.fit(",),
        equation=equations.GRADIENT,
    ),
    Step(
        "update",
        low_level=("optimizer = keras.optimizers.Adam(", "optimizer.apply("),
        keras=("optimizer = keras.optimizers.Adam(", "autoencoder.fit("),
        equation=equations.ADAM,
    ),
    Step(
        "loop",
        low_level=("order = Shuffled(", "for i in tf.range(", "in run.epochs(", "in run.chunks("),
        keras=("order = Shuffled(", "run.dataset(order", "epochs=settings.num_epochs"),
    ),
]
DIFFERS = {
    "network": "The low-level networks are classes that inherit. `Noisy` and `VAE` keep the layers "
    "of `Plain` and write a new `__call__`, which says what the decoder gets in training. Keras "
    "needs no class for a network: `build_parts` makes encoder and decoder, and two functions put "
    "`Sampling` between them. It is a layer, because it owns a random generator and calls "
    "`add_loss`.",
    "training": "Each low-level network returns the reconstruction and the divergence, and one "
    "line of `train_step` weighs and adds them. The Keras training knows no divergence. `Sampling` "
    "has its weight, `add_loss` gives it to the model, and `fit` adds it to the cross entropy that "
    "`compile` was given. So both styles have one training function for three networks.",
}
EXERCISES = [
    Exercise(
        task="Take the divergence out of the loss of `variational`. Predict how far its codes "
        "reach. Their standard deviation would be 1 if the codes were from N(0, 1).",
        options=("--kl-weight", "0"),
        answer="It grows from {before:.2f} to {after:.2f}. Nothing pulls the codes to N(0, 1) any "
        "more, and noise only makes the loss larger. So the network moves its codes apart and "
        "makes sigma small. It is nearly the plain network then.",
        measure=spread,
        network="variational",
    ),
    Exercise(
        task="Give a code ten numbers in place of two. Predict by what share this makes the loss "
        "of `variational` smaller after three epochs.",
        options=("--code-size", "10"),
        answer="The loss falls from {before:.0f} to {after:.0f}, which is little for five times as "
        "many numbers. More numbers make a smaller cross entropy. But each of them that says "
        "something about the image adds to the divergence, and the loss has both.",
        network="variational",
    ),
    Exercise(
        task="Train on clothes in place of digits. Predict whether the loss of `variational` is "
        "larger, and whether this means that it copies clothes worse.",
        options=("--data-set", "fashion"),
        answer="It is larger: {after:.0f} in place of {before:.0f}. But a perfect copy of a digit "
        "has a cross entropy of 46 on average, and a perfect copy of clothes has 188. Only black "
        "and white pixels cost nothing, and clothes have many grey ones. Above these numbers, "
        "the clothes have less.",
        network="variational",
    ),
]
