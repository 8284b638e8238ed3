"""The report in a real browser: Debian's Chromium, or another that Playwright can drive."""

import shutil

import pytest
from playwright.sync_api import Error, sync_playwright
from running import EACH_LESSON, NAMES


@pytest.fixture(scope="module")
def browser():
    """Starts a browser without a window, or skips where there is none."""
    installed = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(
                executable_path=installed, args=["--no-sandbox", "--disable-dev-shm-usage"]
            )
        except Error:
            pytest.skip("no browser: install Debian's chromium to test the report in one")
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser, pages):
    """Opens a page of the report; what the browser complains of fails the test at its end."""
    complaints = []
    contexts = []

    def open_page(name, width=1400, **options):
        contexts.append(browser.new_context(viewport={"width": width, "height": 900}, **options))
        page = contexts[-1].new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("requestfailed", lambda request: complaints.append(request.url))
        page.goto((pages / f"{name}.html").as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def load_pictures(page):
    """Waits for every picture, also those that are fetched when they come near the window."""
    page.evaluate("""() => Promise.all([...document.images].map((image) => {
        image.loading = "eager";
        return image.decode();
    }))""")


def test_the_gallery_shows_every_lesson(open_page):
    page = open_page("index")
    load_pictures(page)
    assert page.locator(".card h2").all_inner_texts() == list(NAMES)
    sizes = page.evaluate("[...document.images].map((i) => [i.naturalWidth, i.clientHeight])")
    assert len(sizes) == len(NAMES)
    assert all(natural > 50 and shown > 50 for natural, shown in sizes)


@EACH_LESSON
def test_every_picture_of_a_lesson_is_there(open_page, name):
    page = open_page(name)
    load_pictures(page)
    assert page.evaluate("[...document.images].every((i) => i.naturalWidth > 0)")
    assert page.evaluate("document.images.length") >= 4
    assert page.locator(".chart svg").first.bounding_box()["height"] > 100


@EACH_LESSON
def test_the_styles_begin_at_the_same_height(open_page, name):
    page = open_page(name)
    rows = page.locator(".row:not(.alone)")
    assert rows.count() >= 2
    for number in range(rows.count()):
        left, right = (rows.nth(number).locator(".listing").nth(k).bounding_box() for k in (0, 1))
        assert left["y"] == right["y"]
        assert left["width"] == right["width"] > 400
        assert left["x"] + left["width"] <= right["x"]
    whole = page.locator(".row.alone .listing").first.bounding_box()
    assert whole["width"] == pytest.approx(right["x"] + right["width"] - left["x"], abs=1)


def test_line_numbers_stand_beside_their_lines(open_page):
    page = open_page("fashion_vae")
    for listing in page.locator(".listing").all()[:4]:
        heights = [listing.locator(f"td.{part} pre").bounding_box() for part in ("linenos", "code")]
        assert heights[0]["y"] == heights[1]["y"]
        assert heights[0]["height"] == heights[1]["height"]


@EACH_LESSON
def test_the_header_is_a_table_of_the_article_and_one_of_commands(open_page, name):
    page = open_page(name)
    article, commands, *more = page.locator(".about").all()
    assert article.locator("dt").all_inner_texts()[0] == "Article"
    assert all(c.startswith("python -m ") for c in commands.locator("dt").all_inner_texts())
    for table in (article, commands, *more):
        for first, second in zip(*(table.locator(tag).all() for tag in ("dt", "dd")), strict=True):
            assert first.bounding_box()["y"] == second.bounding_box()["y"]
            assert second.inner_text()


@pytest.mark.parametrize("name", ["index", *NAMES])
def test_a_narrow_screen_is_not_overflown(open_page, name):
    page = open_page(name, width=390)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    if name != "index":
        cells = page.locator(".row:not(.alone)").first.locator(".listing")
        left, right = (cells.nth(k).bounding_box() for k in (0, 1))
        assert right["y"] >= left["y"] + left["height"]


def seen(locator):
    return locator.screenshot(animations="disabled")


@pytest.mark.parametrize("name", ["conv_denoiser", "document_cleaner"])
def test_a_slider_uncovers_the_input(open_page, name):
    page = open_page(name)
    load_pictures(page)
    stack, slider = page.locator(".stack").first, page.locator(".cut").first
    pictures = []
    for value in ("0", "50", "100"):
        slider.fill(value)
        pictures.append(seen(stack))
    assert len(set(pictures)) == 3
    slider.focus()
    page.keyboard.press("ArrowLeft")
    assert slider.input_value() == "99"


def test_a_slider_goes_through_the_epochs(open_page):
    """A smoke run has one epoch, so the page is given two pictures."""
    page = open_page("dense_ae")
    figure = page.locator(".learning").first
    page.evaluate("""() => {
        const old = document.querySelector(".learning");
        const figure = old.cloneNode(true);
        const frames = JSON.parse(old.dataset.frames);
        const input = old.querySelector(".under").getAttribute("src");
        figure.dataset.frames = JSON.stringify([{epoch: 1, loss: "0.5", image: input}, ...frames]);
        figure.querySelector(".time").max = 1;
        figure.querySelector(".time").value = 1;
        figure.querySelector(".time").disabled = false;
        old.replaceWith(figure);
        learning(figure);
    }""")
    figure.locator(".cut").fill("0")
    after = seen(figure.locator(".stack"))
    figure.locator(".time").focus()
    page.keyboard.press("ArrowLeft")
    load_pictures(page)
    assert figure.locator(".epoch").inner_text() == "1"
    assert figure.locator(".loss").inner_text() == "0.5"
    assert seen(figure.locator(".stack")) != after


def test_the_pointer_walks_on_the_plane(open_page):
    page = open_page("fashion_vae")
    plane = page.locator(".plane").first
    canvas, tile = plane.locator("canvas"), plane.locator(".decoded")
    canvas.scroll_into_view_if_needed()
    first = plane.locator(".z").inner_text(), seen(tile)
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + 0.1 * box["width"], box["y"] + 0.2 * box["height"])
    second = plane.locator(".z").inner_text(), seen(tile)
    assert first[0] != second[0]
    assert first[1] != second[1]
    assert len(plane.locator(".names").inner_text().split(", ")) == 3
    canvas.focus()
    for _ in range(6):
        page.keyboard.press("ArrowRight")
    third = plane.locator(".z").inner_text()
    assert float(third.split(", ")[0]) > float(second[0].split(", ")[0])
    assert third.split(", ")[1] == second[0].split(", ")[1]


