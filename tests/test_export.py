"""Networks that leave for other programs, compared with Keras by an own reading of the files."""

import tutorials.__main__ as commands
from ae.errors import InputError
from ae.export import models
from ae.runs.records import read_run
from ae.runs.saved import load_data, load_network

import numpy as np
import pytest
import tensorflow as tf
from running import lesson, read_record

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")


def exported(run, out, *options):
    return commands.main(["export", str(run), "--out", str(out), *options])


def by_hand(run, name, style):
    """A network of a run, and inputs; as the lesson itself loads them."""
    record, settings = read_run(lesson(name), run)
    (training,) = [t for t in record["trainings"] if t["style"] == style]
    network = load_network(lesson(name), run, training, settings)
    return network, load_data(lesson(name), run, record, settings).x_test[:3]


@pytest.mark.parametrize("style", ["low-level", "keras"])
def test_onnx_models_do_what_the_network_of_either_style_does(smoke, tmp_path, style, capsys):
    run = smoke("dense_ae")
    assert exported(run, tmp_path / "out") == 0
    network, x = by_hand(run, "dense_ae", style)
    z = x
    for part in ("encoder", "decoder"):
        session = onnxruntime.InferenceSession(str(tmp_path / "out" / f"{style}-{part}.onnx"))
        (z,) = session.run(None, {"x": np.asarray(z)})
    is_keras = style == "keras"
    expected = network(x) if is_keras else network.decode(network.encode(tf.constant(x)))
    np.testing.assert_allclose(z, expected, rtol=1e-4, atol=1e-5)
    session = onnxruntime.InferenceSession(str(tmp_path / "out" / f"{style}-whole.onnx"))
    np.testing.assert_allclose(session.run(None, {"x": x})[0], expected, rtol=1e-4, atol=1e-5)
    assert capsys.readouterr().out.count("differs from Keras by at most") == 6


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


def test_an_output_that_differs_is_not_called_done(smoke, tmp_path, monkeypatch):
    monkeypatch.setattr(models, "_run_onnx", lambda _, x: np.zeros((len(x), 128), np.float32))
    run = smoke("dense_ae")
    with pytest.raises(InputError, match=r"low-level-encoder\.onnx: its output differs"):
        list(models.write(lesson("dense_ae"), run, "onnx", tmp_path / "out", False, None))
