"""Metrics of reconstructions and codes, on NumPy arrays."""

from collections.abc import Iterator, Sequence

from ae.backend import keras
from ae.training.minibatches import weighed

import numpy as np
from keras import ops
from scipy import ndimage, stats
from scipy.linalg import subspace_angles
from scipy.spatial.distance import pdist
from skimage.metrics import peak_signal_noise_ratio, structural_similarity


@keras.saving.register_keras_serializable(package="ae")
class LastBatch(keras.metrics.Metric):
    """The loss of the last minibatch, which TensorFlow 1 tutorials print after an epoch.

    Keras itself reports the mean over the epoch. `loss` is a function of targets and predictions,
    or the name of one in Keras.
    """

    def __init__(self, loss, name="last_batch_loss", **kwargs):
        super().__init__(name=name, **kwargs)
        self.loss = keras.losses.get(loss)
        self.value = self.add_weight(name="value", initializer="zeros")

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Stores the loss of this minibatch."""
        y_true, y_pred = (ops.cast(y, self.dtype) for y in (y_true, y_pred))
        self.value.assign(weighed(ops.mean(self.loss(y_true, y_pred))))

    def result(self):
        """Returns the stored loss."""
        return self.value

    def get_config(self):
        """Returns the constructor's arguments, so that Keras can load a saved model."""
        return {**super().get_config(), "loss": keras.losses.serialize(self.loss)}


