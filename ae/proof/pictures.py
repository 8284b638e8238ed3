"""The pictures that articles and their notebooks published, beside ours, by numbers.

The pictures are not part of this repository. `python -m ae.maintain pictures FOLDER` reads them,
takes the measures below and keeps the numbers in data/published/pictures.json. The same measures
are taken on what our networks make. Images are (n, pixels) or (n, height, width, 1), in [0, 1].
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from ae import metrics
from ae.lesson import ONLY_NETWORK, Lesson, Settings
from ae.networks import codec
from ae.proof import published

import numpy as np

PATH = published.FOLDER / "pictures.json"
LEVEL = 1 / 255
PAGE = (160, 335)  # pixels of a page of 258 x 540 in the cleaner's pictures
FRAME = 2  # pixels at each edge of a picture that its frame may hide

# Measures


def correlations(x: np.ndarray, x_hat: np.ndarray) -> list[float]:
    """Correlates each image with its reconstruction, over the pixels that are no NaN.

    That a picture stretches an image to its full range of greys makes no difference.
    """
    seen = [(a[np.isfinite(b)], b[np.isfinite(b)]) for a, b in _pairs(x, x_hat)]
    return [np.corrcoef(*pair)[0, 1] for pair in seen]


def fitted_psnr(x: np.ndarray, x_hat: np.ndarray) -> list[float]:
    """Returns the PSNR of each a x_hat + b in dB, with a and b of the least squared error."""
    return [metrics.psnr(a, np.polyval(np.polyfit(b, a, 1), b)) for a, b in _pairs(x, x_hat)]


def share_replaced(x: np.ndarray, noisy: np.ndarray) -> float:
    """Returns the share of pixels that differ by more than two grey levels; rounding gives one."""
    return np.mean(np.abs(x - noisy) > 2.5 * LEVEL)


def background_noise(x: np.ndarray, x_hat: np.ndarray) -> float:
    """Returns the deviation, in x_hat, of pixels that are black in all the images x."""
    pixels = x_hat.reshape(len(x), -1)[:, x.reshape(len(x), -1).max(axis=0) == 0]
    return np.nanstd(pixels, dtype="float64")


def as_drawn(page: np.ndarray) -> np.ndarray:
    """Draws a page (height, width) as the cleaner's pictures do: nearest pixels, black to white."""
    rows, columns = (
        ((np.arange(drawn) + 0.5) * given / drawn).astype(int)
        for drawn, given in zip(PAGE, page.shape, strict=True)
    )
    greys = (page - page.min()) / max(np.ptp(page), LEVEL)
    return greys[rows][:, columns][FRAME:-FRAME, FRAME:-FRAME]


def _pairs(x: np.ndarray, x_hat: np.ndarray) -> Iterable[tuple[np.ndarray, np.ndarray]]:
    flat = (images.reshape(len(images), -1).astype("float64") for images in (x, x_hat))
    return zip(*flat, strict=True)


STRIP = {
    "Correlation of a digit with its original": correlations,
    "Deviation of pixels that are black in all the digits shown": background_noise,
}
# What is measured on a picture, by quantity. A claim with that quantity is the same measurement.
MEASURES: Mapping[str, Mapping[str, Callable]] = {
    "sigmoid_ae_run_2016": STRIP,
    "sigmoid_ae_run_2017": STRIP,
    "sigmoid_ae_30000_steps_reconstructions": STRIP,
    "conv_denoiser_noisy": {"Share of pixels that noise replaces": share_replaced},
    "conv_denoiser_output": {
        "Correlation with the clean garment": correlations,
        "PSNR after an affine fit, in dB": fitted_psnr,
    },
    "document_cleaner_test_output": {
        "Share of pixels darker than mid-grey": lambda page: np.mean(page < 0.5),
        "Share of pixels neither black nor white": lambda page: np.mean(np.abs(page - 0.5) < 0.4),
    },
    "fashion_vae_manifold": {
        "Step between neighbouring tiles, as a share of any two's distance": metrics.tile_step
    },
    "fashion_vae_latent": {
        "Span of the codes along the longer axis": lambda codes: np.ptp(codes, axis=0).max(),
        "Span of the codes along the shorter axis": lambda codes: np.ptp(codes, axis=0).min(),
    },
}

