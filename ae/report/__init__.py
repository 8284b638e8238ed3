"""The report: the records of runs as pages that need neither internet nor server."""

import re
import shutil
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ae.errors import InputError
from ae.lesson import Lesson, heading_of
from ae.paths import files_in, move_into, refuse_to_overwrite, remove_written
from ae.proof import claims
from ae.report import source
from ae.report.content import page
from ae.report.slides import slides_of
from ae.terminal import bar

import jinja2
from markupsafe import Markup, escape
from PIL import UnidentifiedImageError

FOLDER = Path(__file__).resolve().parent
# What an incomplete or damaged run raises while its page is made.
_LACKS = (KeyError, TypeError, ValueError, IndexError, jinja2.UndefinedError)
_LACKS += (FileNotFoundError, UnidentifiedImageError)


def write(
    lessons: Sequence[Lesson],
    runs: Mapping[str, Path],
    out: Path,
    overwrite: bool = False,
    with_slides: bool = False,
) -> Path:
    """Writes the pages of lessons, each with its run's folder, and returns the first page.

    With slides, each lesson also has a page NAME-slides.html.

    A report in the folder `out` is replaced once the new one is complete. With `overwrite`, other
    files may be there; those with a name that a report needs are replaced.

    Raises:
        InputError: a run cannot be read or lacks something, or there are other files in `out`.
    """
    out = out.resolve()
    refuse_to_overwrite(out, files_in(out), overwrite)
    partial = out.with_name(f".{out.name}.{uuid.uuid4().hex}")  # another may be writing here too
    names, pages = [lesson.name for lesson in lessons], []
    titles = {lesson.name: lesson.title for lesson in lessons}
    try:
        shutil.copytree(FOLDER / "static", partial / "static")
        (partial / "static" / "code.css").write_text(source.stylesheet(), encoding="utf-8")
        templates = _templates()

        def render(template: str, name: str, **contents: Any) -> None:
            html = templates.get_template(template).render(here=name, names=names, **contents)
            (partial / f"{name}.html").write_text(html, encoding="utf-8")

        for lesson in bar("pages", unit="page", iterable=lessons):
            run = runs[lesson.name]
            try:
                pages.append(page(lesson, run, partial))
                about = {"page": pages[-1], "titles": titles, "with_slides": with_slides}
                render("lesson.html", lesson.name, **about)
                if with_slides:
                    about = {"page": pages[-1], "slides": slides_of(pages[-1])}
                    render("slides.html", f"{lesson.name}-slides", **about)
            except _LACKS as error:
                raise InputError(
                    f"{run}: this run lacks what a report needs ({error}); run the lesson again."
                ) from error
        render("index.html", "index", pages=pages, with_slides=with_slides)
        remove_written(out)
        move_into(out, list(files_in(partial)), partial)
    except OSError as error:
        raise InputError(f"{out}: this cannot be written ({error}).") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return out / "index.html"


def _templates() -> jinja2.Environment:
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters.update(
        prose=_prose,
        label=lambda training: heading_of(training["network"], training["style"]),
        loss="{:.4f}".format,
        bound=lambda result: claims.bound(result).strip(" ()"),
    )
    return templates


def _prose(text: str) -> Markup:
    """Marks up as code what stands between backticks."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))
