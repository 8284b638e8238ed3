"""On versions that the tests have not run on, the program says so once and continues."""

import os
import platform

from ae import backend, console, versions

import pytest
import tensorflow as tf

RANGES = """\
# python >=3.10,<3.14
tensorflow-cpu >=2.18,<2.23 ; platform_machine == "x86_64"
keras >=3.11.2,<3.16  # for layers
numpy >=2.0,<2.6
"""


@pytest.fixture
def running_on(monkeypatch):
    """Returns a function that makes this process look like a new one on other versions."""

    def pretend(python, tensorflow, keras_, numpy):
        monkeypatch.setattr(platform, "python_version", lambda: python)
        found = {"TensorFlow": tensorflow, "Keras": keras_, "NumPy": numpy}
        monkeypatch.setattr(versions, "_installed", found.get)
        versions.warn_of_untested.cache_clear()

    yield pretend
    versions.warn_of_untested.cache_clear()


@pytest.fixture
def ranges(tmp_path, monkeypatch):
    (tmp_path / "requirements.txt").write_text(RANGES, encoding="utf-8")
    monkeypatch.setattr(versions, "REPOSITORY", tmp_path)


def test_a_version_outside_the_range_is_named_once_and_changes_nothing_else(
    ranges, running_on, capsys
):
    running_on("3.12.1", "2.24.0", "3.15.1", "2.4.6")
    assert console.guard(lambda: print("a result") or 3) == 3
    said = capsys.readouterr()
    assert said.out == "a result\n"
    assert said.err == (
        "Tested with TensorFlow 2.18 to 2.22; this is TensorFlow 2.24.0. Results may differ.\n"
    )
    assert console.guard(lambda: None) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("found", "named"),
    [
        (("3.10.0", "2.18.0", "3.11.0", "2.0.0"), []),
        (("3.13.9", "2.22.0-rc0", "3.15.9", "2.5.5"), []),
        (("3.9.18", "2.17.1", "3.10.9", "1.26.4"), ["Python", "TensorFlow", "Keras", "NumPy"]),
        (("3.14.0rc1", "2.21.0", "3.12.0", "2.6.0"), ["Python", "NumPy"]),
        (
            ("3.11.7", "2.23.0-dev20261101", "3.16.0.dev2026102704", "2.4.6"),
            ["TensorFlow", "Keras"],
        ),
        (("3.11.7", "3.0.0", "4.0.0", "3.0.0"), ["TensorFlow", "Keras", "NumPy"]),
    ],
)
def test_the_ends_of_the_ranges(ranges, running_on, capsys, found, named):
    running_on(*found)
    console.guard(lambda: None)
    tested, _, here = capsys.readouterr().err.partition("; this is ")
    for name, version in zip(("Python", "TensorFlow", "Keras", "NumPy"), found, strict=True):
        assert (f"{name} " in tested) == (f"{name} {version}" in here) == (name in named)


def test_the_requirements_give_a_range_for_each(running_on, capsys):
    running_on("2.7.18", "1.15.5", "2.2.4", "1.16.4")
    console.guard(lambda: None)
    (line,) = capsys.readouterr().err.splitlines()
    for version in ("Python 2.7.18", "TensorFlow 1.15.5", "Keras 2.2.4", "NumPy 1.16.4"):
        assert version in line


def test_without_the_requirements_nothing_is_said(tmp_path, monkeypatch, running_on, capsys):
    monkeypatch.setattr(versions, "REPOSITORY", tmp_path)
    running_on("2.7.18", "1.15.5", "2.2.4", "1.16.4")
    assert console.guard(lambda: None) == 0
    assert capsys.readouterr().err == ""


def test_the_user_s_flags_of_xla_win(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_prefer_vector_width=256")
    monkeypatch.setattr(tf, "__version__", "2.21.0")
    backend._quicken_xla()
    widths = [f for f in os.environ["XLA_FLAGS"].split() if "vector_width" in f]
    assert len(widths) == 2
    assert widths[-1].endswith("=256")
    before = os.environ["XLA_FLAGS"]
    backend._quicken_xla()  # as a child process does
    assert os.environ["XLA_FLAGS"] == before


def test_an_older_xla_gets_no_flag_that_would_end_the_process(monkeypatch):
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    monkeypatch.setattr(tf, "__version__", "2.20.0-rc1")
    backend._quicken_xla()
    assert "XLA_FLAGS" not in os.environ
