"""Equations as MathML, which browsers set without a script or a font of their own."""

from xml.etree import ElementTree

from latex2mathml.converter import convert
from markupsafe import Markup


def mathml(latex: str) -> Markup:
    """Sets an equation in LaTeX, without dollars, as a MathML element of its own line.

    Raises:
        ValueError: it is no LaTeX, or has a command that latex2mathml does not know.
    """
    try:
        markup = convert(latex, display="block")
        words = list(ElementTree.fromstring(markup).itertext())
    except Exception as error:  # the library's own errors have no common base
        raise ValueError(f"{latex!r} is no equation in LaTeX ({type(error).__name__}).") from error
    if unknown := [word for word in words if word.startswith("\\")]:  # it keeps these as names
        raise ValueError(f"{latex!r} has commands that are not known: {', '.join(unknown)}.")
    return Markup(markup)
