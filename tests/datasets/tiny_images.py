"""Two data sets of a few pixels, laid out and registered as the real ones."""

import gzip
import hashlib
import io
import json
from dataclasses import replace

from ae.datasets.idx import format_idx
from ae.datasets.registry import Source, SourceError, load_registry

import numpy as np

SHAPES = {
    "train-images-idx3-ubyte": (12, 4, 3),
    "train-labels-idx1-ubyte": (12,),
    "t10k-images-idx3-ubyte": (5, 4, 3),
    "t10k-labels-idx1-ubyte": (5,),
}
IMAGES = "train-images-idx3-ubyte"


def make_files(seed):
    """Returns the contents of the four files by name."""
    rng = np.random.default_rng(seed)
    return {
        name: format_idx(rng.integers(0, 256 if len(shape) > 1 else 10, shape, dtype=np.uint8))
        for name, shape in SHAPES.items()
    }


TINY = make_files(1)
OTHER = make_files(2)


def make_data_set(folder, **sources):
    """Registers both sets in folder/registry.json and returns the one made of TINY."""

    def entry(title, files):
        return {
            "title": title,
            "class_names": list("0123456789"),
            "subfolders": [title.lower(), f"{title.upper()}/raw"],
            "payloads": {
                name: {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
                for name, data in files.items()
            },
            "sources": {},
        }

    path = folder / "registry.json"
    path.write_text(json.dumps({"tiny": entry("Tiny", TINY), "other": entry("Other", OTHER)}))
    return replace(load_registry(path)["tiny"], sources=sources)


def place(folder, files=TINY, gz=False):
    """Writes files into a folder, which it makes."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        if gz:
            (folder / f"{name}.gz").write_bytes(gzip.compress(data))
        else:
            (folder / name).write_bytes(data)


def flip_last_bit(data):
    """Returns the data with one bit changed."""
    return data[:-1] + bytes([data[-1] ^ 1])


# What may be wrong with a file: (a part of the message, the file's contents).
DAMAGED = {
    "truncated gzip": ("damaged gzip file", gzip.compress(TINY[IMAGES])[:-12]),
    "damaged gzip": (
        "damaged gzip file",
        flip_last_bit(gzip.compress(TINY[IMAGES])[:-4]) + b"0000",
    ),
    "flipped bit": ("sha256 checksum", flip_last_bit(TINY[IMAGES])),
    "wrong magic": ("sha256 checksum", b"\x00\x00\x0d\x03" + TINY[IMAGES][4:]),
    "web page": ("is a web page", b"\n<!DOCTYPE html><html>Sign in</html>"),
    "too short": ("159 bytes instead of 160", TINY[IMAGES][:-1]),
    "too long": ("more than the expected 160 bytes", TINY[IMAGES] + b"\x00"),
    "fewer images": ("148 bytes instead of 160", format_idx(np.zeros((11, 4, 3), np.uint8))),
    "wrong shape": ("sha256 checksum", format_idx(np.zeros((12, 3, 4), np.uint8))),
    "empty": ("0 bytes instead of 160", b""),
    "bomb": ("more than the expected 160 bytes", gzip.compress(bytes(50_000_000))),
    "folder": ("cannot be read (not an ordinary file)", None),
}


def put(path, contents):
    """Writes the contents to the path, or makes a folder there when they are None."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    if contents is None:
        path.mkdir()
    else:
        path.write_bytes(contents)


def source_of(files, name="somewhere", log=None, **kwargs):
    """A source that gives these files and logs the names of those it is asked for."""

    def read(payload):
        if log is not None:
            log.append(payload.name)
        if payload.name not in files:
            raise SourceError("has no such file")
        return payload.read(io.BytesIO(files[payload.name]), payload.name)

    return Source(name, read, **kwargs)
