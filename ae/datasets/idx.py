"""The idx format of the MNIST files: a magic number, the dimensions, the elements."""

import numpy as np

_MAGIC = b"\x00\x00\x08"  # 8 stands for unsigned bytes; the number of dimensions follows


def parse_idx(data: bytes) -> np.ndarray:
    """Returns the contents of an idx file of unsigned bytes as a read-only array, without a copy.

    Raises:
        ValueError: `data` is no such file.
    """
    if data[:3] != _MAGIC or len(data) == 3 or data[3] == 0:
        raise ValueError(f"0x{data[:4].hex()} is not the magic number of an idx file of bytes")
    shape = np.frombuffer(data, ">u4", count=data[3], offset=4)
    return np.frombuffer(data, np.uint8, offset=4 + shape.nbytes).reshape(shape.tolist())


def format_idx(array: np.ndarray) -> bytes:
    """Returns the contents of the idx file of a uint8 array with one dimension or more."""
    if array.dtype != np.uint8 or array.ndim == 0:
        raise ValueError(f"is of type {array.dtype} and shape {array.shape}, not an array of bytes")
    return _MAGIC + bytes([array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()
