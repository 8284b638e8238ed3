"""Lessons as notebooks: the lesson's cells and texts, each part tried out where it is defined."""

import ast
import inspect
import os
import re
import subprocess
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ae.errors import InputError
from ae.lesson import STYLES, Lesson
from ae.paths import REPOSITORY, remember, replacing
from ae.proof import exercises

import jinja2
import jupytext
import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

CALL = 'if __name__ == "__main__":\n    cli.main(sys.modules[__name__])'  # a lesson's last lines
CODE = re.compile(r"^```python\n(.*?)\n```$", re.MULTILINE | re.DOTALL)
TEMPLATE = Path(__file__).with_name("templates") / "notebook.md"
PLACED = (  # the titles of a lesson's cells that the template places
    *("Setup", "Data", "Low-level: network", "Low-level: loss", "Low-level: training"),
    *("Keras: network", "Keras: loss", "Keras: training", "Figure", "Run"),
)
ARGUMENTS = {  # what a loss takes: what the template's cells call it
    **{"x": "target", "y": "target", "z": "z"},
    **{"x_hat": "x_hat", "y_hat": "x_hat"},
}


def write(lesson: Lesson, folder: Path, preset: str) -> Path:
    """Writes a lesson as a notebook into a folder. The full run in it has the preset.

    Raises:
        InputError: the folder cannot be used, or the lesson's file lacks a cell.
    """
    introduction, *cells = jupytext.read(lesson.file).cells
    sources = {cell.metadata.title: cell.source for cell in cells}
    for title in PLACED:
        if title not in sources and not title.endswith("loss"):
            raise InputError(
                f"{lesson.name}: a notebook needs a cell '# %% {title}' in the lesson."
            )
    if not sources["Run"].endswith(CALL):
        raise InputError(f"{lesson.name}: the lesson's last cell must end in a call of cli.main.")
    sources["Run"] = sources["Run"].removesuffix(CALL).rstrip()
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined)
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    text = template.render(
        introduction=_introduction(lesson, ast.literal_eval(introduction.source)),
        about=_Texts(lesson, sources),
        followers=_followers(sources),
        **_values(lesson, sources, preset),
        **_project(folder),
    )
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = new_notebook(cells=list(_cells(text)), metadata={"kernelspec": kernel})
    path = folder / f"{lesson.name}.ipynb"
    try:
        with replacing(path) as partial:
            nbformat.write(notebook, partial)
        remember(folder, [path])
    except OSError as error:
        raise InputError(f"{folder}: notebooks cannot be written there ({error}).") from error
    return path


def _cells(text: str) -> Iterator[NotebookNode]:
    """Cuts a text at its Python code."""
    for number, part in enumerate(CODE.split(text)):
        if number % 2:
            yield new_code_cell(part)
        elif part.strip():
            yield new_markdown_cell(re.sub(r"\n{3,}", "\n\n", part.strip()))


def _introduction(lesson: Lesson, docstring: str) -> str:
    title, _, about = docstring.partition("\n")
    paragraphs = [f"# {title}", *map(_paragraph, about.strip("\n").split("\n\n"))]
    if lesson.link:
        paragraphs.append(f"[The article, or its code]({lesson.link})")
    return "\n\n".join(paragraphs)


def _paragraph(text: str) -> str:
    """Keeps the lines of what is set as a table or as code."""
    return f"```\n{textwrap.dedent(text)}\n```" if "   " in text else text


def _followers(sources: Mapping[str, str]) -> dict[str, list[str]]:
    """Lists, for each cell that the template places, those of other titles that follow it."""
    found: dict[str, list[str]] = {title: [] for title in PLACED}
    before = PLACED[0]
    for title in sources:
        if title in found:
            before = title
        else:
            found[before].append(title)
    return found


def _project(folder: Path) -> dict[str, str]:
    """Returns where a notebook in a folder finds the project, as Python writes it."""
    places = [os.path.relpath(REPOSITORY, folder), ".", "..", str(REPOSITORY)]
    return {"places": repr(places), "address": repr(_address())}


