"""Outlines of lessons, read from their files.

Importing a lesson takes seconds, because it starts TensorFlow. Its outline is enough to answer
`--help` and mistakes in the arguments.
"""

import ast
import importlib
import sys
from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ae.lesson import PACKAGE, Outline, presets_from


def read(name: str) -> Outline | None:
    """Reads the outline of a lesson without importing it.

    None if the lesson's files have a mistake, or compute their constants with other packages: then
    only an import can tell.
    """
    try:
        lesson = _Source(f"{PACKAGE}.{name}")
        has_article = find_spec(f"{PACKAGE}.articles.{name}")
        article = _Source(f"{PACKAGE}.articles.{name}") if has_article else None
        options, changes, commands = (
            getattr(article, part) if part in dir(article) else {}
            for part in ("OPTIONS", "PRESETS", "COMMANDS")
        )
        return Outline(
            name=name,
            doc=ast.get_docstring(lesson.tree, clean=False) or "",
            presets=presets_from(lesson.SETTINGS, options, changes),
            networks=lesson.NETWORKS,
            commands=commands,
        )
    except Exception:  # a mistake may raise anything; importing the lesson reports it
        return None


class _Source:
    """A module that is not imported: each of its constants is computed when it is asked for.

    Functions and classes are their names alone. A name that several statements may change raises
    ValueError.
    """

    def __init__(self, path: str):
        self.path = path
        self.tree = ast.parse(Path(find_spec(path).origin).read_bytes())
        named = [(name, node) for node in self.tree.body for name in _names_of(node)]
        times = Counter(name for name, _ in named)
        self.statements = {name: node if times[name] == 1 else None for name, node in named}

    def __dir__(self) -> list[str]:
        return list(self.statements)

    def __getattr__(self, name: str) -> Any:
        node = self.statements[name]
        if isinstance(node, ast.ImportFrom):
            (real,) = (a.name for a in node.names if name == (a.asname or a.name))
            module = _module(node.module)
            within = real in dir(module)
            return getattr(module, real) if within else _module(f"{node.module}.{real}")
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            return name
        if not isinstance(node, ast.Assign):
            raise ValueError(f"{self.path}: only an import tells what {name} is.")
        names = (n for n in ast.walk(node.value) if isinstance(n, ast.Name))
        scope = {n: getattr(self, n) for n in {n.id for n in names} & self.statements.keys()}
        exec(compile(ast.Module([node], []), self.path, "exec"), scope)
        return scope[name]


def _names_of(node: ast.stmt) -> list[str]:
    """Lists the names that a statement of a module defines, or else may change."""
    match node:
        case ast.ImportFrom(names=names):
            return [alias.asname or alias.name for alias in names]
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.Assign([ast.Name(name)]):
            return [name]
        case ast.Assign([ast.Tuple(targets)]) if all(isinstance(t, ast.Name) for t in targets):
            return [target.id for target in targets]
    return [n.id for n in ast.walk(node) if isinstance(n, ast.Name)]


def _module(path: str) -> Any:
    """Returns a module, imported if that is done at once."""
    if path in sys.modules:
        return sys.modules[path]
    top = path.partition(".")[0]
    if top in sys.stdlib_module_names:
        return importlib.import_module(path)
    if top not in ("ae", PACKAGE):
        raise ValueError(f"{path} may take long.")
    return _Source(path)
