"""Ctrl-C and a scheduler's end, raised between the steps of a training and not within TensorFlow.

What Python raises inside TensorFlow may be swallowed by a destructor, so that training goes on, or
come out of AutoGraph as a mistake in the code that it was reading.

And no signal may be handled by a thread that multiplies matrices. Where the processor has AVX2 or
AVX-512, oneDNN lets the stack pointer point into the heap meanwhile, and what the kernel puts onto
the stack for a handler, whatever that does, overwrites what lies there (uxlfoundation/oneDNN, issue
4845 of 2026-03-17; TensorFlow 2.21 has a version before its mending): the process ends later with
"corrupted size vs. prev_size". So the signals are blocked in the main thread and in the threads
that TensorFlow starts, and a thread that does nothing else receives them.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import keras

SIGNALS = (signal.SIGINT, signal.SIGTERM)
_handlers: dict[int, Callable] = {}  # whose signals are postponed; empty where none are
_heard: set[int] = set()


@contextmanager
def postponed() -> Iterator[None]:
    """Has what Ctrl-C and SIGTERM raise wait for `deliver`, at the latest for the block's end.

    Whoever asks twice does not wait. Signals that are ignored, or end the process at once, still
    are and do. Where they are postponed already, or the thread does not hear any, nothing changes.
    """
    if _handlers or threading.current_thread() is not threading.main_thread():
        yield
        return
    with ExitStack() as last_first:
        last_first.callback(_forget)
        last_first.callback(deliver)
        for number in SIGNALS:
            if callable(handler := signal.getsignal(number)):
                _handlers[number] = handler
                last_first.callback(signal.signal, number, handler)
                signal.signal(number, _hear)
        last_first.enter_context(_received_elsewhere())
        yield


@contextmanager
def _received_elsewhere() -> Iterator[None]:
    """Blocks the signals here, and in threads that are started within; another receives them."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows runs handlers in threads of their own
        yield
        return
    over = threading.Event()
    receiver = threading.Thread(target=_receive, args=(over,), name="signals", daemon=True)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        receiver.start()
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)  # first: who asks twice stops the rest
        over.set()
        receiver.join()


def _receive(over: threading.Event) -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    over.wait()


def deliver() -> None:
    """Raises what was postponed; to be called between steps, outside of TensorFlow."""
    while _heard:
        number = _heard.pop()
        _handlers[number](number, None)


def _forget() -> None:
    _handlers.clear()
    _heard.clear()


def _hear(number: int, frame: object) -> None:
    if number in _heard:
        _handlers[number](number, frame)
    _heard.add(number)


class Delivery(keras.callbacks.Callback):
    """Has `Model.fit` deliver after each batch."""

    def on_train_batch_end(self, batch, logs=None):
        """Delivers."""
        deliver()

    def on_test_batch_end(self, batch, logs=None):
        """Delivers."""
        deliver()
