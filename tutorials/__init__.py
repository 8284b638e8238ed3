"""The lessons: one module for each article. Each runs as a script.

What the articles say stands next door, in `tutorials/articles`, under the same names. A new lesson
adds a file to both folders; it is found there.
"""

import ast
import pkgutil
from importlib.util import find_spec
from pathlib import Path

LAST = 1000  # the order of a lesson whose article gives none


def names():
    """Lists the lessons, in the order that their articles give, without importing any."""
    modules = [module.name for module in pkgutil.iter_modules(__path__) if not module.ispkg]
    lessons = [name for name in modules if "NETWORKS" in _constants(name)]
    return sorted(lessons, key=lambda name: (_order(name), name))


def summary(name):
    """Returns the first line of a lesson's docstring, without importing the lesson."""
    return ast.get_docstring(_parse(name)).partition("\n")[0]


def _order(name):
    order = _constants(f"articles.{name}").get("ORDER")
    return LAST if order is None else ast.literal_eval(order)


def _constants(name):
    """Reads what a module of this package assigns to names."""
    tree = _parse(name)
    return {
        target.id: statement.value
        for statement in (tree.body if tree else ())
        if isinstance(statement, ast.Assign)
        for target in statement.targets
        if isinstance(target, ast.Name)
    }


def _parse(name):
    spec = find_spec(f"{__name__}.{name}")
    return ast.parse(Path(spec.origin).read_text(encoding="utf-8")) if spec else None
