import copy
import dataclasses
import html
import json
import re
import shutil
from xml.etree import ElementTree

from ae import report
from ae.lesson import STYLES, Exercise, Step
from ae.proof import errata, exercises, reproduced
from ae.report import charts, source, verdicts
from tutorials import __main__ as tutorials

import keras
import pytest
from running import EACH_LESSON, NAMES, WITH_XLA, lesson, read_record, smoke_settings


def test_every_lesson_has_a_card_and_a_page(pages):
    index = (pages / "index.html").read_text()
    assert re.findall(r'<li class="card" id="(\w+)">', index) == list(NAMES)
    assert {path.stem for path in pages.glob("*.html")} == {"index", *NAMES}


def test_a_report_needs_nothing_but_its_folder(pages):
    for path in [*pages.glob("*.html"), *(pages / "static").iterdir()]:
        text = path.read_text()
        text = text.replace("http://www.w3.org/", "")  # names of SVG, which nobody fetches
        text = text.replace('<a href="https://', '<a href="')  # followed only by a click
        outside = r"""(?:src=|href=|url\()["']?(?:https?:)?//|@import|fetch\("""
        assert not re.search(outside, text)
        for link in re.findall(r'(?:src|href)="([^"#:]+)"', path.read_text()):
            assert (pages / link).is_file(), link
    frames = re.findall(r"data-frames='([^']+)'", (pages / "dense_ae.html").read_text())
    assert len(frames) == 2
    for frame in json.loads(frames[0]):
        assert (pages / frame["image"]).is_file()


def test_a_page_names_its_run_and_the_settings_that_are_not_its_presets(smoke, pages, tmp_path):
    assert "<dd>smoke</dd>" in (pages / f"{WITH_XLA}.html").read_text()
    run = tmp_path / "mine"
    shutil.copytree(smoke(WITH_XLA), run)
    record = read_record(run)
    record["settings"].update(learning_rate=0.5, seed=7)
    (run / "record.json").write_text(json.dumps(record))
    report.write([lesson(WITH_XLA)], {WITH_XLA: run}, tmp_path / "pages")
    text = (tmp_path / "pages" / f"{WITH_XLA}.html").read_text()
    assert "<dd>smoke, but learning_rate 0.5, seed 7</dd>" in text
    assert f"<dd>{run}</dd>" in text
    index = (tmp_path / "pages" / "index.html").read_text()
    assert "<caption>Preset smoke, but learning_rate 0.5, seed 7</caption>" in index


@EACH_LESSON
def test_errata_claims_and_losses_stand_on_the_page(smoke, pages, name):
    index = html.unescape((pages / "index.html").read_text())
    page = html.unescape((pages / f"{name}.html").read_text())
    prose = re.sub("</?code>", "`", page)
    for erratum in lesson(name).errata:
        for text in (erratum.quote, erratum.problem, erratum.effect, erratum.fix):
            assert not text or f">{text}</dd>" in prose, text
    for claim in lesson(name).claims:
        assert f"{claim.sentence} {claim.quantity}" in prose, claim.sentence
    record = read_record(smoke(name))
    for training in record["trainings"]:
        assert f"<td>{training['history'][-1][record['printed_loss']]:.4f}</td>" in index
    assert "`" not in page.partition('id="claims"')[2].partition('id="about"')[0]


def test_a_cell_of_the_header_may_take_several_lines_in_the_file(pages):
    rows = re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", (pages / "low_level_ae.html").read_text())
    training = dict(rows)["Training"]
    assert training.startswith("10 epochs. ")
    assert "batches of 64. Layers: " in training


@EACH_LESSON
def test_every_picture_has_words(pages, name):
    text = (pages / f"{name}.html").read_text()
    for tag in re.findall(r"<img[^>]*>", text):
        assert re.search(r'alt="[^"]{8,}"', tag), tag
    figures = text.partition('id="figures"')[2].partition('id="code"')[0]
    captions = re.findall(r"<figcaption>[a-zA-Z_ -]+: (.*?)</figcaption>", figures)
    assert len(captions) >= 2
    assert all(len(caption.split()) >= 4 for caption in captions), captions
    for tag in re.findall(r'<[^>]*role="img"[^>]*>', text):
        assert re.search(r'aria-label="[^"]{8,}"', tag), tag