def _address() -> str:
    """Returns where this copy of the project was cloned from, without user and password, or ""."""
    command = ["git", "-C", str(REPOSITORY), "config", "--get", "remote.origin.url"]
    try:
        address = urlsplit(subprocess.run(command, capture_output=True, text=True).stdout.strip())
    except (OSError, ValueError):  # there is no git
        return ""
    public = address.scheme == "https" and address.hostname
    return f"https://{address.hostname}{address.path}" if public else ""


def _main_network(lesson: Lesson) -> str:
    """Chooses the network to follow: that which the lesson's name begins with, or the first."""
    own = [network for network in lesson.networks if lesson.name.startswith(network)]
    return next(iter(own or lesson.networks))


def _calls(lesson: Lesson, network: str) -> dict[str, str]:
    """Returns how the cells build a network in both styles, and what trains it."""
    found = {}
    for style, (build, train) in lesson.networks[network].items():
        build, train = build.args[0], train.args[0]  # the lesson's own, within partial functions
        seeded = "seed" in inspect.signature(build).parameters
        name = style.replace("-", "_")
        found[f"build_{name}"] = f"{build.__name__}({'seed=settings.seed' if seeded else ''})"
        found[f"train_{name}"] = train.__name__
    return found


def _values(lesson: Lesson, sources: Mapping[str, str], preset: str) -> dict[str, Any]:
    """Returns what the template says of a lesson and of the network that it follows."""
    main = _main_network(lesson)
    small = preset if preset == "smoke" else "quick"  # so that 200 steps take no hours
    network, model = (lesson.networks[main][style].build(lesson.presets[small]) for style in STYLES)
    several = len(model.get_layer("encoder").outputs) > 1
    commands = [exercises.command(lesson, exercise) for exercise in lesson.exercises]
    options = [command.partition(f" {lesson.name} ")[2] for command in commands]
    answers = [exercises.answer(lesson, exercise) for exercise in lesson.exercises]
    more = lesson.networks if len(lesson.networks) > 1 else ()
    loss, loss_of = _loss(sources.get("Low-level: loss", ""))
    return {
        **_calls(lesson, main),
        "lesson": lesson,
        "sources": sources,
        "preset": preset,
        "small": small,
        "z": "z, _" if several else "z",  # of a variational network, the mean comes first
        "noisy": hasattr(network, "noise"),  # which the Keras style draws for itself
        "name": f"`{main}`",
        "names": [f"`{network}`" for network in more],
        "others": {f"`{network}`": _calls(lesson, network) for network in more},
        "loss": loss,
        "loss_of": loss_of,
        "exercises": list(zip(lesson.exercises, options, answers, strict=True)),
        "before": f"--style {exercises.STYLE}",
    }


def _loss(source: str) -> tuple[str, str]:
    """Names the first function of a cell, and what to call it with; "" if that is not known."""
    functions = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]
    names = [argument.arg for argument in functions[0].args.args] if functions else []
    if not names or not ARGUMENTS.keys() >= set(names):
        return "", ""
    return functions[0].name, ", ".join(ARGUMENTS[name] for name in names)


class _Texts:
    """The lesson's own texts about its cells: what differs, its steps, their equations."""

    def __init__(self, lesson: Lesson, sources: Mapping[str, str]):
        self._lesson, self._sources = lesson, sources
        self._shown: set[str] = set()  # equations; each stands once

    def __call__(self, title: str) -> str:
        """Returns the texts about the cell of this title."""
        style, _, pair = title.partition(": ")
        texts, source = [], self._sources[title]
        if style == "Keras":
            loss = ["loss"] if pair == "training" and "Keras: loss" not in self._sources else []
            differs = self._lesson.differs
            texts = [differs[name] for name in [*loss, pair] if name in differs]
        steps = []
        for step in self._lesson.steps:
            pieces = {"Low-level": step.low_level, "Keras": step.keras}.get(style, ())
            if found := [f"`{piece}`" for piece in pieces if piece in source]:
                steps.append(f"- **{step.name}**: {', '.join(found)}")
                if step.equation and step.equation not in self._shown:
                    self._shown.add(step.equation)
                    steps.append(f"  $$ {step.equation} $$")
        return "\n\n".join([*texts, *(["Look for these pieces of code:"] if steps else []), *steps])
