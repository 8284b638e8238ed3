"""What a person sees while something goes on; files and pipes get plain lines."""

import contextlib
import io
import threading
import time

from ae import console, terminal
from ae.errors import InputError
from ae.proof import bands, claims

import pytest


class Terminal(io.StringIO):
    def isatty(self):
        return True


EACH_KIND = pytest.mark.parametrize("kind", [Terminal, io.StringIO], ids=["terminal", "pipe"])


@pytest.fixture(autouse=True)
def _colors_as_usual(monkeypatch):
    for name in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)


@contextlib.contextmanager
def streams(kind):
    """Puts streams of a kind in the place of standard output and error."""
    out, err = kind(), kind()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        yield out, err


@EACH_KIND
def test_what_takes_long_shows_a_clock_or_one_line(kind, monkeypatch):
    monkeypatch.setattr(terminal, "PATIENCE", 0.01)
    limit = time.monotonic() + 10
    with streams(kind) as (out, err), terminal.working("baking"):
        while not (out.getvalue() or err.getvalue()) and time.monotonic() < limit:
            time.sleep(0.01)
    if kind is Terminal:
        assert out.getvalue() == ""
        assert "baking ... " in err.getvalue()
        assert err.getvalue().endswith("\r")  # it is wiped away
    else:
        assert (out.getvalue(), err.getvalue()) == ("baking ...\n", "")
    assert "clock" not in [thread.name for thread in threading.enumerate()]


@EACH_KIND
def test_what_is_fast_shows_nothing(kind):
    with streams(kind) as (out, err), terminal.working("baking"):
        pass
    assert (out.getvalue(), err.getvalue()) == ("", "")


def test_a_reader_that_has_gone_stops_no_work(monkeypatch):
    class Gone(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    monkeypatch.setattr(terminal, "PATIENCE", 0)
    with streams(Gone), terminal.working("baking"):
        time.sleep(0.1)


@EACH_KIND
def test_bars_are_for_terminals_alone(kind):
    with streams(kind) as (out, err), terminal.bar("cakes", 3) as progress:
        progress.update(3)
    assert out.getvalue() == ""
    assert ("cakes" in err.getvalue()) == (kind is Terminal)


@EACH_KIND
@pytest.mark.parametrize(
    ("verdict", "code", "text"),
    [("passed", 32, "0.1: normal. Ours"), ("unusual", 33, "0.9: UNUSUAL. Ours"), ("open", 0, "0.")],
)
def test_a_verdict_is_colored_on_a_terminal(kind, verdict, code, text):
    with streams(kind):
        colored = claims._in_color(bands.Result("keras", verdict, text))
    assert colored.replace(f"\033[{code}m", "").replace("\033[0m", "") == text
    assert ("\033" in colored) == (kind is Terminal and verdict != "open")


@EACH_KIND
@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb"), ("TERM", "vt")])
def test_an_error_is_red_unless_nobody_can_or_wants_to_see_it(kind, monkeypatch, name, value):
    monkeypatch.setenv(name, value)

    def fail():
        raise InputError("That is wrong.")

    with streams(kind) as (_, err):
        assert console.guard(fail) == 2
    is_red = kind is Terminal and value == "vt"
    assert err.getvalue() == ("\033[31mThat is wrong.\033[0m\n" if is_red else "That is wrong.\n")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.42, "0.4 s"),
        (12.4, "12 s"),
        (59.7, "1 min 0 s"),
        (71.6, "1 min 12 s"),
        (7500, "2 h 5 min"),
    ],
)
def test_durations(seconds, text):
    assert terminal.duration(seconds) == text
