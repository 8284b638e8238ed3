"""What the article of `low_level_ae` says, what it gets wrong, and how both are measured.

The article prints no number, only a picture of digits and their reconstructions, which is lost.
It says what a good autoencoder must do (compress, replicate, encode, decode), and what TensorFlow 1
is made of. What stands for that in the lesson:

    tf.placeholder          the argument of a function
    Session.run             a call of a function that `tf.function` compiled
    feeding Z               a call of `decode(z)`
    optimizer.minimize      `GradientTape` and `optimizer.apply`
    init_op                 nothing: a `tf.Variable` starts with its value
"""

from ae import equations
from ae.lesson import OWN_IMAGES, Erratum, Exercise, Step
from ae.networks import codec
from ae.proof import variants
from ae.proof.digits import BASIC_CLAIMS, CODE_SIZE, test_error

import keras
import numpy as np
import tensorflow as tf

ORDER = 3
LINK = "https://edoardobarp.eu/2019/11/14/implementing-a-simple-auto-encoder-in-tensorflow/"
OPTIONS = {"images": OWN_IMAGES, "code_size": CODE_SIZE}
PRESETS = {"quick": {"num_epochs": 3}}
CAPTIONS = {
    "reconstructions": "Ten test digits over decode(encode(x)). The network's own output is equal "
    "to it by construction. Look for digits that all become the same grey 8 (class), and for greys "
    "that turn black or white (layers).",
}
FIGURES_BY = {"article": ("reconstructions",)}
SUMMED = ("class",)

# The corrected variant

SCALE = np.sqrt(2 / (784 + 128))  # deviation of the class's weights, from their fan-in and fan-out


def mean_cross_entropy(x, x_hat):
    """Averages -x log x_hat - (1 - x) log(1 - x_hat), what the article meant for its layers."""
    return tf.reduce_mean(keras.losses.binary_crossentropy(x, x_hat))


ARGUMENTS = {
    ("variant", "corrected"): {
        "Autoencoder": {"scale": SCALE},
        "build_class": {"scale": SCALE},
        "train_layers_low_level": {"loss": mean_cross_entropy},
        "train_layers": {"loss": "binary_crossentropy"},
    },
}
BUILT_WITH_D = ("Autoencoder", "LayeredAutoencoder", "build_class", "build_layers")
PASSED_ON = {"code_size": dict.fromkeys(BUILT_WITH_D, "d")}

# Another figure

WHY_GREY = (
    "Most ReLU units of the published code output 0 for every digit. All digits whose codes are "
    "zeros alone decode to the same grey 8."
)


def appendix(data, settings, report, networks):
    """Draws both variants of the class beside each other."""
    variants.draw("low_level_ae", networks, "class", data, settings, report, WHY_GREY)


# Claims: the article's marks of a good autoencoder. That reconstructions are recognisable is asked
# of every lesson on digits.

CLAIMS = BASIC_CLAIMS

# Errata


def dead_units(network, data, settings):
    """Counts the numbers of the code that are zero for every test digit."""
    return np.sum(codec(network).encode(data.x_test).max(axis=0) == 0)


def greys(network, data, settings):
    """Returns the share of reconstructed pixels between 0.1 and 0.9."""
    x_hat = codec(network).reconstruct(data.x_test)
    return np.mean((x_hat > 0.1) & (x_hat < 0.9))


