"""Keeps the memory that training frees, instead of asking the system for it again in each step."""

import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8  # of glibc's malloc.h
KEPT = 2**30  # bytes that may be free at the end of the heap before the system gets them back
LARGEST = 2**25  # bytes; larger arrays go back at once: glibc takes no larger number here


def keep_freed_memory() -> None:
    """Lets the threads that start from now on share one heap, and keeps what is freed there.

    By default each thread of TensorFlow has a heap of its own and gives it back as soon as it is
    free. The next step asks for it again, and the system clears it, page by page. Where the C
    library is not glibc, nothing changes.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(M_ARENA_MAX, 1)
        mallopt(M_MMAP_THRESHOLD, LARGEST)
        mallopt(M_TRIM_THRESHOLD, KEPT)
