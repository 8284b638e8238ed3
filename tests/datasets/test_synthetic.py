import time
from collections import Counter

from ae import datasets
from ae.datasets import synthetic, typesetting
from ae.datasets.documents import digest_page
from ae.datasets.noisy_office import describe_page
from ae.datasets.synthetic import print_on, synthetic_documents
from ae.errors import InputError, MissingDataError

import numpy as np
import pytest

# Mean, standard deviation, 1st and 99th percentile of NoisyOffice's paper, mean of its ink.
NOISY_OFFICE = {
    "coffee": (214, 28, 102, 236, 15),
    "folded": (225, 8, 204, 247, 36),
    "footprints": (210, 12, 177, 228, 15),
    "wrinkled": (222, 20, 170, 255, 39),
}


@pytest.fixture(scope="module")
def documents():
    """All pages, which every worker's tests share."""
    return datasets.load_or_generate_documents("synthetic", None, 0)


def test_counts_and_descriptions_are_those_of_the_data_set(documents):
    assert Counter(page.partition for page in documents.train) == {"TR": 72, "VA": 72}
    assert Counter(page.partition for page in documents.test) == {"TE": 72}
    assert Counter(page.noise for page in documents.train) == dict.fromkeys(NOISY_OFFICE, 36)
    for page in (*documents.train, *documents.test):
        description = describe_page(int(page.name.removeprefix("synthetic-")) - 1)
        assert description.items() <= vars(page).items()
    assert documents.synthetic


def test_pages_have_the_sizes_of_the_data_set(documents):
    for page in (*documents.train, *documents.test):
        assert page.dirty.shape == ((258, 540) if page.size == "f" else (420, 540))
        assert page.dirty.dtype == np.uint8
    assert all(page.clean.shape == page.dirty.shape for page in documents.train)
    assert all(page.clean is None for page in documents.test)


def test_no_two_pages_share_paper_or_text(documents):
    pages = (*documents.train, *documents.test)
    assert len({digest_page(page.dirty) for page in pages}) == 216
    assert len({digest_page(page.clean) for page in documents.train}) == 144


def test_no_sentence_is_read_in_two_partitions(monkeypatch):
    read = {}

    def note(rng, face, space, sentences, num_lines, measure):
        read.setdefault(partition, set()).update(sentences)
        return [[]] * num_lines

    monkeypatch.setattr(typesetting, "_break_lines", note)
    for partition in ("TR", "VA", "TE"):
        typesetting.typeset_page(np.random.default_rng(0), "n", "r", "m", partition)
    assert sum(len(sentences) for sentences in read.values()) == len(set.union(*read.values()))
    assert all(len(sentences) > 15 for sentences in read.values())


@pytest.mark.parametrize("noise", NOISY_OFFICE)
def test_paper_and_ink_are_as_dark_as_noisy_offices(documents, noise):
    pages = [page for page in documents.train if page.noise == noise]
    paper = np.concatenate([page.dirty[page.clean == 255] for page in pages]).astype(np.float32)
    ink = np.concatenate([page.dirty[page.clean == 0] for page in pages]).astype(np.float32)
    mean, deviation, darkest, brightest, ink_mean = NOISY_OFFICE[noise]
    assert paper.mean() == pytest.approx(mean, abs=3)
    assert paper.std() == pytest.approx(deviation, rel=0.15)
    assert np.percentile(paper, 1) == pytest.approx(darkest, abs=12)
    assert np.percentile(paper, 99) == pytest.approx(brightest, abs=4)
    assert ink.mean() == pytest.approx(ink_mean, abs=3)


def test_originals_are_mostly_white_with_seven_percent_ink(documents):
    pixels = np.concatenate([page.clean.ravel() for page in documents.train])
    assert np.mean(pixels < 64) == pytest.approx(0.07, abs=0.01)
    assert 0.6 < np.mean(pixels == 255) < 0.9
    assert pixels.min() == 0


def test_doing_nothing_is_as_wrong_as_on_noisy_office(documents):
    errors = [np.mean((page.dirty / 255 - page.clean / 255) ** 2) for page in documents.train]
    assert np.sqrt(np.mean(errors)) == pytest.approx(0.157, abs=0.01)