# What the measures get from a network of ours, by lesson and picture


def _of_sigmoid_ae(network: Any, data: Any) -> dict[str, tuple]:
    x = data.x_test[:10]
    names = "sigmoid_ae_run_2016", "sigmoid_ae_run_2017"
    return dict.fromkeys(names, (x, codec(network).reconstruct(x)))


def _of_conv_denoiser(network: Any, data: Any) -> dict[str, tuple]:
    x, noisy = data.x_shown, data.x_shown_noisy
    x_hat = codec(network).reconstruct(noisy)
    return {"conv_denoiser_noisy": (x, noisy), "conv_denoiser_output": (x, x_hat)}


def _of_document_cleaner(network: Any, data: Any) -> dict[str, tuple]:
    (page,) = codec(network).reconstruct(data.x_test[:1])[..., 0]
    return {"document_cleaner_test_output": (as_drawn(page),)}


def _of_fashion_vae(network: Any, data: Any) -> dict[str, tuple]:
    z_mean, _ = codec(network).encode(data.x_train)
    return {"fashion_vae_latent": (z_mean,)}


OURS = {
    "sigmoid_ae": _of_sigmoid_ae,
    "conv_denoiser": _of_conv_denoiser,
    "document_cleaner": _of_document_cleaner,
    "fashion_vae": _of_fashion_vae,
}


def measure(
    lesson: Lesson, network: Any, data: Any, settings: Settings, network_name: str = ONLY_NETWORK
) -> list[dict[str, Any]]:
    """Takes the measures of a lesson's pictures on what a trained network makes.

    There are none if the published run had other settings or data, as with its curve.
    """
    as_published = published.columns(lesson, network_name, vars(settings), data.provenance.notice)
    arrays = OURS[lesson.name](network, data) if as_published and lesson.name in OURS else {}
    return [
        {"picture": picture, "quantity": quantity, "value": value}
        for picture, made in arrays.items()
        for quantity, value in measured(picture, *made).items()
    ]


def measured(picture: str, *arrays: Any) -> dict[str, list[float]]:
    """Takes the measures of a picture, by quantity: a number for each tile, or one."""
    return {name: np.ravel(of(*arrays)).tolist() for name, of in MEASURES[picture].items()}


def read() -> dict[str, dict[str, Any]]:
    """Reads what was measured on published pictures, by picture."""
    return json.loads(PATH.read_text(encoding="utf-8"))


class Row(NamedTuple):
    """One measure of one published picture, beside ours."""

    picture: str
    notebook: str  # repository, path and state
    quantity: str
    published: str
    ours: str  # or why there is nothing to compare


def rows(lesson: Lesson, trainings: Iterable[Mapping[str, Any]]) -> list[Row]:
    """Lays each measure of a lesson's pictures beside that of our trainings."""
    results = [r for t in trainings for r in (*t["claims"], *t.get("pictures", ()))]
    found = []
    for picture, about in read().items():
        for quantity, value in about["values"].items() if about["lesson"] == lesson.name else ():
            known = [r for r in results if r["quantity"] == quantity and r["value"] is not None]
            ours = [r["value"] for r in known if r.get("picture", picture) == picture]
            measurable = ours and quantity in MEASURES.get(picture, ())
            beside = f"ours {_text(np.ravel(ours))}" if measurable else about["notes"][quantity]
            found.append(Row(picture, about["notebook"], quantity, _text(value), beside))
    return found


def lines(lesson: Lesson, trainings: Iterable[Mapping[str, Any]]) -> list[str]:
    """Writes `rows`, a line each."""
    return [
        f"{row.picture}: {row.quantity}: published {row.published}; {row.ours}"
        for row in rows(lesson, trainings)
    ]


def _text(values: Sequence[float]) -> str:
    """Writes one number, or the mean of several and how far they spread."""
    mean, *spread = (f"{number:.3g}" for number in (np.mean(values), min(values), max(values)))
    return mean if len(set(spread)) == 1 else f"{mean} on average ({' to '.join(spread)})"
