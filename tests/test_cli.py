"""What a user can get wrong ends with one sentence and exit code 2, and leaves nothing behind."""

import contextlib
import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import ae
from ae import cli, console, paths
from ae.paths import REPOSITORY
from ae.proof import times
from ae.training.run import Run
from tutorials.__main__ import main as tutorials_main

import keras
import matplotlib
import pytest
import tensorflow as tf
from matplotlib import pyplot
from running import EACH_LESSON, NAMES, exit_code, lesson, read_record, without_notices


def files_under(folder):
    return [path for path in folder.rglob("*") if not path.is_dir()]


def assert_one_sentence(capsys, *parts, begun=False):
    """Standard error holds one sentence; standard output nothing, unless training has begun."""
    out, err = capsys.readouterr()
    assert begun or out == ""
    assert err.count("\n") == 1
    assert err.endswith((".\n", "?\n"))
    assert "Traceback" not in err
    for part in parts:
        assert part in err


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--preset", "huge"], ["--preset", "'huge'", "smoke"]),
        (["--epochs", "0"], ["--epochs", "above zero", "'0'"]),
        (["--epochs", "1.5"], ["--epochs", "whole number", "'1.5'"]),
        (["--epochs", "many"], ["--epochs", "whole number", "'many'"]),
        (["--batch-size", "-1"], ["--batch-size", "from 1 to 60000", "'-1'"]),
        (["--batch-size", "60001"], ["--batch-size", "from 1 to 60000", "'60001'"]),
        (["--learning-rate", "nan"], ["--learning-rate", "number", "'nan'"]),
        (["--learning-rate", "inf"], ["--learning-rate", "number", "'inf'"]),
        (["--learning-rate", "0"], ["--learning-rate", "above zero"]),
        (["--style", "sketch"], ["--style", "'sketch'", "low-level"]),
        (["--variant", "improved"], ["--variant", "'improved'", "corrected"]),
        (["--seed", "-1"], ["--seed", "whole number", "'-1'"]),
        (["--seed", "2147483648"], ["--seed", "to 2147483647"]),
        (["--seed", "²"], ["--seed", "whole number"]),
        (["--out", ""], ["--out", "must name a folder"]),
        (["--frobnicate"], ["--frobnicate"]),
        (["--epoch", "2"], ["--epoch", "did you mean '--epochs'?"]),
        (["--stile", "keras"], ["--stile", "did you mean '--style'?"]),
        (["--style", "kera"], ["'kera'", "did you mean 'keras'?"]),
        (["paint"], ["paint"]),
    ],
)
def test_a_wrong_argument(tmp_path, capsys, arguments, parts):
    assert (
        exit_code(lesson("dense_ae"), "--preset", "smoke", "--out", tmp_path / "out", *arguments)
        == 2
    )
    assert_one_sentence(capsys, "dense_ae", *parts)
    assert not list(tmp_path.iterdir())


def test_windows_show_every_figure_once_at_the_end(smoke, tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr(cli, "_opens_windows", lambda _: True)
    monkeypatch.setattr(pyplot, "show", lambda: shown.append(len(pyplot.get_fignums())))
    pyplot.close("all")
    arguments = ("--from", smoke("tiny_ae"), "--out", tmp_path)
    assert exit_code(lesson("tiny_ae"), *arguments) == 0
    assert shown == []
    assert exit_code(lesson("tiny_ae"), *arguments, "--show") == 0
    assert shown == [2]  # one of each style
    pyplot.close("all")


@pytest.mark.parametrize("backend", ["agg", "svg", "module://no.such", "gtk3agg"])
def test_windows_that_cannot_be_opened(tmp_path, capsys, monkeypatch, backend):
    monkeypatch.setattr(matplotlib, "get_backend", lambda: backend)
    assert exit_code(lesson("dense_ae"), "--show", "--out", tmp_path / "out") == 2
    assert_one_sentence(capsys, "--show: no window can be opened here", "leave it out")
    assert tutorials_main(["run", "--show", "--out", str(tmp_path / "out")]) == 2
    assert_one_sentence(capsys, "--show: no window can be opened here", "leave it out")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "arguments", "parts"),
    [
        ("fashion_vae", ["--generate", "sock"], ["--generate", "'sock'", "trouser"]),
        ("conv_denoiser", ["--output", "tanh"], ["--output", "'tanh'", "linear"]),
        ("document_cleaner", ["--data", "fake"], ["--data", "'fake'", "synthetic"]),
        ("sigmoid_ae", ["--classifier"], ["--classifier"]),  # another lesson's option
        ("document_cleaner", ["clean"], ["IN"]),
    ],
)
def test_a_wrong_argument_of_a_lesson_s_own(capsys, name, arguments, parts):
    assert exit_code(lesson(name), *arguments) == 2
    assert_one_sentence(capsys, name, *parts)


