"""Our page cleaner: a small network of four scales. The article's is in the lesson."""

from ae.backend import keras

from keras import layers


def build_page_cleaner() -> keras.Model:
    """Builds the network: features (batch, h, w, 2) to clean pages (batch, h, w, 1) in [0, 1].

    It has the form of a U-net (Ronneberger, Fischer and Brox 2015): four scales, 16, 32, 48 and 64
    wide, with a convolution of 3 x 3 or two at each. The finest scale, where most of the work would
    be, has few units.
    """

    def conv(x, units, times=1):
        for _ in range(times):
            x = layers.Conv2D(units, 3, padding="same", activation="relu")(x)
        return x

    def joined(coarse, fine):
        return layers.Concatenate()([layers.UpSampling2D(2)(coarse), fine])

    x = keras.Input([None, None, 2])
    full = conv(x, 16)
    half = conv(layers.Conv2D(32, 2, strides=2, activation="relu")(full), 32)
    quarter = conv(layers.MaxPooling2D(2)(half), 48, times=2)
    eighth = conv(layers.MaxPooling2D(2)(quarter), 64, times=2)
    quarter = conv(joined(eighth, quarter), 48)
    half = conv(joined(quarter, half), 32, times=2)
    back = layers.Conv2DTranspose(16, 2, strides=2, activation="relu")(half)
    full = conv(layers.Concatenate()([back, full, x]), 16)
    y_hat = layers.Conv2D(1, 3, padding="same", activation="sigmoid")(full)
    return keras.Model(x, y_hat, name="page_cleaner")
