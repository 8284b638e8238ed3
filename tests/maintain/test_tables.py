"""The tables of the READMEs are those that the commands make."""

from ae.errors import InputError
from ae.maintain import __main__ as maintain
from ae.maintain import tables
from benchmarks import __main__ as benchmarks

import pytest


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