def test_the_nearest_items_are_the_nearest(open_page):
    page = open_page("fashion_vae")
    plane = page.locator(".plane").first
    names, distances = page.evaluate("""() => {
        const root = document.querySelector(".plane");
        const data = JSON.parse(document.getElementById(root.dataset.plane).textContent);
        const far = data.codes.map((c, i) =>
            [Math.hypot(c[0] - root.z[0], c[1] - root.z[1]), data.classes[data.labels[i]]]);
        far.sort((a, b) => a[0] - b[0]);
        return [far.slice(0, 3).map((pair) => pair[1]), far.slice(0, 4).map((pair) => pair[0])];
    }""")
    assert distances == sorted(distances)
    assert plane.locator(".names").inner_text().split(", ") == names


def test_light_and_dark(open_page):
    page = open_page("dense_ae", color_scheme="dark")
    colour = "getComputedStyle(document.body).backgroundColor"
    code = "getComputedStyle(document.querySelector('.highlight')).backgroundColor"
    dark = page.evaluate(colour), page.evaluate(code)
    page.get_by_role("button", name="Light").press("Enter")
    light = page.evaluate(colour), page.evaluate(code)
    assert dark[0] != light[0]
    assert dark[1] != light[1]
    page.reload()
    assert page.evaluate(colour) == light[0]


def test_a_printed_page_shows_no_controls(open_page):
    page = open_page("dense_ae")
    page.emulate_media(media="print")
    assert not page.locator("#theme").is_visible()
    assert not page.locator(".time").first.is_visible()
    assert page.locator(".listing").first.is_visible()
