"""The slides of lessons, in a real browser, and the first page of the report."""

import copy
import dataclasses
import re

from ae import report
from ae.report import verdicts
from ae.report.equations import mathml

import pytest
from running import LESSONS, lesson, read_record

SHOWN = ("dense_ae", "sparse_ae", "contractive_ae", "latent_space")  # short and long
EACH_SHOWN = pytest.mark.parametrize("name", SHOWN)


@pytest.fixture(scope="module")
def slides(smoke, tmp_path_factory):
    """A report with slides, of smoke runs."""
    out = tmp_path_factory.mktemp("slides") / "report"
    runs = {name: smoke(name) for name in SHOWN}
    report.write([lesson(name) for name in SHOWN], runs, out, with_slides=True)
    return out


@pytest.fixture
def open_slides(open_file, slides):
    def open_slides(name, number=1, width=1280, height=720, **options):
        path = slides / f"{name}-slides.html"
        return open_file(path, width, height, f"#{number}", **options)

    return open_slides


def shown(page):
    """The numbers of the slides that are seen."""
    visible = page.locator(".slide:visible")
    return [int(visible.nth(k).get_attribute("id")) for k in range(visible.count())]


def test_keys_walk_through_all_slides_and_back(open_slides):
    page = open_slides("dense_ae")
    count = page.locator(".slide").count()
    assert count > 8
    walked = [shown(page)]
    for key in ["ArrowRight", " ", "PageDown", *["ArrowRight"] * count]:
        page.keyboard.press(key)
        walked.append(shown(page))
    assert walked[:count] == [[number] for number in range(1, count + 1)]
    assert walked[count:] == [[count]] * 4
    assert page.locator("output").inner_text() == f"{count} / {count}"
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("PageUp")
    page.keyboard.press("Shift+ ")
    assert shown(page) == [count - 3]
    page.keyboard.press("Home")
    assert shown(page) == [1]
    page.keyboard.press("ArrowLeft")
    assert shown(page) == [1]
    page.keyboard.press("End")
    assert shown(page) == [count]


def test_the_address_names_the_slide(open_slides):
    page = open_slides("dense_ae", 5)
    assert shown(page) == [5]
    page.keyboard.press("ArrowRight")
    assert page.url.endswith("#6")
    page.reload()
    assert shown(page) == [6]
    page.evaluate("location.hash = '#3'")
    page.wait_for_selector("[id='3']:visible")
    assert shown(page) == [3]
    assert shown(open_slides("dense_ae", 1000)) == [page.locator(".slide").count()]


def test_a_click_a_swipe_and_the_full_screen(open_slides):
    page = open_slides("dense_ae", has_touch=True)
    page.get_by_role("button", name="Next slide").click()
    assert shown(page) == [2]
    page.keyboard.press(" ")  # the button did not take the focus
    assert shown(page) == [3]
    swipe = """([from, to]) => {
        const at = (x) => new Touch(
            { identifier: 1, target: document.body, clientX: x, clientY: 9 });
        const send = (type, now, all) => document.body.dispatchEvent(
            new TouchEvent(type, { bubbles: true, touches: all, changedTouches: [now] }));
        send("touchstart", at(from), [at(from)]);
        send("touchend", at(to), []);
    }"""
    page.evaluate(swipe, [300, 100])
    assert shown(page) == [4]
    page.evaluate(swipe, [100, 300])
    page.evaluate(swipe, [300, 290])
    assert shown(page) == [3]
    page.keyboard.press("f")
    page.wait_for_function("document.fullscreenElement !== null")
    page.keyboard.press("f")
    page.wait_for_function("document.fullscreenElement === null")


