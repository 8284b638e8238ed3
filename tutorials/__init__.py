"""The lessons: one module for each article. Each runs as a script.

What the articles say stands next door, in `tutorials/articles`, under the same names. A new lesson
adds a file to both folders; it is found there.
"""

import pkgutil
import re
from importlib.util import find_spec
from pathlib import Path

LAST = "1000"  # the order of a lesson whose article gives none


def names():
    """Lists the lessons, in the order that their articles give, without importing any."""
    modules = [module.name for module in pkgutil.iter_modules(__path__) if not module.ispkg]
    lessons = [name for name in modules if _find(name, r"NETWORKS\b")]
    orders = {name: _find(f"articles.{name}", r"ORDER = (\d+)") or LAST for name in lessons}
    return sorted(lessons, key=lambda name: (int(orders[name]), name))


def summary(name):
    """Returns the first line of a lesson's docstring, without importing the lesson."""
    return _find(name, '"""(.+)') or ""


def _find(name, pattern):
    """Finds a line of a module that begins so; the module may have mistakes elsewhere."""
    spec = find_spec(f"{__name__}.{name}")
    found = spec and re.search(f"^{pattern}", Path(spec.origin).read_text(encoding="utf-8"), re.M)
    return found and found[found.lastindex or 0]
