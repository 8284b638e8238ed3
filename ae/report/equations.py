"""Equations as MathML, which browsers set without a script or a font of their own."""

from xml.etree import ElementTree

from latex2mathml.converter import convert
from markupsafe import Markup

SPACING = {  # how latex2mathml writes a thing, and how it must be written to look right
    "<mo>&#x0007C;</mo>": '<mo stretchy="false" lspace="0" rspace="0">&#x0007C;</mo>',
    "<mi>log</mi>": '<mo lspace="0.15em" rspace="0.1em">log</mo>',
}


def mathml(latex: str) -> Markup:
    """Sets an equation in LaTeX, without dollars, as a MathML element of its own line.

    Raises:
        ValueError: it is no LaTeX, or has a command that latex2mathml does not know.
    """
    try:
        markup = convert(latex, display="block")
        for made, wanted in SPACING.items():
            markup = markup.replace(made, wanted)
        words = list(ElementTree.fromstring(markup).itertext())
    except Exception as error:  # the library's own errors have no common base
        raise ValueError(f"{latex!r} is no equation in LaTeX ({type(error).__name__}).") from error
    if unknown := [word for word in words if word.startswith("\\")]:  # it keeps these as names
        raise ValueError(f"{latex!r} has commands that are not known: {', '.join(unknown)}.")
    return Markup(markup)
