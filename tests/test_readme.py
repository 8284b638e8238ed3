"""What the README tells its reader to type, and where it points, exists."""

import argparse
import re
import shlex

from ae import cli
from ae.maintain import __main__ as maintain
from ae.paths import REPOSITORY
from benchmarks import __main__ as benchmarks
from tutorials import __main__ as tutorials

import pytest
from running import LESSONS, lesson

READMES = [
    "README.md",
    *(f"{name}/README.md" for name in ("data", "data/reproduced", "benchmarks")),
]
READMES.append("tests/README.md")
TEXTS = {name: (REPOSITORY / name).read_text(encoding="utf-8") for name in READMES}
README = TEXTS["README.md"]
ALL = "\n".join(TEXTS.values())
TYPED = [line.partition("#")[0].strip() for line in ALL.splitlines() if line[:4] == " " * 4]
TYPED += re.findall(r"`(python [^`]+)`", ALL)


class ParsedError(BaseException):
    """A command line was understood, and nothing of it was done."""


@pytest.fixture
def parsing_alone(monkeypatch):
    parse_args = argparse.ArgumentParser.parse_args

    def parse(self, *arguments):
        parse_args(self, *arguments)
        raise ParsedError

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse)


@pytest.mark.parametrize("line", [line for line in TYPED if line.startswith("python ")])
def test_every_command_is_understood(line, parsing_alone, monkeypatch, capsys):
    _, *words = shlex.split(line)
    if words == ["-m", "tutorials"]:
        assert not tutorials.main([])
        printed = capsys.readouterr().out
        assert all(one.name in printed for one in LESSONS)
        return
    program, arguments = (words[1], words[2:]) if words[0] == "-m" else (words[0], words[1:])
    with pytest.raises(ParsedError):
        if program == "benchmarks":
            monkeypatch.setattr("sys.argv", [program, *arguments])
            benchmarks.run()
        elif program == "ae.maintain":
            maintain.run(arguments)
        elif program == "pytest":
            raise ParsedError
        elif program == "tutorials":
            tutorials.main(arguments)
        else:
            name = re.fullmatch(r"tutorials[./](\w+?)(\.py)?", program)[1]
            cli.run_script(lesson(name), arguments)


def test_every_target_of_make_exists():
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    named = set(re.findall(r"(?:^ {4}|`)make (?:[A-Z]+=\S+ )?([a-z]+)", ALL, re.MULTILINE))
    assert {"run", "test", "check", "bench"} <= named <= targets


@pytest.mark.parametrize("name", READMES)
def test_what_is_linked_exists(name):
    links = re.findall(r"\]\(([^)#:]+)\)", TEXTS[name])
    for link in links:
        assert (REPOSITORY / name).parent.joinpath(link).exists(), link


def test_what_is_installed_exists():
    files = [line.split()[-1] for line in TYPED if line.startswith("pip install -")]
    assert files
    for name in files:
        assert (REPOSITORY / name).is_file(), name


def test_every_lesson_has_a_row_with_a_link_to_its_article():
    rows = [line for line in README.splitlines() if line.startswith("|")]
    for one in LESSONS:
        (row,) = [
            row
            for row in rows
            if row.startswith(f"| [`{one.name}`]") or row.startswith(f"| `{one.name}`")
        ]
        assert re.search(r"\]\[\w+\]|\]\(http", row), one.name


def test_every_option_that_is_named_is_one(capsys):
    named = set(re.findall(r"`(--[a-z-]+)", README))
    commands = [(one, ["--help"]) for one in LESSONS]
    offered = set()
    for one, arguments in [*commands, (lesson("document_cleaner"), ["clean", "--help"])]:
        with pytest.raises(SystemExit):
            cli.run_script(one, arguments)
        offered |= set(re.findall(r"^  (?:-h, )?(--[a-z-]+)", capsys.readouterr().out, re.M))
    assert len(named) >= 5
    assert named <= offered


def test_the_readme_is_short_and_shows_a_picture_at_once():
    assert len(README.split()) <= 1200
    assert "![" in "\n".join(README.splitlines()[:25])
