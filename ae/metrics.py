"""Measures of reconstructions and codes."""

import keras
import numpy as np
from keras import ops


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