ERRATA = [
    Erratum(
        quote="self.W1 = tf.Variable(tf.random_normal(shape=(D,d)))",
        problem="W1 and W2 of the class are drawn from N(0, 1), under a loss that is a sum over "
        "64 x 784 pixels.",
        effect="More than half of the ReLU units fire for no test digit. In a session of "
        "TensorFlow 1, 43 to 50 of 128 units are dead after one epoch, 63 to 69 after two.",
        fix="The corrected variant draws weights of variance 2 / (784 + 128). It keeps the sum, "
        "which alone stops few units.",
        measures={
            "units of 128 that no test digit excites": dead_units,
            "mean squared error of the class on test digits": test_error,
        },
        network="class",
    ),
    Erratum(
        quote="loss=tf.losses.sigmoid_cross_entropy",
        problem="This loss applies a sigmoid, but the Keras layers end in a sigmoid already.",
        effect="No loss below 0.656 is possible on the training digits, and greys turn black or "
        "white.",
        fix="The corrected variant takes the cross entropy of the output itself.",
        measures={
            "share of reconstructed pixels between 0.1 and 0.9": greys,
            "mean squared error of the layers on test digits": test_error,
        },
        network="layers",
    ),
    Erratum(
        quote="self.sess = tf.get_default_session()",
        problem="The class creates a session and then replaces it by the default one.",
        effect="Outside a `with` block there is no default session. Then self.sess is None, and "
        "self.sess.run fails with an AttributeError.",
        fix="Both variants have variables that start with their values, and need no session.",
    ),
    Erratum(
        quote="n_batches = len(X) // bs",
        problem="The line before calls the size `batch_size`, and `bs` does not exist.",
        effect="The line fails with a NameError.",
        fix="Both variants divide by the batch size.",
    ),
    Erratum(
        quote="return model.get_layer(name='encode').output",
        problem="No layer is named 'encode': the article named it 'bottleneck'.",
        effect="get_encode_tensor fails with a ValueError.",
        fix="The Keras style asks for 'bottleneck'.",
    ),
    Erratum(
        quote="t_enc = get_bottleneck_tensor(t_model)",
        problem="This function is not defined anywhere. It is called get_encode_tensor.",
        effect="The line fails with a NameError.",
        fix="The Keras style makes a model of the encoder, and needs no such function.",
    ),
    Erratum(
        quote="session = tf.get_default_session() if(self.sess == None):",
        problem="The Keras half looks for the session in `self`, outside any class. Nor is that "
        "session the default one, and a new one has no trained weights.",
        effect="The line fails with a NameError.",
        fix="Both variants call the models, which need no session.",
    ),
    Erratum(
        quote="I will show you two ways to do this",
        problem="The two halves build different networks. The Keras half has one more layer, of "
        "256 units, and no ReLU. It starts from other weights and has another loss, optimizer and "
        "batch size.",
        effect="Their results differ for these reasons, not because one half uses Keras.",
        fix="Both variants have both networks, each in both styles.",
    ),
    Erratum(
        quote="a neural network with two properties: the input and output data are the same, and "
        "the network includes a layer of lower dimension than the input",
        problem="An autoencoder may lack both. The input of `conv_denoiser` is noisy and its "
        "output is not. The code of `document_cleaner` has 16 numbers for each pixel.",
        fix="Both networks of this article have both properties.",
    ),
    Erratum(
        quote="which makes sense for this dataset of black and white images",
        problem="Of the pixels that are not black, nearly half are greys from 0.1 to 0.9. Cross "
        "entropy suits greys as well, but then it is not the error of a binary classification.",
        fix="Both variants use cross entropy.",
    ),
    Erratum(
        quote="One of the pillars of GANs is the use of auto-encoders.",
        problem="A generative adversarial network is a generator and a discriminator. In the plain "
        "one neither encodes.",
        fix="Only the text is wrong.",
    ),
]

# The page's texts

