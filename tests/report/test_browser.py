"""The report in a real browser: Debian's Chromium, or another that Playwright can drive."""

from ae.lesson import Exercise, Step

import pytest
from running import EACH_LESSON, LESSONS, NAMES, lesson


@pytest.fixture
def open_page(open_file, pages):
    """Opens a page of the report by its name."""
    return lambda name, **options: open_file(pages / f"{name}.html", **options)


def load_pictures(page):
    """Waits for every picture, also those that are fetched when they come near the window."""
    page.evaluate("""() => Promise.all([...document.images].map((image) => {
        image.loading = "eager";
        return image.decode();
    }))""")


def test_the_gallery_shows_every_lesson(open_page):
    page = open_page("index")
    load_pictures(page)
    assert page.locator(".card h2").all_inner_texts() == [one.title for one in LESSONS]
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


def boxes(page):
    """The boxes of the listings of each pair: low-level, Keras."""
    pairs = [pair.locator(".listing").all() for pair in page.locator(".columns").all()]
    return [[listing.bounding_box() for listing in pair] for pair in pairs if len(pair) == 2]


@EACH_LESSON
@pytest.mark.parametrize("width", [1400, 640])
def test_the_styles_stand_side_by_side_at_the_same_height(open_page, name, width):
    pairs = boxes(open_page(name, width=width))
    assert len(pairs) >= 2
    for left, right in pairs:
        assert left["y"] == right["y"]
        assert left["width"] == pytest.approx(right["width"], abs=1)
        assert left["width"] > 0.44 * width
        assert left["x"] + left["width"] <= right["x"]


@pytest.mark.parametrize("width", [1440, 960, 640, 390])
@pytest.mark.parametrize("size", ["1", "2"])
def test_no_line_of_code_is_wider_than_its_box(open_page, width, size):
    """Measures the letters themselves, because a box can cut what does not fit."""
    page = open_page("fashion_vae", width=width)
    page.evaluate("(size) => localStorage.setItem('size', size)", size)
    page.reload()
    lines = page.evaluate("""() => [...document.querySelectorAll(".columns .line")].map((line) => {
        const texts = document.createTreeWalker(line, NodeFilter.SHOW_TEXT);
        const edges = [0];
        while (texts.nextNode()) {
            for (const word of texts.currentNode.data.matchAll(/\\S+/g)) { // a space may hang over
                const letters = document.createRange();
                letters.setStart(texts.currentNode, word.index);
                letters.setEnd(texts.currentNode, word.index + word[0].length);
                edges.push(...[...letters.getClientRects()].map((rect) => rect.right));
            }
        }
        const height = parseFloat(getComputedStyle(line).lineHeight);
        const mark = getComputedStyle(line, "::after");
        return {
            over: Math.max(...edges) - line.getBoundingClientRect().right,
            rows: Math.round(line.getBoundingClientRect().height / height),
            marked: Math.round(parseFloat(mark.height) / height),
            mark: mark.content[1],
        };
    })""")
    assert max(line["over"] for line in lines) < 1
    assert [line["marked"] for line in lines] == [line["rows"] - 1 for line in lines]
    assert max(line["rows"] for line in lines) > 1
    assert {line["mark"] for line in lines} == {"\u21aa"}


def test_what_is_copied_is_the_file_s_code(open_file, taught):
    page = open_file(taught(), width=390)
    copied = page.evaluate("""() => {
        getSelection().selectAllChildren(document.querySelector("#code-network pre"));
        return getSelection().toString();
    }""")
    text = lesson("tiny_ae").file.read_text()
    assert copied.rstrip() == text.partition("Low-level: network\n")[2].partition("\n\n\n# %%")[0]


STEPS = (
    Step("code", ("x @ self.W1",), ("layers.Dense(units",), r"z = x W_1 + b_1"),
    Step("weights", ("self.W1 =", "self.W2 ="), ("layers.Dense(",)),
    Step("loop", ("for epoch in", "for rows in"), ("epochs=",)),
)
LOOP = [
    "for epoch in run.epochs(optimizer):",
    "for rows in run.chunks(order.epoch(epoch)):",
    "epochs=settings.num_epochs,",
]


@pytest.fixture
def joined(open_file, taught):
    """A page with joined lines, and a function that says which of the file's lines are marked."""
    page = open_file(taught(steps=STEPS))
    lines = [line.strip() for line in lesson("tiny_ae").file.read_text().split("\n")]

    def marked():
        numbers = page.locator(".line.marked").evaluate_all("all => all.map(e => e.dataset.number)")
        return [lines[int(number) - 1] for number in numbers]

    return page, marked


