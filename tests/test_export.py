"""Networks that leave for other programs, compared with Keras by an own reading of the files."""

import tutorials.__main__ as commands
from ae import paths
from ae.errors import InputError
from ae.export import NoCounterpartError, models
from ae.runs.records import read_run
from ae.runs.saved import load_data, load_network

import keras
import numpy as np
import pytest
import tensorflow as tf
from running import lesson, read_record

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")
interpreter = pytest.importorskip("ai_edge_litert.interpreter")


def exported(run, out, *options):
    return commands.main(["export", str(run), "--out", str(out), *options])


def onnx(path):
    session = onnxruntime.InferenceSession(str(path))
    return lambda x: session.run(None, {"x": np.asarray(x)})[0]


def litert(path):
    apply = interpreter.Interpreter(model_path=str(path)).get_signature_runner()
    return lambda x: apply(x=np.asarray(x))["y"]


READERS = {"onnx": onnx, "litert": litert}
ENDS = {"onnx": "onnx", "litert": "tflite"}
EACH_FORMAT = pytest.mark.parametrize("to", READERS)


def by_hand(run, name, style):
    """A network of a run, and inputs; as the lesson itself loads them."""
    record, settings = read_run(lesson(name), run)
    (training,) = [t for t in record["trainings"] if t["style"] == style]
    network = load_network(lesson(name), run, training, settings)
    return network, load_data(lesson(name), run, record, settings).x_test[:3]