STEPS = [
    Step(
        "initializer of the class",
        low_level=("stddev=scale",),
        keras=("stddev=scale",),
        equation=r"W_{ij} \sim N(0, 1), \quad b_j = 0",
    ),
    Step(
        "initializer of the layers",
        low_level=("limit = np.sqrt", "tf.random.uniform("),
        keras=("stack.add(layers.Dense(",),
        equation=r"W_{ij} \sim U(-l, l), \quad "
        r"l = \sqrt{\frac{6}{n_{\mathrm{in}} + n_{\mathrm{out}}}}, \quad b_j = 0",
    ),
    Step(
        "class",
        low_level=("relu(x @ self.W1", "return z @ self.W2", "sigmoid(self.logits(z))"),
        keras=('activation="relu"', "log_odds = layers.Dense(", 'layers.Activation("sigmoid")'),
        equation=r"z = \max(0, x W_1 + b_1), \quad a = z W_2 + b_2, \quad "
        r"\hat{x} = \sigma(a) = \frac{1}{1 + e^{-a}}",
    ),
    Step(
        "layers",
        low_level=("h = x @ self.W1", "return h @ self.W2", "sigmoid(z @ self.W3"),
        keras=("layers.Dense(256)", 'name="bottleneck"', 'activation="sigmoid"'),
        equation=r"z = (x W_1 + b_1) W_2 + b_2, \quad \hat{x} = \sigma(z W_3 + b_3)",
    ),
    Step(
        "loss of the class",
        low_level=("sum_of_cross_entropies", "tf.reduce_sum("),
        keras=("sum_of_cross_entropies",),
        equation=r"L = -\sum_{i,j} (x_{ij} \log \hat{x}_{ij} + "
        r"(1 - x_{ij}) \log(1 - \hat{x}_{ij}))",
    ),
    Step(
        "loss of the layers",
        low_level=("doubled_sigmoid_cross_entropy", "tf.reduce_mean("),
        keras=("doubled_sigmoid_cross_entropy",),
        equation=r"p = \sigma(\hat{x}), \quad L = -\frac{1}{784 n} \sum_{i,j} "
        r"(x_{ij} \log p_{ij} + (1 - x_{ij}) \log(1 - p_{ij}))",
    ),
    Step(
        "gradient",
        low_level=("tf.GradientTape()", "tape.gradient("),
        keras=("model.fit(",),
        equation=equations.GRADIENT,
    ),
    Step(
        "update of the class",
        low_level=("RMSpropTF1(", "optimizer.apply("),
        keras=("RMSpropTF1(",),
        equation=equations.RMSPROP_TF1,
    ),
    Step(
        "update of the layers",
        low_level=("keras.optimizers.Adam(", "optimizer.apply("),
        keras=("keras.optimizers.Adam(",),
        equation=r"m \leftarrow 0.9 m + 0.1 g, \quad v \leftarrow 0.999 v + 0.001 g^2, \quad "
        r"w \leftarrow w - \mathrm{lr} \, \frac{\sqrt{1 - 0.999^t}}{1 - 0.9^t} \, "
        r"\frac{m}{\sqrt{v} + 10^{-8}}",
    ),
    Step(
        "loop",
        low_level=("for i in tf.range(", "for epoch in run.epochs(", "for rows in run.chunks("),
        keras=("epochs=settings.num_epochs",),
    ),
]
DIFFERS = {
    "network": "The article compares a class with a stack of layers, but these are two networks. "
    "Here each network stands in both styles, so only the style differs. The class has a method "
    "`logits`, because its loss needs the numbers before the sigmoid. In Keras such an inner "
    "result needs a model of its own, and the stack's parts become models that share its weights.",
    "training": "The low-level style passes a function to its step: `network.logits` for the "
    "class, `network.decode` for the layers. Keras trains a model from its input to its output. So "
    "`train_class` makes a second model that ends at the logits and shares all layers; what `fit` "
    "teaches it, the autoencoder knows too. `compile` takes the same two loss functions.",
}
EXERCISES = [
    Exercise(
        "Train the class with minibatches of 16 digits instead of 64. What happens to the loss "
        "that it prints?",
        ("--batch-size", "16"),
        "It goes from {before:.0f} to {after:.0f}, about a quarter, but the digits look no better. "
        "This loss is a sum over all pixels of a minibatch, which now has a quarter of the digits. "
        "Two sums are comparable only if they have equally many terms. The layers print what they "
        "printed before, because the option is for the class alone.",
        network="class",
    ),
    Exercise(
        "Draw smaller first weights for the class. How many of its 128 code units are 0 for every "
        "test digit, without and with this change?",
        ("--variant", "corrected"),
        "With weights from N(0, 1) it is {before:.0f} units, with the smaller ones {after:.0f}. "
        "A unit whose sum is below 0 for every digit gets no gradient back through its ReLU. So it "
        "stays dead, however long the training goes on. Weights from N(0, 1) bring most units "
        "there.",
        measure=dead_units,
        network="class",
    ),
    Exercise(
        "Give the code of the layers 32 numbers instead of 128. Look at the loss first, then at "
        "the digits. Do they agree?",
        ("--code-size", "32"),
        "The loss hardly moves, from {before:.4f} to {after:.4f}, but the digits are much worse. "
        "The loss applies a second sigmoid, so no digits can bring it below 0.656. Only what lies "
        "above that counts, and it becomes four times as large.",
        network="layers",
    ),
]
