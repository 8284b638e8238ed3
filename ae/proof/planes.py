"""Measures of codes: gaps, classes that mix, jumps on the way between codes, new codes.

The functions take codes (n, d) as NumPy arrays. `tests/proof/test_planes.py` tries each on codes
whose answer is known.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from ae import metrics
from ae.proof import judges
from ae.proof.judges import Hashable

import numpy as np
from scipy.linalg import solve_triangular
from scipy.spatial import ConvexHull, KDTree, QhullError
from scipy.special import logsumexp

NEIGHBOURS = 5  # of a code, for gaps, coverage and density
CENTRAL = 0.95  # share of the codes, the most crowded ones, that span the area of `gaps`
FAR = 0.99  # quantile of the codes' own distances; a place farther from every code is a gap
PLACES = 200  # across and down the area
STEPS = 100  # from one code to another
COMPONENTS = 10  # of a mixture, as in Ghosh et al. 2020
DRAWN = 2000  # codes from a mixture that are enough to judge
EM_STEPS = 30  # at most
EM_GAIN = 1e-3  # least gain of the mean log density, per number of the code; below it, EM ends


def recalls(
    train_codes: np.ndarray, train_labels: np.ndarray, codes: np.ndarray, labels: np.ndarray
) -> np.ndarray:
    """Returns, for each class, the share of codes that their ten nearest neighbours label rightly.

    The neighbours are training codes; see `metrics.knn_labels`.
    """
    found = metrics.knn_labels(train_codes, train_labels, codes)
    return np.array([np.mean(found[labels == label] == label) for label in np.unique(labels)])


def gaps(z: np.ndarray) -> float | None:
    """Returns the share of the area between codes (n, 2) in which there are no codes.

    The area is the convex hull of the 95 % of the codes whose fifth neighbours are nearest. A place
    in it is a gap if its nearest code is farther than the fifth neighbour of 99 % of the codes. So
    the measure finds gaps that are wide in comparison with the sparsest part of the plane. The
    result is None if the codes lie on a line, and so span no area.
    """
    places, are_gaps = _places_between(z)
    return float(np.mean(are_gaps)) if len(places) else None


def gap_codes(z: np.ndarray, number: int) -> np.ndarray:
    """Chooses places in the `gaps` between codes (n, 2), spread over all of them; (number, 2).

    There are fewer rows if the gaps have fewer places.
    """
    places, are_gaps = _places_between(z)
    found = places[are_gaps]
    chosen = np.linspace(0, len(found) - 1, min(number, len(found))).round().astype(int)
    return found[chosen].astype("float32")


def _places_between(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns places (m, 2) in the area between codes, row by row, and which of them are gaps.

    There are none if the codes lie on a line.
    """
    tree = KDTree(z)
    fifth = tree.query(z, k=[NEIGHBOURS + 1])[0][:, 0]  # the nearest code is the code itself
    try:
        hull = ConvexHull(z[fifth <= np.quantile(fifth, CENTRAL)])
    except QhullError:
        return np.empty((0, 2)), np.empty(0, bool)
    corners = zip(hull.min_bound, hull.max_bound, strict=True)
    axes = [np.linspace(low, high, PLACES) for low, high in corners]
    places = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 2)
    inside = np.all(places @ hull.equations[:, :2].T + hull.equations[:, 2] <= 0, axis=1)
    places = places[inside]
    return places, tree.query(places)[0] > np.quantile(fifth, FAR)


def coverage_and_density(real: np.ndarray, drawn: np.ndarray) -> tuple[float, float]:
    """Compares drawn codes (m, d) with real ones (n, d); samples of equal size give 0.97 and 1.

    Around each real code lies a ball that reaches to its fifth neighbour among the real ones.
    Coverage is the share of these balls with a drawn code in them. Density is the number of balls
    that a drawn code lies in, divided by 5, a mean.

    Source: Naeem, Oh, Uh, Choi and Yoo, "Reliable fidelity and diversity metrics for generative
    models", ICML 2020, equations 5 and 6.
    """
    radius = KDTree(real).query(real, k=[NEIGHBOURS + 1])[0][:, 0]
    counts = KDTree(drawn).query_ball_point(real, radius, return_length=True)
    return float(np.mean(counts > 0)), float(counts.sum() / (NEIGHBOURS * len(drawn)))


