"""Lets `python tutorials/NAME.py` find the package `ae`, which lies beside this folder.

Python looks for imports in the script's own folder first and finds this file there. It hands over
to the package and is not seen again; `python -m tutorials.NAME` never reads it.
"""

import importlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
del sys.modules[__name__]
importlib.import_module("ae")
