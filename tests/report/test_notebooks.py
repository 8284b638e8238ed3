"""Every lesson as a notebook, executed as Jupyter would."""

import json
import sys
from pathlib import Path
from types import ModuleType

from ae.paths import WRITTEN
from ae.report import notebooks
from ae.training.run import Run
from tutorials import __main__ as tutorials

import nbformat
import pytest
from nbclient import NotebookClient
from running import ADDED, EACH_LESSON, NAMES, lesson, nearly, read_record

SOURCES = Path(tutorials.__file__).parent


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("notebooks")
    arguments = ["notebooks", "--preset", "smoke", "--out", str(folder)]
    assert tutorials.main(arguments) == 0
    return folder


@EACH_LESSON
def test_a_notebook_holds_the_lesson_s_code(folder, name):
    notebook = nbformat.read(folder / f"{name}.ipynb", as_version=4)
    nbformat.validate(notebook)
    cells = [cell.source for cell in notebook.cells if cell.cell_type == "code"][1:-1]
    source = (SOURCES / f"{name}.py").read_text()
    for code in cells:
        assert code in source
    headings = [c.source for c in notebook.cells if c.cell_type == "markdown"][1:]
    assert headings == [f"## {line[5:]}" for line in source.split("\n") if line[:5] == "# %% "]
    assert len(cells) == len(headings)


def edit(notebook):
    notebook.cells[3].source += "# mine"


def keep_output(notebook):
    output = nbformat.v4.new_output("stream", text="Step 100: Loss: 0.09")
    notebook.cells[-1].outputs.append(output)


@pytest.mark.parametrize("change", [edit, keep_output, "{", "{}", '{"cells": 3}', "[]"])
def test_only_a_notebook_that_nobody_touched_is_replaced(change, tmp_path, capsys):
    arguments = ["notebooks", "sigmoid_ae", "dense_ae", "--out", str(tmp_path)]
    assert tutorials.main(arguments) == 0
    path = tmp_path / "sigmoid_ae.ipynb"
    if isinstance(change, str):
        path.write_text(change)
    else:
        notebook = nbformat.read(path, as_version=4)
        assert tutorials.main([*arguments, "--preset", "smoke"]) == 0
        change(notebook)
        nbformat.write(notebook, path)
    before = path.read_bytes()
    capsys.readouterr()
    assert tutorials.main(arguments) == 2
    out, err = capsys.readouterr()
    assert err.startswith(f"{path} is there already, ")
    assert err.count("\n") == 1
    assert out == ""
    assert path.read_bytes() == before


def test_every_digit_tells_whether_somebody_touched_it(tmp_path, capsys):
    arguments = ["notebooks", "dense_ae", "--out", str(tmp_path)]
    assert tutorials.main(arguments) == 0
    digests = json.loads((tmp_path / WRITTEN).read_text())
    nearly_all = {name: nearly(digest) for name, digest in digests.items()}
    (tmp_path / WRITTEN).write_text(json.dumps(nearly_all))
    assert tutorials.main(arguments) == 2
    assert "dense_ae.ipynb is there already" in capsys.readouterr().err


@pytest.mark.parametrize(
    "name", ["tiny_ae", *(pytest.param(n, marks=pytest.mark.long) for n in NAMES)]
)
@pytest.mark.filterwarnings("default::DeprecationWarning")  # Jupyter's own
def test_a_notebook_runs_and_shows_its_figures(folder, name):
    if name == "tiny_ae":
        notebooks.write(ADDED / "tiny_ae.py", folder, "smoke")
    notebook = nbformat.read(folder / f"{name}.ipynb", as_version=4)
    if name == "document_cleaner":
        last = notebook.cells[-1]
        last.source = last.source.replace("'smoke'", "'smoke', data='synthetic'")
    client = NotebookClient(notebook, timeout=300, resources={"metadata": {"path": folder}})
    client.execute()
    outputs = notebook.cells[-1].outputs
    displayed = [output.data for output in outputs if output.output_type == "display_data"]
    captions = [data["text/markdown"].strip("*") for data in displayed if "text/markdown" in data]
    shown = [data for data in displayed if "image/png" in data]
    printed = "".join(output.text for output in outputs if output.output_type == "stream")
    record = read_record(folder / "runs" / name)
    assert record["preset"] == "smoke"
    assert record["source"] is None
    figures = [
        Path(figure).stem
        for training in [*record["trainings"], record["appendix"]]
        for figure in training["figures"]
    ]
    assert captions == figures
    assert len(shown) == len(figures) > 0
    for training in record["trainings"]:
        assert f"{training['history'][-1][record['printed_loss']]:.4f}" in printed


def test_the_last_cell_resumes_the_run_that_was_interrupted(tmp_path, monkeypatch):
    assert lesson("tiny_ae").title  # its article is found from now on
    path = notebooks.write(ADDED / "tiny_ae.py", tmp_path, "smoke")
    notebook = nbformat.read(path, as_version=4)
    _, *cells, train = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    monkeypatch.chdir(tmp_path)
    module = ModuleType("of_the_notebook")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    module.Path = Path
    for number, code in enumerate(cells):
        cell = tmp_path / f"cell_{number}.py"  # AutoGraph reads the source of what it compiles
        cell.write_text(code)
        exec(compile(code, cell, "exec"), vars(module))
    observe = Run.observe

    def interrupt(run, losses):
        labels.append(run.label)
        if stopping and run.label == "tiny_ae keras":
            raise KeyboardInterrupt
        observe(run, losses)

    monkeypatch.setattr(Run, "observe", interrupt)
    labels, stopping = [], True
    with pytest.raises(KeyboardInterrupt, match=f"--resume {tmp_path}/runs/tiny_ae"):
        exec(train, vars(module))
    assert "tiny_ae low-level" in labels
    labels, stopping = [], False
    exec(train, vars(module))
    assert set(labels) == {"tiny_ae keras"}
    assert [t["style"] for t in module.record["trainings"]] == ["low-level", "keras"]


def test_a_file_that_is_no_lesson_is_refused(tmp_path):
    path = tmp_path / "other.py"
    path.write_text('"""Title."""\n\n# %% settings\nx = 1\n')
    with pytest.raises(ValueError, match="ends in a call"):
        notebooks.write(path, tmp_path / "out", "smoke")


def test_a_folder_that_cannot_be_made_is_said_in_one_sentence(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert tutorials.main(["notebooks", "dense_ae", "--out", str(tmp_path / "file")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
