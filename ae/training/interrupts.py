"""Raises Ctrl-C and a scheduler's SIGTERM between the steps of a training, not inside TensorFlow.

What Python raises inside TensorFlow may be swallowed by a destructor, so that training continues,
or AutoGraph may report it as a mistake in the code that it was reading.

And no thread that multiplies matrices may handle a signal. On processors with AVX2 or AVX-512,
oneDNN points the stack pointer into the heap meanwhile, so the kernel overwrites the heap when it
calls a handler (uxlfoundation/oneDNN, issue 4845 of 2026-03-17, not yet fixed in TensorFlow 2.21).
The process ends later with "corrupted size vs. prev_size". So the signals are blocked in the main
thread and in the threads that TensorFlow starts, and a thread that does nothing else receives them.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from ae.backend import keras

SIGNALS = (signal.SIGINT, signal.SIGTERM)
_handlers: dict[int, Callable] = {}  # of the postponed signals
_heard: set[int] = set()


@contextmanager
def postponed() -> Iterator[None]:
    """Makes Ctrl-C and SIGTERM wait for `deliver`, or for the end of the block.

    A second press does not wait. Nothing changes for signals that are ignored or end the process at
    once, where they are postponed already, and outside the main thread. The signals are blocked
    here and in threads started within; the thread "signals" receives them.
    """
    if _handlers or threading.current_thread() is not threading.main_thread():
        yield
        return
    with ExitStack() as stack:  # which calls the last first
        stack.callback(_handlers.clear)
        stack.callback(_heard.clear)
        stack.callback(deliver)
        for number in SIGNALS:
            if callable(handler := signal.getsignal(number)):
                _handlers[number] = handler
                stack.callback(signal.signal, number, handler)
                signal.signal(number, _hear)
        if hasattr(signal, "pthread_sigmask"):  # Windows runs handlers in threads of their own
            over = threading.Event()
            receiver = threading.Thread(target=_receive, args=(over,), name="signals", daemon=True)
            before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
            receiver.start()
            stack.callback(receiver.join)
            stack.callback(over.set)
            stack.callback(signal.pthread_sigmask, signal.SIG_SETMASK, before)
        yield


def _receive(over: threading.Event) -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    over.wait()


def deliver() -> None:
    """Raises what was postponed; call it between steps, outside of TensorFlow."""
    while _heard:
        number = _heard.pop()
        _handlers[number](number, None)


def _hear(number: int, frame: object) -> None:
    if number in _heard:
        _handlers[number](number, frame)
    _heard.add(number)


class Delivery(keras.callbacks.Callback):
    """Lets `Model.fit` and `evaluate` deliver after each batch."""

    def on_train_batch_end(self, batch, logs=None):
        """Delivers."""
        deliver()

    on_test_batch_end = on_train_batch_end