@pytest.mark.parametrize("name", ["dense_ae", "conv_denoiser", "document_cleaner"])
def test_a_data_folder_that_is_not_there(tmp_path, capsys, name):
    missing = tmp_path / "missing"
    assert (
        exit_code(lesson(name), "--preset", "smoke", "--data-dir", missing, "--out", tmp_path / "o")
        == 2
    )
    assert_one_sentence(capsys, str(missing))
    assert not files_under(tmp_path)


@pytest.mark.parametrize(
    ("option", "name", "part"),
    [
        *((option, "n" * 300, "File name too long") for option in ("--out", "--resume", "--from")),
        ("--data-dir", "n" * 300, "File name too long"),
        ("--data-dir", "~nobody-of-that-name/x", "no such home folder"),
    ],
)
def test_a_name_that_cannot_be(tmp_path, capsys, monkeypatch, option, name, part):
    monkeypatch.chdir(tmp_path)
    preset = ["--preset", "smoke"] if option in ("--out", "--data-dir") else []
    assert exit_code(lesson("dense_ae"), *preset, option, name) == 2
    assert_one_sentence(capsys, name, part)
    assert not files_under(tmp_path)


def test_a_folder_that_may_not_be_entered(tmp_path, capsys, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied", "/root/run")

    monkeypatch.setattr(Path, "exists", refuse)
    assert exit_code(lesson("dense_ae"), "--preset", "smoke", "--out", tmp_path / "run") == 2
    assert_one_sentence(capsys, "/root/run: Permission denied")


def test_an_error_that_names_no_file_is_shown_whole():
    def fail():
        raise OSError("of our own making")

    with pytest.raises(OSError, match="of our own making"):
        console.guard(fail)


UNUSABLE = {
    "a file": lambda tmp_path: tmp_path / "file",
    "in a file": lambda tmp_path: tmp_path / "file" / "out",
    "nowhere": lambda _: Path("/proc/out"),
    "not writable": lambda _: Path("/proc"),
}


@pytest.mark.parametrize("kind", UNUSABLE)
def test_an_output_folder_that_cannot_be_used(tmp_path, capsys, kind):
    if kind in ("nowhere", "not writable") and not Path("/proc/self").exists():
        pytest.skip("there is no /proc here")
    (tmp_path / "file").write_text("precious")
    out = UNUSABLE[kind](tmp_path)
    never_loads = dataclasses.replace(lesson("dense_ae"), load=lambda *_: pytest.fail("it went on"))
    assert exit_code(never_loads, "--preset", "smoke", "--out", out) == 2
    assert_one_sentence(capsys, f"{out}: ")
    assert [path.read_text() for path in files_under(tmp_path)] == ["precious"]


GOOD = {"lesson": "dense_ae", "settings": {"num_epochs": 1, "batch_size": 1, "learning_rate": 1.0}}
GOOD |= {"printed_loss": "loss", "data": {"notice": ""}, "preset": "smoke"}
TRAINING = {
    **{"network": "autoencoder", "style": "keras", "saved": "networks/keras.keras"},
    **{"history": [{"loss": 0.5}], "seconds": 1.0, "published": None},
}
BROKEN = {
    "no JSON": "{",
    "nothing": "",
    "not text": b"\xff\xfe\x00",
    "a list": [],
    "a number": 5,
    "no settings": {"lesson": "dense_ae", "trainings": []},
    "settings that are no table": {**GOOD, "settings": 3, "trainings": []},
    "a setting that is not known": {**GOOD, "settings": {"hue": 1}, "trainings": []},
    "trainings that are no list": {**GOOD, "trainings": 3},
    "a training without a network": {**GOOD, "trainings": [{"style": "keras"}]},
    "a training of an unknown network": {
        **GOOD,
        "trainings": [TRAINING, {**TRAINING, "network": "transformer"}],
    },
    "a training without a history": {**GOOD, "trainings": [{**TRAINING, "history": []}]},
    "a network that is gone": {**GOOD, "trainings": [TRAINING]},
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_record_that_is_broken(tmp_path, capsys, kind):
    content = BROKEN[kind]
    if not isinstance(content, (str, bytes)):
        content = json.dumps(content)
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "record.json").write_bytes(
        content if isinstance(content, bytes) else content.encode()
    )
    assert exit_code(lesson("dense_ae"), "--from", folder, "--out", tmp_path / "out") == 2
    assert_one_sentence(capsys, str(folder))
    assert [path.name for path in files_under(tmp_path)] == ["record.json"]


@pytest.mark.parametrize(
    "theirs",
    ["record.json", "figures/thesis.txt", "networks/w.bin", "dense_ae.py", "unfinished/poem.txt"],
)
def test_what_is_not_a_run_s_own_is_not_replaced(tmp_path, capsys, theirs):
    path = tmp_path / "mine" / theirs
    path.parent.mkdir(parents=True)
    path.write_text('{"mine": 1}')
    assert exit_code(lesson("dense_ae"), "--preset", "smoke", "--out", tmp_path / "mine") == 2
    assert_one_sentence(capsys, str(path), "choose another --out")
    assert [p.read_text() for p in files_under(tmp_path)] == ['{"mine": 1}']


def test_another_lesson_s_run_is_not_replaced(tmp_path, capsys):
    (tmp_path / "record.json").write_text(json.dumps({**GOOD, "trainings": []}))
    assert exit_code(lesson("sigmoid_ae"), "--preset", "smoke", "--out", tmp_path) == 2
    assert_one_sentence(capsys, f"{tmp_path / 'record.json'} is there already")


def test_nor_is_it_after_a_rerun_that_was_stopped_in_its_first_epoch(tmp_path, capsys):
    for folder in (tmp_path, tmp_path / "unfinished"):
        folder.mkdir(exist_ok=True)
        (folder / "record.json").write_text(json.dumps({**GOOD, "trainings": []}))
    assert exit_code(lesson("sigmoid_ae"), "--preset", "smoke", "--out", tmp_path) == 2
    assert_one_sentence(capsys, f"{tmp_path / 'record.json'} is there already")
    assert len(files_under(tmp_path)) == 2


def test_sigterm_ends_as_ctrl_c_does():
    usual = signal.getsignal(signal.SIGTERM)
    try:
        assert console.guard(lambda: os.kill(os.getpid(), signal.SIGTERM)) == 130
    finally:
        signal.signal(signal.SIGTERM, usual)


@pytest.mark.parametrize(
    "closed", [">&- 2>&-", *(pytest.param(one, marks=pytest.mark.long) for one in (">&-", "2>&-"))]
)
def test_a_stream_may_be_closed(closed):
    command = f"{sys.executable} -m tutorials errata dense_ae {closed}"
    assert subprocess.run(command, shell=True, cwd=REPOSITORY).returncode == 0


def test_a_folder_without_a_run(tmp_path, capsys):
    assert exit_code(lesson("dense_ae"), "--from", tmp_path, "--out", tmp_path / "out") == 2
    assert_one_sentence(capsys, str(tmp_path), "no run")
    assert not list(tmp_path.iterdir())


def test_a_run_of_another_lesson(tmp_path, capsys):
    (tmp_path / "record.json").write_text(json.dumps({**GOOD, "trainings": []}))
    assert exit_code(lesson("sigmoid_ae"), "--from", tmp_path, "--out", tmp_path / "out") == 2
    assert_one_sentence(capsys, "dense_ae", "sigmoid_ae")
    assert [path.name for path in tmp_path.iterdir()] == ["record.json"]


@pytest.mark.parametrize(("style", "step"), [("low-level", 2), ("keras", 25)])
def test_a_loss_that_is_no_number_names_its_step(tmp_path, capsys, style, step):
    """Several steps are taken in one call; Keras says only after the call what came of them."""
    arguments = ["--preset", "smoke", "--style", style, "--no-xla", "--learning-rate", "1e30"]
    assert exit_code(lesson("dense_ae"), *arguments, "--out", tmp_path) == 2
    parts = ["dense_ae", style, f"by step {step} of epoch 1", "--learning-rate"]
    assert_one_sentence(capsys, *parts, begun=True)
    assert not files_under(tmp_path)


def test_a_training_that_the_memory_does_not_hold(tmp_path, capsys, monkeypatch):
    def exhausted(*_, **__):
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating a tensor")

    monkeypatch.setattr(Run, "chunks", exhausted)
    arguments = ["--preset", "smoke", "--style", "low-level", "--out", tmp_path]
    assert exit_code(lesson("dense_ae"), *arguments) == 2
    assert_one_sentence(capsys, "too little memory", "--batch-size", begun=True)
    assert not files_under(tmp_path)


def test_an_interrupted_run_says_so_and_gives_130(tmp_path, capsys):
    def interrupt(*_):
        raise KeyboardInterrupt

    assert (
        exit_code(dataclasses.replace(lesson("dense_ae"), load=interrupt), "--out", tmp_path) == 130
    )
    assert_one_sentence(capsys, "Interrupted")
    assert not files_under(tmp_path)


def test_a_batch_that_the_data_cannot_fill(tmp_path, capsys):
    arguments = ["--preset", "smoke", "--batch-size", "513"]
    assert exit_code(lesson("low_level_ae"), *arguments, "--out", tmp_path) == 2
    assert_one_sentence(capsys, "513", "512", "--batch-size", begun=True)
    assert not files_under(tmp_path)


def test_a_reader_that_goes_away_is_no_failure(monkeypatch):
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        assert console.guard(lambda: print("to nobody")) == 141


@EACH_LESSON
def test_help_explains_the_lesson_and_every_option(capsys, name):
    assert exit_code(lesson(name), "--help") == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert lesson(name).doc.splitlines()[0] in out
    own = {
        "--" + field.name.replace("_", "-")
        for field in dataclasses.fields(lesson(name).presets["article"])
        if field.metadata.get("help")
    }
    shared = {"--style", "--preset", "--variant", "--epochs", "--batch-size", "--learning-rate"}
    shared |= {"--seed", "--data-dir", "--out", "--from", "--show", "--xla", "--no-xla"}
    for option in own | shared:
        assert f"{option} " in out or f"{option}," in out or f"{option}\n" in out, option


@EACH_LESSON
def test_help_says_what_each_preset_is_and_how_long_it_took(capsys, name):
    assert exit_code(lesson(name), "--help") == 0
    (about,) = re.findall(r"\{smoke,quick,article\}(.*)--variant \{", words_of(capsys), re.S)
    for preset, settings in lesson(name).presets.items():
        epochs = "1 epoch," if settings.num_epochs == 1 else f"{settings.num_epochs} epochs,"
        assert f"{preset}: {epochs}" in about
        assert times.expected(lesson(name), settings, "both") in about
    assert about.count("of training on ") >= 1


def words_of(capsys):
    """What is printed, without the ends of its lines."""
    return " ".join(capsys.readouterr().out.split()).partition("options: ")[2]


@pytest.mark.parametrize("arguments", [["--version"], ["dense_ae", "--version"]])
def test_the_version_names_what_a_result_depends_on(capsys, arguments):
    with contextlib.suppress(SystemExit):
        assert tutorials_main(arguments) == 0
    (line,) = capsys.readouterr().out.splitlines()
    for part in (ae.__version__, f"TensorFlow {tf.__version__}", f"Keras {keras.__version__}"):
        assert part in line


def test_a_run_says_how_much_it_trains_what_it_draws_and_what_to_open(tmp_path, capsys):
    out = tmp_path / "run"
    arguments = ("--preset", "smoke", "--no-xla", "--style", "keras", "--out", out)
    assert exit_code(lesson("tiny_ae"), *arguments) == 0
    header, *lines = without_waiting(capsys.readouterr().out)
    assert header == "tiny_ae: 40 training examples, 2 epochs, Keras style"
    drawn = [line.removeprefix("picture: ") for line in lines if line.startswith("picture: ")]
    figures = {str(path.relative_to(out)) for path in (out / "figures").iterdir()}
    assert {str(Path(path).relative_to(out / "unfinished")) for path in drawn} == figures
    assert re.fullmatch(r"took (\d+ min )?[\d.]+ s", lines[-2])
    assert lines[-1] == f"Open {out / 'figures'}"


def without_waiting(out):
    """Leaves out the signs of life of a machine that takes more than two seconds for something."""
    return [line for line in out.splitlines() if not line.endswith(" ...")]


def test_pictures_that_are_drawn_again_are_where_it_is_said(smoke, tmp_path, capsys):
    run = smoke("tiny_ae")
    capsys.readouterr()
    assert exit_code(lesson("tiny_ae"), "--from", run, "--out", tmp_path) == 0
    lines = capsys.readouterr().out.splitlines()
    drawn = [line.removeprefix("picture: ") for line in lines if line.startswith("picture: ")]
    assert len(drawn) == 2  # one of each style
    assert all(Path(path).parent == tmp_path / "figures" and Path(path).exists() for path in drawn)


@pytest.mark.parametrize("reader", ["head -1", "true"])
def test_a_reader_of_the_list_may_stop_early(reader):
    command = f"set -o pipefail; {sys.executable} -u -m tutorials | {reader}"
    done = subprocess.run(["bash", "-c", command], cwd=REPOSITORY, capture_output=True, text=True)
    assert done.stderr == ""
    assert done.returncode in (0, 141)


def test_make_help_has_a_sentence_for_each_target():
    text = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    (targets,) = re.findall(r"^\.PHONY: (.*)", text, re.M)
    listed = subprocess.run(
        ["make", "--no-print-directory", "help"], cwd=REPOSITORY, capture_output=True, text=True
    )
    assert (listed.returncode, listed.stderr) == (0, "")
    about = dict(line.split(maxsplit=1) for line in listed.stdout.splitlines())
    assert sorted(about) == sorted(targets.split())
    assert all(sentence.endswith(".") for sentence in about.values())


def test_without_arguments_the_lessons_are_listed_a_line_each():
    listed = subprocess.run(
        [sys.executable, "-m", "tutorials"], cwd=REPOSITORY, capture_output=True, text=True
    )
    assert (listed.returncode, listed.stderr) == (0, "")
    lines = listed.stdout.splitlines()[: len(NAMES)]
    assert [line.split()[0] for line in lines] == list(NAMES)
    for name, line in zip(NAMES, lines, strict=True):
        assert line.endswith(lesson(name).doc.splitlines()[0])
    assert listed.stdout.splitlines()[len(NAMES)] == ""


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["frobnicate"], ["'frobnicate'", "run", "dense_ae"]),
        (["rum"], ["'rum'", "did you mean 'run'?"]),
        (["sigmod_ae"], ["did you mean 'sigmoid_ae'?"]),
        (["run", "sigmod_ae"], ["did you mean 'sigmoid_ae'?"]),
        (["run", "pca"], ["'pca'", "dense_ae", "fashion_vae"]),
        (["run", "dense_ae", "--epochs", "0"], ["--epochs", "above zero"]),
        (["run", "dense_ae", "--preset", "huge"], ["--preset", "'huge'"]),
        (["run", "dense_ae", "--from", "runs"], ["--from runs"]),
    ],
)
def test_a_wrong_command_for_several_lessons(tmp_path, monkeypatch, capsys, arguments, parts):
    monkeypatch.chdir(tmp_path)
    assert tutorials_main(arguments) == 2
    assert_one_sentence(capsys, *parts)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("dense_ae", "Step 100: Loss: "),
        ("conv_denoiser", "Epoch 1 - loss: "),  # whose Keras style made oneDNN complain
    ],
)
def test_a_lesson_runs_as_a_script_from_anywhere_and_leaves_standard_error_empty(
    tmp_path, name, line
):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("TF_CPP", "PYTHON"))}
    done = subprocess.run(
        [
            *(sys.executable, REPOSITORY / "tutorials" / f"{name}.py"),
            *("--preset", "smoke", "--style", "keras", "--out", tmp_path / "out"),
        ],
        cwd=elsewhere,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, without_notices(done.stderr)) == (0, "")
    assert line in done.stdout
    assert not {"\r", "\033"} & set(done.stdout)
    assert str(tmp_path / "out" / "figures") in done.stdout
    assert (tmp_path / "out" / "record.json").is_file()
    assert not list(elsewhere.iterdir())


