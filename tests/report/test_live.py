"""The live networks of the pages, in a real browser, beside Keras."""

import base64
import dataclasses
import io
import shutil
from types import SimpleNamespace

from ae import report
from ae.lesson import ONLY_NETWORK, Style, heading_of
from ae.networks import codec, layers_of
from ae.pictures import read_grey, write_grey
from ae.report import live
from ae.runs.records import read_run
from ae.runs.saved import load_data, load_network, save_network

import jinja2
import keras
import numpy as np
import pytest
from keras import layers
from PIL import Image
from running import lesson, read_record

MEGABYTE = 1e6
DRAWING = ["dense_ae", "sigmoid_ae", "low_level_ae", "sparse_ae"]
PLANES = ["fashion_vae", "latent_space"]
LIVE = [*DRAWING, *PLANES, "document_cleaner"]
RUN = """([label, inputs, shape]) => inputs.map(
    (x) => Array.from(window.live.run(label, Float32Array.from(x), shape).at(-1)[0]))"""
CLEAN = """async ([label, grey, width, height]) =>
    Array.from(await window.live.clean(label, Uint8Array.from(grey), width, height))"""


@pytest.fixture
def open_page(open_file, pages):
    """Opens a page of the report by its name, in a browser that has no network."""
    return lambda name, **options: open_file(pages / f"{name}.html", offline=True, **options)


def networks_on(page):
    """The labels of the networks that a page holds."""
    text = page.locator(".live .networks").text_content()
    return page.evaluate("(text) => JSON.parse(text).networks.map((n) => n.label)", text)


def trained(name, run):
    """Yields the trained networks of a run, as codecs by label."""
    record, settings = read_run(lesson(name), run)
    for training in record["trainings"]:
        network = load_network(lesson(name), run, training, settings)
        yield heading_of(training["network"], training["style"]), training, codec(network)


def ran(page, label, x):
    """What the page makes of inputs (n, numbers)."""
    return np.array(page.evaluate(RUN, [label, x.tolist(), [x.shape[1]]]), "float32")


# Beside Keras


@pytest.mark.parametrize("name", DRAWING)
def test_digits_are_reconstructed_as_by_keras(open_page, smoke, name):
    record, settings = read_run(lesson(name), smoke(name))
    x = load_data(lesson(name), smoke(name), record, settings).x_test[:20]
    page = open_page(name)
    here = networks_on(page)
    assert any("Keras" in label for label in here)
    for label, _, network in trained(name, smoke(name)):
        if label in here:
            assert ran(page, label, x) == pytest.approx(network.reconstruct(x), abs=1e-3)


@pytest.mark.parametrize("name", PLANES)
def test_codes_are_decoded_as_by_keras(open_page, smoke, name):
    page = open_page(name)
    for label, training, network in trained(name, smoke(name)):
        low, high = training["plane"]["low"], training["plane"]["high"]
        z = np.random.default_rng(0).uniform(low, high, (20, 2)).astype("float32")
        assert ran(page, label, z) == pytest.approx(network.decode(z).reshape(20, -1), abs=1e-3)


@pytest.mark.parametrize("size", [(140, 100), (99, 141), (37, 2101), (1, 1)])
def test_a_page_is_cleaned_as_by_keras(open_page, smoke, size):
    """A page of 2101 columns is cleaned in several strips."""
    grey = np.random.default_rng(0).integers(0, 256, size, dtype="uint8")
    page = open_page("document_cleaner")
    for label, _, network in trained("document_cleaner", smoke("document_cleaner")):
        asked = [label, grey.ravel().tolist(), size[1], size[0]]
        cleaned = np.array(page.evaluate(CLEAN, asked)).reshape(size)
        expected = cleaned_by(grey, network.reconstruct) / 255
        assert cleaned == pytest.approx(expected, abs=1e-3)


def cleaned_by(grey, reconstruct):
    """What a network makes of a page, with an odd side repeated; in grey levels."""
    height, width = grey.shape
    even = np.pad(grey, [(0, height % 2), (0, width % 2)], mode="edge")
    return (
        255 * reconstruct((even / 255).astype("float32")[None, :, :, None])[0, :height, :width, 0]
    )


def small_page(tmp_path, model, image, count=1, plane=None):
    """Writes a page that holds one network, and no more than the report's own scripts."""
    save_network(model, tmp_path / "networks", "keras")
    write_grey(tmp_path / "input.png", image)
    record = {
        "trainings": [
            {
                "network": ONLY_NETWORK,
                "style": "keras",
                "saved": "networks/keras.keras",
                "plane": plane,
            }
        ],
        "examples": {"input": "input.png", "count": count},
    }
    styles = {"keras": Style(lambda settings: model, None)}
    a_lesson = dataclasses.replace(lesson("dense_ae"), networks={ONLY_NETWORK: styles})
    shown = live.of(a_lesson, tmp_path, record, a_lesson.presets["smoke"])
    if shown is None:
        return None
    shutil.copytree(report.FOLDER / "static", tmp_path / "static")
    templates = jinja2.Environment(loader=jinja2.FileSystemLoader(report.FOLDER / "templates"))
    html = templates.get_template("live.html").render(page=SimpleNamespace(live=shown))
    path = tmp_path / "page.html"
    head = "<!doctype html><meta charset=utf-8><link rel=icon href=data:,>"
    path.write_text(f"{head}<script src=static/live.js></script>{html}", encoding="utf-8")
    return path


