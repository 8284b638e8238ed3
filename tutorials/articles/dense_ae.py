"""What the article of `dense_ae` says, what it gets wrong, and how both are measured.

The developer advocate kayis published Patrick D. Smith's text on dev.to, 29 January 2019. It shows
that a network with a narrow layer learns features without labels, and says that its encoder can
then initialize a classifier. Despite the article's title, nothing in it generates new digits: that
takes a distribution of codes, which `fashion_vae` has.
"""

from dataclasses import replace
from functools import partial

from ae import equations, figures
from ae.lesson import ONLY_NETWORK, OWN_IMAGES, Claim, Erratum, Exercise, Option, Step
from ae.metrics import fine_detail, reconstruct_by_pca
from ae.networks import codec
from ae.proof import book_vae, judges, planes
from ae.proof.digits import (
    BASIC_CLAIMS,
    CODE_SIZE,
    code_size,
    drawn_and_typical,
    error_beside_pca,
    linear_code_angle,
    linear_unit_angle,
    recognised,
    squared_error,
    test_error,
)
from ae.proof.judges import Hashable
from ae.runs.records import trained
from ae.training.run import Run
from tutorials.dense_ae import STEPS_PER_EPOCH, build_keras, train_keras

import keras
import numpy as np
import tensorflow as tf
from keras import layers

ORDER = 1
LINK = "https://dev.to/kayis/building-an-autoencoder-for-generative-models-3e1i"
CODE_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 784)
OPTIONS = {
    "images": OWN_IMAGES,
    "code_size": CODE_SIZE,
    "sweep": Option(False, "train with codes of 1 to 784 numbers, and compare with PCA", False),
    "book_vae": Option(False, "train the variational autoencoder of the author's book too", False),
    "book_vae_epochs": Option(book_vae.NUM_EPOCHS, "", False),
    "classifier": Option(False, "compare a classifier on the trained encoder to a new one", False),
    # labelled digits for that classifier
    "label_counts": Option((100, 1000, 55_000), "", False, type=tuple[int, ...]),
}
PRESETS = {
    "quick": {"label_counts": (100, 1000, 10_000)},
    "smoke": {
        "num_epochs": 1,
        "num_train": 512,
        "num_test": 128,
        "label_counts": (100, 200),
        "book_vae_epochs": 1,
    },
}
CAPTIONS = {
    "digits": "16 test digits beside what the network makes of them. Look for black dots in the "
    "strokes: there the last ReLU outputs 0.",
    "book-vae": "Ten test digits over what this network makes of them, and what the variational "
    "autoencoder of the author's book makes of them from two numbers.",
    "classifier": "The accuracy of two classifiers over the number of labelled digits: one starts "
    "from the trained encoder, one from scratch.",
}
FIGURES_BY = {"article": ("digits",)}

# The article's code prints the loss of each minibatch. The article itself shows no number, only a
# picture of 16 digits and their reconstructions. `mnist.test.next_batch` shuffled those digits; the
# lesson draws the first 16. The article's greys run from a canvas's least value to its greatest,
# the lesson's from 0 to 1.
PRINTED_LOSS = "last_batch_loss"


def epoch_line(epoch, logs):
    """Writes what the article's code prints after a step, for the last of an epoch."""
    return f"Step {epoch * STEPS_PER_EPOCH}: Loss: {logs['last_batch_loss']:f}"


# The corrected variant

ARGUMENTS = {
    ("variant", "corrected"): {
        "Autoencoder": {"output": tf.nn.sigmoid},
        "build_keras": {"output": "sigmoid"},
    },
}
PASSED_ON = {"code_size": {"Autoencoder": "code_units", "build_keras": "code_units"}}


# Other figures: the size of the code, and the article's closing idea


def appendix(data, settings, report):
    """Draws what codes of 1 to 784 numbers keep, beside as many principal components.

    The article of `conv_denoiser` says that with too few nodes reconstructions are blurry or
    unrecognizable, and that with too many there is little point in compressing.
    """
    if not settings.sweep:
        return
    kept = compare_code_sizes(data, settings)
    report.result("code_sizes", kept)
    for quantity, lines in kept.items():
        axes = {"xlabel": "numbers in a code", "ylabel": quantity, "xscale": "log"}
        name = f"code-sizes-{quantity.split()[-1]}"
        caption = f"The {quantity} on test digits, over the size of the code, beside that of PCA."
        of = f"{settings.variant}, {trained(ONLY_NETWORK, 'keras', settings.num_epochs)}"
        report.figure(name, figures.curves(lines, CODE_SIZES, **axes), caption, of)