@EACH_FORMAT
@pytest.mark.parametrize("style", ["low-level", "keras"])
def test_models_do_what_the_network_of_either_style_does(smoke, tmp_path, style, to, capsys):
    run = smoke("dense_ae")
    assert exported(run, tmp_path / "out", "--to", to) == 0
    network, x = by_hand(run, "dense_ae", style)
    encode, decode, whole = (
        READERS[to](tmp_path / "out" / f"{style}-{part}.{ENDS[to]}")
        for part in ("encoder", "decoder", "whole")
    )
    is_keras = style == "keras"
    for some in (x, x[:1]):  # the batch is open
        expected = network(some) if is_keras else network.decode(network.encode(tf.constant(some)))
        np.testing.assert_allclose(decode(encode(some)), expected, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(whole(some), expected, rtol=1e-4, atol=1e-5)
    out, err = capsys.readouterr()
    assert out.count(": differs from Keras by ") == 6
    assert err == ""


@EACH_FORMAT
def test_float16_halves_a_file_whose_weights_are_rounded_once(smoke, tmp_path, to, capsys):
    run = smoke("dense_ae")
    for options in ([], ["--float16"]):
        assert exported(run, tmp_path, "--to", to, *options) == 0
    size, half = (
        (tmp_path / f"keras-whole{end}.{ENDS[to]}").stat().st_size for end in ("", "-float16")
    )
    assert 0.5 < half / size < 0.51
    network, x = by_hand(run, "dense_ae", "keras")
    for weight in network.weights:
        weight.assign(np.asarray(weight).astype(np.float16).astype(np.float32))
    found = READERS[to](tmp_path / f"keras-whole-float16.{ENDS[to]}")(x)
    np.testing.assert_allclose(found, network(x), rtol=1e-4, atol=1e-5)


def test_float16_is_for_models_that_keep_it(smoke, tmp_path, capsys):
    out = tmp_path / "out"
    assert exported(smoke("dense_ae"), out, "--to", "savedmodel", "--float16") == 2
    assert "--float16 is for onnx and litert; leave it out" in capsys.readouterr().err
    assert not out.exists()


def test_litert_gets_convolutions_for_one_image(smoke, tmp_path, capsys):
    run = smoke("document_cleaner")  # whose pages may have any size
    assert exported(run, tmp_path, "--to", "litert") == 0
    said = capsys.readouterr().out
    for part, shape in (("whole", "1 x 258 x 540 x 1"), ("decoder", "1 x 129 x 270 x 64")):
        (line,) = (one for one in said.splitlines() if f"keras-{part}.tflite: " in one)
        assert line.endswith(f"; for inputs of {shape} numbers")
    network, pages = by_hand(run, "document_cleaner", "keras")
    found = litert(tmp_path / "keras-whole.tflite")(pages[:1])
    np.testing.assert_allclose(found, network(pages[:1]), rtol=1e-4, atol=1e-5)


def test_a_network_that_draws_random_numbers_is_not_written(smoke, tmp_path, capsys):
    assert exported(smoke("latent_space"), tmp_path) == 0
    said = capsys.readouterr().out
    assert said.count(" is not written: it draws random numbers") == 2  # of both styles
    assert list(tmp_path.glob("*-whole*"))
    assert not list(tmp_path.glob("noisy-*-whole*"))
    assert len(list(tmp_path.glob("noisy-*-encoder*"))) == 2


def test_of_a_variational_network_the_mean_and_the_decoder_leave(smoke, tmp_path):
    run = smoke("fashion_vae")
    assert exported(run, tmp_path / "out") == 0
    files = {path.name for path in (tmp_path / "out").glob("*.onnx")}
    assert files == {
        f"{s}-{p}.onnx" for s in ("low-level", "keras") for p in ("encoder", "decoder")
    }
    network, x = by_hand(run, "fashion_vae", "keras")
    session = onnxruntime.InferenceSession(str(tmp_path / "out" / "keras-encoder.onnx"))
    expected = network.get_layer("encoder")(x)[0]
    np.testing.assert_allclose(session.run(None, {"x": x})[0], expected, rtol=1e-3, atol=1e-4)


def test_saved_models_serve(smoke, tmp_path):
    run = smoke("dense_ae")
    assert exported(run, tmp_path / "out", "--to", "savedmodel") == 0
    network, x = by_hand(run, "dense_ae", "keras")
    loaded = tf.saved_model.load(str(tmp_path / "out" / "keras-whole"))
    np.testing.assert_allclose(loaded.serve(x), network(x), rtol=1e-4, atol=1e-5)


def test_files_go_into_the_run_s_folder_unless_another_is_named(smoke, tmp_path):
    run = smoke("dense_ae")
    assert exported(run, run / "exported") == 0
    before = {path: path.stat().st_mtime_ns for path in (run / "exported").glob("*.onnx")}
    assert commands.main(["export", str(run)]) == 0  # what it wrote itself, it writes again
    assert {path for path in (run / "exported").glob("*.onnx")} == set(before)


def test_a_file_of_the_user_s_stays(smoke, tmp_path, capsys):
    (tmp_path / "keras-encoder.onnx").write_text("mine")
    assert exported(smoke("dense_ae"), tmp_path) == 2
    assert (tmp_path / "keras-encoder.onnx").read_text() == "mine"
    assert "keras-encoder.onnx is there already" in capsys.readouterr().err


def test_a_part_that_onnx_cannot_hold_is_named_and_the_others_are_written(smoke, tmp_path, capsys):
    run = smoke("contractive_ae")
    assert exported(run, tmp_path / "out") == 0
    said = capsys.readouterr().out
    name = next(t["network"] for t in read_record(run)["trainings"])
    assert f"{name}-keras-decoder.onnx is not written: " in said
    assert (tmp_path / "out" / f"{name}-keras-encoder.onnx").is_file()
    assert not (tmp_path / "out" / f"{name}-keras-decoder.onnx").exists()


@EACH_FORMAT
def test_a_model_whose_output_differs_is_not_written(smoke, tmp_path, monkeypatch, to):
    module = {"onnx": models.onnx_models, "litert": models.litert_models}[to]
    monkeypatch.setattr(module, "run", lambda _, x: np.zeros((len(x), 128), np.float32))
    run = smoke("dense_ae")
    chosen = lesson("dense_ae"), run, to, tmp_path, False, None
    with pytest.raises(InputError, match=r"low-level-encoder\..* differs from Keras by 1\.0e\+00"):
        next(models.write(*chosen))
    line = next(models.write(*chosen, float16=True))
    assert "low-level-encoder-float16" in line
    assert " is not written: it differs from Keras by 1.0e+00 of the largest output; with " in line
    assert list(tmp_path.iterdir()) == []


class Determinant(keras.layers.Layer):
    def call(self, x):
        return tf.linalg.det(x)[..., None]


def test_an_operation_that_litert_lacks_is_named(tmp_path, capfd):
    x = keras.Input([3, 3])
    model = keras.Model(x, Determinant()(x))
    with pytest.raises(NoCounterpartError) as error:
        models.litert_models.write(model, tmp_path / "model.tflite", [None, 3, 3], False)
    assert str(error.value) == "LiteRT: the operation MatrixDeterminant cannot be written."
    assert capfd.readouterr() == ("", "")
    assert list(tmp_path.iterdir()) == []


def test_a_network_that_comes_with_the_project_is_exported_beside_the_runs(tmp_path, monkeypatch):
    before = sorted(paths.PRETRAINED.rglob("*"))
    monkeypatch.chdir(tmp_path)
    commands.main(["export", "pretrained/latent_space"])
    written = {path.name for path in (tmp_path / "runs/latent_space/exported").glob("*.onnx")}
    assert {"plain-keras-whole.onnx", "variational-keras-decoder.onnx"} <= written
    assert sorted(paths.PRETRAINED.rglob("*")) == before
