"""Equations, in LaTeX, that the articles' STEPS of several lessons share."""

GRADIENT = r"g = \frac{\partial L}{\partial w}"
# The mean over n digits of 784 pixels.
MEAN_SQUARED_ERROR = (
    r"L = \frac{1}{784 n} \sum_{i=1}^{n} \sum_{j=1}^{784} (x_{ij} - \hat{x}_{ij})^2"
)
# `ae.training.optimizers.RMSpropTF1`
RMSPROP_TF1 = (
    r"v \leftarrow 0.9 v + 0.1 g^2, \quad "
    r"w \leftarrow w - \mathrm{lr} \, \frac{g}{\sqrt{v + 10^{-10}}}, \quad v_0 = 1"
)
# `keras.optimizers.Adam` after t steps
ADAM = (
    r"m \leftarrow 0.9 m + 0.1 g, \quad v \leftarrow 0.999 v + 0.001 g^2, \quad "
    r"w \leftarrow w - \mathrm{lr} \, \frac{\sqrt{1 - 0.999^t}}{1 - 0.9^t} \, "
    r"\frac{m}{\sqrt{v} + 10^{-7}}"
)
