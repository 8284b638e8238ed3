"""Keras networks written as ONNX models give in ONNX Runtime what they give in Keras."""

from ae.errors import InputError
from ae.export import onnx_models

import keras
import numpy as np
import pytest
from keras import layers

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")
RNG = np.random.default_rng(0)


def written(model, path):
    onnx_models.write(model, path)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return lambda x: session.run(None, {"x": x})[0]


def assert_alike(model, x, path):
    """Compares both on inputs x, and on a part of them, as the batch is open."""
    for weight in model.weights:
        weight.assign(RNG.normal(scale=0.3, size=weight.shape))  # biases too
    apply = written(model, path)
    for some in (x, x[:1]):
        expected = np.asarray(model(some))
        assert np.ptp(expected) > 0.01  # there is something to get wrong
        assert apply(some).shape == expected.shape
        np.testing.assert_allclose(apply(some), expected, atol=1e-5)


def of_layer(layer, shape):
    x = keras.Input(shape)
    return keras.Model(x, layer(x), name="one_layer")


def inputs(*shape):
    return RNG.normal(size=shape).astype("float32")


IMAGE_LAYERS = [
    layers.Conv2D(4, 3),
    layers.Conv2D(4, 3, padding="same"),
    layers.Conv2D(4, 3, padding="same", use_bias=False),
    layers.Conv2D(4, (2, 5), padding="same"),
    layers.Conv2D(4, 3, strides=2, padding="same"),
    layers.Conv2D(4, 3, strides=(1, 2)),
    layers.Conv2D(4, 3, padding="same", dilation_rate=2),
    layers.Conv2D(4, (2, 3), padding="same", dilation_rate=(2, 1)),
    layers.Conv2D(4, 3, dilation_rate=2),
    layers.Conv2D(4, 3, padding="same", groups=2),
    layers.Conv2DTranspose(4, 2, strides=2),
    layers.Conv2DTranspose(4, 3, padding="same"),
    layers.Conv2DTranspose(4, 3, strides=2, padding="same"),
    layers.Conv2DTranspose(4, 3, strides=2),
    layers.Conv2DTranspose(4, 4, strides=2, padding="same", use_bias=False),
    layers.Conv2DTranspose(4, 5, strides=3, padding="same"),
    layers.MaxPooling2D(2),
    layers.MaxPooling2D(2, padding="same"),
    layers.MaxPooling2D(3, strides=2, padding="same"),
    layers.UpSampling2D(2),
    layers.UpSampling2D((1, 3)),
    layers.UpSampling2D(2, interpolation="bilinear"),
    layers.Dense(3),
    layers.Flatten(),
    layers.Reshape([-1, 4]),
    layers.Dropout(0.5),
    layers.ActivityRegularization(0.1),
]


def name_of(layer):
    chosen = ("kernel_size", "pool_size", "size", "strides", "padding", "dilation_rate", "groups")
    chosen += ("interpolation", "use_bias")
    about = [f"{key}={getattr(layer, key)}" for key in chosen if hasattr(layer, key)]
    return " ".join([type(layer).__name__, *about])


@pytest.mark.parametrize("size", [(8, 6), (7, 9)], ids=["even", "odd"])
@pytest.mark.parametrize("layer", IMAGE_LAYERS, ids=name_of)
def test_a_layer_on_images(tmp_path, layer, size):
    layer = type(layer).from_config(layer.get_config())
    assert_alike(of_layer(layer, [*size, 4]), inputs(3, *size, 4), tmp_path / "model.onnx")


@pytest.mark.parametrize("activation", ["relu", "sigmoid", "tanh", "softmax", "elu", "linear"])
@pytest.mark.parametrize("own", [False, True])
def test_an_activation_of_a_layer_or_of_its_own(tmp_path, activation, own):
    layer = layers.Activation(activation) if own else layers.Dense(5, activation=activation)
    assert_alike(of_layer(layer, [6]), inputs(7, 6), tmp_path / "model.onnx")


def test_a_dense_layer_without_bias(tmp_path):
    assert_alike(of_layer(layers.Dense(5, use_bias=False), [6]), inputs(7, 6), tmp_path / "m.onnx")


def test_codes_become_images(tmp_path):
    assert_alike(of_layer(layers.Reshape([2, 3, 4]), [24]), inputs(3, 24), tmp_path / "m.onnx")


def u_net():
    """Joins layers in more than one line, a layer that is used twice, and a model in a model."""
    x = keras.Input([None, None, 2])
    shared = layers.Conv2D(2, 3, padding="same", activation="tanh")
    first = shared(shared(x))
    coarse = layers.MaxPooling2D(2)(first)
    inner = keras.Input([None, None, 2])
    within = keras.Model(inner, layers.Conv2D(3, 3, padding="same", activation="relu")(inner))
    coarse = layers.UpSampling2D(2)(within(coarse))
    joined = layers.Concatenate()([coarse, first, x])
    y = layers.Conv2D(1, 1, activation="sigmoid")(joined)
    return keras.Model(x, y, name="u_net")


def test_a_network_of_branches_takes_pages_of_any_size(tmp_path):
    model = u_net()
    assert_alike(model, inputs(2, 8, 12, 2), tmp_path / "model.onnx")
    apply = written(model, tmp_path / "model.onnx")
    page = inputs(1, 14, 6, 2)
    np.testing.assert_allclose(apply(page), np.asarray(model(page)), atol=1e-5)


def test_layers_in_a_row(tmp_path):
    row = [keras.Input([6]), layers.Dense(4, activation="relu"), layers.Dense(2)]
    assert_alike(keras.Sequential(row), inputs(3, 6), tmp_path / "model.onnx")
    x = keras.Input([6])
    assert_alike(keras.Model(x, keras.Sequential(row)(x)), inputs(3, 6), tmp_path / "model.onnx")


def test_the_same_weights_give_the_same_bytes(tmp_path):
    first, second = u_net(), u_net()
    second.set_weights(first.get_weights())
    paths = [tmp_path / name for name in ("first.onnx", "second.onnx", "again.onnx")]
    for model, path in zip((first, second, first), paths, strict=True):
        onnx_models.write(model, path)
    assert len({path.read_bytes() for path in paths}) == 1
    second.weights[0].assign(second.weights[0] + 1)
    onnx_models.write(second, paths[1])
    assert paths[1].read_bytes() != paths[0].read_bytes()
    assert sorted(tmp_path.iterdir()) == sorted(paths)


class Double(layers.Layer):
    def call(self, x):
        return 2 * x


class Own(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(2)

    def call(self, x):
        return self.dense(x)


@pytest.mark.parametrize(
    ("layer", "named"),
    [
        (layers.LayerNormalization(), "LayerNormalization"),
        (layers.GlobalAveragePooling2D(), "GlobalAveragePooling2D"),
        (Double(), "Double"),
        (layers.Dense(3, activation="gelu"), "gelu"),
        (layers.Activation(lambda x: 2 * x), "lambda"),
        (layers.UpSampling2D(2, interpolation="bicubic"), "bicubic"),
        (layers.Conv2DTranspose(2, 3, dilation_rate=2), "dilation"),
        (layers.Conv2DTranspose(2, 3, strides=2, output_padding=1), "output padding"),
        (Own(), "Own"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_has_no_counterpart_is_refused_in_one_sentence(tmp_path, layer, named):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"old")
    with pytest.raises(InputError, match=rf"^ONNX: .*{named}.* cannot be written\.$") as error:
        onnx_models.write(of_layer(layer, [4, 4, 2]), path)
    assert str(error.value).count("\n") == 0
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
