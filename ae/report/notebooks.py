"""Lessons as notebooks: the same cells under headings, and a last one that trains and shows."""

import ast
import os
import textwrap
from pathlib import Path

from ae.errors import InputError
from ae.paths import REPOSITORY, remember, replacing

import jupytext
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell

CALL = 'if __name__ == "__main__":\n    cli.main(sys.modules[__name__])'  # a lesson's last lines
START = """import sys
from pathlib import Path

sys.path.insert(0, {folder!r})  # where the package ae is"""
TRAIN = """from ae import lessons
from ae.runs import records
from ae.runs.folder import is_unfinished

from IPython.display import Image, Markdown, display

this_lesson = lessons.gather(sys.modules[__name__], {name!r})  # the cells above, as they are now
options = cli.article_options(preset={preset!r})  # overwrite=True replaces a run of others
folder = Path("runs").resolve() / this_lesson.name
if is_unfinished(folder):  # it was interrupted and resumes; to start again delete "unfinished"
    record = cli.run_or_resume(this_lesson, options, folder)
else:
    record = cli.run(this_lesson, options, folder)
print(records.table([record]))
for training in [*record["trainings"], record["appendix"]]:
    for figure in training["figures"]:
        display(Markdown(f"**{{Path(figure).stem}}**"), Image(record["folder"] / figure))"""


def write(source: Path, folder: Path, preset: str) -> Path:
    """Writes a lesson as a notebook into a folder. The last cell trains with the preset.

    Raises:
        InputError: the folder cannot be used.
        ValueError: the file does not end as a lesson does.
    """
    notebook = jupytext.read(source)
    notebook.cells = _cells(notebook, source.stem, folder, preset)
    notebook.metadata = NotebookNode(
        kernelspec={"name": "python3", "display_name": "Python 3", "language": "python"}
    )
    path = folder / f"{source.stem}.ipynb"
    try:
        with replacing(path) as partial:
            jupytext.write(notebook, partial, fmt="ipynb")
        remember(folder, [path])
    except OSError as error:
        raise InputError(f"{folder}: notebooks cannot be written there ({error}).") from error
    return path


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
