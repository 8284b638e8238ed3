import json
import os
from collections import Counter
from pathlib import Path

from ae.datasets import documents, noisy_office, synthetic
from ae.datasets.documents import digest_page, load_documents, resize_to_nearest
from ae.errors import InputError, MissingDataError
from ae.pictures import read_grey, write_grey

import numpy as np
import pytest
from running import nearly
from tiny_documents import check, write_kaggle, write_uci, write_zip

pytestmark = pytest.mark.usefixtures("four_pages_alone")


def test_all_sources_give_the_same_pages(tmp_path, monkeypatch):
    write_kaggle(tmp_path / "kaggle" / "dirty_documents")
    write_uci(tmp_path / "uci" / "NoisyOffice" / "SimulatedNoisyOffice")
    digests = [
        check(load_documents(tmp_path / "kaggle")),
        check(load_documents(tmp_path / "kaggle" / "dirty_documents")),
        check(load_documents(tmp_path / "uci")),
        check(load_documents(tmp_path / "uci" / "NoisyOffice")),
    ]
    monkeypatch.setenv("AE_DATA_DIR", str(tmp_path / "kaggle"))
    digests.append(check(load_documents()))
    write_zip(tmp_path / "cache" / "noisyoffice.zip", tmp_path / "uci" / "NoisyOffice")
    monkeypatch.delenv("AE_DATA_DIR")
    digests.append(check(load_documents()))
    assert len(set(digests)) == 1


def test_pages_bear_the_names_of_their_files(tmp_path):
    write_kaggle(tmp_path / "kaggle" / "dirty_documents")
    write_uci(tmp_path / "uci" / "noisyoffice")
    pages = load_documents(tmp_path / "kaggle")
    assert [page.name for page in (*pages.test, *pages.train)] == [
        "1.png",
        "2.png",
        "3.png",
        "5.png",
    ]
    assert load_documents(tmp_path / "uci").test[0].name == "Fontfre_Noisec_TE.png"


def test_a_data_folder_without_documents_leads_to_the_cache(tmp_path, monkeypatch):
    write_zip(tmp_path / "cache" / "noisyoffice.zip", write_uci(tmp_path / "uci"))
    (tmp_path / "mnist").mkdir()
    monkeypatch.setenv("AE_DATA_DIR", str(tmp_path / "mnist"))
    check(load_documents())
    with pytest.raises(InputError, match="mnist holds neither dirty_documents nor NoisyOffice; "):
        load_documents(tmp_path / "mnist")  # that one was asked for


@pytest.mark.fault("no network")
def test_without_any_source_two_lines_say_what_failed_and_what_helps(tmp_path, monkeypatch, capfd):
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("AE_DATA_DIR", str(tmp_path / "empty"))
    with pytest.raises(InputError) as info:
        load_documents()
    failed, helps = str(info.value).splitlines()
    assert f"{tmp_path / 'empty'} holds neither" in failed
    assert "could not be fetched from " in failed
    for part in (
        f"{noisy_office.ARCHIVES[0].url} to {tmp_path / 'cache'}",
        "data/README.md",
        "--data synthetic",
    ):
        assert part in helps
    assert capfd.readouterr() == ("", "")  # the downloader says nothing of its own
    monkeypatch.delenv("AE_DATA_DIR")
    with pytest.raises(InputError) as info:
        load_documents()
    assert "holds neither" not in str(info.value)


@pytest.mark.fault("no network")
def test_generated_pages_take_the_place_of_scans_in_two_lines(monkeypatch, capfd):
    monkeypatch.setattr(synthetic, "synthetic_documents", lambda seed: "generated")
    assert synthetic.load_or_generate_documents("auto", None, 0) == "generated"
    out, err = capfd.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 2
    assert "could not be fetched" in err.splitlines()[0]
    assert "generated pages" in err.splitlines()[1]


def test_a_data_folder_that_does_not_exist_is_not_passed_over(tmp_path):
    with pytest.raises(InputError, match=r"nowhere does not exist"):
        load_documents(tmp_path / "nowhere")


