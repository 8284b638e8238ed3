"""What the READMEs tell their reader to type, and where they point, exists."""

import argparse
import re
import shlex

from ae import cli
from ae.maintain import __main__ as maintain
from ae.paths import REPOSITORY
from benchmarks import __main__ as benchmarks
from tutorials import __main__ as tutorials

import mutants
import pytest
from running import LESSONS, NAMES, lesson

FOLDERS = (".", "data", "data/reproduced", "benchmarks", "tests")
READMES = {
    folder: (REPOSITORY / folder / "README.md").read_text(encoding="utf-8") for folder in FOLDERS
}
ALL = "\n".join(READMES.values())
TYPED = [
    command.strip().removeprefix(".venv/bin/")
    for line in re.findall(r"^ {4}(\w.*|\.venv/bin/.*)", ALL, re.MULTILINE)
    for command in line.partition(" #")[0].split("&&")
]
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


@pytest.mark.parametrize("line", sorted({one for one in TYPED if one.startswith("python ")}))
def test_every_command_is_understood(line, parsing_alone, tmp_path, monkeypatch):
    _, *words = shlex.split(line)
    monkeypatch.chdir(tmp_path)
    for word in filter(str.isupper, words):  # stands for a folder of the reader's
        (tmp_path / word).mkdir()
    program, arguments = (words[1], words[2:]) if words[0] == "-m" else (words[0], words[1:])
    if program == "pytest" or (program, arguments) == ("tutorials", []):
        return  # these take no argument that could be wrong
    with pytest.raises(ParsedError):
        if program == "benchmarks":
            monkeypatch.setattr("sys.argv", [program, *arguments])
            benchmarks.run()
        elif program == "ae.maintain":
            maintain.run(arguments)
        elif program == "tests/mutants.py":
            monkeypatch.setattr("sys.argv", [program, *arguments])
            mutants.main()
        elif program == "tutorials":
            tutorials.main(arguments)
        else:
            name = re.fullmatch(r"tutorials[./](\w+?)(\.py)?", program)[1]
            cli.run_script(lesson(name), arguments)


def test_the_list_of_lessons_has_each(capsys):
    assert not tutorials.main([])
    printed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in printed[: len(NAMES)]] == NAMES


def test_every_target_of_make_exists():
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    typed = [line.split() for line in TYPED if line.startswith("make ")]
    named = {word for words in typed for word in words[1:] if "=" not in word}
    named |= set(re.findall(r"`make ([a-z-]+)`", ALL))
    assert {"run", "test", "check", "bench"} <= named <= targets


@pytest.mark.parametrize("folder", FOLDERS)
def test_what_is_linked_exists(folder):
    text = READMES[folder]
    links = re.findall(r"\]\(([^):]+)\)", text)
    for path, _, section in (link.partition("#") for link in links):
        target = REPOSITORY / folder / path if path else REPOSITORY / folder / "README.md"
        assert target.exists(), path
        if section:
            headings = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            assert section in [
                re.sub(r"[^\w -]", "", h).lower().replace(" ", "-") for h in headings
            ]
    named = re.findall(r"\]\[(\w+)\]", text)
    assert set(named) == set(re.findall(r"^\[(\w+)\]: http", text, re.MULTILINE))


def test_what_is_installed_exists():
    files = [word for line in TYPED for word in re.findall(r"^pip install .*-r (\S+)", line)]
    assert files
    for name in files:
        assert (REPOSITORY / name).is_file(), name


@pytest.mark.parametrize("one", LESSONS, ids=NAMES)
def test_a_lesson_has_a_row_with_a_link_to_its_article(one):
    (row,) = re.findall(rf"^\| \[?`{one.name}`.*", READMES["."], re.MULTILINE)
    (name,) = re.findall(r"\]\[(\w+)\]", row)
    assert f"\n[{name}]: {one.link}\n" in READMES["."]


def test_every_option_that_is_named_is_one(capsys):
    named = set(re.findall(r"`(--[a-z-]+)", READMES["."]))
    commands = [(one, ["--help"]) for one in LESSONS]
    offered = set()
    for one, arguments in [*commands, (lesson("document_cleaner"), ["clean", "--help"])]:
        with pytest.raises(SystemExit):
            cli.run_script(one, arguments)
        offered |= set(re.findall(r"--[a-z-]+", capsys.readouterr().out))
    assert named
    assert named <= offered


def quoted(language):
    return re.findall(rf"^```{language}\n(.*?)^```", READMES["."], re.MULTILINE | re.DOTALL)


def test_the_code_that_is_shown_is_that_of_the_lesson():
    source = (REPOSITORY / "tutorials" / "sigmoid_ae.py").read_text(encoding="utf-8")
    lines = {line.strip() for line in source.splitlines()}
    shown = [block for block in quoted("python") if "import" not in block]
    assert shown
    for block in shown:
        assert {line.strip() for line in block.splitlines()} <= lines


def test_a_trained_network_is_used_as_is_shown(smoke, monkeypatch):
    (code,) = [block for block in quoted("python") if "ae.load" in block]
    monkeypatch.chdir(REPOSITORY)
    run = smoke("sigmoid_ae")
    assert '"runs/sigmoid_ae"' in code
    (path,) = re.findall(r'load_model\("runs/sigmoid_ae/(.*?)"\)', READMES["."])
    assert (run / path).is_file()
    found = {}
    exec(code.replace("runs/sigmoid_ae", str(run)), found)
    for name, shape in re.findall(r"^(\w+) = .*# \(([\d, ]+)\)", code, re.MULTILINE):
        assert found[name].shape == tuple(map(int, shape.split(",")))
    assert found["x_hat"].shape == found["data"].x_test.shape


def test_the_first_page_is_short_and_shows_a_picture_at_once():
    assert len(READMES["."].split()) <= 1200
    assert "![" in "\n".join(READMES["."].splitlines()[:25])
