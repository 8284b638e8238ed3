"""What the README tells its reader to type, and where it points, exists."""

import argparse
import re
import shlex

from ae import cli
from ae.paths import REPOSITORY
from benchmarks import __main__ as benchmarks
from tutorials import __main__ as tutorials

import pytest
from running import LESSONS, lesson

README = tables.README.read_text(encoding="utf-8")
TYPED = [line.partition("#")[0].strip() for line in README.splitlines() if line[:4] == " " * 4]
TYPED += re.findall(r"`(python [^`]+)`", README)


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
        assert tutorials.main([]) == 0
        printed = capsys.readouterr().out
        assert all(one.name in printed for one in LESSONS)
        return
    program, arguments = (words[1], words[2:]) if words[0] == "-m" else (words[0], words[1:])
    with pytest.raises(ParsedError):
        if program == "benchmarks":
            monkeypatch.setattr("sys.argv", [program, *arguments])
            benchmarks.run()
        elif program == "tutorials":
            tutorials.main(arguments)
        else:
            name = re.fullmatch(r"tutorials[./](\w+?)(\.py)?", program)[1]
            cli.main(lesson(name), arguments)


def test_every_target_of_make_exists():
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    named = set(re.findall(r"(?:^ {4}|`)make (?:[A-Z]+=\S+ )?([a-z]+)", README, re.MULTILINE))
    assert {"run", "test", "check", "bench"} <= named <= targets


def test_what_is_linked_and_installed_exists():
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    files = [line.split()[-1] for line in TYPED if line.startswith("pip install -")]
    assert len(links) >= 10
    assert files
    for name in links + files:
        assert (REPOSITORY / name).is_file(), name


def test_the_options_of_the_table_are_those_of_every_lesson(capsys):
    section = README.partition("## Running a lesson")[2].partition("Some lessons have more")[0]
    named = set(re.findall(r"--[a-z-]+", "\n".join(re.findall(r"^\| (`--.*?) \|", section, re.M))))
    assert len(named) >= 17
    own = set()
    for one in LESSONS:
        with pytest.raises(SystemExit):
            cli.main(one, ["--help"])
        offered = set(re.findall(r"^  (?:-h, )?(--[a-z-]+)", capsys.readouterr().out, re.M))
        assert named <= offered | {"--no-xla"}, one.name
        own |= offered - named
    assert own == {"--help", "--classifier", "--two-d", "--output", "--generate", "--data"}


def test_every_table_is_made_by_a_command(monkeypatch, tmp_path):
    monkeypatch.setattr(tables, "README", tmp_path / "README.md")
    begin, end = r"<!-- table: \w+ -->", tables.END
    emptied, number = re.subn(f"({begin}\n).*?({end})", r"\1\2", README, flags=re.DOTALL)
    assert number == 5
    tables.README.write_text(emptied, encoding="utf-8")
    assert not tutorials.main(["table"])
    monkeypatch.setattr("sys.argv", ["benchmarks", "table"])
    assert not benchmarks.run()
    assert tables.README.read_text(encoding="utf-8") == README
