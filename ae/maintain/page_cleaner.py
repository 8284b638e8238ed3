"""Trains our page cleaner on scans and generated office pages, and judges it on unseen ones."""

import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ae.backend import keras, tf
from ae.cleaning.cleaners import FORMS, of_run
from ae.cleaning.features import features
from ae.cleaning.network import build_page_cleaner
from ae.cleaning.page import PageNetwork
from ae.datasets.documents import Page, load_documents
from ae.datasets.office_pages import generate_office_page
from ae.maintain import pretrained, ways_to_clean
from ae.networks import in_batches
from ae.runs.records import environment, read_json, read_record, write_json
from ae.terminal import bar, say

import cv2
import numpy as np

CROP = 128  # px
BATCH_SIZE = 8
LEARNING_RATE = 2e-3  # falls to zero as a cosine does
GENERATED = 0.3  # of the crops; the others are of scans
OFFICE_PAGES = 400  # generated before the training
SCALES = (0.6, 1.6)  # what a page is resized by before it is cropped
CROPS_OF_A_PAGE = 4
GROUP = 16  # minibatches whose crops are shuffled
SEED = 0
STEPS = 12_000


def train(pages: Sequence[Page], steps: int) -> keras.Model:
    """Trains a page cleaner on dirty pages that have clean originals, and on office pages."""
    keras.utils.set_random_seed(SEED)
    network = build_page_cleaner()
    for layer in network.layers[:-1]:  # the output stays in float32
        layer.dtype_policy = keras.DTypePolicy("mixed_bfloat16")
    schedule = keras.optimizers.schedules.CosineDecay(LEARNING_RATE, steps)
    optimizer = keras.optimizers.Adam(schedule)
    optimizer.build(network.trainable_variables)

    @tf.function
    def train_step(x, y):
        with tf.GradientTape() as tape:
            y_hat = network(x, training=True)
            loss = tf.reduce_mean(tf.square(y - y_hat))
        optimizer.apply(tape.gradient(loss, network.trainable_variables))
        return loss

    losses = []
    with ThreadPoolExecutor(1) as ahead, bar("page cleaner", steps) as progress:
        source = minibatches(pages)
        coming = deque(ahead.submit(next, source) for _ in range(3 * GROUP))
        for step in range(1, steps + 1):
            x, y = coming.popleft().result()
            coming.append(ahead.submit(next, source))
            losses.append(train_step(x, y))
            progress.update()
            if len(losses) == 250:
                progress.set_postfix_str(f"loss {np.mean(losses):.5f}")
                say(f"step {step}: loss {np.mean(losses):.5f}")
                losses.clear()
    trained = build_page_cleaner()  # in float32
    trained.set_weights(network.get_weights())
    return trained


def minibatches(pages: Sequence[Page]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields crops of features and of clean pages, without an end."""
    rng = np.random.default_rng(SEED)
    source = _crops(rng, pages)
    while True:
        drawn = [next(source) for _ in range(GROUP * BATCH_SIZE)]
        order = rng.permutation(len(drawn))
        for start in range(0, len(drawn), BATCH_SIZE):
            rows = [drawn[i] for i in order[start : start + BATCH_SIZE]]
            yield tuple(np.stack(part) for part in zip(*rows, strict=True))


def _crops(rng, pages) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    generated = [generate_office_page(rng) for _ in range(OFFICE_PAGES)]
    while True:
        if rng.random() < GENERATED:
            dirty, clean = generated[rng.integers(len(generated))]
        else:
            page = pages[rng.integers(len(pages))]
            dirty, clean = _resized(rng, page.dirty, page.clean)
        x, y = features(dirty), clean.astype(np.float32)[..., None] / np.float32(255)
        for _ in range(CROPS_OF_A_PAGE):
            top, left = (rng.integers(size - CROP + 1) for size in dirty.shape)
            place = slice(top, top + CROP), slice(left, left + CROP)
            turn = slice(None, None, rng.choice([-1, 1])), slice(None, None, rng.choice([-1, 1]))
            yield x[place][turn], y[place][turn]


def _resized(rng, dirty, clean):
    """Resizes a pair; two thirds of them keep their size."""
    low = max(SCALES[0], (CROP + 1) / min(dirty.shape))
    scale = 1.0 if rng.random() < 0.65 else float(np.exp(rng.uniform(*np.log([low, SCALES[1]]))))
    brightness = 1.0 if rng.random() < 0.8 else rng.uniform(0.7, 1.15)
    dirty = np.clip(dirty * brightness, 0, 255).astype(np.uint8)
    if scale == 1:
        return dirty, clean
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return (cv2.resize(one, None, fx=scale, fy=scale, interpolation=how) for one in (dirty, clean))


def keep(steps: int) -> Path:
    """Trains on all scans that have a clean original; keeps the network, and how it was trained."""
    documents = load_documents()
    started = time.perf_counter()
    network = train(documents.train, steps)
    seconds = time.perf_counter() - started
    return pretrained.keep(
        "page_cleaner",
        network,
        {
            "trained_on": f"144 scans of NoisyOffice and {OFFICE_PAGES} generated office pages",
            "data_sha256": documents.provenance.sha256,
            "settings": settings(steps),
            "seconds": seconds,
        },
    )


def settings(steps: int) -> dict:
    """Returns what a training depends on, for its record."""
    return {
        "steps": steps,
        "batch_size": BATCH_SIZE,
        "crop": CROP,
        "learning_rate": LEARNING_RATE,
        "schedule": "cosine to 0",
        "optimizer": "Adam",
        "precision": "bfloat16, the output in float32",
        "generated": GENERATED,
        "scales": SCALES,
        "seed": SEED,
    }


def judge(steps: int, article: Path | None, folds: Sequence[str]) -> Path:
    """Measures ways to clean on pages that none was fitted on; adds them to data/cleaners.json.

    NoisyOffice has two texts with clean pages. In the fold "text" all ways are fitted to one and
    judged on the other. In "exchanged" our network is trained on the latter and judged on the
    former. In a fold with the name of a kind of dirt it is trained as in "text" without that kind,
    and judged on it.

    Args:
        steps: of each training of our network.
        article: a finished run of the article's network, `--variant corrected`, which trains on the
            same text as in "text"; it is judged too.
    """
    pages = load_documents().train
    fitted, unseen = ([page for page in pages if page.partition == p] for p in ("TR", "VA"))
    found = read_json(ways_to_clean.RESULTS)["folds"] if ways_to_clean.RESULTS.exists() else {}
    if article is not None:
        ways = {"the article's network": ways_to_clean.by_network(of_run(article, None))}
        record, kept = read_record(article), ("settings", "style", "device", "versions")
        run = {key: record[key] for key in kept}
        found["article"] = {**run, "rows": ways_to_clean.measure(ways, unseen)}
        write_json(ways_to_clean.RESULTS, {"folds": found})
    about = {**environment(), "settings": settings(steps)}
    for fold in folds:
        ways, judged = {}, unseen
        if fold == "text":
            ways = ways_to_clean.classical(fitted)
            network = train(fitted, steps)
        elif fold == "exchanged":
            network, judged = train(unseen, steps), fitted
        else:
            network = train([page for page in fitted if page.noise != fold], steps)
            judged = [page for page in unseen if page.noise == fold]
        ready = PageNetwork(apply=in_batches(network, batch_size=1), **FORMS["ours"])
        ways["ours"] = ways_to_clean.by_network(ready)
        found[fold] = {**about, "rows": ways_to_clean.measure(ways, judged)}
        write_json(ways_to_clean.RESULTS, {"folds": found})
    return ways_to_clean.RESULTS
