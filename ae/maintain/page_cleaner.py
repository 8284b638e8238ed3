"""Trains our page cleaner on scans and generated office pages, and judges it on unseen ones."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from ae.backend import keras, tf
from ae.cleaning.features import features
from ae.cleaning.network import build_page_cleaner
from ae.datasets.documents import Page
from ae.datasets.office_pages import generate_office_page
from ae.terminal import bar

import cv2
import numpy as np

CROP = 128  # px
BATCH_SIZE = 8
LEARNING_RATE = 2e-3  # falls to zero as a cosine does
GENERATED = 0.3  # of the crops; the others are of scans
OFFICE_PAGES = 400  # generated before the training
SCALES = (0.6, 1.6)  # what a page is resized by before it is cropped
CROPS_OF_A_PAGE = 4


def train(pages: Sequence[Page], steps: int, seed: int, office: bool = True) -> keras.Model:
    """Trains a page cleaner on dirty pages that have clean originals."""
    keras.utils.set_random_seed(seed)
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
        source = minibatches(pages, seed, office)
        coming = ahead.submit(next, source)
        for _ in range(steps):
            x, y = coming.result()
            coming = ahead.submit(next, source)
            losses.append(train_step(x, y))
            progress.update()
            if len(losses) == 250:
                progress.set_postfix_str(f"loss {np.mean(losses):.5f}")
                print(f"{progress.n} {np.mean(losses):.5f}", flush=True)
                losses.clear()
    return network


def minibatches(pages, seed, office) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields crops of features and of clean pages, without an end."""
    rng = np.random.default_rng(seed)
    source = _crops(rng, pages, office)
    while True:
        drawn = [next(source) for _ in range(16 * BATCH_SIZE)]
        order = rng.permutation(len(drawn))
        for start in range(0, len(drawn), BATCH_SIZE):
            rows = [drawn[i] for i in order[start : start + BATCH_SIZE]]
            yield tuple(np.stack(part) for part in zip(*rows, strict=True))


def _crops(rng, pages, office) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    generated = [generate_office_page(rng) for _ in range(OFFICE_PAGES)] if office else []
    while True:
        if generated and rng.random() < GENERATED:
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


def rmse_by_kind(pages: Sequence[Page], clean: Callable) -> dict[str, float]:
    """Returns the root mean squared error over all pixels, and of each kind of dirt."""
    squared = {}
    for page in pages:
        error = (clean(page.dirty).astype(float) - page.clean) / 255
        squared.setdefault(page.noise, []).append((error**2).sum() / error.size)
    everything = np.concatenate(list(squared.values()))
    return {"all": float(np.sqrt(everything.mean()))} | {
        kind: float(np.sqrt(np.mean(each))) for kind, each in squared.items()
    }