def joined(inputs, encode, decode):
    """A Keras autoencoder of two lists of layers, with biases that are not zero."""
    keras.utils.set_random_seed(0)
    encoder = keras.Sequential([keras.Input([inputs]), *encode], name="encoder")
    decoder = keras.Sequential([keras.Input(encoder.output_shape[1:]), *decode], name="decoder")
    x = keras.Input([inputs])
    model = keras.Model(x, decoder(encoder(x)))
    for layer in layers_of(model):
        if hasattr(layer, "bias"):
            layer.bias.assign(np.random.default_rng(0).normal(size=layer.bias.shape))
    return model


IMAGE = np.random.default_rng(0).integers(0, 256, (28, 56), dtype="uint8")


def test_dense_layers_of_every_activation(open_file, tmp_path):
    units = [layers.Dense(n, a) for n, a in ((9, "elu"), (6, "tanh"), (5, "relu"), (3, "sigmoid"))]
    decode = [layers.Dense(7), layers.Activation("tanh"), layers.Dense(784, "sigmoid")]
    model = joined(784, units, decode)
    page = open_file(small_page(tmp_path, model, IMAGE, 2))
    x = np.random.default_rng(1).random((8, 784), dtype="float32")
    assert ran(page, "Keras", x) == pytest.approx(np.asarray(model(x)), abs=1e-4)


def test_layers_of_images_of_every_shape(open_file, tmp_path):
    """Kernels, strides and images are oblong, so that none can be taken for another."""
    decode = [
        layers.Dense(5 * 3 * 6, "relu"),
        layers.Reshape([5, 3, 6]),
        layers.Conv2DTranspose(5, (3, 2), strides=(2, 3), padding="same", activation="elu"),
        layers.Conv2DTranspose(3, (2, 5), strides=(1, 2), padding="same"),
        layers.Conv2D(7, (2, 3), strides=2, padding="same", activation="tanh"),
        layers.MaxPooling2D((2, 3), strides=(1, 2), padding="same"),
        layers.UpSampling2D((3, 2)),
        layers.Conv2D(2, (4, 3), strides=(2, 1), padding="same", activation="sigmoid"),
        layers.Flatten(),
    ]
    model = joined(4, [layers.Dense(2)], decode)
    z = np.random.default_rng(1).normal(size=(8, 2)).astype("float32")
    plane = {"codes": z.tolist()}
    page = open_file(small_page(tmp_path, model, IMAGE, plane=plane))
    expected = np.asarray(model.get_layer("decoder")(z))
    assert ran(page, "Keras", z) == pytest.approx(expected, abs=1e-4)


class Doubled(layers.Layer):
    def call(self, x):
        return 2 * x


@pytest.mark.parametrize(
    "unknown",
    [Doubled(), layers.LayerNormalization(), layers.Dense(9, "softmax"), layers.Softmax()],
)
def test_a_network_that_the_page_cannot_compute_is_left_out(tmp_path, unknown):
    encode, decode = [layers.Dense(9), unknown], [layers.Dense(784)]
    assert small_page(tmp_path, joined(784, encode, decode), IMAGE, 2) is None


def test_a_run_without_its_networks_has_no_live_part(smoke, tmp_path):
    shutil.copytree(smoke("dense_ae"), tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "networks")
    record, settings = read_run(lesson("dense_ae"), tmp_path / "run")
    assert live.of(lesson("dense_ae"), tmp_path / "run", record, settings) is None


# Its place in the page


@pytest.mark.parametrize("name", LIVE)
def test_a_live_part_takes_little_space(open_page, name):
    size = open_page(name).evaluate("document.querySelector('.live').outerHTML.length")
    size += sum((report.FOLDER / "static" / f"live.{end}").stat().st_size for end in ("js", "css"))
    assert size < 2.2 * MEGABYTE


@pytest.mark.parametrize("name", ["conv_denoiser", "contractive_ae"])
def test_other_lessons_have_none(open_page, name):
    assert open_page(name).locator(".live").count() == 0


def test_a_page_names_the_style_that_it_leaves_out(open_page):
    page = open_page("dense_ae")
    assert networks_on(page) == ["Keras"]
    assert "Only the Keras style is here" in page.locator(".live").inner_text()
    page = open_page("fashion_vae")
    assert networks_on(page) == ["low-level", "Keras"]
    assert "Only the" not in page.locator(".live").inner_text()


