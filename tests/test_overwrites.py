"""No command replaces what is the user's, unless --overwrite says so."""

import dataclasses
import functools
import json
import os
import shutil
import stat
from pathlib import Path
from typing import NamedTuple

import tutorials
from ae.console import guard
from ae.pictures import write_grey
from ae.runs.saved import save_network
from benchmarks import __main__ as benchmarks
from benchmarks import scaling
from tutorials import __main__ as commands

import numpy as np
import pytest
from running import ADDED, LESSONS, exit_code, lesson

NEW_RUN = ("--preset", "smoke", "--style", "low-level")
MINE = b"my thesis"
SPEED = [
    {"problem": problem, "peer": "fit", "batch_size": 16, "images_per_second": 1.0}
    for problem in scaling.BATCH_PROBLEMS
]
MEASURED = {"speed": SPEED, "memory": [{"peer": "fit", "amount": 1, "peak_memory_mib": 1.0}]}


class Command(NamedTuple):
    """A command that writes."""

    typed: tuple  # without what says where to; a function makes an argument in a folder
    file: str  # one of the files that it writes, in the folder of --out
    folder: str | None = None  # a folder that it makes there


def a_run(folder):
    run = folder / "earlier"
    if not run.exists():
        assert call(("tiny_ae", *NEW_RUN), run) == 0
    return run


def a_cleaner(folder):
    network = lesson("document_cleaner")
    built = network.networks["autoencoder"]["keras"].build(network.presets["article"])
    return save_network(built, folder, "cleaner")


def a_scan(folder):
    path = folder / "scan.png"
    write_grey(path, np.full((8, 8), 200, np.uint8))
    return path


WRITES = {
    "NAME": Command(("tiny_ae", *NEW_RUN), "figures/low-level-pair.png", "figures"),
    "NAME's record": Command(("tiny_ae", *NEW_RUN), "record.json", "unfinished"),
    "NAME --tensorboard": Command(
        ("tiny_ae", *NEW_RUN, "--tensorboard"), "networks/low-level.index", "tensorboard"
    ),
    "NAME --from": Command(("tiny_ae", "--from", a_run), "figures/low-level-pair.png", "figures"),
    "NAME clean": Command(("document_cleaner", "clean", a_scan, "--from", a_cleaner), "scan.png"),
    "clean": Command(("clean", a_scan), "scan.png"),
    "run": Command(("run", "tiny_ae", *NEW_RUN), "tiny_ae/tiny_ae.py", "tiny_ae/snapshots"),
    "check": Command(("check", "sigmoid_ae", "--kept"), "sigmoid_ae-last_batch_loss.png"),
    "check's runs": Command(
        ("check", "tiny_ae", "--seeds", "1"), "tiny_ae-0/networks/keras.keras", "tiny_ae-0"
    ),
    "parity": Command(("parity", "tiny_ae", "--steps", "2"), "tiny_ae.png"),
    "export": Command(("export", a_run), "low-level-encoder.onnx"),
    "report": Command(("report", a_run), "index.html"),
    "report's pictures": Command(("report", a_run), "tiny_ae/figures/low-level-pair.png"),
    "notebooks": Command(("notebooks", "tiny_ae"), "tiny_ae.ipynb"),
    "benchmarks": Command(("benchmarks", "scaling"), "scaling.json"),
    "benchmarks' figure": Command(("benchmarks", "scaling"), "scaling.png"),
}
PRINT_ONLY = {"errata"}
CLEAN = ("NAME clean", "clean")  # which know what they wrote by a mark in it, not by a list
EACH = pytest.mark.parametrize("name", WRITES)


def call(typed, *out, options=()):
    """Runs a command in this process and returns its exit code."""
    arguments = [*map(str, typed), *(["--out", str(out[0])] if out else []), *options]
    if typed[0] != "benchmarks":
        return commands.main(arguments)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", arguments)
        patch.setattr(benchmarks.scaling, "measure", lambda rounds: MEASURED)
        return guard(benchmarks.run)


@pytest.fixture(scope="module", autouse=True)
def _tiny_ae():
    lesson("tiny_ae")  # its article is found from now on
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tutorials, "__path__", [*tutorials.__path__, str(ADDED)])
        yield


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """Gives a command's arguments, and a folder that the command filled."""
    inputs = tmp_path_factory.mktemp("inputs")

    @functools.cache
    def prepare(name):
        typed = tuple(a(inputs) if callable(a) else a for a in WRITES[name].typed)
        filled = tmp_path_factory.mktemp("filled") / "out"
        assert call(typed, filled) in (0, 1)  # 1: a curve differs
        return typed, filled

    return prepare


def everything(folder):
    """Reads a folder: each name, its kind and permissions, and where it leads or what it holds."""

    def content(path):
        if path.is_symlink():
            return path.readlink()
        return path.read_bytes() if path.is_file() else None

    return {
        path.relative_to(folder): (stat.filemode(path.lstat().st_mode), content(path))
        for path in folder.rglob("*")
    }


