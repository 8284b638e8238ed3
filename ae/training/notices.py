"""A notice of TensorFlow's that tells a student nothing, and how it stays away."""

import functools

from ae.backend import stderr_aside, tf


@functools.cache
def drop_notice_of_onednn() -> None:
    """Has TensorFlow write its notice on oneDNN's types where nobody sees it.

    Compiling a step may turn an array of whole numbers around, which oneDNN cannot do; TensorFlow
    does it then. TensorFlow notes that as an error, once in a process, and puts it down to the
    processor, whatever that is (`DataTypeUnsupportedWarning` in tensorflow/core/util/util.cc). A
    higher log level would hide real errors too.
    """
    with stderr_aside():
        tf.transpose(tf.constant([[0]]))