@EACH_LESSON
def test_every_line_of_the_file_stands_in_one_cell_under_its_own_number(name):
    path = lesson(name).file
    lines = dict(enumerate(path.read_text().split("\n"), start=1))
    seen = []
    for cell in (cell for row in source.rows(path) for cell in row if cell):
        shown = re.findall(
            r'<span class="line"[^>]* data-number="(\d+)".*?>(.*?\n)</span>', cell.html
        )
        seen += [int(number) for number, _ in shown]
        for number, markup in shown:
            assert html.unescape(re.sub(r"<[^>]+>", "", markup)) == lines[int(number)] + "\n"
    assert len(seen) == len(set(seen))
    unseen = {line for number, line in lines.items() if number not in seen}
    assert all(not line or line.startswith("# %% ") for line in unseen)


@EACH_LESSON
def test_the_two_styles_stand_beside_each_other(name):
    rows = source.rows(lesson(name).file)
    pairs = [(left.title, right.title) for left, right in rows if right]
    alone = [left.title for left, right in rows if not right]
    parts = ["network", "loss", "training"]
    if "Low-level: loss" in alone:  # `compile` names the loss, so Keras has no cell for it
        parts.remove("loss")
        alone.remove("Low-level: loss")
    assert pairs == [(f"Low-level: {part}", f"Keras: {part}") for part in parts]
    assert alone == ["", "Setup", "Data", "Figure", "Run"]


def test_the_page_shows_the_file_that_ran(smoke, tmp_path):
    run = tmp_path / "dense_ae"
    shutil.copytree(smoke("dense_ae"), run)
    path = run / "dense_ae.py"
    assert path.read_text() == lesson("dense_ae").file.read_text()
    path.write_text(path.read_text().replace("h' = relu(h W + b)", "what ran on that day"))
    report.write([lesson("dense_ae")], {"dense_ae": run}, tmp_path / "report")
    assert "what ran on that day" in (tmp_path / "report" / "dense_ae.html").read_text()


STEPS = (
    Step("code", ("x @ self.W1",), ("layers.Dense(units",), r"z = x W_1 + b_1, \quad n < 5"),
    Step("loop", ("for epoch in", "for rows in"), ("epochs=",)),
)


def test_the_lines_of_a_step_are_those_that_hold_its_pieces():
    path = lesson("tiny_ae").file
    lines = path.read_text().split("\n")
    found = {}
    for cell in (cell for row in source.rows(path, STEPS) for cell in row if cell):
        for line in cell.lines:
            for step in line.steps:
                found.setdefault((cell.style, step), []).append(lines[line.number - 1].strip())
    assert found == {
        ("Low-level", 1): ["return x @ self.W1 + self.b1"],
        ("Low-level", 2): [
            "for epoch in run.epochs(optimizer):",
            "for rows in run.chunks(order.epoch(epoch)):",
        ],
        ("Keras", 1): [
            "encoder = keras.Model(x, layers.Dense(units, kernel_initializer=normal)(x), "
            'name="encoder")'
        ],
        ("Keras", 2): ["epochs=settings.num_epochs,"],
    }


def test_an_equation_is_typeset_once_and_cut_where_it_may_wrap(taught):
    page = taught(steps=STEPS).read_text()
    root = ElementTree.fromstring(f"<p>{''.join(re.findall('<math.*?</math>', page))}</p>")
    assert ["".join(equation.itertext()) for equation in root] == ["z=xW1+b1", "n<5"]
    assert r"\quad" not in page


def test_what_differs_stands_over_its_pair(taught):
    differs = {"network": "`Dense` owns its weights.", "training": "T."}
    page = taught(steps=STEPS, differs=differs).read_text()
    network, training = (page.index(f'id="code-{part}"') for part in ("network", "training"))
    assert network < page.index("<code>Dense</code> owns its weights.") < training
    assert training < page.index("T.</p>") < page.index('id="learning"')


def test_a_lesson_without_texts_has_its_code_side_by_side(taught):
    page = taught().read_text()
    assert page.count('<div class="columns">') == 2
    for absent in ("<math", "What differs", 'class="steps"', 'id="exercises"'):
        assert absent not in page


