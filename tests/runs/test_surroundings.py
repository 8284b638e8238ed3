"""Full disks, read-only folders, busy folders, odd names, narrow terminals, clocks set back."""

import contextlib
import dataclasses
import fcntl
import itertools
import os
import pty
import shutil
import struct
import subprocess
import sys
import termios
import time

from ae.datasets import images
from ae.datasets.idx import format_idx
from ae.paths import REPOSITORY
from ae.runs import unfinished
from ae.runs.folder import is_unfinished
from ae.training.run import Run

import keras
import pytest
from filelock import FileLock
from random_data import SMALL, SMALL_FILES
from running import (
    EACH_LESSON,
    lesson,
    read_record,
    run,
    smoke_settings,
    train_run,
    without_notices,
)

LESSON = lesson("tiny_ae")
SETTINGS = smoke_settings("tiny_ae")
PAGE = 4096  # bytes; a disk in memory is full by pages


def new(out, *arguments):
    return run(LESSON, "--preset", "smoke", "--out", out, *arguments)


def one_sentence(capsys):
    """Returns what stands on standard error, one line."""
    err = capsys.readouterr().err
    assert err.count("\n") == 1, err
    return err


def in_a_process(*arguments, **environment):
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=REPOSITORY,
        env=os.environ | environment,
        capture_output=True,
    )


@pytest.fixture
def disk(tmp_path):
    """Mounts file systems of a given size, where that is allowed."""
    mounted = []

    def mount(size):
        folder = tmp_path / f"disk-{len(mounted)}"
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs"]
        if (
            shutil.which("mount") is None
            or subprocess.run([*command, folder], capture_output=True).returncode
        ):
            pytest.skip("only root can mount a small disk")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", "-l", folder], check=True)