def test_to_point_at_a_line_marks_its_counterparts_and_nothing_else(joined):
    page, marked = joined
    assert marked() == []
    page.locator(".line", has_text="for rows in").hover()
    assert marked() == LOOP
    assert page.locator(".joint button").inner_text() == "loop"
    page.locator(".line", has_text="optimizer.build").hover()
    assert marked() == []
    assert not page.locator(".joint").is_visible()
    page.locator(".line", has_text="layers.Dense(units").hover()  # this line is part of two steps
    pieces = ("self.W1 =", "self.W2 =", "x @ self.W1", "layers.Dense(units", "layers.Dense(16")
    assert len(marked()) == len(pieces)
    assert all(piece in line for piece, line in zip(pieces, marked(), strict=True))


def test_to_focus_a_line_marks_its_counterparts_and_its_equation(joined):
    page, marked = joined
    page.locator(".line", has_text="epochs=settings").focus()
    assert marked() == LOOP
    line = page.locator(".line", has_text="x @ self.W1")
    line.focus()
    assert [found[:7] for found in marked()] == ["return ", "encoder"]
    assert "marked" in page.locator("#step-1").get_attribute("class")
    assert page.locator(".joint math").is_visible()
    assert line.get_attribute("aria-describedby") == "step-1"
    page.keyboard.press("Escape")
    assert marked() == []


def test_to_point_at_an_equation_marks_its_lines(joined):
    page, marked = joined
    page.locator(".steps math").hover()
    assert [found[:7] for found in marked()] == ["return ", "encoder"]


def test_a_button_keeps_its_lines_marked(joined):
    page, marked = joined
    button = page.locator(".steps").get_by_role("button", name="loop")
    button.press("Enter")
    page.locator("h1").hover()
    assert button.get_attribute("aria-pressed") == "true"
    assert marked() == LOOP
    button.press("Enter")
    assert button.get_attribute("aria-pressed") == "false"
    assert marked() == []
    button.press("Enter")
    page.keyboard.press("Escape")
    assert marked() == []


def test_the_buttons_work_by_touch(open_file, taught):
    page = open_file(taught(steps=STEPS), width=390, has_touch=True)
    page.locator(".steps").get_by_role("button", name="loop").tap()
    assert page.locator(".line.marked").count() == len(LOOP)
    page.locator(".joint a").last.tap()  # leads to the line in the other style
    assert page.locator(".line", has_text=LOOP[-1]).bounding_box()["y"] < 900


def sizes(page):
    """The sizes of the letters of text and of code."""
    of = "getComputedStyle(document.querySelector('{}')).fontSize"
    return [float(page.evaluate(of.format(tag))[:-2]) for tag in ("main p", ".listing pre")]


def test_the_text_can_be_made_larger_and_smaller(open_file, taught):
    page = open_file(taught())
    first = sizes(page)
    page.get_by_role("button", name="Larger text").press("Enter")
    larger = sizes(page)
    assert all(a < b for a, b in zip(first, larger, strict=True))
    page.reload()
    assert sizes(page) == larger
    for _ in range(12):
        page.get_by_role("button", name="Smaller text").press("Space")
    smallest = sizes(page)
    assert all(b < a for a, b in zip(first, smallest, strict=True))
    assert smallest[0] > 10


def test_the_largest_text_does_not_overflow_a_narrow_screen(open_file, taught):
    page = open_file(taught(steps=STEPS), width=390)
    for _ in range(8):
        page.get_by_role("button", name="Larger text").press("Enter")
    assert page.evaluate("document.documentElement.scrollWidth") == 390


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
    for left, right in boxes(page):
        assert right["y"] >= left["y"] + left["height"]
        assert right["x"] == left["x"]


def seen(locator):
    return locator.screenshot(animations="disabled")


@pytest.mark.parametrize("name", ["conv_denoiser", "document_cleaner"])
def test_a_slider_uncovers_the_input(open_page, name):
    page = open_page(name)
    load_pictures(page)
    stack, slider = page.locator(".stack").first, page.locator(".learning .cut").first
    pictures = []
    for value in ("0", "50", "100"):
        slider.fill(value)
        pictures.append(seen(stack))
    assert len(set(pictures)) == 3
    slider.focus()
    page.keyboard.press("ArrowLeft")
    assert slider.input_value() == "99"


def shown(page):
    """The epoch that is shown, the loss of each style, and the picture of each."""
    epoch, *losses = page.locator(".learning .epoch, .learning .loss").all_inner_texts()
    return epoch, losses, page.locator(".learning .over").evaluate_all("all => all.map(e => e.src)")


