"""The idx format of the MNIST files: a magic number, the dimensions, the elements."""

import math
import struct

import numpy as np

_UINT8 = 0x08


def parse_idx(data: bytes) -> np.ndarray:
    """Reads an array of unsigned bytes from the contents of an idx file.

    Args:
        data: The whole uncompressed file: two zero bytes, the type code 8, the number of
            dimensions, each dimension as a big-endian 32-bit integer, and the elements.

    Returns:
        A read-only uint8 array that shares memory with `data`.

    Raises:
        ValueError: If the magic number is not one of unsigned bytes, or the number of
            elements is not the one that the header announces.
    """
    magic = data[:4]
    if len(magic) < 4 or magic[:3] != bytes([0, 0, _UINT8]) or magic[3] == 0:
        raise ValueError(
            f"starts with 0x{magic.hex()}, which is not the magic number of an idx file of bytes"
        )
    start = 4 + 4 * magic[3]
    if len(data) < start:
        raise ValueError("ends inside the idx header")
    shape = struct.unpack(f">{magic[3]}I", data[4:start])
    if len(data) - start != math.prod(shape):
        raise ValueError(
            f"holds {len(data) - start} elements where its idx header announces "
            f"{' x '.join(map(str, shape))}"
        )
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)


def format_idx(array: np.ndarray) -> bytes:
    """Writes an array of unsigned bytes as the contents of an idx file.

    Args:
        array: A uint8 array of one to 255 dimensions.

    Returns:
        The bytes that `parse_idx` reads back.

    Raises:
        ValueError: If the array is not of unsigned bytes or has no dimension.
    """
    if array.dtype != np.uint8 or array.ndim == 0:
        raise ValueError(f"is of type {array.dtype} and shape {array.shape}, not an array of bytes")
    header = bytes([0, 0, _UINT8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.tobytes()