@pytest.mark.parametrize(("size", "pitch"), [("f", 23), ("n", 28), ("L", 37)])
def test_lines_follow_at_the_pitch_of_their_size(size, pitch):
    page = typesetting.typeset_page(np.random.default_rng(3), size, "r", "m", "TR")
    ink = 255.0 - page.mean(axis=1)
    ink -= ink.mean()
    likeness = np.correlate(ink, ink, "full")[len(ink) - 1 :]
    assert 15 + np.argmax(likeness[15:60]) == pitch


def test_text_begins_at_the_margin_its_first_line_indented_and_is_cut_at_the_right():
    page = typesetting.typeset_page(np.random.default_rng(3), "n", "s", "m", "TR") < 128
    assert 5 <= np.flatnonzero(page.any(axis=0))[0] <= 12
    assert np.flatnonzero(page[:22].any(axis=0))[0] > 30
    assert page[:, -1].any()


def test_emphasis_leans_to_the_right():
    """Turned upright again, slanted text has the sharper vertical strokes."""

    def sharpness(page, slant):
        rows = [np.roll(row, round(slant * y)) for y, row in enumerate(255.0 - page[:22])]
        return np.sum(np.mean(rows, axis=0) ** 2)

    pages = {
        emphasis: typesetting.typeset_page(np.random.default_rng(3), "n", "s", emphasis, "TR")
        for emphasis in "em"
    }
    assert sharpness(pages["e"], typesetting.SLANT) > sharpness(pages["e"], 0)
    assert sharpness(pages["m"], typesetting.SLANT) < sharpness(pages["m"], 0)


def test_ink_pales_in_creases_only_where_asked():
    paper = np.tile(np.float32([[250, 150]]), (200, 100))
    black = np.zeros(paper.shape, np.uint8)
    rng = np.random.default_rng(0)
    faded = print_on(rng, black, paper, fades=True)
    assert faded[:, 0::2].mean() == pytest.approx(16, abs=1)
    assert faded[:, 1::2].mean() == pytest.approx(96, abs=1)
    assert faded[:, 1::2].std() == pytest.approx(8, abs=0.5)
    assert print_on(rng, black, paper, fades=False).mean() == pytest.approx(15, abs=1)
    white = np.full(paper.shape, 255, np.uint8)
    np.testing.assert_array_equal(print_on(rng, white, paper, fades=True), paper)


def test_a_page_depends_on_the_seed_and_its_number_alone(documents):
    started = time.process_time()
    few = synthetic_documents(num_train=3, num_test=2)
    assert (time.process_time() - started) / 5 < 0.2  # seconds a page
    assert [page.name for page in few.train] == [page.name for page in documents.train[:3]]
    for one, other in zip(
        few.train + few.test, documents.train[:3] + documents.test[:2], strict=True
    ):
        np.testing.assert_array_equal(one.dirty, other.dirty)
    other_seed = synthetic_documents(seed=1, num_train=3, num_test=2)
    assert other_seed.provenance.sha256 != few.provenance.sha256
    assert not np.array_equal(other_seed.train[0].clean, few.train[0].clean)
    assert few.provenance == synthetic_documents(num_train=3, num_test=2).provenance


def test_more_pages_than_the_data_set_has(monkeypatch):
    generated = {}
    generate = synthetic._generate_page

    def once_in_72(seed, index):  # the pages between need not be drawn
        if index % 72 == 0:
            generated[index] = generate(seed, index)
        return generated[index // 72 * 72]

    monkeypatch.setattr(synthetic, "_generate_page", once_in_72)
    pages = synthetic_documents(num_train=0, num_test=73).test
    assert pages[72].name == "synthetic-0217"
    assert not np.array_equal(pages[72].dirty, pages[0].dirty)


def test_real_pages_are_not_replaced_unasked(monkeypatch, capsys):
    def missing(_):
        raise MissingDataError("No page.\nGet one.")

    def damaged(_):
        raise InputError("A page is damaged.")

    monkeypatch.setattr(synthetic, "synthetic_documents", lambda seed: "generated")
    monkeypatch.setattr(synthetic, "load_documents", missing)
    with pytest.raises(MissingDataError):
        synthetic.load_or_generate_documents("real", None, 0)
    assert synthetic.load_or_generate_documents("auto", None, 0) == "generated"
    missing_page, instead = capsys.readouterr().err.splitlines()
    assert missing_page == "No page."
    assert instead.startswith("Using generated pages instead")
    monkeypatch.setattr(synthetic, "load_documents", damaged)
    with pytest.raises(InputError, match="damaged"):
        synthetic.load_or_generate_documents("auto", None, 0)
