"""Keeps the memory that training frees, instead of asking the system for it again in each step."""

import ctypes

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8  # of glibc's malloc.h
KEPT = 2**30  # bytes of free memory that a process keeps at most
LARGEST = 2**25  # bytes; larger arrays always go back to the system, which glibc insists on


def keep_freed_memory() -> None:
    """Lets the threads that start from now on share their memory, and keeps up to 1 GiB of it.

    By default each thread of TensorFlow has memory of its own and gives it back as soon as it is
    free. The next step asks for it again, and the system clears it, page by page. Where the C
    library is not glibc, nothing changes.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_ARENA_MAX, 1)
        mallopt(M_MMAP_THRESHOLD, LARGEST)
        mallopt(M_TRIM_THRESHOLD, KEPT)
