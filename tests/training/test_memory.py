import resource
import subprocess
import sys

import pytest

# A thread takes and frees 60 MB, again and again, and counts the pages that it is given for that.
FAULTS = """
import ctypes, resource, sys, threading

libc = ctypes.CDLL(None)
libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]

def take(times):
    for _ in range(times):
        parts = [libc.malloc(20 * 2**20) for _ in range(3)]
        for part in parts:
            ctypes.memset(part, 1, 20 * 2**20)
        for part in parts:
            libc.free(part)

if sys.argv[1] == "keep":
    from ae.training.memory import keep_freed_memory
    keep_freed_memory()
thread = threading.Thread(target=take, args=[20])
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
thread.start()
thread.join()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how):
    command = [sys.executable, "-c", FAULTS, how]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return int(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc is Linux's")
def test_freed_memory_is_used_again():
    once = 3 * 20 * 2**20 // resource.getpagesize()  # pages, if all of them are kept
    assert faults("keep") < 2 * once
    assert faults("default") > 5 * once