def compare_code_sizes(data, settings):
    """Trains the Keras network with each of `CODE_SIZES`, and computes PCA with as many.

    Returns:
        For each quantity on test digits, the values in the order of `CODE_SIZES`, by name.
    """
    judged_by = {
        "squared error": squared_error,
        "share of fine detail": detail_kept,
        "share of digits recognised": recognised,
    }
    kept = {quantity: {"autoencoder": [], "PCA": []} for quantity in judged_by}
    arguments = ARGUMENTS.get(("variant", settings.variant), {}).get("build_keras", {})
    for size in CODE_SIZES:
        keras.utils.set_random_seed(settings.seed)
        network = build_keras(**arguments, code_units=size)
        run = Run(f"code of {size}", settings.num_epochs, settings.steps_per_call)
        train_keras(network, data, settings, run)
        of_pca = reconstruct_by_pca(data.x_train, data.x_test, size)
        rows = {"autoencoder": codec(network).reconstruct(data.x_test), "PCA": of_pca}
        for quantity, judge in judged_by.items():
            for name, x_hat in rows.items():
                kept[quantity][name].append(judge(data, x_hat))
    return kept


def detail_kept(data, x_hat):
    """Returns 1 less the fine detail of x - x_hat over that of x; below 0 for false detail."""
    detail = [fine_detail(x.reshape(-1, 28, 28, 1)) for x in (data.x_test - x_hat, data.x_test)]
    return 1 - detail[0] / detail[1]


def draw(network, data, settings, report):
    """Draws the figures that --book-vae and --classifier ask for."""
    if settings.book_vae:
        draw_book_vae(network, data, settings, report)
    if settings.classifier:
        draw_classifier(network, data, settings, report)


def draw_book_vae(network, data, settings, report):
    """Draws the comparison that the article announces: a variational autoencoder on its digits."""
    made = reconstructed_by_both(network, data, settings)
    report.result("squared_errors", {name: squared_error(data, x) for name, x in made.items()})
    rows = {"original": data.x_test, **made}
    strip = figures.strip({name: x[:10].reshape(-1, 28, 28) for name, x in rows.items()})
    report.figure("book-vae", strip, CAPTIONS["book-vae"])


def reconstructed_by_both(network, data, settings):
    """Reconstructs the test digits, here and by the book's VAE from its mean codes; (n, 784)."""
    examples = Hashable(data.x_train)
    vae = book_vae.train(examples, settings.book_vae_epochs, settings.seed)
    z_mean, _ = vae.encoder.predict(data.x_test, batch_size=500, verbose=0)
    of_vae = vae.decoder.predict(z_mean, batch_size=500, verbose=0)
    return {"autoencoder": codec(network).reconstruct(data.x_test), "variational": of_vae}


def draw_classifier(network, data, settings, report):
    """Draws how well a classifier does that starts from the trained encoder."""
    accuracies = compare_classifiers(network, data, settings)
    report.result("classifier_accuracy", accuracies)
    axes = {"xlabel": "labelled digits", "ylabel": "test accuracy", "xscale": "log"}
    curves = figures.curves(accuracies, settings.label_counts, **axes)
    report.figure("classifier", curves, CAPTIONS["classifier"])


