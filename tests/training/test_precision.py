"""What --mixed-precision does: products in bfloat16, everything else in float32."""

from ae.networks import layers_of
from ae.training import precision
from tutorials import __main__ as tutorials
from tutorials import conv_denoiser, fashion_vae

import keras
import numpy as np
import pytest
import tensorflow as tf
from running import NAMES, NETWORKS, lesson, read_record, run, smoke_settings

RNG = np.random.default_rng(0)
QUICKEST = "sigmoid_ae"  # the others are run in the long tests
needs_rewriting = pytest.mark.skipif(
    not precision.rewrites_steps(), reason="TensorFlow computes the low-level style in float32 here"
)


def rounded(x):
    return np.asarray(x).astype(tf.bfloat16.as_numpy_dtype).astype("float64")


@needs_rewriting
def test_compiled_steps_multiply_numbers_rounded_to_bfloat16():
    x, v, w = (RNG.normal(size=(32, 32)).astype("float32") for _ in range(3))

    @tf.function
    def products(x, v, w):
        return tf.nn.relu(x @ v) @ w

    expected = rounded(rounded(rounded(x) @ rounded(v)).clip(0) @ rounded(w))
    in_float32 = (x.astype("float64") @ v).clip(0) @ w
    scale = np.abs(in_float32).max()
    with precision.compiled_steps():
        found = products(x, v, w).numpy()
    np.testing.assert_allclose(found, expected, atol=2**-8 * scale)
    np.testing.assert_array_equal(found, rounded(found))
    again = tf.function(products.python_function)(x, v, w).numpy()
    np.testing.assert_allclose(again, in_float32, atol=1e-6 * scale)
    assert not np.array_equal(again, rounded(again))


@needs_rewriting
def test_what_a_loss_is_made_of_stays_in_float32():
    """Near 1, bfloat16 knows 0.996 and 1 alone, and log(1 - 1) would end the training."""
    logits = RNG.normal(4, 3, size=(8, 28, 28, 1)).astype("float32")
    x = RNG.uniform(size=logits.shape).astype("float32")

    @tf.function
    def loss_of(x, logits):
        kernel = tf.ones([1, 1, 1, 1])
        return fashion_vae.cross_entropy(x, tf.nn.sigmoid(tf.nn.conv2d(logits, kernel, 1, "SAME")))

    p = np.clip(1 / (1 + np.exp(-rounded(logits))), 1e-7, 1 - 1e-7)
    expected = -np.mean(x * np.log(p) + (1 - x) * np.log1p(-p))
    with precision.compiled_steps():
        assert float(loss_of(x, logits)) == pytest.approx(expected, rel=1e-5)


def test_keras_layers_compute_in_bfloat16_and_keep_their_weights_in_float32():
    denoiser = conv_denoiser.build_keras()
    precision.to_bfloat16(denoiser)
    first, last = denoiser.get_layer("encoder").layers[1], denoiser.get_layer("decoder").layers[-1]
    assert (first.compute_dtype, first.variable_dtype) == ("bfloat16", "float32")
    assert last.compute_dtype == "float32"
    assert keras.config.dtype_policy().name == "float32"
    image = np.ones((1, 28, 28, 1), "float32")
    assert denoiser.get_layer("encoder")(image).dtype == "bfloat16"
    assert denoiser(image).dtype == "float32"


@pytest.mark.parametrize(
    ("name", "network"),
    [
        n
        for n in NETWORKS
        if n[0] not in ("conv_denoiser", "fashion_vae") and n != ("latent_space", "variational")
    ],
)
def test_outputs_are_float32_in_mixed_precision(name, network):
    model = lesson(name).networks[network]["keras"].build(smoke_settings(name))
    precision.to_bfloat16(model)
    layers = layers_of(model)
    computed = [layer.compute_dtype for layer in layers if layer.weights]
    assert computed == ["bfloat16"] * (len(computed) - 1) + ["float32"]
    assert layers[-1].compute_dtype == "float32"


