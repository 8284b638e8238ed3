"""Every lesson as a notebook, executed as Jupyter would, and its file as an editor would."""

import dataclasses
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

from ae import cli
from ae.lesson import Exercise, Step
from ae.paths import REPOSITORY, WRITTEN
from ae.proof import exercises
from ae.report import notebooks
from ae.training.run import Run
from tutorials import __main__ as tutorials

import jupytext
import nbformat
import pytest
from nbclient import NotebookClient
from running import ADDED, EACH_LESSON, NAMES, lesson, nearly, read_record

SOURCES = Path(tutorials.__file__).parent
PARTS = [  # in this order; not every lesson has a loss of its own
    *("Setup", "Look at the data", "The low-level network", "The loss", "One gradient step"),
    *("200 steps", "The same in Keras", "Compare the styles", "The full run", "Exercises"),
]
QUICK = ("tiny_ae", "dense_ae")
LONG = [pytest.param(name, marks=pytest.mark.long) for name in NAMES if name not in QUICK]
EXECUTED = pytest.mark.parametrize("name", [*QUICK, *LONG])
BY_JUPYTER = pytest.mark.filterwarnings("default::DeprecationWarning")  # Jupyter's own


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("notebooks")
    arguments = ["notebooks", "--preset", "smoke", "--out", str(folder)]
    assert tutorials.main(arguments) == 0
    return folder


