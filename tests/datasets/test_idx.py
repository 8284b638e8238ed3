import struct

from ae.datasets.idx import format_idx, parse_idx

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp


@given(hnp.arrays(np.uint8, hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=5)))
def test_what_is_written_is_read_back(array):
    result = parse_idx(format_idx(array))
    assert result.dtype == np.uint8
    assert result.shape == array.shape
    np.testing.assert_array_equal(result, array)


def test_a_file_laid_out_by_hand():
    data = b"\x00\x00\x08\x02" + struct.pack(">II", 2, 3) + bytes([1, 2, 3, 4, 5, 255])
    np.testing.assert_array_equal(parse_idx(data), [[1, 2, 3], [4, 5, 255]])
    assert format_idx(np.array([[1, 2, 3], [4, 5, 255]], np.uint8)) == data


def test_the_array_is_a_read_only_view():
    array = parse_idx(format_idx(np.arange(6, dtype=np.uint8)))
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 1


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "magic number"),
        (b"\x00\x00", "magic number"),
        (b"<!DOCTYPE html>", "magic number"),
        (b"\x00\x00\x0d\x01\x00\x00\x00\x01\x00\x00\x00\x00", "0x00000d01"),
        (b"\x00\x00\x08\x00\x07", "0x00000800"),
        (b"\x08\x03\x00\x00", "0x08030000"),
        (b"\x00\x00\x08\x03\x00\x00\x00\x01", "smaller"),
        (b"\x00\x00\x08\x01\x00\x00\x00\x03\x01\x02", "size 2"),
        (b"\x00\x00\x08\x01\x00\x00\x00\x03\x01\x02\x03\x04", "size 4"),
        (b"\x00\x00\x08\x03" + b"\xff" * 12 + b"\x01", "4294967295,4294967295,4294967295"),
    ],
)
def test_damaged_files_are_refused(data, problem):
    with pytest.raises(ValueError, match=problem):
        parse_idx(data)


@given(st.binary(max_size=40))
def test_any_bytes_are_an_array_or_a_value_error(data):
    try:
        array = parse_idx(b"\x00\x00\x08" + data)
    except ValueError:
        return
    assert array.nbytes == len(data) - 1 - 4 * array.ndim


@pytest.mark.parametrize("array", [np.zeros(3), np.zeros(3, np.int8), np.uint8(1).reshape(())])
def test_only_arrays_of_bytes_are_written(array):
    with pytest.raises(ValueError, match="not an array of bytes"):
        format_idx(array)
