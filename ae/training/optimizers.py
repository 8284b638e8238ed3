"""RMSprop as the articles' frameworks computed it; Keras 3 computes it in a third way.

All three keep a running mean square of the gradient, v <- rho v + (1 - rho) g^2, and differ in how
they start it and where they add epsilon:

    TensorFlow 1    v starts at 1    w <- w - lr g / sqrt(v + 1e-10)
    Keras 2.2       v starts at 0    w <- w - lr g / (sqrt(v) + 1e-7)
    Keras 3         v starts at 0    w <- w - lr g / sqrt(v + 1e-7)

The gradients of a mean over 784 pixels are so small that this decides the first epochs.
Source of the rule: T. Tieleman and G. Hinton, lecture 6.5 of "Neural Networks for Machine
Learning", 2012.
"""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="ae")
class RMSpropTF1(keras.optimizers.RMSprop):
    """`tf.train.RMSPropOptimizer` of TensorFlow 1: the mean square starts at one.

    Args:
        learning_rate: step size, a float or a Keras schedule.
        rho: decay of the mean square (TensorFlow 1 called it `decay`).
        epsilon: added to the mean square, inside the root.
        **kwargs: passed on to `keras.optimizers.RMSprop`.
    """

    def __init__(self, learning_rate=0.001, rho=0.9, epsilon=1e-10, name="rmsprop_tf1", **kwargs):
        super().__init__(learning_rate, rho=rho, epsilon=epsilon, name=name, **kwargs)

    def add_variable_from_reference(self, reference_variable, name=None, initializer="zeros"):
        """Creates a slot variable; the mean square, which Keras calls "velocity", holds ones.

        To assign the ones after `build` would do nothing inside `Model.fit`, which builds the
        optimizer in a scope where assignments are not kept.
        """
        if name == "velocity":
            initializer = "ones"
        return super().add_variable_from_reference(reference_variable, name, initializer)


@keras.saving.register_keras_serializable(package="ae")
class RMSpropKeras2(keras.optimizers.RMSprop):
    """`keras.optimizers.RMSprop` of Keras 2.2: epsilon is added outside the root.

    Args:
        learning_rate: step size, a float or a Keras schedule.
        rho: decay of the mean square.
        epsilon: added to the root of the mean square.
        **kwargs: passed on to `keras.optimizers.RMSprop`; `momentum` and `centered` are refused.

    Raises:
        ValueError: if `momentum` or `centered` is set, which Keras 2.2 did not have.
    """

    def __init__(self, learning_rate=0.001, rho=0.9, epsilon=1e-7, name="rmsprop_keras2", **kwargs):
        if kwargs.get("momentum") or kwargs.get("centered"):
            raise ValueError("RMSprop of Keras 2.2 has neither `momentum` nor `centered`.")
        super().__init__(learning_rate, rho=rho, epsilon=epsilon, name=name, **kwargs)

    def update_step(self, gradient, variable, learning_rate):
        """Moves `variable` by one step against `gradient`."""
        gradient = ops.cast(gradient, variable.dtype)
        learning_rate = ops.cast(learning_rate, variable.dtype)
        mean_square = self._velocities[self._get_variable_index(variable)]
        self.assign(
            mean_square,
            ops.add(self.rho * mean_square, (1 - self.rho) * ops.square(gradient)),
        )
        self.assign_sub(
            variable,
            ops.divide(learning_rate * gradient, ops.add(ops.sqrt(mean_square), self.epsilon)),
        )