TOO_LARGE = """() => {
    const slide = document.querySelector(".slide.current");
    const frame = slide.getBoundingClientRect();
    return [slide, ...slide.querySelectorAll("*")].filter((element) => {
        const box = element.getBoundingClientRect();
        const outside = box.width > 0 && (box.right > frame.right + 1 || box.left < frame.left - 1
            || box.bottom > frame.bottom + 1 || box.top < frame.top - 1);
        const inline = !(element instanceof HTMLElement)
            || getComputedStyle(element).display === "inline";
        return outside || (!inline && (element.scrollWidth > element.clientWidth + 1
            || element.scrollHeight > element.clientHeight + 1));
    }).map((element) => `${slide.id}: ${element.outerHTML.slice(0, 200)}`);
}"""


@EACH_SHOWN
@pytest.mark.parametrize(("width", "height"), [(1280, 720), (1024, 768)])
def test_nothing_is_cut(open_slides, name, width, height):
    page = open_slides(name, width=width, height=height)
    for _ in range(page.locator(".slide").count()):
        assert page.evaluate(TOO_LARGE) == []
        page.keyboard.press("ArrowRight")


@EACH_SHOWN
def test_code_can_be_read_from_the_last_row(open_slides, name):
    page = open_slides(name)
    sizes = page.evaluate(
        "[...document.querySelectorAll('.slide pre')].map((e) => getComputedStyle(e).fontSize)"
    )
    assert sizes
    assert min(float(size.removesuffix("px")) for size in sizes) >= 14


def test_the_rest_of_a_wrapped_line_has_a_mark(open_slides):
    page = open_slides("contractive_ae")
    page.locator(".slide").evaluate_all("all => all.forEach(e => e.classList.add('current'))")
    rows, marked = page.evaluate("""() => {
        const lines = [...document.querySelectorAll("[data-style] .slide-line")];
        const rows = lines.map((line) => Math.round(line.offsetHeight
            / parseFloat(getComputedStyle(line).lineHeight)));
        const heights = lines.map((line) => parseFloat(getComputedStyle(line, "::after").height)
            / parseFloat(getComputedStyle(line).lineHeight));
        return [rows, heights.map(Math.round)];
    }""")
    assert max(rows) > 1
    assert [number - 1 for number in rows] == marked


@EACH_SHOWN
@pytest.mark.parametrize("style", ["Low-level", "Keras"])
def test_every_line_of_the_cells_is_on_one_slide(open_slides, name, style):
    page = open_slides(name)
    shown = page.locator(f"[data-style='{style}'] .slide-line").all_text_contents()
    cells = dict(re.findall(r"^# %% (.*)\n((?:(?!# %% ).*\n)*)", source_of(name), flags=re.M))
    parts = [cells.get(f"{style}: {part}", "") for part in ("network", "loss", "training")]
    expected = [line for part in parts if part for line in part.rstrip().split("\n")]
    assert len(expected) > 20
    assert [line.rstrip("\n") for line in shown] == expected


def source_of(name):
    return lesson(name).file.read_text(encoding="utf-8")


def test_slides_print_one_to_a_page(open_slides):
    page = open_slides("latent_space", color_scheme="dark")
    printed = page.pdf(prefer_css_page_size=True)
    boxes = re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", printed)
    assert len(boxes) == page.locator(".slide").count()
    assert all(float(width) > float(height) for width, height in boxes)
    page.emulate_media(media="print")
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert min(map(int, re.findall(r"\d+", paper)[:3])) > 240  # nobody prints a dark page
    assert not page.locator(".slide-foot").is_visible()


def test_slides_are_light_or_dark(open_slides):
    colour = "getComputedStyle(document.body).backgroundColor"
    light, dark = (
        open_slides("dense_ae", color_scheme=scheme).evaluate(colour)
        for scheme in ("light", "dark")
    )
    assert light != dark


def test_slides_and_pages_link_to_each_other(open_file, slides, pages):
    page = open_file(slides / "dense_ae.html")
    page.get_by_role("link", name="Slides", exact=True).click()
    assert page.url.endswith("/dense_ae-slides.html")
    page.locator(".slide-foot a").click()
    assert page.url.endswith("/dense_ae.html")
    for name in ("dense_ae", "index"):
        assert "slides.html" not in (pages / f"{name}.html").read_text(encoding="utf-8")


