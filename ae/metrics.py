"""Measures of reconstructions and codes."""

from collections.abc import Iterator, Sequence

import keras
import numpy as np
from keras import ops
from scipy import ndimage
from scipy.linalg import subspace_angles
from scipy.spatial import cKDTree
from scipy.spatial.distance import pdist
from skimage.metrics import structural_similarity


@keras.saving.register_keras_serializable(package="ae")
class LastBatch(keras.metrics.Metric):
    """The loss of the newest minibatch, which is what TensorFlow 1 tutorials printed.

    Keras itself reports the mean over the epoch.

    Args:
        loss: function of targets and predictions, or its Keras name.
        name: name in the logs.
    """

    def __init__(self, loss, name="last_batch_loss", **kwargs):
        super().__init__(name=name, **kwargs)
        self.loss = keras.losses.get(loss)
        self.value = self.add_weight(name="value", initializer="zeros")

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Replaces the value by the loss of this minibatch."""
        y_true, y_pred = (ops.cast(y, self.dtype) for y in (y_true, y_pred))
        self.value.assign(ops.mean(self.loss(y_true, y_pred)))

    def result(self):
        """Returns the loss of the newest minibatch."""
        return self.value

    def get_config(self):
        """Returns what the constructor takes."""
        return {**super().get_config(), "loss": keras.losses.serialize(self.loss)}


def principal_components(x: np.ndarray, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Finds the directions in which data vary most.

    Args:
        x: (n, features).
        number: how many directions.

    Returns:
        The mean (features,) and the components (number, features), orthonormal, the first with the
        largest variance: the leading eigenvectors of the covariance matrix.
    """
    mean = x.mean(axis=0)
    centred = x - mean
    _, vectors = np.linalg.eigh(centred.T @ centred)
    return mean, vectors[:, ::-1][:, :number].T


def rmse(x: np.ndarray, x_hat: np.ndarray) -> float:
    """Returns the root of the mean squared error over all pixels of all images."""
    return float(np.sqrt(np.mean(np.square(x - x_hat, dtype="float64"))))


def psnr(x: np.ndarray, x_hat: np.ndarray) -> float:
    """Returns the peak signal-to-noise ratio, 10 log10(1 / mean squared error), in decibels.

    Args:
        x: clean images in [0, 1].
        x_hat: others of the same shape.

    Returns:
        The ratio of the error over all images; infinite where there is none.
    """
    error = rmse(x, x_hat)
    return float(-20 * np.log10(error)) if error else float("inf")


def ssim(x: np.ndarray, x_hat: np.ndarray) -> float:
    """Returns the mean structural similarity of images to clean ones, 1 for equal ones.

    Wang, Bovik, Sheikh and Simoncelli, IEEE Transactions on Image Processing 13(4), 2004, with
    windows of 7 x 7 pixels.

    Args:
        x: clean images (n, height, width, 1) in [0, 1], of 7 pixels a side or more.
        x_hat: others of the same shape.
    """
    pairs = zip(x[..., 0], x_hat[..., 0], strict=True)
    return float(np.mean([structural_similarity(*pair, data_range=1) for pair in pairs]))


def median_filter(x: np.ndarray) -> np.ndarray:
    """Replaces each pixel of images (n, height, width, 1) by the median of the 3 x 3 around it."""
    return ndimage.median_filter(x, size=(1, 3, 3, 1))


def fine_detail(x: np.ndarray) -> float:
    """Returns the energy of images' fine detail: Fourier components above half of Nyquist's limit.

    Args:
        x: images (n, height, width, 1).

    Returns:
        The sum over components of more than 0.25 cycles a pixel, whatever their direction, for an
        image on average and divided by its pixels (Parseval).
    """
    _, height, width, _ = x.shape
    spectrum = np.abs(np.fft.fft2(x[..., 0], norm="ortho")) ** 2
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width))
    return float(spectrum[:, frequency > 0.25].sum(axis=-1).mean() / (height * width))