def test_an_environment_that_names_no_folder_is_passed_over(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("AE_DATA_DIR", str(tmp_path / "nowhere"))
    with pytest.raises(MissingDataError):
        load_documents()
    assert "nowhere" in capsys.readouterr().err


def replace_by_folder(path):
    path.unlink()
    path.mkdir()


def replace_by_dead_link(path):
    path.unlink()
    path.symlink_to("nowhere.png")


def change_one_pixel(path):
    pixels = read_grey(path)
    pixels[0, 0] ^= 1
    write_grey(path, pixels)


@pytest.mark.fault("a damaged data file")
@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (Path.unlink, r"{path} is missing"),
        (replace_by_dead_link, r"{path} is missing"),
        (replace_by_folder, r"{path} cannot be read \(not an ordinary file\)"),
        (lambda path: path.write_text("no picture"), r"{path} cannot be read as a picture"),
        (change_one_pixel, r"{path} differs from the published page in its pixels"),
        (
            lambda path: write_grey(path, np.zeros((6, 10), np.uint8)),
            r"{path} differs from the published page in its pixels",
        ),
        (
            lambda path: write_grey(path, np.zeros((7100, 7100), np.uint8)),
            r"{path} has 7100 x 7100 pixels, more than the 50 megapixels",
        ),
    ],
)
@pytest.mark.parametrize("name", ["train/3.png", "train_cleaned/3.png", "test/1.png"])
def test_a_bad_page_is_named_with_what_is_wrong_with_it(tmp_path, name, damage, complaint):
    path = write_kaggle(tmp_path / "dirty_documents") / name
    damage(path)
    with pytest.raises(InputError, match=complaint.format(path=path)) as info:
        load_documents(tmp_path)
    assert "unpack the data set again" in str(info.value)


def test_a_page_of_nearly_the_checksum_is_refused(tmp_path):
    write_kaggle(tmp_path / "dirty_documents")
    registry = json.loads(documents.REGISTRY.read_text())
    name = noisy_office.page_names(**noisy_office.describe_page(2))["dirty"]
    registry["pages"][name] = nearly(registry["pages"][name])
    documents.REGISTRY.write_text(json.dumps(registry))
    with pytest.raises(InputError, match=r"train/3\.png differs from the published page"):
        load_documents(tmp_path)


def test_a_pipe_is_refused_without_waiting_for_it(tmp_path):
    path = write_kaggle(tmp_path / "dirty_documents") / "train" / "3.png"
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(InputError, match=r"3\.png cannot be read \(not an ordinary file\)"):
        load_documents(tmp_path)


def test_a_missing_folder_is_named(tmp_path):
    folder = write_kaggle(tmp_path / "dirty_documents")
    (folder / "train_cleaned").rename(folder / "train_clean")
    with pytest.raises(InputError, match=r"train_cleaned/2\.png is missing"):
        load_documents(tmp_path)


def test_a_link_out_of_the_folder_is_followed(tmp_path):
    path = write_kaggle(tmp_path / "dirty_documents") / "train" / "2.png"
    path.rename(tmp_path / "elsewhere.png")
    path.symlink_to(tmp_path / "elsewhere.png")
    check(load_documents(tmp_path))


def test_resizing_picks_pixels_and_mixes_none():
    page = np.repeat(np.array([[0], [100]], np.uint8), 4, axis=1)
    np.testing.assert_array_equal(resize_to_nearest(page, 1, 4), [[100] * 4])
    assert resize_to_nearest(page, 3, 5).shape == (3, 5)


def test_digests_see_the_shape_and_the_pixels():
    page = np.zeros((2, 3), np.uint8)
    changed = page.copy()
    changed[1, 2] = 1
    digests = {digest_page(page), digest_page(page.T), digest_page(changed)}
    assert len(digests) == 3


REAL = Path(os.environ.get("AE_DATA_DIR", "")) / "dirty_documents"


@pytest.mark.skipif(
    not os.environ.get("AE_DATA_DIR") or not REAL.is_dir(),
    reason="no dirty_documents in AE_DATA_DIR",
)
def test_the_published_pages(monkeypatch):
    monkeypatch.undo()
    pages = load_documents()
    assert Counter(page.partition for page in pages.train) == {"TR": 72, "VA": 72}
    assert Counter(page.partition for page in pages.test) == {"TE": 72}
    assert {page.dirty.shape for page in pages.train if page.size == "f"} == {(258, 540)}
    assert {page.dirty.shape for page in pages.train if page.size != "f"} == {(420, 540)}
    assert all(page.clean.shape == page.dirty.shape for page in pages.train)
    assert len({digest_page(page.clean) for page in pages.train}) == 36
    errors = [np.mean((page.dirty / 255 - page.clean / 255) ** 2) for page in pages.train]
    assert np.sqrt(np.mean(errors)) == pytest.approx(0.1577, abs=0.0001)