def test_an_exercise_has_a_command_and_a_folded_answer(taught, tmp_path, monkeypatch):
    monkeypatch.setattr(exercises, "FOLDER", tmp_path)
    answer = "From {before:.2f} to {after:.2f}."
    asked = Exercise("Use one `unit`.", ("--code-size", "1"), answer)
    folded = "<details><summary>Answer</summary><p>%s</p></details>"
    page = taught(exercises=(asked,)).read_text()
    command = "python -m tutorials tiny_ae --preset quick --style keras --code-size 1"
    words = " ".join(f"<span>{word}</span>" for word in command.split(" "))  # wraps at spaces only
    assert (
        f'<p>Use one <code>unit</code>.</p>\n<pre class="command"><code>{words}</code></pre>'
        in page
    )
    assert folded % "No answer is recorded yet." in page
    recorded = {"answers": [{**exercises.about(asked), "before": 0.125, "after": 0.25}]}
    (tmp_path / "tiny_ae.json").write_text(json.dumps(recorded))
    assert folded % "From 0.12 to 0.25." in taught(exercises=(asked,)).read_text()


def test_errata_with_a_measured_effect_come_first_and_the_others_are_folded(pages):
    a_lesson = lesson("dense_ae")
    measured = {entry["erratum"] for entry in errata.read(a_lesson)["measured"]}
    page = html.unescape((pages / "dense_ae.html").read_text()).partition('id="errata"')[2]
    first, _, folded = page.partition("<details>")
    others = [e.quote for e in a_lesson.errata if e.quote not in measured]
    assert measured and others
    assert all(f">{quote}</dd>" in first for quote in measured)
    assert all(f">{quote}</dd>" in folded for quote in others)


def test_a_page_leads_to_its_article_and_to_the_lessons_beside_it(pages):
    for number, name in enumerate(NAMES):
        page = html.unescape((pages / f"{name}.html").read_text())
        assert f'<a href="{lesson(name).link}">' in page
        beside = {"prev": NAMES[:number][-1:], "next": NAMES[number + 1 :][:1]}
        for rel, found in beside.items():
            links = re.findall(f'<a rel="{rel}" href="(.*?).html">(.*?)</a>', page)
            assert [link for link, _ in links] == list(found)
            assert all(lesson(link).title in text for link, text in links)


def test_the_first_pictures_are_of_one_kind_and_of_all_networks(pages):
    text = (pages / "contractive_ae.html").read_text()
    first, more = (
        re.findall(r'<img src="contractive_ae/figures/(\S+).png"', part)
        for part in text.partition('id="figures"')[2].split('id="more"')
    )
    styles = [(n, style) for n in lesson("contractive_ae").networks for style in STYLES]
    assert first == [f"{network}-{style}-reconstructions" for network, style in styles]
    assert len(more) > len(first)


def test_the_picture_that_compares_the_variants_is_among_the_first(smoke, tmp_path):
    report.write([lesson("sigmoid_ae")], {"sigmoid_ae": smoke("sigmoid_ae")}, tmp_path / "out")
    first = (tmp_path / "out" / "sigmoid_ae.html").read_text().partition('id="code"')[0]
    assert 'src="sigmoid_ae/figures/published-and-corrected.png"' in first


LARGE_CODES = {"contractive_ae", "document_cleaner", "sparse_ae"}  # not the smallest layer


@EACH_LESSON
def test_the_diagram_counts_all_parameters_and_narrows_at_the_code(name):
    for styles in lesson(name).networks.values():
        model = styles["keras"].build(smoke_settings(name))
        parts = charts.diagram(model, (258, 540))
        bars = [bar for _, rows in parts for row in rows for bar in row]
        assert sum(bar.parameters for bar in bars) == model.count_params()
        assert all(8 <= bar.width <= 100 for bar in bars)
        assert not any(None in bar.shape for bar in bars)
        if len(parts) == 2 and name not in LARGE_CODES:
            (code,), (code_again,) = parts[0][1][-1], parts[1][1][0]
            assert code.width == code_again.width == min(bar.width for bar in bars)


def kinds(rows):
    return [[bar.kind for bar in row] for row in rows]


def test_the_diagram_states_the_shapes_of_a_page():
    model = (
        lesson("document_cleaner")
        .networks["autoencoder"]["keras"]
        .build(smoke_settings("document_cleaner"))
    )
    (_, encoder), (_, decoder) = charts.diagram(model, (258, 540))
    assert [row[0].shape for row in encoder] == [(258, 540, 1), (258, 540, 64), (129, 270, 64)]
    assert decoder[-1][0].shape == (258, 540, 1)
    assert kinds(decoder) == [["Input"], ["Conv2D"], ["UpSampling2D"], ["Conv2D"]]