def test_what_the_vae_samples_from_is_float32_in_mixed_precision():
    vae = fashion_vae.build_keras()
    precision.to_bfloat16(vae)
    encoder, decoder = vae.get_layer("encoder"), vae.get_layer("decoder")
    assert encoder.layers[1].compute_dtype == "bfloat16"
    of_the_code = encoder.get_layer("z_mean"), encoder.get_layer("z_log_sigma")
    for layer in (*of_the_code, *vae.layers[-2:], decoder.layers[-1]):
        assert layer.compute_dtype == "float32", layer.name


def losses_of(folder):
    """What a run's record holds of each training, by network and style."""
    record = read_record(folder)
    return {
        (t["network"], t["style"]): t["history"][-1][record["printed_loss"]]
        for t in record["trainings"]
    }


@pytest.mark.parametrize(
    "name", [n if n == QUICKEST else pytest.param(n, marks=pytest.mark.long) for n in NAMES]
)
def test_a_run_in_bfloat16_is_near_one_in_float32(smoke, tmp_path, name):
    """A VAE's first losses differ as much as its noise does: both have exp(s) in them."""
    folder = tmp_path / "run"
    both = name in ("conv_denoiser", "document_cleaner") and precision.rewrites_steps()
    arguments = ["--preset", "smoke", "--mixed-precision", "--out", str(folder)]
    arguments += [] if both else ["--style", "keras"]
    assert run(name, *arguments) == 0
    whole, mixed = losses_of(smoke(name)), losses_of(folder)
    assert len(mixed) == len(whole) // (1 if both else 2)
    for key, loss in mixed.items():
        assert loss != whole[key]
        assert loss == pytest.approx(whole[key], rel=0.5 if name == "fashion_vae" else 2**-7)


@pytest.mark.parametrize("rewrites, flags", [(False, []), (True, ["--xla"])])
def test_the_low_level_style_is_refused_where_it_would_be_computed_in_float32(
    monkeypatch, tmp_path, capsys, rewrites, flags
):
    monkeypatch.setattr(precision, "rewrites_steps", lambda: rewrites)
    folder = tmp_path / "run"
    arguments = ["--preset", "smoke", "--mixed-precision", *flags, "--out", folder]
    assert run("tiny_ae", *arguments) == 2
    assert "add --style keras" in capsys.readouterr().err
    assert not folder.exists()


@pytest.mark.parametrize("native", [True, False])
def test_a_processor_without_bfloat16_is_warned_of(monkeypatch, tmp_path, capsys, native):
    monkeypatch.setattr(precision, "is_native", lambda: native)
    arguments = ["--preset", "smoke", "--mixed-precision", "--style", "keras"]
    assert run("tiny_ae", *arguments, "--out", tmp_path / "run") == 0
    assert ("slower" in capsys.readouterr().err) != native


def test_several_lessons_are_refused_before_the_first_is_trained(tmp_path, capsys):
    names = ["conv_denoiser", "dense_ae"]  # XLA compiles the second
    arguments = ["--preset", "smoke", "--mixed-precision", "--out", str(tmp_path / "runs")]
    assert tutorials.main(["run", *names, *arguments]) == 2
    assert "add --style keras" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(("flags", "native"), [("fpu avx512_bf16", True), ("fpu avx512f", False)])
def test_a_processor_says_whether_it_has_bfloat16(monkeypatch, tmp_path, flags, native):
    (tmp_path / "cpuinfo").write_text(f"flags : {flags}\n")
    monkeypatch.setattr(precision, "Path", lambda _: tmp_path / "cpuinfo")
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda _: [])
    assert precision.is_native() is native


@pytest.mark.parametrize(
    ("details", "native"),
    [
        ({"compute_capability": (7, 5)}, False),
        ({"compute_capability": (8, 0)}, True),
        ({"compute_capability": (9, 0)}, True),
        ({}, False),
    ],
)
def test_nvidia_s_gpus_multiply_bfloat16_since_ampere(monkeypatch, details, native):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["the first GPU"])
    devices = {"the first GPU": details}
    monkeypatch.setattr(tf.config.experimental, "get_device_details", devices.__getitem__)
    assert precision.is_native() is native