def words(text):
    return re.sub(r"[`\s]+", "", text)


@EACH_SHOWN
def test_the_texts_beside_the_lesson_are_on_its_slides(open_slides, name):
    page = open_slides(name)
    text = words(" ".join(page.locator(".slide").all_text_contents()))
    one = lesson(name)
    assert words(one.title) in text
    for shown in (*one.differs.values(), *(exercise.task for exercise in one.exercises)):
        assert text.count(words(shown)) == 1, shown
    count = page.locator(".slide-step").count()
    assert count == sum(bool(step.equation) for step in one.steps)
    assert page.locator(".slide-step math").count() >= count


# Equations.


def test_an_equation_is_set_in_mathml():
    assert re.fullmatch(
        r"<math .*display=\"block\">.*<mfrac>.*<mi>n</mi>.*</mfrac>.*</math>",
        mathml(r"\frac{1}{n} \sum_i x_i"),
    )


@pytest.mark.parametrize("latex", [r"\left( x", r"\nosuch{x}", "x & y", ""])
def test_a_mistake_in_an_equation_is_named(latex):
    with pytest.raises(ValueError) as caught:
        mathml(latex)
    assert repr(latex) in str(caught.value)


# The first page.


def test_a_card_shows_title_picture_and_verdict(open_file, pages):
    page = open_file(pages / "index.html")
    for one in LESSONS:
        card = page.locator(f"#{one.name}")
        link = card.locator("h2 a")
        assert link.inner_text() == one.title
        assert link.get_attribute("href") == f"{one.name}.html"
        assert card.locator("code").first.inner_text() == one.name
        picture = card.locator("img")
        assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") > 100
        assert "not compared" in card.locator(".verdict").inner_text()
        assert card.locator(".verdict").bounding_box()["height"] < 80


@pytest.mark.parametrize(
    ("name", "picture"),
    [("conv_denoiser", "clean-noisy-output"), ("low_level_ae", "layers-low-level")],
)
def test_a_card_shows_the_article_s_figure_of_the_last_network(pages, name, picture):
    card = (pages / "index.html").read_text(encoding="utf-8").partition(f'id="{name}"')[2]
    assert picture in re.search(r'<img src="([^"]+)"', card)[1]


@pytest.fixture
def summary(smoke):
    """Sums up a run of sigmoid_ae at the article's settings after a change of its record."""
    kept = verdicts.reproduced.kept("sigmoid_ae")[0].history

    def of(*factors, **settings):
        record = read_record(smoke("sigmoid_ae"))
        record["data"]["notice"] = ""
        article = dataclasses.asdict(lesson("sigmoid_ae").presets["article"])
        record["settings"] = article | settings
        for training, factor in zip(record["trainings"], factors, strict=True):
            logs = copy.deepcopy(list(kept))
            for log in logs:
                log["last_batch_loss"] *= factor
            training["history"] = logs
        return verdicts.summary(lesson("sigmoid_ae"), record)

    return of


def test_a_line_says_whether_losses_are_normal(summary):
    kind, text = summary(1, 1)
    assert kind == "passed"
    assert re.fullmatch(r"Normal: the losses 0\.\d+ and 0\.\d+ are as in our recorded runs\.", text)
    kind, text = summary(1, 2)
    assert kind == "unusual"
    assert text.startswith("Unusual: keras 0.")
    assert "low-level" not in text


def test_what_cannot_be_compared_is_neutral(summary):
    for settings in ({"num_train": 10_000}, {"variant": "corrected"}, {"learning_rate": 0.5}):
        kind, text = summary(1, 2, **settings)
        assert kind == "open"
        assert "not compared" in text.lower()
        assert not re.search("unusual|fail|wrong|lack", text.lower())