def read(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    return notebook


def of_kind(notebook, kind):
    return [cell.source for cell in notebook.cells if cell.cell_type == kind]


@EACH_LESSON
def test_a_notebook_holds_the_lesson_s_code_each_cell_once(folder, name):
    code = of_kind(read(folder / f"{name}.ipynb"), "code")
    source = (SOURCES / f"{name}.py").read_text(encoding="utf-8")
    _, *cells = re.split(r"^# %% .*\n", source, flags=re.MULTILINE)
    *cells, run = cells
    cells.append(run.partition('\nif __name__ == "__main__":')[0])
    assert len(cells) >= 9
    for cell in cells:
        assert code.count(cell.strip("\n")) == 1


@EACH_LESSON
def test_its_parts_come_in_order(folder, name):
    text = "\n".join(of_kind(read(folder / f"{name}.ipynb"), "markdown"))
    headings = re.findall(r"^## (.*)$", text, flags=re.MULTILINE)
    lacking = set() if lesson(name).exercises else {"Exercises"}
    assert headings == [part for part in PARTS if part not in lacking]


@EACH_LESSON
def test_each_cell_has_two_sentences_before_it(folder, name):
    before, in_a_row = None, 0
    for cell in read(folder / f"{name}.ipynb").cells:
        if cell.cell_type == "code":
            assert before is not None, cell.source  # each has a text of its own
            prose = re.sub(r"^#[^\n]*$|```.*?```|\$\$.*?\$\$", "", before, flags=re.M | re.S)
            assert len(re.findall(r"[.?!](?=\s|$)", prose)) >= 2, before
            before, in_a_row = None, in_a_row + 1
        else:
            before = cell.source
    assert in_a_row >= 15


@EACH_LESSON
def test_it_has_the_texts_of_the_page(folder, name):
    text = "\n".join(of_kind(read(folder / f"{name}.ipynb"), "markdown"))
    for step in lesson(name).steps:
        if step.equation:
            assert text.count(f"$$ {step.equation} $$") == 1
    for paragraph in lesson(name).differs.values():
        assert text.count(paragraph) == 1
    for exercise in lesson(name).exercises:
        assert exercise.task in text
        assert " ".join(exercise.options) in text


TASK = Exercise("Make the code small. What happens?", ("--code-size", "2"), "From {before:.2f} up.")
STEP = Step("code", ("x @ self.W1",), ("layers.Dense(units",), r"z = x W_1 + b_1")


def test_answers_are_folded_and_equations_stand_before_the_code(tmp_path, monkeypatch):
    taught = dataclasses.replace(
        lesson("tiny_ae"), steps=(STEP,), differs={"loss": "No loss."}, exercises=(TASK,)
    )
    answers = [{**exercises.about(TASK), "task": TASK.task, "before": 0.125, "after": 0.25}]
    (tmp_path / "tiny_ae.json").write_text(json.dumps({"answers": answers}))
    monkeypatch.setattr(exercises, "FOLDER", tmp_path)
    cells = read(notebooks.write(taught, tmp_path, "smoke")).cells
    (number,) = [n for n, cell in enumerate(cells) if "class Autoencoder" in cell.source]
    assert "$$ z = x W_1 + b_1 $$" in cells[number - 1].source
    (number,) = [n for n, cell in enumerate(cells) if "def train_keras" in cell.source]
    assert "No loss." in cells[number - 1].source  # tiny_ae has no cell for it
    exercise = cells[-2].source
    folded = exercise[exercise.index("<details>") : exercise.index("</details>")]
    assert "From 0.12 up." in folded
    assert exercise.index(TASK.task) < exercise.index("--code-size 2") < exercise.index(folded)
    assert cells[-1].cell_type == "code"


def test_a_lesson_of_several_networks_says_which_one_is_followed(folder):
    followed = {"low_level_ae": "class", "sparse_ae": "l1", "contractive_ae": "contractive"}
    for name, network in followed.items():
        text = "\n".join(of_kind(read(folder / f"{name}.ipynb"), "markdown"))
        assert f"this notebook follows `{network}`" in text
    assert "notebook follows" not in "".join(of_kind(read(folder / "dense_ae.ipynb"), "markdown"))


def test_200_steps_take_no_more_than_the_quick_preset_s_batches(tmp_path):
    """An article's minibatch may take a second."""
    path = notebooks.write(lesson("conv_denoiser"), tmp_path, "article")
    code = "\n".join(of_kind(read(path), "code"))
    assert 'presets_of(SETTINGS, "conv_denoiser")["quick"]' in code
    assert 'article_options(preset="article")' in code


def edit(notebook):
    notebook.cells[3].source += "# mine"


def keep_output(notebook):
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    output = nbformat.v4.new_output("stream", text="Step 100: Loss: 0.09")
    code[-1].outputs.append(output)


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


def test_a_file_that_is_no_lesson_is_refused(tmp_path):
    path = tmp_path / "other.py"
    path.write_text('"""Title."""\n\n# %% Setup\nx = 1\n')
    with pytest.raises(notebooks.InputError, match="needs a cell '# %% Data'"):
        notebooks.write(dataclasses.replace(lesson("tiny_ae"), file=path), tmp_path, "smoke")
    text = (ADDED / "tiny_ae.py").read_text(encoding="utf-8")
    path.write_text(text.replace("cli.main(sys.modules[__name__])", "pass"))
    with pytest.raises(notebooks.InputError, match="must end in a call of"):
        notebooks.write(dataclasses.replace(lesson("tiny_ae"), file=path), tmp_path, "smoke")


def test_a_folder_that_cannot_be_made_is_said_in_one_sentence(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert tutorials.main(["notebooks", "dense_ae", "--out", str(tmp_path / "file")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


# Executed


def execute(notebook, folder):
    client = NotebookClient(notebook, timeout=900, resources={"metadata": {"path": folder}})
    client.execute()
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def printed(cell):
    return "".join(output.text for output in cell.outputs if output.output_type == "stream")


def images(cell):
    return [o.data for o in cell.outputs if "image/png" in getattr(o, "data", {})]


@EXECUTED
@BY_JUPYTER
def test_a_moved_notebook_runs_and_shows_what_it_says(folder, name, tmp_path):
    if name == "tiny_ae":
        notebooks.write(lesson(name), folder, "smoke")
    elsewhere = tmp_path / "some folder"
    elsewhere.mkdir()
    notebook = read(shutil.copy(folder / f"{name}.ipynb", elsewhere))
    if name == "document_cleaner":
        for cell in notebook.cells:
            cell.source = cell.source.replace("(preset=", "(data='synthetic', preset=")
            cell.source = cell.source.replace("(settings.data,", "('synthetic',")
    cells = execute(notebook, elsewhere)
    steps = [cell for cell in cells if "short, network, examples)" in cell.source]
    steps += [cell for cell in cells if "short, model, examples)" in cell.source]
    for cell in steps:
        assert len(images(cell)) == 1  # the last, which replaced the others
    (one_step,) = [cell for cell in cells if "one_step, before)" in cell.source]
    assert re.search(r"loss before the step: [\d.e+]+, after it: [\d.e+]+\n", printed(one_step))
    (forward,) = [cell for cell in cells if "x_hat = network.decode(z)" in cell.source]
    assert len(images(forward)) == 1
    (compared,) = [cell for cell in cells if "curves({" in cell.source]
    assert len(images(compared)) == 2
    if "last mean loss" not in printed(compared):  # the network draws no noise
        difference = re.search(r"differ by at most (\S+) of", printed(compared))
        assert float(difference[1]) < 0.02  # rounding, which training magnifies
    (train,) = [cell for cell in cells if "cli.run(this_lesson" in cell.source]
    displayed = [o.data for o in train.outputs if o.output_type == "display_data"]
    captions = [data["text/markdown"].strip("*") for data in displayed if "text/markdown" in data]
    record = read_record(elsewhere / "runs" / name)
    assert record["preset"] == "smoke"
    assert record["source"] is None
    figures = [
        Path(figure).stem
        for training in [*record["trainings"], record["appendix"]]
        for figure in training["figures"]
    ]
    assert captions == figures
    assert len(images(train)) == len(figures) > 0
    for training in record["trainings"]:
        assert f"{training['history'][-1][record['printed_loss']]:.4f}" in printed(train)


def test_the_last_cell_resumes_the_run_that_was_interrupted(tmp_path, monkeypatch):
    path = notebooks.write(lesson("tiny_ae"), tmp_path, "smoke")
    _, *cells, train = of_kind(read(path), "code")
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


# The first cell, where the package cannot be imported

PIP = "import json, sys\nopen({log!r}, 'a').write(json.dumps(sys.argv[1:]) + '\\n')\n"
GIT = """#!/bin/sh
echo "$@" >> {log}
for target; do :; done
cp -r {project} "$target"
"""


@pytest.fixture
def first_cell(folder, tmp_path, monkeypatch):
    """Runs the first cell in a folder, with pip and git that only write down what they are asked.

    Returns what it prints at the end, the folder of the project, and what was written down.
    """
    cell = of_kind(read(folder / "dense_ae.ipynb"), "code")[0]
    log = tmp_path / "log"
    (tmp_path / "fakes" / "pip").mkdir(parents=True)
    (tmp_path / "fakes" / "pip" / "__init__.py").write_text("")
    (tmp_path / "fakes" / "pip" / "__main__.py").write_text(PIP.format(log=str(log)))
    git = tmp_path / "fakes" / "git"
    git.write_text(GIT.format(log=log, project=project_in(tmp_path / "origin")))
    git.chmod(0o755)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "fakes"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'fakes'}:/usr/bin:/bin")

    def run(here, places=(), address=""):
        code = re.sub(r"(?m)^PLACES = .*", f"PLACES = {list(map(str, places))!r}", cell)
        code = re.sub(r"(?m)^ADDRESS = .*", f"ADDRESS = {address!r}", code)
        script = [sys.executable, "-c", f"{code}\nprint(sys.path[0])"]
        done = subprocess.run(script, cwd=here, capture_output=True, text=True)
        written = log.read_text().splitlines() if log.exists() else []
        return done, written

    return run


def project_in(folder, needs="", needs_imgaug=""):
    (folder / "ae").mkdir(parents=True)
    (folder / "ae" / "lesson.py").write_text("")
    (folder / "requirements.txt").write_text(f"# What is needed\n{needs}\n")
    (folder / "requirements-imgaug.txt").write_text(needs_imgaug)
    return folder


def test_the_first_cell_knows_where_the_project_was_and_is(folder):
    cell = of_kind(read(folder / "dense_ae.ipynb"), "code")[0]
    places = re.search(r"(?m)^PLACES = (\[.*\])", cell)[1]
    assert repr(str(REPOSITORY)) in places
    relative = [p for p in json.loads(places.replace("'", '"')) if not p.startswith("/")]
    assert REPOSITORY in [(folder / place).resolve() for place in relative]


@pytest.mark.parametrize("where", ["above", "beside", "below", "remembered"])
def test_the_first_cell_finds_the_project(first_cell, tmp_path, where):
    here = tmp_path / "home" / "lessons"
    lies = {"above": here.parent, "beside": here.parent / "project", "below": here / "project"}
    project = project_in(lies.get(where, tmp_path / "far"))
    here.mkdir(parents=True, exist_ok=True)
    done, written = first_cell(here, places=[".", "..", project][: 3 if where[0] == "r" else 2])
    assert done.stdout.split("\n")[-2] == str(project)
    assert written == []


def test_the_first_cell_clones_the_project(first_cell, tmp_path):
    here = tmp_path / "home" / "lessons"
    here.mkdir(parents=True)
    done, written = first_cell(here, address="https://example.org/some/project.git")
    assert done.stdout.split("\n")[-2] == str(here / "project")
    assert written == [f"clone --depth 1 https://example.org/some/project.git {here / 'project'}"]
    done, written = first_cell(here, address="https://example.org/some/project.git")
    assert len(written) == 1  # found the second time


def test_the_first_cell_says_what_to_do_where_there_is_no_project(first_cell, tmp_path):
    here = tmp_path / "home" / "lessons"
    here.mkdir(parents=True)
    done, written = first_cell(here)
    assert done.returncode != 0
    assert "Put this notebook into the project's folder" in done.stderr.splitlines()[-1]
    assert written == []


def test_the_first_cell_installs_what_is_missing_and_no_second_tensorflow(first_cell, tmp_path):
    missing = "no-such-package >=1,<2 ; python_version > '3'"
    needs = f"numpy >=2\n{missing}\ntensorflow-cpu >=2\ntensorflow >=2\n"
    project = project_in(tmp_path / "home" / "project", needs, "nor-this ==0.1  # a fork\n")
    _, written = first_cell(project)
    assert [json.loads(line) for line in written] == [
        ["install", "--quiet", missing],
        ["install", "--quiet", "--no-deps", "nor-this ==0.1"],
    ]


@pytest.mark.parametrize(
    ("origin", "address"),
    [
        ("https://example.org/some/project.git", "https://example.org/some/project.git"),
        ("https://me:secret@example.org/project", "https://example.org/project"),
        ("/home/me/project", ""),
    ],
)
def test_the_address_is_that_of_the_clone_and_keeps_no_secret(
    tmp_path, monkeypatch, origin, address
):
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    subprocess.run(["git", "-C", tmp_path, "remote", "add", "origin", origin], check=True)
    monkeypatch.setattr(notebooks, "REPOSITORY", tmp_path)
    path = notebooks.write(lesson("tiny_ae"), tmp_path / "out", "smoke")
    assert f"\nADDRESS = {address!r}  #" in of_kind(read(path), "code")[0]
    assert "secret" not in path.read_text(encoding="utf-8")


# A lesson's file that an editor opens as a notebook

SMALL = """
from dataclasses import replace
SETTINGS = replace(SETTINGS, num_epochs=1, num_train=64, num_test=32, jit_compile=False)
"""


@EXECUTED
@BY_JUPYTER
def test_a_file_opened_as_a_notebook_runs_with_its_defaults(name, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    notebook = jupytext.read(lesson(name).file)
    for cell in notebook.cells:
        cell.source = cell.source.replace("(settings.data,", "('synthetic',")
        if cell.metadata.get("title") == "Setup":
            cell.source += SMALL
    cells = execute(notebook, tmp_path)
    assert "SystemExit" not in json.dumps(notebook)
    known = "notebook" if name == "tiny_ae" else name  # whose article the kernel does not see
    record = read_record(tmp_path / "runs" / known)
    assert (record["lesson"], record["preset"]) == (known, "article")
    assert [t["style"] for t in record["trainings"]] == ["low-level", "keras"] * (
        len(record["trainings"]) // 2
    )
    for training in record["trainings"]:
        assert f"{training['history'][-1][record['printed_loss']]:.4f}" in printed(cells[-1])


@pytest.fixture
def in_kernel(monkeypatch):
    """Lets the command line believe that a kernel runs it; returns what it would run."""
    monkeypatch.setattr("IPython.get_ipython", object)
    monkeypatch.setattr(sys, "argv", ["ipykernel_launcher.py", "-f", "kernel.json"])
    ran = []
    monkeypatch.setattr(cli, "run_script", lambda lesson, given: ran.append((lesson.name, given)))
    return ran


@EACH_LESSON
def test_cells_in_a_kernel_know_their_lesson(name, in_kernel):
    module = ModuleType("cells")
    of_file = vars(sys.modules[f"tutorials.{name}"])
    vars(module).update({k: v for k, v in of_file.items() if not k.startswith("__")})
    assert cli.main(module) is None
    module.__file__ = str(SOURCES / f"{name}.py")  # as some editors set it
    assert cli.main(module) is None
    assert in_kernel == [(name, [])] * 2


def test_a_file_that_a_kernel_runs_keeps_its_arguments(in_kernel, monkeypatch):
    module = sys.modules["tutorials.dense_ae"]
    monkeypatch.setattr(sys, "argv", [module.__file__, "--style", "keras"])  # by %run
    with pytest.raises(SystemExit):
        cli.main(module)
    assert in_kernel == [("dense_ae", ["--style", "keras"])]
