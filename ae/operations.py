"""Two operations of convolutional networks, computed with less work.

Each takes the same weights as its plain form and gives the same values and gradients, up to
rounding. `tests/test_operations.py` compares them.
"""

from ae.backend import tf

import numpy as np

# PHASES[phase, pixel, kernel row] says which rows of a 3 x 3 kernel fall on the same input pixel.
# Up-sampling makes two copies of each pixel, one above the other. On the upper copy (phase 0), the
# kernel covers the pixel above once and the pixel itself twice. On the lower copy (phase 1), it
# covers the pixel itself twice and the pixel below once. The same holds for columns.
PHASES = np.array(
    [
        [[1, 0, 0], [0, 1, 1], [0, 0, 0]],
        [[0, 0, 0], [1, 1, 0], [0, 0, 1]],
    ]
)


def pooled_relu(x: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
    """Computes max_pool2d(relu(x + b), 2), but pools first.

    Adding a constant and ReLU both keep the order of numbers, so the largest of four stays the
    largest. After pooling, only a quarter of the numbers is left to add to.

    It maps (batch, height, width, channels) to (batch, height / 2, width / 2, channels), where
    halves are rounded up. The bias is (channels,).
    """
    return tf.nn.relu(tf.nn.max_pool2d(x, 2, 2, "SAME") + bias)


def upsampled_conv2d(x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """Computes conv2d(up-sampled x), where up-sampling repeats each pixel 2 x 2, but copies none.

    The copies of a pixel are equal, so the kernel entries that fall on them can be added first.
    This gives four small kernels, one for each position of an output pixel among the four copies.
    It is faster if the output has few channels, because memory then limits the convolution.

    It maps (batch, height, width, m) to (batch, 2 height, 2 width, n), with a kernel (3, 3, m, n).
    The border is padded with zeros.
    """
    phases = tf.constant(PHASES, kernel.dtype)
    m, n = kernel.shape[2:]
    small = tf.einsum("pry,qcx,yxmn->rcmpqn", phases, phases, kernel)
    small = tf.reshape(small, [3, 3, m, 4 * n])
    return tf.nn.depth_to_space(tf.nn.conv2d(x, small, 1, "SAME"), 2)