def test_one_slider_goes_through_the_epochs_of_both_styles(open_file, taught):
    page = open_file(taught())
    (_, first, _), slider = shown(page), page.locator(".time")
    for key, expected in (("ArrowRight", 2), ("ArrowRight", 4), ("End", 5), ("Home", 1)):
        slider.press(key)
        epoch, losses, pictures = shown(page)
        assert epoch == str(expected)
        assert (losses == first) == (expected == 1)
        names = [f"{style}-{expected:04}.png" for style in ("low-level", "keras")]
        assert all(a.endswith(b) for a, b in zip(pictures, names, strict=True))
        assert len(losses) == 2


def test_one_slider_uncovers_the_input_of_both_styles(open_file, taught):
    page = open_file(taught())
    load_pictures(page)
    before = [seen(stack) for stack in page.locator(".stack").all()]
    page.locator(".cut").fill("100")
    after = [seen(stack) for stack in page.locator(".stack").all()]
    assert len(before) == 2
    assert all(a != b for a, b in zip(before, after, strict=True))


def test_play_goes_on_by_itself_and_pause_stops_it(open_file, taught):
    page = open_file(taught())
    page.clock.install(time=0)
    page.reload()
    page.clock.pause_at(60)
    page.clock.run_for(10_000)
    assert shown(page)[0] == "1"  # nothing moves before somebody asks for it
    page.get_by_role("button", name="Play").press("Enter")
    page.clock.run_for(1000)
    page.get_by_role("button", name="Pause").press("Enter")
    assert shown(page)[0] == "2"
    page.clock.run_for(10_000)
    assert shown(page)[0] == "2"
    page.get_by_role("button", name="Play").press("Enter")
    page.clock.run_for(10_000)
    assert shown(page)[0] == "5"
    page.get_by_role("button", name="Play").press("Enter")  # it has ended, so it begins again
    assert shown(page)[0] == "1"


def test_the_pointer_walks_on_the_plane(open_page):
    page = open_page("fashion_vae")
    plane = page.locator(".plane").first
    canvas, tile = plane.locator("canvas[tabindex]"), plane.locator(".decoded")
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


def test_a_printed_page_has_no_controls_but_a_row_for_each_kept_epoch(open_file, taught):
    page = open_file(taught(steps=STEPS))
    assert not page.locator(".epochs").is_visible()
    page.emulate_media(media="print")
    for control in ("#theme", "#larger", ".time", ".cut", ".play", ".contents"):
        assert not page.locator(control).is_visible(), control
    rows = page.locator(".epochs tbody tr")
    assert rows.locator("th").all_inner_texts() == ["input", "1", "2", "4", "5"]
    load_pictures(page)
    assert all(row.locator("img").last.bounding_box()["width"] > 10 for row in rows.all())
    assert page.locator(".steps math").is_visible()
    for left, right in boxes(page):
        assert left["y"] == right["y"]


def test_paper_has_light_colours_even_where_the_page_is_dark(open_file, taught):
    colours = """() => ["body", ".listing", ".highlight", ".highlight .k"].map((name) => {
        const style = getComputedStyle(document.querySelector(name));
        return [style.color, style.backgroundColor];
    })"""
    found = {}
    for scheme in ("light", "dark"):
        page = open_file(taught(), color_scheme=scheme)
        found[scheme, "screen"] = page.evaluate(colours)
        page.emulate_media(media="print", color_scheme=scheme)
        found[scheme, "print"] = page.evaluate(colours)
    assert found["dark", "screen"] != found["light", "screen"]
    assert found["dark", "print"] == found["light", "print"] == found["light", "screen"]


def test_an_answer_is_folded_until_a_key_opens_it(open_file, taught):
    page = open_file(taught(exercises=(Exercise("Guess.", (), "It rises."),)))
    answer = page.locator("#exercises details p")
    assert not answer.is_visible()
    page.locator("#exercises summary").press("Enter")
    assert answer.is_visible()


def test_the_dots_of_all_classes_are_drawn_in_turn(open_page):
    page = open_page("fashion_vae")
    drawn, labels = page.evaluate("""() => {
        const colours = [];
        const fill = CanvasRenderingContext2D.prototype.fill;
        CanvasRenderingContext2D.prototype.fill = function () {
            colours.push(this.fillStyle);
            fill.call(this);
        };
        const root = document.querySelector(".plane");
        root.querySelector("canvas").dispatchEvent(new KeyboardEvent("keydown", {key: "ArrowUp"}));
        const data = JSON.parse(document.getElementById(root.dataset.plane).textContent);
        return [colours, data.labels];
    }""")
    assert len(drawn) == len(labels)
    for turn in (drawn[:10], drawn[10:20]):
        assert len(set(turn)) == len(set(labels)) == 10