def remount(folder, option):
    subprocess.run(["mount", "-o", f"remount,{option}", folder], check=True)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The record of a run that nothing happened to."""
    return train_run(LESSON, SETTINGS, tmp_path_factory.mktemp("whole"), preset="smoke")


def weights_of(record):
    return [training["weights_sha256"] for training in record["trainings"]]


# Disks

# kB at which a disk is full at the lesson's source, the first epoch's state, the first training's
# part of the record, Keras's network and the whole record
SIZES = (4, 24, 48, 80, 112)
EACH_SIZE = pytest.mark.parametrize(
    "size",
    [s if s in SIZES else pytest.param(s, marks=pytest.mark.long) for s in range(4, 116, 4)],
)


@pytest.mark.fault("a full disk while training, saving or drawing")
@EACH_SIZE
def test_a_full_disk(disk, capsys, whole, size):
    out = disk(f"{size}k") / "run"
    code = new(out)
    err = capsys.readouterr().err
    assert code == 2
    assert err.count("\n") == 1
    assert "Traceback" not in err
    assert not (out / "record.json").exists()
    remount(out.parent, "size=10m")
    if is_unfinished(out):
        assert f"--resume {out}" in err
        assert run(LESSON, "--resume", out) == 0
    else:
        assert new(out) == 0
    record = read_record(out)
    assert weights_of(record) == weights_of(whole)
    assert all((out / f).is_file() for t in record["trainings"] for f in t["figures"])


@pytest.mark.fault("a full disk while training, saving or drawing")
@pytest.mark.parametrize("style", ["low-level", "keras"])
def test_a_disk_that_is_full_when_a_network_is_saved(disk, capsys, monkeypatch, style):
    save, out = unfinished.save_network, disk("1m") / "run"

    def full(*arguments):
        with contextlib.suppress(OSError):
            (out.parent / "mine").write_bytes(bytes(2**20))
        return save(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(unfinished, "save_network", full)
        assert new(out, "--style", style) == 2
    assert f"--resume {out}" in one_sentence(capsys)
    (out.parent / "mine").unlink()
    assert run(LESSON, "--resume", out) == 0


@pytest.mark.fault("a full disk while training, saving or drawing")
def test_a_disk_that_is_full_for_a_snapshot_keeps_the_run(tmp_path, capsys, monkeypatch, whole):
    def full(path, pixels):
        raise OSError(28, "No space left on device")

    out = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr("ae.report.snapshots.write_grey", full)
        assert new(out) == 2
    advice = f"make room or fix that, then resume: python -m tutorials tiny_ae --resume {out}"
    assert f"(No space left on device); {advice}" in one_sentence(capsys)
    assert run(LESSON, "--resume", out) == 0
    assert weights_of(read_record(out)) == weights_of(whole)


@pytest.mark.fault("a full disk while training, saving or drawing")
def test_a_full_disk_leaves_an_earlier_run_as_it_was(disk, capsys):
    out = disk("1m") / "run"
    assert new(out) == 0
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    pages = sum(-(-len(content) // PAGE) for content in before.values())
    remount(out.parent, f"size={(pages + 16) * PAGE}")
    capsys.readouterr()
    assert new(out, "--seed", 5, "--overwrite") == 2
    advice = f"resume: python -m tutorials tiny_ae --resume {out}"
    assert f"(No space left on device); make room or fix that, then {advice}" in (
        one_sentence(capsys)
    )
    assert len(read_record(out / "unfinished")["trainings"]) == 1
    after = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert {path: after.get(path) for path in before} == before


@pytest.mark.fault("a full disk while training, saving or drawing")
def test_a_disk_that_is_too_full_for_event_files(disk):
    folder = disk("1m")
    (folder / "mine").write_bytes(bytes(2**20))
    training = Run("a training", 1, log_dir=folder / "logs")
    sgd = keras.optimizers.SGD()
    sgd.build([])
    with pytest.raises(OSError, match="No space left"):
        next(training.epochs(sgd))


@pytest.mark.fault("a read-only folder")
def test_a_read_only_folder(disk, capsys):
    out = disk("10m") / "run"
    out.mkdir()
    remount(out.parent, "ro")
    assert new(out) == 2
    assert str(out) in one_sentence(capsys)


@pytest.mark.fault("a cache that is full or read-only")
@pytest.mark.parametrize("state", ["full", "read-only"])
def test_a_cache_that_cannot_be_filled(disk, tmp_path, capsys, monkeypatch, state):
    cache, shelf = disk("1m"), tmp_path / "shelf"
    shelf.mkdir()
    for name, data in SMALL_FILES.items():
        (shelf / name).write_bytes(data)
    if state == "full":
        (cache / "mine").write_bytes(bytes(2**20))
    else:
        remount(cache, "ro")
    monkeypatch.setenv("AE_CACHE_DIR", str(cache))
    monkeypatch.setenv("AE_DATA_DIR", str(cache / "nothing"))
    pinned = dataclasses.replace(SMALL, sources={"debian_folder": [str(shelf)]})
    loaded = images.load_image_set(pinned)
    assert format_idx(loaded.x_train) == SMALL_FILES["train-images-idx3-ubyte"]
    assert "could not be kept" in capsys.readouterr().err
    assert {path.name for path in cache.rglob("*") if path.is_file()} <= {"mine"}


# Several at once


@pytest.mark.fault("two runs into one folder")
def test_two_runs_into_one_folder(tmp_path, capsys):
    out = tmp_path / "run"
    out.mkdir()
    with FileLock(out / ".lock"):
        assert new(out) == 2
        assert "another run" in one_sentence(capsys)
        assert [path.name for path in out.iterdir()] == [".lock"]
    assert new(out) == 0
    assert not (out / ".lock").exists()


@pytest.mark.fault("two runs into one folder")
@pytest.mark.long
def test_of_processes_started_together_one_writes(tmp_path):
    out = tmp_path / "run"
    command = [sys.executable, "-m", "tutorials.sigmoid_ae", "--preset", "smoke", "--out", out]
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    processes = [subprocess.Popen(command, cwd=REPOSITORY, **pipes) for _ in range(2)]
    said = [process.communicate()[1].decode() for process in processes]
    codes = [process.returncode for process in processes]
    assert 0 in codes
    assert set(codes) <= {0, 2}
    for code, text in zip(codes, said, strict=True):
        assert ("another run" in text) == (code == 2)
    assert len(read_record(out)["trainings"]) == 2


# Names, terminals, clocks


@pytest.mark.fault("odd names, a locale without UTF-8, a narrow terminal")
@pytest.mark.long
def test_spaces_and_other_letters(tmp_path):
    out = tmp_path / "ein Lauf – пробный; $HOME" / "später"
    arguments = ("--preset", "smoke", "--no-xla", "--out", out)
    assert run("sigmoid_ae", *arguments) == 0
    assert run("sigmoid_ae", *arguments, "--tensorboard", "--overwrite") == 0
    assert run("sigmoid_ae", "--from", out) == 0
    done = in_a_process("-m", "tutorials", "report", out)
    assert done.returncode == 0, done.stderr
    assert not [path for path in tmp_path.iterdir() if path.name != out.parent.name]


ASCII = {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def test_a_name_that_is_no_utf_8(tmp_path, capsys):
    out = tmp_path / os.fsdecode(b"sp\xe4ter")
    assert new(out) == 2
    assert f"{str(out)!a}: this name is not UTF-8; choose another." in one_sentence(capsys)
    assert not list(tmp_path.iterdir())


def test_a_name_that_tensorflow_takes_for_a_pattern(tmp_path, capsys):
    out = tmp_path / "lr[0.01]"
    assert new(out) == 2
    assert f"{out}: TensorFlow takes [ in a name for a pattern" in one_sentence(capsys)
    assert not list(tmp_path.iterdir())


@pytest.mark.long
@pytest.mark.fault("odd names, a locale without UTF-8, a narrow terminal")
def test_a_locale_without_utf_8(tmp_path):
    options = ["--preset", "smoke", "--out"]
    done = in_a_process("-m", "tutorials.sigmoid_ae", *options, tmp_path / "plain", **ASCII)
    assert done.returncode == 0, done.stderr
    assert without_notices(done.stderr.decode("ascii")) == ""
    done = in_a_process("-m", "tutorials.sigmoid_ae", *options, tmp_path / "später", **ASCII)
    assert done.returncode == 2
    assert b"PYTHONUTF8=1" in done.stderr
    assert done.stderr.count(b"\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["plain"]
    done = in_a_process("-m", "tutorials", "errata", **ASCII)
    assert done.returncode == 0, done.stderr


@pytest.mark.long
@pytest.mark.fault("odd names, a locale without UTF-8, a narrow terminal")
def test_a_terminal_of_20_columns(tmp_path):
    here, there = pty.openpty()
    fcntl.ioctl(there, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 20, 0, 0))
    command = [sys.executable, "-m", "tutorials.sigmoid_ae", "--preset", "smoke"]
    process = subprocess.Popen(
        [*command, "--out", tmp_path], cwd=REPOSITORY, stdin=there, stdout=there, stderr=there
    )
    os.close(there)
    shown = bytearray()
    with contextlib.suppress(OSError):  # the terminal's end
        while chunk := os.read(here, 65536):
            shown += chunk
    os.close(here)
    assert process.wait() == 0, shown.decode()
    assert b"Traceback" not in shown
    for progress in shown.decode().split("\n"):
        for line in progress.split("\r"):
            if "%|" in line:
                assert len(line.replace("\x1b[A", "")) <= 20


@pytest.mark.fault("odd names, a locale without UTF-8, a narrow terminal")
@EACH_LESSON
def test_help_on_20_columns(name, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "20")
    assert run(name, "--help") == 0
    assert "--resume" in capsys.readouterr().out


@pytest.mark.fault("a clock that is set back")
def test_a_clock_that_is_set_back(tmp_path, monkeypatch, whole):
    now = itertools.count(time.time(), -3600)
    monkeypatch.setattr(time, "time", lambda: next(now))
    record = train_run(LESSON, SETTINGS, tmp_path, preset="smoke")
    assert weights_of(record) == weights_of(whole)
    assert all(training["seconds"] > 0 for training in record["trainings"])


# Import


@pytest.mark.fault("no network")
def test_nothing_is_fetched_on_import():
    program = (
        "import socket\n"
        "def refuse(*_, **__): raise AssertionError('a connection on import')\n"
        "socket.socket.connect = socket.getaddrinfo = refuse\n"
        "from ae import lessons\n"
        "lessons.load_all()\n"
    )
    done = in_a_process("-c", program)
    assert done.returncode == 0, done.stderr
