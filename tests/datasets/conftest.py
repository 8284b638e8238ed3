import json

from ae.datasets import documents, noisy_office
from ae.datasets.documents import digest_page

import pytest
from tiny_documents import fake_pages
from tiny_images import make_data_set


@pytest.fixture
def nothing_to_be_found(monkeypatch, tmp_path):
    """Leaves nothing of this machine to be found: an empty home, cache and current folder."""
    home = tmp_path / "home"
    home.mkdir()
    for name in ("AE_DATA_DIR", "KERAS_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    monkeypatch.setenv("AE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.chdir(home)


@pytest.fixture
def tiny(tmp_path):
    return make_data_set(tmp_path)


@pytest.fixture
def four_pages_alone(monkeypatch, tmp_path):
    """Puts a registry of four pages, an empty cache and no host in place of the real ones."""
    digests = {name: digest_page(pixels) for name, pixels in fake_pages().items()}
    registry = {"pages": digests}
    (tmp_path / "registry.json").write_text(json.dumps(registry))
    monkeypatch.setattr(documents, "REGISTRY", tmp_path / "registry.json")
    nowhere = noisy_office.Archive("http://127.0.0.1:9/noisyoffice.zip", 426)
    monkeypatch.setattr(noisy_office, "ARCHIVES", (nowhere,))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("AE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("AE_DATA_DIR", raising=False)
