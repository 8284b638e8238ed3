"""RMSprop as TensorFlow 1 and Keras 2.2 compute it, and Nadam as Keras 2; not as Keras 3 does.

The three forms of RMSprop keep a running mean square of the gradient, v <- rho v + (1 - rho) g^2.
They differ in how they start it and where they add epsilon:

    TensorFlow 1    v starts at 1    w <- w - lr g / sqrt(v + 1e-10)
    Keras 2.2       v starts at 0    w <- w - lr g / (sqrt(v) + 1e-7)
    Keras 3         v starts at 0    w <- w - lr g / sqrt(v + 1e-7)

The loss is a mean over 784 pixels, so its gradients are small and this decides the first epochs.
The rule comes from T. Tieleman and G. Hinton, lecture 6.5 of "Neural Networks for Machine
Learning", 2012.
"""

from ae.backend import keras

from keras import ops


@keras.saving.register_keras_serializable(package="ae")
class RMSpropTF1(keras.optimizers.RMSprop):
    """`tf.train.RMSPropOptimizer` of TensorFlow 1, which calls `rho` `decay`."""

    def __init__(self, learning_rate=0.001, rho=0.9, epsilon=1e-10, name="rmsprop_tf1", **kwargs):
        super().__init__(learning_rate, rho=rho, epsilon=epsilon, name=name, **kwargs)

    def add_variable_from_reference(self, reference_variable, name=None, initializer="zeros"):
        """Creates a slot variable. The mean square, which Keras calls "velocity", starts at one.

        Assigning ones after `build` does not work, because `Model.fit` builds the optimizer in a
        scope that discards assignments.
        """
        if name == "velocity":
            initializer = "ones"
        return super().add_variable_from_reference(reference_variable, name, initializer)


@keras.saving.register_keras_serializable(package="ae")
class RMSpropKeras2(keras.optimizers.RMSprop):
    """`keras.optimizers.RMSprop` of Keras 2.2, which has neither `momentum` nor `centered`."""

    def __init__(self, learning_rate=0.001, rho=0.9, epsilon=1e-7, name="rmsprop_keras2", **kwargs):
        if kwargs.get("momentum") or kwargs.get("centered"):
            raise ValueError("RMSprop of Keras 2.2 has neither `momentum` nor `centered`.")
        super().__init__(learning_rate, rho=rho, epsilon=epsilon, name=name, **kwargs)

    def update_step(self, gradient, variable, learning_rate):
        """Computes  v <- rho v + (1 - rho) g^2,  w <- w - lr g / (sqrt(v) + epsilon)."""
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


@keras.saving.register_keras_serializable(package="ae")
class NadamKeras2(keras.optimizers.Nadam):
    """`tf.keras.optimizers.Nadam` of TensorFlow 2.8, after T. Dozat, 2015.

    The momentum of step t is beta_1 (1 - 0.96^(0.004 t) / 2). In Keras 3 it is
    beta_1 (1 - 0.96^t / 2), which rises 250 times as fast.
    """

    def __init__(self, learning_rate=0.001, name="nadam_keras2", **kwargs):
        super().__init__(learning_rate, name=name, **kwargs)

    def momentum(self, step, dtype):
        """Computes the momentum of a step; the first is step 1."""
        base = ops.cast(0.96, dtype)
        return self.beta_1 * (1 - 0.5 * ops.power(base, 0.004 * ops.cast(step, dtype)))

    def _backend_update_step(self, grads, trainable_variables, learning_rate):
        momentum = self.momentum(self.iterations + 1, self._u_product.dtype)
        self.assign(self._u_product, self._u_product * momentum)
        # Not Nadam's own, which would multiply the product by its momentum.
        parent = super(keras.optimizers.Nadam, self)
        parent._backend_update_step(grads, trainable_variables, learning_rate)

    def update_step(self, gradient, variable, learning_rate):
        """Computes  w <- w - lr m' / (sqrt(v') + epsilon), where m' looks a step ahead."""
        dtype, step = variable.dtype, self.iterations + 1
        g, learning_rate = ops.cast(gradient, dtype), ops.cast(learning_rate, dtype)
        u, u_next = self.momentum(step, dtype), self.momentum(step + 1, dtype)
        product = ops.cast(self._u_product, dtype)
        index = self._get_variable_index(variable)
        m, v = self._momentums[index], self._velocities[index]
        self.assign(m, self.beta_1 * m + (1 - self.beta_1) * g)
        self.assign(v, self.beta_2 * v + (1 - self.beta_2) * ops.square(g))
        ahead = u_next * m / (1 - product * u_next) + (1 - u) * g / (1 - product)
        corrected = v / (1 - ops.power(ops.cast(self.beta_2, dtype), ops.cast(step, dtype)))
        change = learning_rate * ahead / (ops.sqrt(corrected) + self.epsilon)
        self.assign_sub(variable, change)
