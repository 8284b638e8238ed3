"""TensorFlow and Keras, started without their notices and with Keras's own defaults.

Every module of `ae` takes them from here, and a lesson imports `ae.cli` before them. `ae` itself
imports neither, because `clean` works without them.
"""

import logging
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from ae import require_packages

XLA_FLAGS = (
    "--xla_cpu_prefer_vector_width=512",
    "--xla_cpu_copy_insertion_use_region_analysis=true",
)
FLAGS_SINCE = (2, 21)  # the first TensorFlow that was tried with them; 2.18 lacks the second


@contextmanager
def _interruptible() -> Iterator[None]:
    """Lets Ctrl-C end the process at once during imports, instead of leaving them half done."""
    usual = signal.getsignal(signal.SIGINT)
    in_charge = threading.current_thread() is threading.main_thread()
    if not in_charge or usual is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)


@contextmanager
def stderr_aside() -> Iterator[None]:
    """Drops what TensorFlow's C++ code writes to standard error, unless the block fails."""
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as aside:
        os.dup2(aside.fileno(), 2)
        try:
            yield
        except BaseException:
            aside.seek(0)
            os.write(stderr, aside.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


@contextmanager
def _said_to_be_starting() -> Iterator[None]:
    """Shows on a terminal that the program has begun, until TensorFlow is there."""
    is_terminal = sys.stderr.isatty()
    if is_terminal:
        print("starting TensorFlow ...", end="", file=sys.stderr, flush=True)
    try:
        yield
    finally:
        if is_terminal:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def _start_tensorflow_quietly() -> None:
    """Imports TensorFlow and lists its devices with the standard error stream set aside.

    Two notices are written before TensorFlow's logging reads its level, so no setting silences
    them.
    """
    # Among several workers, TensorFlow logs as errors what a worker says itself when another ends.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3" if os.environ.get("TF_CONFIG") else "2")
    os.environ["KERAS_BACKEND"] = "tensorflow"  # the environment or keras.json may say otherwise
    with stderr_aside():
        import tensorflow

        for gpu in tensorflow.config.list_physical_devices("GPU"):
            tensorflow.config.experimental.set_memory_growth(gpu, True)


def _set_defaults() -> None:
    """Sets what keras.json may have changed, and drops TensorFlow's advice against retracing."""
    import keras

    keras.config.set_image_data_format("channels_last")
    keras.config.set_floatx("float32")
    keras.config.set_epsilon(1e-7)
    logging.getLogger("tensorflow").addFilter(
        lambda record: "triggered tf.function retracing" not in record.getMessage()
    )


def _quicken_xla() -> None:
    """Lets XLA fill the widest registers, and copy weights only where it must, on a processor.

    XLA reads this at its first compilation, and ends the process for a flag that it does not know.
    """
    import tensorflow

    major, minor = map(int, tensorflow.__version__.split(".")[:2])
    if (major, minor) >= FLAGS_SINCE:
        given = os.environ.get("XLA_FLAGS", "").split()  # the user's, or a parent process's
        ours = [flag for flag in XLA_FLAGS if flag not in given]
        os.environ["XLA_FLAGS"] = " ".join([*ours, *given])  # the last one counts


require_packages(
    {"TensorFlow": "requirements.txt", "imgaug": "requirements-imgaug.txt with --no-deps"}
)
with _interruptible(), _said_to_be_starting():
    _start_tensorflow_quietly()
    _set_defaults()
    _quicken_xla()

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402

__all__ = ["keras", "stderr_aside", "tf"]