@pytest.mark.parametrize("name", ["tutorials.sigmoid_ae", "tutorials"])
def test_a_python_without_packages_is_told_of_the_environment(name):
    command = [sys.executable, "-S", "-m", name, "run"]  # -S leaves the environment's packages out
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith(f"NumPy is not installed for {sys.executable}; ")
    assert len(done.stderr.splitlines()) == 1


def test_a_python_without_imgaug_is_told_how_to_install_it():
    without = "import sys; sys.modules['imgaug'] = None; import ae.cli"
    done = subprocess.run(
        [sys.executable, "-c", without], cwd=REPOSITORY, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stderr.startswith(f"imgaug is not installed for {sys.executable}; ")
    assert "requirements-imgaug.txt with --no-deps" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_what_is_advised_names_the_python_that_runs(monkeypatch, tmp_path):
    def as_if(executable, *on_path):
        monkeypatch.setattr(sys, "executable", str(executable))
        monkeypatch.setenv("PATH", os.pathsep.join(map(str, on_path)))
        return paths.python()

    here, there = tmp_path / "my house" / "bin", tmp_path / "bin"
    for folder in (here, there):
        folder.mkdir(parents=True)
        (folder / "python").touch(mode=0o755)
    assert as_if(there / "python", there, here) == "python"
    assert as_if(there / "python", here, there) == str(there / "python")
    monkeypatch.chdir(tmp_path)
    assert as_if(there / "python", here) == "bin/python"
    assert as_if(here / "python") == "'my house/bin/python'"
    assert lesson("dense_ae").command == "'my house/bin/python' -m tutorials dense_ae"


@pytest.mark.parametrize(
    ("command", "number", "options"), [("run", "", ["--preset", "smoke"]), ("check", "-2", [])]
)
def test_several_lessons_do_not_begin_where_one_was_interrupted(
    tmp_path, capsys, command, number, options
):
    """It is found out before the first is trained, and the advice is for all of them."""
    states = tmp_path / f"sigmoid_ae{number}" / "unfinished" / "checkpoints" / "low-level"
    states.mkdir(parents=True)
    (states / "checkpoint").touch()
    arguments = [command, "dense_ae", "sigmoid_ae", *options, "--out", str(tmp_path)]
    assert tutorials_main(arguments) == 2
    again = f"python -m tutorials {' '.join(arguments)} --resume"
    left = str(tmp_path / f"sigmoid_ae{number}" / "unfinished")
    assert_one_sentence(capsys, "interrupted", again, f"or delete {left}.")
    assert [path.name for path in tmp_path.iterdir()] == [f"sigmoid_ae{number}"]


def test_what_is_advised_is_the_command_that_was_given(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["tutorials/__main__.py", "run"])
    assert lesson("dense_ae").command == "python -m tutorials dense_ae"
    monkeypatch.setattr(sys, "argv", ["../our house/tutorials/dense_ae.py"])
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", SimpleNamespace())
    assert lesson("dense_ae").command == "python -m tutorials dense_ae"
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", None)
    assert lesson("dense_ae").command == "python '../our house/tutorials/dense_ae.py'"
    assert lesson("sigmoid_ae").command == "python -m tutorials sigmoid_ae"


def test_several_lessons_end_with_one_table(smoke, capsys):
    """Finished runs are taken as they are."""
    names = ["dense_ae", "fashion_vae"]
    (runs,) = {smoke(name).parent for name in names}
    arguments = ["--preset", "smoke", "--no-xla", "--out", str(runs), "--resume"]
    capsys.readouterr()
    assert tutorials_main(["run", *names, *arguments]) == 0
    lines = capsys.readouterr().out.splitlines()
    header = next(i for i, line in enumerate(lines) if line.startswith("lesson "))
    assert lines[header].split() == ["lesson", "style", "epochs", "time", "loss", "published"]
    rows = [line.split(maxsplit=6) for line in lines[header + 1 : header + 5]]
    expected = []
    for name in names:
        record = read_record(runs / name)
        for training in record["trainings"]:
            loss = training["history"][-1][record["printed_loss"]]
            time = [f"{training['seconds']:.1f}", "s"]
            expected.append([name, training["style"], "1", *time, f"{loss:.4f}", "none comparable"])
    assert rows == expected