def compare_classifiers(network, data, settings):
    """Trains a classifier on the trained encoder, and the same one from scratch.

    Both train all their layers, on each of `settings.label_counts` labelled digits.

    Returns:
        Test accuracies in the order of `settings.label_counts`, by how the encoder began.
    """
    code_units = code_size(network, data, settings)
    accuracies = {"trained encoder": [], "from scratch": []}
    for count in settings.label_counts:
        for start, results in accuracies.items():
            keras.utils.set_random_seed(settings.seed)
            encoder = build_keras(code_units=code_units).get_layer("encoder")
            if start == "trained encoder":
                # The network's first arrays are the encoder's, in either style.
                encoder.set_weights([w.numpy() for w in network.weights[: len(encoder.weights)]])
            scores = layers.Dense(10, activation="softmax")(encoder.output)
            classifier = keras.Model(encoder.input, scores)
            classifier.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
            steps = max(300 if count < 1000 else 1000, 5 * count // 64)  # enough for both to settle
            examples = tf.data.Dataset.from_tensor_slices((data.x_train, data.y_train))
            examples = examples.take(count).cache().shuffle(count, settings.seed).repeat()
            judges.fit(classifier, examples.batch(64), steps)
            scored = classifier.evaluate(data.x_test, data.y_test, verbose=0, return_dict=True)
            results.append(scored["accuracy"])
    return accuracies


# Claims


def mixture_typical(network, data, settings):
    """Returns how often codes from ten normal distributions decode to what looks like a digit.

    It is a share of how often test digits do. The mixture fits the codes of 10,000 training digits.
    """
    encode, decode, _ = codec(network)
    mixture = planes.fit_mixture(encode(data.x_train[:10_000]), seed=settings.seed)
    return planes.share_typical(decode, mixture.draw(planes.DRAWN, settings.seed), data)


def accuracy_gained(count, network, data, settings):
    """Returns what the trained encoder adds to a classifier's accuracy with `count` labels."""
    scores = compare_classifiers(network, data, replace(settings, label_counts=(count,)))
    return scores["trained encoder"][0] - scores["from scratch"][0]


NEARLY_PARALLEL = (
    "Unrelated directions of 784 pixels are nearly 90 degrees apart. Adam leaves a few degrees."
)
CLAIMS = [
    *BASIC_CLAIMS,
    Claim(
        "It is almost identical to PCA.",
        quantity="Test error over that of as many principal components",
        measure=error_beside_pca,
        at_least=0.9,
        at_most=1.1,
        why="The bounds are ours: within a tenth, either way.",
    ),
    Claim(
        "It learned the distribution of the data.",
        quantity="How often random codes look like digits, as a share of how often test digits do",
        measure=drawn_and_typical,
        at_least=0.5,
        why="The bound is ours: half as often. Averages of two digits stay below it.",
    ),
    Claim(
        "A generator network can be attached to it.",
        quantity="How often codes from ten normal distributions look like digits, as a share of "
        "how often test digits do",
        measure=mixture_typical,
        at_least=0.5,
        why="The bound is ours: half as often. The mixture stands for the generator.",
    ),
    # The next two are in the article of `conv_denoiser`. They are about a linear network, which is
    # trained for the measure on these digits.
    Claim(
        "Stewart: A linear code spans the principal components.",
        quantity="Largest angle between the two spans, degrees",
        measure=linear_code_angle,
        at_most=5,
        why=NEARLY_PARALLEL,
        of_network=False,
    ),
    Claim(
        "Stewart: Each number of a linear code is one principal component.",
        quantity="Mean angle to the nearest component, degrees",
        measure=linear_unit_angle,
        at_most=5,
        why=NEARLY_PARALLEL,
        of_network=False,
    ),
    *(
        Claim(
            "The encoder initializes a classifier.",
            quantity=f"Accuracy gained with {labels} labels",
            measure=partial(accuracy_gained, count),
            at_least=at_least,
            why=f"The bound is ours: two standard deviations. A seed makes {seed} points, and "
            f"10,000 test digits {sample}.",
        )
        for labels, count, at_least, seed, sample in (
            ("100", 100, 0.028, "1.3", "0.5"),
            ("1,000", 1000, 0.011, "0.3", "0.5"),
            ("all", 55_000, 0.007, "0.3", "0.2"),
        )
    ),
]

# Errata


def black_pixels(network, data, settings):
    """Counts the pixels that test digits light by a grey level and no reconstructed one does."""
    grey = 0.5 / 255  # what rounds to a level above black
    lit = [x.max(axis=0) > grey for x in (data.x_test, codec(network).reconstruct(data.x_test))]
    return np.sum(lit[0] & ~lit[1])


ERRATA = [
    Erratum(
        quote="output_layer = tf.layers.dense(inputs=x_prime_two, units=784, "
        "activation=tf.nn.relu, ...",
        problem="A pixel whose ReLU never fires has no gradient of its own.",
        effect="Such a pixel may stay black in every reconstruction.",
        fix="The corrected variant ends in a sigmoid, whose range is that of the pixels.",
        measures={
            "pixels that test digits light and reconstructed ones never do": black_pixels,
            "mean squared error on test digits": test_error,
        },
    ),
    Erratum(
        quote="g = sess.run(decoder, feed_dict={x: batch_x})",
        problem="`decoder` is a Python function. A session fetches only tensors and operations.",
        effect="The line fails with a TypeError.",
        fix="Both variants evaluate the output, which the article calls x_prime.",
    ),
    Erratum(
        quote="plt.figure(figsize=(n, n))",
        problem="Nothing imports plt.",
        effect="The line fails with a NameError.",
        fix="Both variants draw the two canvases.",
    ),
    Erratum(
        quote="Display the loss at every 1000 out of 30,000 steps",
        problem="The listing takes 1000 steps and displays each. The notebook of Smith's book "
        "(PacktPublishing/Hands-On-Artificial-Intelligence-for-Beginners, chapter 7) takes 30,000 "
        "and displays each, too. Which of them made the article's picture is not known.",
        effect="After 1000 steps the error still falls.",
        fix="Both variants take the listing's 1000 steps. --epochs 300 takes 30,000.",
        measures={"test error over that of as many principal components": error_beside_pca},
        change=("num_epochs", 300),
    ),
    Erratum(
        quote="the convolutional/de-convolutional pattern, where the input layer of the decoder "
        "matches the size of the input and the subsequent layer squash the data",
        problem="All layers are dense, and it is the encoder that squashes its input.",
        fix="Both variants have the code's dense layers.",
    ),
    Erratum(
        quote="The decoder will be the same architecture reversed",
        problem="Reversed, the encoder's layers would lead from 128 numbers to 256, 784 and 784 "
        "units. The decoder of the listing has 128, 256 and 784 units.",
        fix="Both variants have the decoder of the listing.",
    ),
    Erratum(
        quote="input_layer = tf.layers.dense(inputs=x, units=784,",
        problem="The text, too, takes this layer for the network's input. It is a trained layer of "
        "784 ReLU units, with 615,440 of the network's 1,100,320 parameters.",
        fix="Both variants have all six layers of the listing.",
    ),
    Erratum(
        quote="x_prime represents our predicted distribution",
        problem="x_prime is an image: 784 grey levels, which the loss compares with the input's. "
        "They are no probabilities and need not sum to 1.",
        fix="Both variants call it x_hat, the reconstruction.",
    ),
    Erratum(
        quote="Successfully learned the distribution of the data and reconstructed the image from "
        "scratch, from that distribution",
        problem="Each digit is decoded from its own code. The network learns no distribution of "
        "codes.",
        fix="Both variants reconstruct. A claim measures what random codes decode to.",
    ),
    Erratum(
        quote="if there was no bottleneck, information could flow too quickly from the input to "
        "the output, and the network would likely overfit",
        problem="Without a bottleneck the network could copy its input. That is not overfitting: "
        "the error would be zero on any image, and the code useless.",
        fix="Both variants have a code of 128 numbers.",
    ),
    Erratum(
        quote="A manifold is a continuous, non-intersecting surface. For the sake of neural "
        "networks, learning, and loss functions, be sure to always think of manifolds as a "
        "topological map",
        problem="A manifold is a space that looks like R^d near each of its points. Its definition "
        "does not speak of intersections, and d need not be 2. A space is not a map.",
        fix="Only the text is wrong.",
    ),
    Erratum(
        quote="autoencoders can handle non-nonlinear manifolds",
        problem="It means nonlinear ones. PCA is restricted to linear ones.",
        fix="Only the text is wrong.",
    ),
    Erratum(
        quote="a reconstruction loss with a regularization term to prevent overfitting",
        problem="The loss in the code is the squared error alone.",
        fix="Both variants have the squared error alone.",
    ),
    Erratum(
        quote="computing the loss and accuracy at each point",
        problem="The code computes no accuracy. An accuracy of pixels would mean little.",
        fix="Both variants compute the loss.",
    ),
    Erratum(
        quote="we will compare the performance of the standard autoencoder against the variational "
        "autoencoder in relation to the same task",
        problem="The article has no variational autoencoder.",
        fix="--book-vae trains the one of the author's book on the same digits.",
    ),
]

# The page's texts

STEPS = [
    Step(
        "initializer",
        low_level=("limit = math.sqrt", "tf.random.uniform"),
        keras=('"glorot_uniform"',),
        equation=r"W_{ij} \sim U(-l, l), \quad "
        r"l = \sqrt{\frac{6}{n_{\mathrm{in}} + n_{\mathrm{out}}}}",
    ),
    Step(
        "weights",
        low_level=("tf.Variable(kernel)", "self.weights"),
        keras=("layers.Dense(units",),
    ),
    Step(
        "hidden layers",
        low_level=("h = tf.nn.relu(",),
        keras=("h = dense(",),
        equation=r"h' = \mathrm{relu}(h W + b), \quad \mathrm{relu}(a) = \max(0, a)",
    ),
    Step(
        "code",
        low_level=("h @ self.W3",),
        keras=("dense(code_units)(h)",),
        equation=r"z = \mathrm{relu}(h W_3 + b_3)",
    ),
    Step(
        "output",
        low_level=("h @ self.W6",),
        keras=("dense(INPUT_DIM, output)",),
        equation=r"\hat{x} = \mathrm{relu}(h W_6 + b_6)",
    ),
    Step(
        "loss",
        low_level=("def mean_squared_error", "tf.reduce_mean(", "loss = mean_squared_error("),
        keras=('"mse", metrics',),
        equation=equations.MEAN_SQUARED_ERROR,
    ),
    Step(
        "gradient",
        low_level=("tf.GradientTape()", "tape.gradient("),
        keras=("autoencoder.fit(",),
        equation=equations.GRADIENT,
    ),
    Step(
        "update",
        low_level=("RMSpropTF1(", "optimizer.apply("),
        keras=("RMSpropTF1(", "autoencoder.fit("),
        equation=equations.RMSPROP_TF1,
    ),
    Step(
        "minibatches",
        low_level=("order = minibatches(", "tf.gather(digits"),
        keras=("run.dataset(",),
    ),
    Step(
        "loop",
        low_level=("for i in tf.range(", "for epoch in run.epochs(", "for rows in run.chunks("),
        keras=("epochs=settings.num_epochs",),
    ),
]
DIFFERS = {
    "network": "The question is who owns the weights. In the low-level style the class does: "
    "`xavier` draws every W and b, and `self.weights` lists all twelve. In Keras each `Dense` "
    "layer owns its two arrays, and the model finds them in its layers. A layer also reads the "
    "size of its input when it is first called, so only the low-level style names both sizes.",
    "training": "The low-level step names the weights twice: `tape.gradient` differentiates the "
    "loss by them, and `optimizer.apply` changes them. In Keras neither line appears, because "
    "`fit` takes the weights from the model. `compile` gets the loss by its name, so Keras needs "
    "no function for it. Both styles use the same optimizer and the same minibatches.",
}
EXERCISES = [
    Exercise(
        "Give a code 8 numbers instead of 128. How many times larger do you expect the loss to be?",
        ("--code-size", "8"),
        "The code is 16 times smaller, but the loss only goes from {before:.4f} to {after:.4f}. "
        "Pixels of a digit depend on each other, so few numbers already say much about it. With "
        "128 numbers it is the training that is too short. The loss still falls after 1000 steps.",
    ),
    Exercise(
        "Make the learning rate ten times larger. Does the network learn faster, or not at all?",
        ("--learning-rate", "0.01"),
        "It learns, but worse: the error on test digits is {after:.4f} after the last step, not "
        "{before:.4f}. RMSProp divides each gradient by its usual size, so a weight soon moves by "
        "about the learning rate in each step. Nine of ten first weights are smaller than 0.08, so "
        "steps of 0.01 are large.",
        measure=test_error,
    ),
    Exercise(
        "End the network in a sigmoid instead of a ReLU. Test digits light some pixels that no "
        "reconstruction lights. How many such pixels are left?",
        ("--variant", "corrected"),
        "There were {before:.0f}, and now there are {after:.0f}. A sigmoid is never 0, and it "
        "passes some gradient back at each pixel. A ReLU that outputs 0 passes none. So a pixel "
        "that is 0 for every digit stays black.",
        measure=black_pixels,
    ),
]
