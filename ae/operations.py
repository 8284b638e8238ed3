"""Two ways to write convolutions that compute the same with less work.

Each equals its plain form in value and gradient up to rounding, which `tests/test_operations.py`
holds, and takes the same weights, so that lessons in either form exchange them.
"""

import numpy as np
import tensorflow as tf

# Which rows of a 3 x 3 kernel fall on the same pixel of what is about to be up-sampled. To the
# upper of two copies (phase 0) belong the pixel above once and the pixel itself twice, to the lower
# one (phase 1) the pixel itself twice and the one below once: PHASES[phase, pixel, kernel row].
PHASES = np.array(
    [
        [[1, 0, 0], [0, 1, 1], [0, 0, 0]],
        [[0, 0, 0], [1, 1, 0], [0, 0, 1]],
    ]
)


def pooled_relu(x: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
    """Computes max_pool2d(relu(x + b), 2), pooling first.

    Neither adding a constant nor ReLU changes which of four numbers is the largest, so both may
    wait until a quarter of the numbers is left.

    Args:
        x: what a convolution returned, (batch, height, width, channels).
        bias: (channels,).

    Returns:
        (batch, height / 2, width / 2, channels), halves rounded up.
    """
    return tf.nn.relu(tf.nn.max_pool2d(x, 2, 2, "SAME") + bias)


def upsampled_conv2d(x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """Computes conv2d of x with each pixel repeated twice down and across, without repeating it.

    The copies of a pixel are equal, so the kernel's entries that fall on them are added up
    beforehand: one kernel for each of the four places that an output pixel can have among the
    copies. It pays where the output has few channels, whose convolution is bound by memory.

    Args:
        x: (batch, height, width, m).
        kernel: (3, 3, m, n).

    Returns:
        (batch, 2 height, 2 width, n), the border padded with zeros.
    """
    phases = tf.constant(PHASES, kernel.dtype)
    m, n = kernel.shape[2:]
    small = tf.einsum("pry,qcx,yxmn->rcmpqn", phases, phases, kernel)
    small = tf.reshape(small, [3, 3, m, 4 * n])
    return tf.nn.depth_to_space(tf.nn.conv2d(x, small, 1, "SAME"), 2)