def refuses(typed, out, capsys, *parts):
    """Asserts that a command leaves all around its folder as it is, and says so in one line."""
    before = everything(out.parent)
    capsys.readouterr()
    assert call(typed, out) == 2
    said = capsys.readouterr()
    assert said.err.count("\n") == 1
    assert said.err.endswith(".\n")
    for part in parts:
        assert part in said.err
    assert everything(out.parent) == before


def a_file(path, _):
    path.write_bytes(MINE)


def a_read_only_file(path, _):
    path.write_bytes(MINE)
    path.chmod(0o444)


def a_link(path, elsewhere):
    elsewhere.write_bytes(MINE)
    path.symlink_to(elsewhere)


def a_link_to_nothing(path, _):
    path.symlink_to(path.parent / "nothing")


def a_folder(path, _):
    path.mkdir()
    (path / "thesis.txt").write_bytes(MINE)


@EACH
@pytest.mark.parametrize(
    "mine",
    [a_file, a_read_only_file, a_link, a_link_to_nothing, a_folder],
    ids=lambda f: f.__name__,
)
def test_what_is_there_already_stays(prepared, tmp_path, capsys, name, mine):
    typed, _ = prepared(name)
    path = tmp_path / "out" / WRITES[name].file
    path.parent.mkdir(parents=True)
    mine(path, tmp_path / "mine")
    refuses(typed, tmp_path / "out", capsys, str(path), "--overwrite" if mine is a_file else "")


@pytest.mark.parametrize("name", [name for name in WRITES if WRITES[name].folder])
@pytest.mark.parametrize("mine", [a_file, a_link_to_nothing], ids=lambda f: f.__name__)
def test_a_file_stays_where_a_folder_would_be(prepared, tmp_path, capsys, name, mine):
    typed, _ = prepared(name)
    path = tmp_path / "out" / WRITES[name].folder
    path.parent.mkdir(parents=True)
    mine(path, tmp_path / "mine")
    refuses(typed, tmp_path / "out", capsys, str(path))
    before = everything(tmp_path)
    assert call(typed, tmp_path / "out", options=["--overwrite"]) == 2
    assert everything(tmp_path) == before


@EACH
def test_a_file_in_the_place_of_the_folder_stays(prepared, tmp_path, capsys, name):
    typed, _ = prepared(name)
    if name in CLEAN:
        typed = (*typed, *(a for a in typed if Path(a).suffix == ".png"))  # that needs a folder
    (tmp_path / "out").write_bytes(MINE)
    refuses(typed, tmp_path / "out", capsys)


def edited(path, _):
    path.write_bytes(path.read_bytes() + b"\n")
    later = path.stat().st_mtime + 2  # some disks keep no finer dates
    os.utime(path, (later, later))


def made_read_only(path, _):
    path.chmod(0o444)


def moved_and_linked(path, elsewhere):
    path.symlink_to(path.rename(elsewhere))


@EACH
def test_the_same_command_writes_its_own_again(prepared, tmp_path, name):
    typed, filled = prepared(name)
    shutil.copytree(filled, tmp_path / "out")
    assert call(typed, tmp_path / "out") in (0, 1)
    assert {*everything(tmp_path / "out")} >= {*everything(filled)} or "--tensorboard" in name


@EACH
@pytest.mark.parametrize(
    "change", [edited, made_read_only, moved_and_linked], ids=lambda f: f.__name__
)
def test_what_was_changed_since_stays(prepared, tmp_path, capsys, name, change):
    typed, filled = prepared(name)
    out = tmp_path / "in" / "out"
    shutil.copytree(filled, out)
    change(out / WRITES[name].file, tmp_path / "in" / "mine")
    if name in CLEAN and change is not edited:  # it stays, but is no reason to complain
        before = everything(out.parent)
        assert call(typed, out) in (0, 2)
        assert everything(out.parent) == before
        return
    refuses(typed, out, capsys, str(out / WRITES[name].file), "--overwrite")


@EACH
def test_overwrite_replaces_the_name_alone(prepared, tmp_path, name):
    """A link is replaced and what it leads to stays, and so does every other file."""
    typed, filled = prepared(name)
    out = tmp_path / "out"
    shutil.copytree(filled, out)
    path = out / WRITES[name].file
    (path.parent / "notes.txt").write_bytes(MINE)
    path.unlink()
    if name in CLEAN:  # they write through a link, for `-o` names a picture
        path.write_bytes(MINE)
    else:
        a_link(path, tmp_path / "mine")
    assert call(typed, out, options=["--overwrite"]) in (0, 1)
    assert path.read_bytes() != MINE
    assert not path.is_symlink()
    assert (path.parent / "notes.txt").read_bytes() == MINE
    if name not in CLEAN:
        assert (tmp_path / "mine").read_bytes() == MINE


# Runs