def principal_components(x: np.ndarray, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the mean of data (n, features), and the directions in which they vary most.

    These (number, features) are orthonormal eigenvectors of the covariance, largest variance first.
    """
    mean = x.mean(axis=0)
    centred = x - mean  # scikit-learn does not: in float32 that turns components by 0.03 degrees
    _, vectors = np.linalg.eigh(centred.T @ centred)
    return mean, vectors[:, ::-1][:, :number].T


def rmse(x: np.ndarray, x_hat: np.ndarray) -> float:
    """Returns the root of the mean squared error over all pixels of all images."""
    return float(np.sqrt(np.mean(np.square(x - x_hat, dtype="float64"))))


def psnr(x: np.ndarray, x_hat: np.ndarray) -> float:
    """Returns the peak signal-to-noise ratio, 10 log10(1 / mean squared error), in decibels.

    The error is the mean over all images. So this is not the mean of the images' ratios.
    """
    return float(peak_signal_noise_ratio(x, x_hat, data_range=1))


def ssim(x: np.ndarray, x_hat: np.ndarray) -> float:
    """Returns the mean structural similarity of images to clean images; 1 means equal.

    Images are (n, height, width, 1), at least 7 pixels high and wide: the windows are 7 x 7.
    Source: Wang, Bovik, Sheikh and Simoncelli, IEEE Transactions on Image Processing 13(4), 2004.
    """
    pairs = zip(x[..., 0], x_hat[..., 0], strict=True)
    return float(np.mean([structural_similarity(*pair, data_range=1) for pair in pairs]))


def median_filter(x: np.ndarray) -> np.ndarray:
    """Replaces each pixel of images (n, height, width, 1) by the median of its 3 x 3 pixels."""
    return ndimage.median_filter(x, size=(1, 3, 3, 1))


def fine_detail(x: np.ndarray) -> float:
    """Returns the energy per pixel of Fourier components above half of Nyquist's limit.

    These have more than 0.25 cycles a pixel, in any direction. All components together have the
    mean squared pixel (Parseval). Images are (n, height, width, 1).
    """
    _, height, width, _ = x.shape
    spectrum = np.abs(np.fft.fft2(x[..., 0], norm="ortho")) ** 2
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width))
    return float(spectrum[:, frequency > 0.25].sum(axis=-1).mean() / (height * width))


def tile_step(tiles: np.ndarray, side: int) -> float:
    """Divides the mean distance between neighbouring tiles by the mean distance of all pairs.

    The tiles of a manifold (side * side, ...) stand row by row. It is 1 if all tiles are equal.
    """
    flat = tiles.reshape(side, side, -1).astype("float64")
    steps = [np.linalg.norm(np.diff(flat, axis=axis), axis=-1).mean() for axis in (0, 1)]
    apart = pdist(flat.reshape(side * side, -1)).mean()
    return float(np.mean(steps) / apart) if apart else 1.0


def error_left(clean: np.ndarray, dirty: np.ndarray, cleaned: np.ndarray) -> float:
    """Divides the RMSE after cleaning by the RMSE before; all are (n, height, width, 1)."""
    return rmse(clean, cleaned) / rmse(clean, dirty)


def likeness_gained(clean: np.ndarray, dirty: np.ndarray, cleaned: np.ndarray) -> float:
    """Subtracts the SSIM before cleaning from the SSIM after; all are (n, height, width, 1)."""
    return ssim(clean, cleaned) - ssim(clean, dirty)


def by_label(labels: Sequence, *arrays: np.ndarray) -> Iterator[tuple[np.ndarray, ...]]:
    """Yields, for each label in sorted order, the rows of the arrays that have this label."""
    for label in sorted(set(labels)):
        rows = np.equal(labels, label)
        yield tuple(array[rows] for array in arrays)


def knn_labels(
    train_codes: np.ndarray, train_labels: np.ndarray, codes: np.ndarray, k: int = 10
) -> np.ndarray:
    """Labels codes (m, features) by a vote of the k nearest among n training codes, all n if n < k.

    The distance is Euclidean, |z - z'|. Among labels with equally many votes, the smallest wins.
    """
    k = min(k, len(train_codes))
    train = train_codes.astype("float64")
    votes = []
    for part in np.array_split(codes, max(1, len(codes) // 500)):  # for memory
        # |z - z'|^2 less |z|^2, which is the same for all z'
        distances = np.square(train).sum(axis=1) - 2 * part.astype("float64") @ train.T
        votes.append(train_labels[np.argpartition(distances, k - 1)[:, :k]])
    return stats.mode(np.concatenate(votes), axis=1).mode


def pca_error(x_train: np.ndarray, x: np.ndarray, number: int) -> float:
    """Returns the mean of (x - x_hat)^2, where x_hat = m + (x - m) V' V.

    Mean m and principal components V are those of x_train; without components, x_hat is the mean.
    For x = x_train this is the sum of the covariance's discarded eigenvalues, divided by the
    number of features.
    """
    return rmse(x, reconstruct_by_pca(x_train, x, number)) ** 2


def reconstruct_by_pca(x_train: np.ndarray, x: np.ndarray, number: int) -> np.ndarray:
    """Projects rows x (n, features) on the mean and so many principal components of x_train."""
    mean, components = principal_components(x_train, number)
    return mean + (x - mean) @ components.T @ components


def principal_angle(a: np.ndarray, b: np.ndarray) -> float:
    """Returns the largest principal angle between the row spaces of two matrices, in degrees.

    Its cosine is the smallest singular value of Q_a' Q_b, where Q are orthonormal bases. The angle
    is 0 if one space contains the other, and 90 if a direction of one is orthogonal to the other.
    The matrices are (k, features) and (l, features).
    """
    return float(np.degrees(subspace_angles(a.T, b.T).max()))


def nearest_angle(directions: np.ndarray, components: np.ndarray) -> float:
    """Returns the mean angle between a direction and the component nearest to it, in degrees.

    For a direction d and components v_j of length 1 it is arccos(max_j |d v_j| / |d|). Signs do
    not count. Directions are (k, features), components (l, features).
    """
    lengths = np.linalg.norm(directions, axis=1)
    cosines = np.abs(directions @ components.T).max(axis=1) / lengths
    return float(np.degrees(np.arccos(np.clip(cosines, 0, 1))).mean())


def background_noise(x_train: np.ndarray, x_hat: np.ndarray) -> float:
    """Returns the standard deviation, in x_hat, of pixels that are black in every training image.

    Images are (n, features). The deviation is 0 if there is no such pixel.
    """
    background = x_hat[:, x_train.max(axis=0) == 0]
    return float(background.std()) if background.size else 0.0