@pytest.mark.parametrize("name", LIVE)
def test_a_live_part_fits_a_phone(open_page, name):
    page = open_page(name, width=390)
    assert page.evaluate("document.documentElement.scrollWidth") == 390


# Drawing


def answer(page):
    """What the network got and made, once the page has caught up with the pen."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
    x, x_hat = page.evaluate("[window.live.x, window.live.x_hat].map((v) => Array.from(v))")
    return np.array(x), np.array(x_hat)


def draw(page, *points):
    """Draws a stroke; the pad reaches from 0 to 1."""
    pad = page.locator(".pad canvas")
    pad.scroll_into_view_if_needed()
    box = pad.bounding_box()
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=5)
    page.mouse.up()


@pytest.fixture
def drawing(open_page):
    page = open_page("sigmoid_ae")
    page.locator(".examples button").last.wait_for()
    return page


def test_a_stroke_changes_the_reconstruction(drawing):
    drawing.get_by_role("button", name="Clear").click()
    empty, of_empty = answer(drawing)
    assert not empty.any()
    draw(drawing, (0.3, 0.2), (0.7, 0.2))
    _, of_bar = answer(drawing)
    draw(drawing, (0.7, 0.2), (0.4, 0.8))
    x, of_seven = answer(drawing)
    assert np.abs(of_bar - of_empty).max() > 0.01
    assert np.abs(of_seven - of_bar).max() > 0.01
    shown = float(drawing.locator(".error").inner_text())
    assert shown == pytest.approx(np.mean((x - of_seven) ** 2), abs=6e-5)


def test_a_drawn_digit_is_like_one_of_mnist(drawing):
    """MNIST's digits fit into 20 x 20 pixels; their centres of mass are in the middle."""
    drawing.get_by_role("button", name="Clear").click()
    draw(drawing, (0.1, 0.1), (0.4, 0.1), (0.2, 0.5))
    small = answer(drawing)[0].reshape(28, 28)
    mass, (rows, columns) = small.sum(), np.mgrid[:28, :28]
    assert (small * rows).sum() / mass == pytest.approx(14, abs=0.1)
    assert (small * columns).sum() / mass == pytest.approx(14, abs=0.1)
    lit = np.argwhere(small > 0.1)
    assert (lit.max(axis=0) - lit.min(axis=0) + 1).max() in (20, 21)
    assert small.max() == pytest.approx(1)
    drawing.get_by_role("button", name="Clear").click()
    draw(drawing, (0.5, 0.4), (0.8, 0.4), (0.6, 0.8))
    assert answer(drawing)[0].reshape(28, 28) == pytest.approx(small, abs=0.2)
    drawing.get_by_role("checkbox").uncheck()
    as_drawn = answer(drawing)[0].reshape(28, 28)
    assert as_drawn[11, 14:22].min() > 0.5
    assert np.abs(as_drawn - small).max() > 0.5


def test_keys_choose_a_test_image_and_a_network(open_page, smoke):
    page, run = open_page("sparse_ae"), smoke("sparse_ae")
    tiles = read_grey(run / read_record(run)["examples"]["input"]) / 255
    page.locator(".examples button").nth(3).press("Enter")
    x, x_hat = answer(page)
    assert x == pytest.approx(tiles[:, 3 * 28 : 4 * 28].ravel(), abs=1e-6)
    page.get_by_role("button", name="kl Keras").press("Enter")
    again, of_kl = answer(page)
    assert (again == x).all()
    networks = {label: network for label, _, network in trained("sparse_ae", run)}
    for label, seen in (("l1 low-level", x_hat), ("kl Keras", of_kl)):
        expected = networks[label].reconstruct(x[None].astype("float32"))[0]
        assert seen == pytest.approx(expected, abs=1e-3)


def test_the_layers_are_shown_in_their_order(drawing):
    names = [text.split("\n")[0] for text in drawing.locator(".flow li").all_inner_texts()]
    assert names[0].startswith("x")
    assert names[2] == "z, the code"
    assert names[4].startswith("x_hat")
    sizes = drawing.locator(".flow li span").all_inner_texts()
    assert sizes[:5] == [f"{n} numbers" for n in (784, 256, 128, 256, 784)]


# On the plane


def pixels_of(canvas):
    """The grey values of a canvas, (height, width)."""
    text = canvas.evaluate("(canvas) => canvas.toDataURL()").split(",")[1]
    with Image.open(io.BytesIO(base64.b64decode(text))) as picture:
        return np.asarray(picture.convert("L")).astype(int)