@pytest.mark.parametrize(
    ("option", "words"),
    [
        (("--seed", "1"), "seed 0, not 1"),
        (("--epochs", "1"), "num_epochs 2, not 1"),
        (("--preset", "quick"), "preset 'smoke', not 'quick'"),
        (("--variant", "corrected"), "variant 'published', not 'corrected'"),
        (("--style", "both"), "style 'low-level', not 'both'"),
        (("--tensorboard",), "tensorboard False, not True"),
        (("--darkness", "3"), "darkness 2, not 3"),
    ],
)
def test_a_finished_run_gives_way_to_the_same_run_alone(
    prepared, tmp_path, monkeypatch, capsys, option, words
):
    typed, filled = prepared("NAME")
    out = tmp_path / "runs" / "tiny_ae"
    shutil.copytree(filled, out)
    monkeypatch.chdir(tmp_path)
    before = everything(out)
    assert commands.main([*typed, *option]) == 2
    day = json.loads((out / "record.json").read_text())["started"][:10]
    assert capsys.readouterr().err == (
        f"runs/tiny_ae holds a finished run of tiny_ae (preset smoke, 2 epochs, {day}) with "
        f"{words}; to keep it choose another --out, to replace it add --overwrite.\n"
    )
    assert everything(out) == before


def test_of_several_lessons_none_begins_if_one_would_be_refused(prepared, tmp_path, capsys):
    _, filled = prepared("NAME")
    shutil.copytree(filled, tmp_path / "out" / "tiny_ae")
    typed = ("run", "sigmoid_ae", "tiny_ae", *NEW_RUN, "--seed", "1")
    refuses(typed, tmp_path / "out", capsys, "seed 0, not 1")


def test_what_an_overwritten_run_made_does_not_stay_among_the_new_files(prepared, tmp_path):
    _, filled = prepared("NAME --tensorboard")
    out = tmp_path / "out"
    shutil.copytree(filled, out)
    assert call(("tiny_ae", *NEW_RUN), out, options=["--overwrite", "--epochs", "1"]) == 0
    assert not [path for path in (out / "tensorboard").rglob("*") if path.is_file()]
    assert not (out / "snapshots" / "low-level-0002.png").exists()


def test_generated_data_do_not_replace_a_run_on_real_ones(prepared, tmp_path, capsys):
    """What a lesson loads by default may depend on what this machine has."""
    (_, *options), filled = prepared("NAME")
    shutil.copytree(filled, tmp_path / "out")
    tiny = lesson("tiny_ae")

    def load(*arguments):
        data = tiny.load(*arguments)
        return data._replace(provenance=data.provenance._replace(notice="Generated."))

    elsewhere = dataclasses.replace(tiny, load=load)
    assert exit_code(elsewhere, *options, "--out", tmp_path / "out") == 2
    assert "notice '', not 'Generated.'" in capsys.readouterr().err
    assert everything(tmp_path / "out") == everything(filled)


def test_a_list_of_files_from_elsewhere_removes_nothing_outside(prepared, tmp_path):
    typed, filled = prepared("NAME")
    out, thesis = tmp_path / "out", tmp_path / "thesis.txt"
    shutil.copytree(filled, out)
    thesis.write_bytes(MINE)
    (listing,) = out.glob(".*.json")
    listed = json.loads(listing.read_text())
    listing.write_text(json.dumps({**listed, "../thesis.txt": "0", str(thesis): "0"}))
    assert call(typed, out, options=["--overwrite"]) == 0
    assert thesis.read_bytes() == MINE


@pytest.mark.parametrize("content", ["", "[1]", "3", "mine"])
def test_a_file_of_the_list_s_name_stays(prepared, tmp_path, capsys, content):
    typed, filled = prepared("NAME")
    out = tmp_path / "in" / "out"
    shutil.copytree(filled, out)
    (listing,) = out.glob(".*.json")
    listing.write_text(content)
    refuses(typed, out, capsys, str(listing))


def test_a_file_of_the_lock_s_name_stays(prepared, tmp_path, capsys):
    typed, _ = prepared("NAME")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".lock").write_bytes(MINE)
    refuses(typed, tmp_path / "out", capsys, str(tmp_path / "out" / ".lock"))


# Every command


def helps(*typed):
    with pytest.raises(SystemExit):
        call(typed, options=["--help"])


OWN = [(one.name, command) for one in LESSONS for command in one.commands]
TYPED = [*((name,) for name in commands.COMMANDS), *((one.name,) for one in LESSONS), *OWN]


def test_every_command_is_tried_here():
    tried = {command.typed[0] for command in WRITES.values()}
    assert set(commands.COMMANDS) <= tried | PRINT_ONLY
    assert set(OWN) <= {command.typed[:2] for command in WRITES.values()}


@pytest.mark.parametrize("typed", [*TYPED, ("benchmarks",)], ids=" ".join)
def test_what_writes_has_overwrite(typed, capsys):
    helps(*typed)
    options = capsys.readouterr().out
    writes = typed[0] not in PRINT_ONLY
    assert ("--out " in options, "--overwrite " in options) == (writes, writes)


@pytest.mark.parametrize("name", sorted(PRINT_ONLY))
def test_what_prints_writes_nothing(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    assert commands.main([name]) == 0
    assert not list(Path().iterdir())
