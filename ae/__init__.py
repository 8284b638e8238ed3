"""The plumbing of the autoencoder lessons: what every lesson needs and no lesson teaches.

Importing it starts TensorFlow without its start-up notices, so import it before `tensorflow`.
"""

import logging
import os
import sys
import tempfile


def _start_tensorflow_quietly() -> None:
    """Imports TensorFlow and lists its devices with the standard error stream set aside.

    Two notices are written before TensorFlow's logging reads its level, so no setting silences
    them. What was set aside is shown again if the import fails.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as aside:
        os.dup2(aside.fileno(), 2)
        try:
            import tensorflow as tf

            for gpu in tf.config.list_physical_devices("GPU"):
                tf.config.experimental.set_memory_growth(gpu, True)
        except BaseException:
            aside.seek(0)
            os.write(stderr, aside.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


def _overlook_retracing() -> None:
    """Drops TensorFlow's advice on tracing: each network is traced once, and they are many."""
    logging.getLogger("tensorflow").addFilter(
        lambda record: "triggered tf.function retracing" not in record.getMessage()
    )


_start_tensorflow_quietly()
_overlook_retracing()