def jump(decode: Callable, starts: np.ndarray, ends: np.ndarray) -> float:
    """Divides the largest step of the image by the median one, on the way from code to code.

    A way is straight and has 100 steps of the code. A linear decoder gives 1, one that knows only a
    few images gives infinity. The result is the median over the ways.

    Args:
        decode: a function from codes (n, d) to images (n, ...).
        starts: codes (k, d).
        ends: codes (k, d).
    """
    ways = np.linspace(starts, ends, STEPS + 1, dtype="float32")  # (101, k, d)
    images = decode(ways.reshape(-1, ways.shape[-1])).reshape(*ways.shape[:2], -1)
    steps = np.linalg.norm(np.diff(images, axis=0), axis=-1)  # (100, k)
    middle = np.median(steps, axis=0)
    ratios = np.divide(
        steps.max(axis=0), middle, out=np.full(len(starts), np.inf), where=middle > 0
    )
    return float(np.median(ratios))


class Mixture(NamedTuple):
    """A mixture of normal distributions of codes."""

    weights: np.ndarray  # (k,), with sum 1
    means: np.ndarray  # (k, d)
    factors: np.ndarray  # (k, d, d) lower triangular L with the covariances L L'

    def log_densities(self, z: np.ndarray) -> np.ndarray:
        """Returns log(weight_j p_j(z)) for codes (n, d): (n, k)."""
        dimensions = z.shape[1]
        found = []
        for weight, mean, factor in zip(*self, strict=True):
            scaled = solve_triangular(factor, (z - mean).T, lower=True)  # (d, n)
            log_det = 2 * np.log(np.diagonal(factor)).sum()
            square = np.square(scaled).sum(axis=0) + dimensions * np.log(2 * np.pi) + log_det
            found.append(np.log(weight) - square / 2)
        return np.stack(found, axis=1)

    def draw(self, number: int, seed: int) -> np.ndarray:
        """Draws codes (number, d)."""
        generator = np.random.default_rng(seed)
        of = generator.choice(len(self.weights), number, p=self.weights)
        noise = generator.standard_normal((number, self.means.shape[1]))
        drawn = self.means[of] + np.einsum("nij,nj->ni", self.factors[of], noise)
        return drawn.astype("float32")


def fit_mixture(z: np.ndarray, components: int = COMPONENTS, seed: int = 0) -> Mixture:
    """Fits a mixture of normal distributions to codes (n, d) by expectation and maximization.

    It starts from equal parts around codes that lie far apart, as k-means++ draws them, and takes
    at most 30 steps. To every variance it adds 1e-6 of the codes' mean variance, so that a number
    of the code that never changes does no harm. With one component it is the normal distribution
    with the codes' mean and covariance.
    """
    z = z.astype("float64")
    generator = np.random.default_rng(seed)
    centres = z[[generator.integers(len(z))]]
    while len(centres) < components:
        distance = KDTree(centres).query(z)[0] ** 2 + 1e-12  # all codes may be equal
        new = z[generator.choice(len(z), p=distance / distance.sum())]
        centres = np.concatenate([centres, new[None]])
    shares = np.eye(components)[KDTree(centres).query(z)[1]]  # (n, k)
    floor = (1e-6 * z.var(axis=0).mean() + 1e-12) * np.eye(z.shape[1])
    last = -np.inf
    for _ in range(EM_STEPS):
        counts = shares.sum(axis=0) + 1e-9
        means = shares.T @ z / counts[:, None]
        factors = []
        for share, mean, count in zip(shares.T, means, counts, strict=True):
            away = z - mean
            factors.append(np.linalg.cholesky((share[:, None] * away).T @ away / count + floor))
        mixture = Mixture(counts / counts.sum(), means, np.stack(factors))
        log_densities = mixture.log_densities(z)
        log_total = logsumexp(log_densities, axis=1, keepdims=True)
        if log_total.mean() - last < EM_GAIN * z.shape[1]:
            break
        last, shares = log_total.mean(), np.exp(log_densities - log_total)
    return mixture


def mixture_gain(decode: Callable, z: np.ndarray, data: Any, seed: int) -> float | None:
    """Subtracts the `share_typical` of draws from one normal distribution from that of ten.

    Both are fitted to the codes z. Source: Ghosh, Sajjadi, Vergari, Black and Schölkopf, "From
    variational to deterministic autoencoders", ICLR 2020, which compares them by the Fréchet
    inception distance.
    """
    shares = [
        share_typical(decode, fit_mixture(z, components, seed).draw(DRAWN, seed), data)
        for components in (COMPONENTS, 1)
    ]
    return None if None in shares else shares[0] - shares[1]


def share_typical(decode: Callable, z: np.ndarray, data: Any) -> float | None:
    """Decodes codes and returns `judges.share_typical` of the images, beside as many test images.

    The data have x_train, y_train and x_test.
    """
    x_train, real, new = (x.reshape(len(x), -1) for x in (data.x_train, data.x_test, decode(z)))
    return judges.share_typical(Hashable(x_train, data.y_train), real[: len(new)], new)