def test_layers_with_one_input_share_a_row_and_what_is_between_parts_closes_the_first():
    styles = lesson("fashion_vae").networks["autoencoder"]
    model = styles["keras"].build(smoke_settings("fashion_vae"))
    (_, encoder), (_, decoder) = charts.diagram(model, (28, 28))
    assert kinds(encoder[-3:]) == [["Dense"], ["Dense", "Dense"], ["Sampling"]]
    assert kinds(decoder[-2:]) == [["Conv2D"], ["VariationalLoss"]]


def test_a_model_without_parts_is_drawn_as_one():
    model = keras.Sequential([keras.Input([9]), keras.layers.Dense(3)], name="small")
    (name, rows), *others = charts.diagram(model, (1, 1))
    assert (name, others) == ("small", [])
    bars = [bar for row in rows for bar in row]
    assert [(b.kind, b.shape, b.parameters) for b in bars] == [
        ("Input", (9,), 0),
        ("Dense", (3,), 30),
    ]


@pytest.fixture
def record(smoke):
    """A run's record as if it had been made at the article's settings."""

    def of(name, **settings):
        record = read_record(smoke(name))
        record["preset"] = "article"
        record["data"]["notice"] = ""
        record["settings"].update(dataclasses.asdict(lesson(name).presets["article"]), **settings)
        return record

    return of


def cards(a_lesson, record):
    return {of: (kind, text) for of, kind, text in verdicts.verdicts(a_lesson, record)}


def test_a_card_says_of_each_training_whether_its_loss_is_normal(record):
    sigmoid = lesson("sigmoid_ae")
    normal = record("sigmoid_ae")
    losses = [logs["last_batch_loss"] for logs in reproduced.kept("sigmoid_ae")[0].history]
    for training, factor in zip(normal["trainings"], (1, 2), strict=True):
        training["history"] = [{"last_batch_loss": factor * loss} for loss in losses]
    found = cards(sigmoid, normal)
    assert [found[style][0] for style in ("low-level", "keras")] == ["passed", "unusual"]
    assert "normal. Our 12 runs had" in found["low-level"][1]
    normal["data"]["notice"] = "generated pages"
    kind, text = cards(sigmoid, normal)["keras"]
    assert kind == "open"
    assert text.endswith("; not compared: generated pages.")


def test_a_card_counts_the_claims_that_hold(record):
    measured = record("dense_ae")
    claim = {"claim": "c", "quantity": "q", "value": 1.0}
    claim |= {"at_least": 0, "at_most": None, "why": "w"}
    for training, holds in zip(measured["trainings"], (True, None), strict=True):
        training["claims"] = [{**claim, "holds": holds}]
    assert cards(lesson("dense_ae"), measured)["the article's claims"][0] == "passed"
    measured["trainings"][0]["claims"][0]["holds"] = None
    kind, text = cards(lesson("dense_ae"), measured)["the article's claims"]
    assert (kind, text) == ("open", "cannot be measured on this machine")
    measured["trainings"][0]["claims"][0]["holds"] = True
    measured["trainings"][1]["claims"][0]["holds"] = False
    kind, text = cards(lesson("dense_ae"), measured)["the article's claims"]
    assert (kind, text) == ("unusual", "1 of 2 measurements bear it out")


def test_the_curves_show_both_styles_and_what_was_published(record):
    sigmoid = lesson("sigmoid_ae")
    svg = charts.curves(sigmoid, "autoencoder", record("sigmoid_ae"))
    texts = " ".join(ElementTree.fromstring(svg).itertext())
    for word in ("low-level", "keras", "published", "epoch", "last batch loss"):
        assert word in texts
    assert charts.INK not in svg
    unpublished = record("sigmoid_ae", variant="corrected")
    assert "published" not in charts.curves(sigmoid, "autoencoder", unpublished)


@pytest.fixture
def page_of(smoke, tmp_path):
    """Writes the page of dense_ae's run after a change of its record."""

    def write(change):
        run = tmp_path / "run"
        shutil.copytree(smoke("dense_ae"), run)
        record = read_record(run)
        change(record)
        (run / "record.json").write_text(json.dumps(record))
        report.write([lesson("dense_ae")], {"dense_ae": run}, tmp_path / "report")
        return (tmp_path / "report" / "dense_ae.html").read_text()

    return write