def tile_step(tiles: np.ndarray, side: int) -> float:
    """Says how far apart neighbours on a manifold are, beside any two of its tiles.

    Args:
        tiles: images (side * side, ...), row by row.
        side: tiles across and down.

    Returns:
        The mean RMS difference of tiles beside or below each other, divided by that of all pairs;
        1 where all tiles are the same.
    """
    flat = tiles.reshape(side, side, -1).astype("float64")
    steps = [np.linalg.norm(np.diff(flat, axis=axis), axis=-1).mean() for axis in (0, 1)]
    apart = pdist(flat.reshape(side * side, -1)).mean()
    return float(np.mean(steps) / apart) if apart else 1.0


def error_left(clean: np.ndarray, dirty: np.ndarray, cleaned: np.ndarray) -> float:
    """Returns the RMSE after cleaning as a share of that before; all are (n, height, width, 1)."""
    return rmse(clean, cleaned) / rmse(clean, dirty)


def likeness_gained(clean: np.ndarray, dirty: np.ndarray, cleaned: np.ndarray) -> float:
    """Returns the SSIM after cleaning minus that before; all are (n, height, width, 1)."""
    return ssim(clean, cleaned) - ssim(clean, dirty)


def by_label(labels: Sequence, *arrays: np.ndarray) -> Iterator[tuple[np.ndarray, ...]]:
    """Yields, for each label in sorted order, the rows of the arrays that bear it."""
    for label in sorted(set(labels)):
        rows = np.equal(labels, label)
        yield tuple(array[rows] for array in arrays)


def knn_labels(
    train_codes: np.ndarray, train_labels: np.ndarray, codes: np.ndarray, k: int = 10
) -> np.ndarray:
    """Classifies codes by a vote of their nearest neighbours.

    Distance is Euclidean, |z - z'|; of labels with equally many votes the smallest wins.

    Args:
        train_codes: (n, features), the codes that vote.
        train_labels: (n,), whole numbers from zero.
        codes: (m, features), the codes to classify.
        k: how many neighbours vote; all n where there are fewer.

    Returns:
        (m,), a label for each code.
    """
    nearest = np.arange(1, min(k, len(train_codes)) + 1)
    _, neighbours = cKDTree(train_codes).query(codes, k=nearest)  # (m, k)
    votes = np.asarray(train_labels)[neighbours][..., None] == np.arange(train_labels.max() + 1)
    return votes.sum(axis=1).argmax(axis=-1)


def pca_error(x_train: np.ndarray, x: np.ndarray, number: int) -> float:
    """Returns the mean of (x - x_hat)^2 where x_hat = m + (x - m) V' V, and V are components.

    Args:
        x_train: (n, features), whose mean m and principal components V are taken.
        x: (m, features), what is projected; of x_train itself the error is the sum of the
            covariance's discarded eigenvalues, divided by the features.
        number: how many components; with none, x_hat is the mean.
    """
    mean, components = principal_components(x_train, number)
    x_hat = mean + (x - mean) @ components.T @ components
    return rmse(x, x_hat) ** 2


def principal_angle(a: np.ndarray, b: np.ndarray) -> float:
    """Returns the largest principal angle between what the rows of two matrices span, in degrees.

    Its cosine is the smallest singular value of Q_a' Q_b, Q being orthonormal bases: 0 where one
    span holds the other, 90 where one has a direction that is orthogonal to all of the other.

    Args:
        a: (k, features).
        b: (l, features).
    """
    return float(np.degrees(subspace_angles(a.T, b.T).max()))


def nearest_angle(directions: np.ndarray, components: np.ndarray) -> float:
    """Returns the angle from a direction to the nearest component, a mean in degrees.

    It is arccos(max_j |d v_j| / |d|) for a direction d and unit vectors v_j; signs do not count.

    Args:
        directions: (k, features).
        components: (l, features), of length 1 each.
    """
    lengths = np.linalg.norm(directions, axis=1)
    cosines = np.abs(directions @ components.T).max(axis=1) / lengths
    return float(np.degrees(np.arccos(np.clip(cosines, 0, 1))).mean())


def background_noise(x_train: np.ndarray, x_hat: np.ndarray) -> float:
    """Returns the standard deviation of images where every training image is black.

    Args:
        x_train: (n, features); features that are 0 in all n are the background.
        x_hat: (m, features), the images whose background is looked at.
    """
    background = x_hat[:, x_train.max(axis=0) == 0]
    return float(background.std()) if background.size else 0.0
