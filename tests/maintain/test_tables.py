"""The tables of the READMEs are those that the commands make."""

import dataclasses
import shutil

from ae import console
from ae.errors import InputError
from ae.maintain import __main__ as maintain
from ae.maintain import reliability, tables
from ae.proof import reproduced
from benchmarks import __main__ as benchmarks

import pytest
from running import lesson


@pytest.fixture
def readmes(monkeypatch, tmp_path):
    """Copies of the READMEs with tables, to write into; gives their places."""
    copies = {}
    for path in set(tables.READMES.values()):
        copies[path] = tmp_path / str(len(copies)) / "README.md"
        copies[path].parent.mkdir()
        copies[path].write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    places = {name: copies[path] for name, path in tables.READMES.items()}
    monkeypatch.setattr(tables, "READMES", places)
    return copies


def test_the_commands_make_every_table_as_it_stands(readmes, monkeypatch):
    before = {copy: copy.read_text(encoding="utf-8") for copy in readmes.values()}
    for name in tables.READMES:
        tables.put(name, "nothing")
    assert all(copy.read_text(encoding="utf-8") != before[copy] for copy in before)
    maintain.run(["table"])
    monkeypatch.setattr("sys.argv", ["benchmarks", "table"])
    assert not benchmarks.run()
    assert {copy: copy.read_text(encoding="utf-8") for copy in before} == before


def test_a_table_replaces_the_one_between_its_marks(monkeypatch, tmp_path):
    path = tmp_path / "README.md"
    monkeypatch.setattr(tables, "READMES", dict.fromkeys(("one", "two"), path))
    text = (
        "a\n<!-- table: one -->\nold\n<!-- end of table -->\nb\n"
        "<!-- table: two -->\nx\n<!-- end of table -->\nc\n"
    )
    path.write_text(text)
    tables.put("one", "new\nlines")
    assert path.read_text() == text.replace("old", "new\nlines")


def test_a_readme_without_the_marks_stays_as_it_is(monkeypatch, tmp_path):
    path = tmp_path / "README.md"
    monkeypatch.setattr(tables, "READMES", {"reliability": path})
    path.write_text("Nothing here.\n")
    with pytest.raises(InputError, match="<!-- table: reliability -->"):
        tables.put("reliability", "| a |")
    assert path.read_text() == "Nothing here.\n"


@pytest.fixture
def inputs(readmes, monkeypatch, tmp_path):
    """Copies of what the tables are made from, in a folder that this returns."""
    folder = tmp_path / "kept"
    shutil.copytree(reproduced.FOLDER, folder / "reproduced")
    for module, name in ((reproduced, "TIMES"), (reproduced, "FOLDER"), (reliability, "PATH")):
        kept = getattr(module, name)
        if kept.is_file():
            shutil.copy(kept, folder)
        monkeypatch.setattr(module, name, folder / kept.name)
    return folder


def remove(path):
    path.unlink() if path.is_file() else shutil.rmtree(path)


def damage(path):
    path.write_text("{")


@pytest.mark.parametrize("do", [remove, damage])
@pytest.mark.parametrize("name", ["times.json", "reliability.json", "reproduced/dense_ae.json"])
def test_what_is_missing_or_damaged_is_named(inputs, readmes, capsys, name, do):
    do(inputs / name)
    assert console.guard(lambda: maintain.run(["table"])) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert f"{inputs / name} is missing or damaged" in error
    assert "ae.maintain" in error


def test_without_records_the_table_stays(inputs, readmes, capsys):
    before = [path.read_text(encoding="utf-8") for path in readmes.values()]
    remove(inputs / "reproduced")
    assert console.guard(lambda: maintain.run(["table"])) == 2
    assert f"{inputs / 'reproduced'}: there are no records" in capsys.readouterr().err
    assert [path.read_text(encoding="utf-8") for path in readmes.values()] == before


@pytest.mark.parametrize(
    ("option", "content", "part"),
    [
        ("--tests", None, "No such file"),
        ("--tests", "<a", "no report of tests"),
        ("--tests", "<a/>", "none of its tests is about a fault"),
        ("--times", None, "there is no run here"),
    ],
)
def test_a_bad_input_that_is_given_is_named(inputs, tmp_path, capsys, option, content, part):
    given = tmp_path / "given"
    if content is not None:
        given.write_text(content)
    assert console.guard(lambda: maintain.run(["table", option, str(given)])) == 2
    error = capsys.readouterr().err
    assert error.startswith(str(given))
    assert part in error


def test_a_lesson_without_records_of_its_own_takes_none_of_another(inputs):
    new = dataclasses.replace(lesson("tiny_ae"), name="dense")
    assert "dense_ae" in reproduced.table([lesson("dense_ae")])
    assert "| dense | not recorded | not recorded |" in reproduced.times_table([new])
    with pytest.raises(InputError, match="there are no records"):
        reproduced.table([new])
