"""Lessons as notebooks: the same cells under headings, and a last one that trains and shows."""

import ast
import hashlib
import json
import os
import textwrap
from collections.abc import Sequence
from pathlib import Path

from ae.errors import InputError
from ae.paths import REPOSITORY, replacing

import jupytext
import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell

CALL = 'if __name__ == "__main__":\n    cli.main(sys.modules[__name__])'  # a lesson's last lines
START = """import sys
from pathlib import Path

sys.path.insert(0, {folder!r})  # where the package ae is"""
TRAIN = """from ae import lesson
from ae.runs import records
from ae.runs.folder import is_unfinished

from IPython.display import Image, Markdown, display

this_lesson = lesson.gather(sys.modules[__name__], {name!r})  # the cells above, as they are now
options = cli.article_options(preset={preset!r})
folder = Path("runs").resolve() / this_lesson.name
if is_unfinished(folder):  # it was interrupted and resumes; to start again delete "unfinished"
    record = cli.run_or_resume(this_lesson, options, folder)
else:
    record = cli.run(this_lesson, options, folder)
print(records.table([record]))
for training in [*record["trainings"], record["appendix"]]:
    for figure in training["figures"]:
        display(Markdown(f"**{{Path(figure).stem}}**"), Image(record["folder"] / figure))"""


class EditedError(Exception):
    """A notebook was run or edited since it was written, so writing it would lose work."""


def write(source: Path, folder: Path, preset: str) -> Path:
    """Writes a lesson as a notebook into a folder. The last cell trains with the preset.

    Raises:
        InputError: the folder cannot be used.
        EditedError: the notebook was run or edited since it was written.
        ValueError: the file does not end as a lesson does.
    """
    notebook = jupytext.read(source)
    notebook.cells = _cells(notebook, source.stem, folder, preset)
    notebook.metadata = NotebookNode(
        kernelspec={"name": "python3", "display_name": "Python 3", "language": "python"},
        written={"sha256": _digest(notebook.cells)},
    )
    path = folder / f"{source.stem}.ipynb"
    try:
        if path.exists() and not _is_as_written(path):
            raise EditedError(path)
        with replacing(path) as partial:
            jupytext.write(notebook, partial, fmt="ipynb")
    except OSError as error:
        raise InputError(f"--out {folder}: notebooks cannot be written there ({error}).") from error
    return path


def _digest(cells: Sequence[NotebookNode]) -> str:
    """Hashes what a reader may change: the cells' texts and their outputs."""
    contents = [[cell.source, cell.get("outputs", [])] for cell in cells]
    return hashlib.sha256(json.dumps(contents).encode()).hexdigest()


def _is_as_written(path: Path) -> bool:
    try:
        notebook = nbformat.read(path, as_version=4)
        return notebook.metadata["written"]["sha256"] == _digest(notebook.cells)
    except (nbformat.ValidationError, KeyError, TypeError, AttributeError, ValueError):
        return False  # this module did not write it


def _cells(notebook: NotebookNode, name: str, folder: Path, preset: str) -> list[NotebookNode]:
    introduction, *cells = notebook.cells
    title, _, about = ast.literal_eval(introduction.source).partition("\n")
    paragraphs = [f"# {title}", *map(_paragraph, about.strip("\n").split("\n\n"))]
    found = [
        new_markdown_cell("\n\n".join(paragraphs)),
        new_code_cell(START.format(folder=os.path.relpath(REPOSITORY, folder))),
    ]
    for cell in cells:
        found += [new_markdown_cell(f"## {cell.metadata.title}"), new_code_cell(cell.source)]
    last = found[-1]
    if not last.source.endswith(CALL):
        raise ValueError("A lesson's last cell ends in a call of cli.main.")
    last.source = last.source.removesuffix(CALL).rstrip()
    return [*found, new_code_cell(TRAIN.format(name=name, preset=preset))]


def _paragraph(text: str) -> str:
    """Keeps the lines of what is set as a table or as code."""
    return f"```\n{textwrap.dedent(text)}\n```" if "   " in text else text