@pytest.mark.parametrize("style", ["low-level", "Keras"])
def test_the_decoder_answers_on_the_plane(open_page, smoke, style):
    page = open_page("fashion_vae")
    networks = {
        label: network for label, _, network in trained("fashion_vae", smoke("fashion_vae"))
    }
    plane = page.locator(f".plane[data-label='{style}']")
    walk, decoded = plane.locator("canvas").first, plane.locator(".decoded canvas")
    walk.scroll_into_view_if_needed()
    box = walk.bounding_box()
    for x, y, key in ((0.1, 0.2, ""), (0.82, 0.37, ""), (0.82, 0.37, "ArrowLeft")):
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
        if key:
            walk.press(key)
        z = np.array([plane.evaluate("(plane) => plane.z")], "float32")
        expected = 255 * networks[style].decode(z)[0, :, :, 0]
        assert pixels_of(decoded) == pytest.approx(expected, abs=1)
        assert page.locator(".of-z").inner_text().startswith(f"{style}, z = ({z[0, 0]:.2f}")


# Cleaning


def scan_of(height, width):
    """A coloured picture whose corner is transparent, as the bytes of a PNG file."""
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 4), dtype="uint8")
    pixels[..., 3] = 255
    pixels[:5, :9, 3] = 0
    file = io.BytesIO()
    Image.fromarray(pixels, "RGBA").save(file, "PNG")
    return file.getvalue()


def drop(page, name, data):
    """Drops a file on the page, beside the place for it."""
    files = page.evaluate_handle(
        """([name, data]) => {
            const files = new DataTransfer();
            const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
            files.items.add(new File([bytes], name));
            return files;
        }""",
        [name, base64.b64encode(data).decode()],
    )
    page.locator("h1").dispatch_event("drop", {"dataTransfer": files})


def test_a_dropped_scan_is_cleaned_and_saved(open_page, smoke, tmp_path):
    page, scan = open_page("document_cleaner"), scan_of(47, 61)
    drop(page, "my.scan.png", scan)
    page.get_by_role("link", name="Save").wait_for()
    with page.expect_download() as saved:
        page.get_by_role("link", name="Save").click()
    assert saved.value.suggested_filename == "my.scan-cleaned.png"
    (tmp_path / "scan.png").write_bytes(scan)
    grey = read_grey(tmp_path / "scan.png")
    before = page.get_by_role("img", name="The scan")
    assert pixels_of(before) == pytest.approx(grey, abs=1)
    networks = {label: c for label, _, c in trained("document_cleaner", smoke("document_cleaner"))}
    expected = cleaned_by(grey, networks["low-level"].reconstruct)
    assert read_grey(saved.value.path()).astype(int) == pytest.approx(expected, abs=1)
    assert "Cleaned my.scan.png" in page.locator(".said").inner_text()


def test_a_chosen_scan_is_cleaned_by_the_chosen_style(open_page, smoke):
    page = open_page("document_cleaner")
    page.get_by_role("button", name="keras").click()
    scan = {"name": "a.png", "mimeType": "image/png", "buffer": scan_of(20, 31)}
    page.locator("input[type=file]").set_input_files(scan)
    page.get_by_role("link", name="Save").wait_for()
    networks = {label: c for label, _, c in trained("document_cleaner", smoke("document_cleaner"))}
    grey = pixels_of(page.get_by_role("img", name="The scan")).astype("uint8")
    cleaned = pixels_of(page.get_by_role("img", name="The cleaned page"))
    assert cleaned == pytest.approx(cleaned_by(grey, networks["Keras"].reconstruct), abs=1)


def test_the_sample_page_can_be_cleaned(open_page, smoke):
    page = open_page("document_cleaner")
    page.get_by_role("button", name="sample").press("Enter")
    page.locator(".sheet").wait_for()
    run = smoke("document_cleaner")
    sample = read_grey(run / read_record(run)["examples"]["input"])
    assert (pixels_of(page.get_by_role("img", name="The scan")) == sample).all()
    assert 0 <= page.evaluate("document.querySelector('.progress').value") <= 1


def test_a_large_scan_is_made_smaller(open_page):
    page = open_page("document_cleaner")
    white = io.BytesIO()
    Image.new("L", (2000, 1500), 255).save(white, "PNG")
    drop(page, "large.png", white.getvalue())
    page.locator(".said", has_text="2000 × 1500").wait_for()
    height, width = pixels_of(page.get_by_role("img", name="The scan")).shape
    assert 0.9e6 < height * width <= 1e6
    assert width / height == pytest.approx(4 / 3, abs=0.01)
    assert f"{width} × {height}" in page.locator(".said").inner_text()


def test_a_file_that_is_no_picture_is_refused(open_page):
    page = open_page("document_cleaner")
    drop(page, "letter.txt", b"Dear reader")
    page.locator(".said", has_text="cannot read letter.txt").wait_for()
    assert not page.locator(".result").is_visible()
