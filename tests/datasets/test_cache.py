import subprocess
import sys
from pathlib import Path

from ae.datasets.fetch import fetch, sources_for
from ae.paths import REPOSITORY

import pytest
from tiny_images import DAMAGED, IMAGES, TINY, place, put, source_of

pytestmark = pytest.mark.usefixtures("nothing_to_be_found")


@pytest.mark.fault("a damaged cache")
@pytest.mark.parametrize("damage", [name for name in DAMAGED if name != "folder"])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_damaged_cache_is_repaired_with_a_notice(tiny, tmp_path, capsys, damage, suffix):
    problem, contents = DAMAGED[damage]
    folder = tmp_path / "cache" / "tiny"
    place(folder, {name: data for name, data in TINY.items() if name != IMAGES})
    put(folder / f"{IMAGES}{suffix}", contents)
    log = []
    fetched = fetch(tiny, [*sources_for(tiny), source_of(TINY, "there", log)])
    assert fetched.payloads == TINY
    assert log == [IMAGES]
    notice = capsys.readouterr().err
    assert (folder / f"{IMAGES}{suffix}").as_posix() in notice
    assert problem in notice
    assert (folder / IMAGES).read_bytes() == TINY[IMAGES]
    assert fetch(tiny, sources_for(tiny)).payloads == TINY
    assert capsys.readouterr().err == ""


@pytest.mark.fault("a damaged cache")
def test_a_folder_in_the_place_of_a_cached_file(tiny, tmp_path, capsys):
    folder = tmp_path / "cache" / "tiny"
    place(folder)
    put(folder / IMAGES, None)
    assert fetch(tiny, [*sources_for(tiny), source_of(TINY)]).payloads == TINY
    notice = capsys.readouterr().err
    assert "cannot be read (not an ordinary file)" in notice
    assert "could not be kept" in notice
    assert sorted(path.name for path in folder.iterdir()) == sorted(TINY)


@pytest.mark.fault("a cache that is full or read-only")
def test_a_cache_that_cannot_be_written_is_no_obstacle(tiny, tmp_path, capsys):
    (tmp_path / "cache").write_text("a file where a folder should be")
    fetched = fetch(tiny, [*sources_for(tiny), source_of(TINY)])
    assert fetched.payloads == TINY
    notice = capsys.readouterr().err
    assert notice.count("could not be kept") == 1
    assert "AE_CACHE_DIR may name another folder" in notice


@pytest.mark.fault("a cache that is full or read-only")
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_broken_write_leaves_nothing_behind(tiny, tmp_path, monkeypatch, error):
    def fail(part, target):
        assert part.read_bytes() in TINY.values()
        raise error

    monkeypatch.setattr(Path, "replace", fail)
    if isinstance(error, OSError):
        assert fetch(tiny, [source_of(TINY)]).payloads == TINY
    else:
        with pytest.raises(KeyboardInterrupt):
            fetch(tiny, [source_of(TINY)])
    assert list((tmp_path / "cache" / "tiny").iterdir()) == []


# A process that loads what it needs of ae.datasets without TensorFlow, which takes seconds.
FETCH = """
import sys, types
from pathlib import Path
for name in ("ae", "ae.datasets"):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [name.replace(".", "/")]
from ae.datasets.fetch import fetch, sources_for
from ae.datasets.registry import load_registry
from dataclasses import replace
tiny = load_registry(Path(sys.argv[1], "registry.json"))["tiny"]
tiny = replace(tiny, sources={"debian_folder": [sys.argv[2]]})
print("ready", flush=True)
sys.stdin.readline()
for turn in range(25):
    fetched = fetch(tiny, sources_for(tiny))
    assert len(fetched.payloads) == 4
    if turn < 24:
        Path(sys.argv[1], "cache", "tiny", "train-images-idx3-ubyte").unlink(missing_ok=True)
"""


@pytest.mark.fault("processes that start together on an empty cache")
def test_processes_that_fill_the_cache_together(tiny, tmp_path):
    place(tmp_path / "share")
    command = [sys.executable, "-W", "error", "-c", FETCH, str(tmp_path), str(tmp_path / "share")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    processes = [subprocess.Popen(command, cwd=REPOSITORY, text=True, **pipes) for _ in range(4)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        notices = process.communicate(timeout=60)[1]
        assert "ae:" not in notices
        assert process.returncode == 0, notices
    kept = {path.name: path.read_bytes() for path in (tmp_path / "cache" / "tiny").iterdir()}
    assert kept == TINY
