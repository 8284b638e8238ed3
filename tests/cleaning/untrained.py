"""Networks that clean pages, untrained, with outputs of many grey levels."""

from ae.cleaning.network import build_page_cleaner

import keras
from running import lesson

LESSON = lesson("document_cleaner")
STYLES = LESSON.networks["autoencoder"]


def article(style, seed=0, contrast=3):
    """Builds the article's network in a style."""
    keras.utils.set_random_seed(seed)
    return with_contrast(STYLES[style].build(LESSON.presets["article"]), contrast)


def ours(seed=0, contrast=1.5):
    """Builds our network."""
    keras.utils.set_random_seed(seed)
    return with_contrast(build_page_cleaner(), contrast)


def with_contrast(network, contrast):
    for weight in network.weights:
        if len(weight.shape) == 4:
            weight.assign(contrast * weight)
    return network