def test_the_table_of_claims_says_what_held(page_of):
    def result(claim, holds, value):
        bound = {"at_least": 0.25, "at_most": None, "why": "w"}
        return {"claim": claim, "quantity": "q", "value": value, "holds": holds, **bound}

    def measure(record):
        low_level, keras = record["trainings"]
        low_level["claims"] = [result("c", True, 0.5), result("d", None, None)]
        keras["claims"] = [result("c", False, 0.1)]

    page = page_of(measure)
    assert '<th scope="col">low-level</th><th scope="col">Keras</th></tr>' in page
    one, other = ' data-of="low-level">', ' data-of="Keras">'
    row = '<tr><th scope="row">%s q</th><td>at least 0.25: w</td><td class="%s"%s%s</td>'
    assert row % ("c", "passed", one, "0.5, holds") in page
    assert f'<td class="failed"{other}0.1, fails</td></tr>' in page
    assert row % ("d", "open", one, "not measured") in page
    assert f'<td class="open"{other}–</td></tr>' in page


def test_a_run_of_a_notebook_has_a_page_without_source(page_of):
    page = page_of(lambda record: record.update(source=None))
    assert "made in a notebook" in page
    assert '<div class="listing"' not in page


def test_what_a_record_says_cannot_become_markup(page_of):
    page = page_of(lambda record: record.update(device="<script>alert(1)</script>"))
    assert "<script>alert" not in page


# The command.


def test_the_command_takes_the_newest_run_of_each_lesson(smoke, tmp_path, capsys):
    for folder, started in (("old", "2001"), ("new", "2002")):
        shutil.copytree(smoke("dense_ae"), tmp_path / folder)
        record = read_record(tmp_path / folder)
        record |= {"started": started, "device": f"the {folder} machine"}
        (tmp_path / folder / "record.json").write_text(json.dumps(record))
    capsys.readouterr()
    assert tutorials.main(["report", str(tmp_path)]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "report" / "index.html")
    page = (tmp_path / "report" / "dense_ae.html").read_text()
    assert "the new machine" in page
    assert "the old machine" not in page
    assert tutorials.main(["report", str(tmp_path)]) == 0  # its own report is replaced


def test_a_report_may_go_to_the_folder_that_one_is_in(smoke, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert tutorials.main(["report", str(smoke("dense_ae")), "--out", "."]) == 0
    assert (tmp_path / "index.html").is_file()


def test_a_damaged_picture_is_the_run_s_fault(smoke, tmp_path, capsys):
    run = tmp_path / "mine"
    shutil.copytree(smoke("dense_ae"), run)
    record = read_record(run)
    (run / record["examples"]["input"]).write_text("no picture")
    assert tutorials.main(["report", str(run), "--out", str(tmp_path / "pages")]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"{run}: ")
    assert "run the lesson again" in error


@pytest.mark.parametrize(
    "content", ["nothing", "a damaged record", "an older record", "no figures", "a lost figure"]
)
def test_what_cannot_be_reported_is_said_in_one_sentence(smoke, tmp_path, capsys, content):
    runs, out = tmp_path / "runs", tmp_path / "out"
    runs.mkdir()
    shutil.copytree(smoke("dense_ae"), runs / "first")
    assert tutorials.main(["report", str(runs), "--out", str(out)]) == 0
    before = (out / "index.html").read_bytes()
    capsys.readouterr()
    record = read_record(runs / "first")
    if content == "nothing":
        shutil.rmtree(runs / "first")
    elif content == "a damaged record":
        (runs / "first" / "record.json").write_text('{"lesson": "dense_ae"')
    elif content == "no figures":
        for training in record["trainings"]:
            training["figures"] = []
        (runs / "first" / "record.json").write_text(json.dumps(record))
    elif content == "a lost figure":
        (runs / "first" / record["trainings"][1]["figures"][0]).unlink()
    else:
        older = copy.deepcopy(record)
        del older["trainings"][0]["snapshots"]
        (runs / "first" / "record.json").write_text(json.dumps(older))
    assert tutorials.main(["report", str(runs), "--out", str(out)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert (out / "index.html").read_bytes() == before
    assert not list(tmp_path.glob(".*"))


def test_a_folder_that_is_no_report_is_not_overwritten(smoke, tmp_path, capsys):
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "dear.txt").write_text("dear")
    run = str(smoke("dense_ae"))
    assert tutorials.main(["report", run, "--out", str(tmp_path / "letters")]) == 2
    assert "dear.txt is there already" in capsys.readouterr().err
    assert (tmp_path / "letters" / "dear.txt").read_text() == "dear"
