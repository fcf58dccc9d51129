"""Arrays in one file, and beside it a JSON file that says what they are and proves that neither was touched.

Index files are untrusted input: nothing is interpreted before its sha256 matches. The JSON file, `PATH.json`, holds
facts, the layout of the arrays and the checksums of the data file, under a checksum of its own.

The rows make up most of a file, and one search looks at few of them. They stand last, so that whoever wants to answer
at once reads and proves what comes before, maps the rows, and proves each by a sum of its own when it is used.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import mmap
import os
import tempfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from diptych.kinds import Array, BadInput, Ints

FORMAT = 2
"""Of the files. A reader refuses any other number."""

LONGEST_FACTS = 1_000_000
"""Bytes of JSON that are read at most."""

_DTYPES = ("uint8", "uint32", "int64", "float16", "float32")


class DamagedIndex(BadInput):
    """An index file does not hold what was written to it."""


def facts_path(path: str | Path) -> Path:
    """The JSON file beside an index file."""
    return Path(f"{path}.json")


def write(path: str | Path, facts: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
    """Write both files, each replaced in one step. A crash between the two leaves a pair that `read` refuses.

    The last array may be mapped; see `read`.
    """
    home = Path(path)
    digest = hashlib.sha256()
    before = digest.hexdigest()
    with replacing(home) as file:
        for array in arrays.values():
            before = digest.hexdigest()
            data = _bytes(array).data
            digest.update(data)
            file.write(data)
    layout = [[name, array.dtype.name, list(array.shape)] for name, array in arrays.items()]
    proofs = {"sha256": digest.hexdigest(), "sha256_before_last": before}
    described = {"format": FORMAT, **facts, "arrays": layout, **proofs}
    with replacing(facts_path(home)) as file:
        file.write(_sealed(described))


def read(path: str | Path, mapped: bool = False) -> tuple[dict[str, Any], dict[str, Array]]:
    """Facts and arrays of what `write` wrote.

    mapped   the last array is neither read nor proved; it is read-only, and the disk is asked when a part of it is used

    Raises BadInput, naming the file, when either is missing, damaged, of another format or not of the size it says.
    """
    home = Path(path)
    facts = read_facts(home)
    try:
        sizes = [math.prod(shape) * np.dtype(dtype).itemsize for _, dtype, shape in facts["arrays"]]
        if any(dtype not in _DTYPES or any(side < 0 for side in shape) for _, dtype, shape in facts["arrays"]):
            raise ValueError("an array of a kind that no index holds")
        # Said before anything is allocated: a forged size must not ask for more memory than the file is long.
        if home.stat().st_size != sum(sizes):
            raise _damaged(home, f"{home.stat().st_size} bytes where {sum(sizes)} were written")
        layout = facts["arrays"]
        # Windows replaces and removes no file that is mapped.
        mapped = mapped and bool(layout) and sizes[-1] > 0 and os.name != "nt"
        arrays, digest = {}, hashlib.sha256()
        with open(home, "rb") as file:
            for name, dtype, shape in layout[:-1] if mapped else layout:
                array = np.fromfile(file, dtype=dtype, count=math.prod(shape))
                digest.update(array.view(np.uint8).data)
                arrays[name] = array.reshape(shape)
            if digest.hexdigest() != facts["sha256_before_last" if mapped else "sha256"]:
                raise _damaged(home, "its checksum differs")
            if mapped:
                name, dtype, shape = layout[-1]
                bytes_ = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
                arrays[name] = np.frombuffer(bytes_, dtype, math.prod(shape), sum(sizes[:-1])).reshape(shape)
        return facts, arrays
    except FileNotFoundError:
        raise BadInput(f"{home}: no such index file; build it again") from None
    except (KeyError, TypeError, ValueError, OSError) as error:
        if isinstance(error, BadInput):
            raise
        raise _damaged(home, str(error)) from None


def read_facts(path: str | Path) -> dict[str, Any]:
    """The facts alone, for a look at an index without loading it. Raises BadInput as `read` does."""
    home = facts_path(path)
    try:
        with open(home, "rb") as file:
            text = file.read(LONGEST_FACTS + 1)
        facts: dict[str, Any] = json.loads(text)["facts"]
        sealed = _sealed(facts)
    except FileNotFoundError:
        raise BadInput(f"{home}: no such file, so the index beside it cannot be trusted; build it again") from None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise _damaged(home, "it does not read as the facts of an index") from None
    if sealed != text:
        raise _damaged(home, "its checksum differs")
    if facts.get("format") != FORMAT:
        raise BadInput(f"{home}: format {facts.get('format')}, this version reads {FORMAT}; build the index again")
    return facts


def row_sums(rows: Array) -> Ints:
    """(n,) uint32 CRC-32 of each row."""
    return np.fromiter(map(zlib.crc32, _bytes(rows)), dtype=np.uint32, count=len(rows))


def _bytes(array: Array) -> Array:
    """The same as bytes, since buffers do not know float16."""
    whole = np.ascontiguousarray(array)
    return whole.reshape(len(whole), -1).view(np.uint8) if whole.size else np.empty((len(whole), 0), dtype=np.uint8)


def _damaged(path: Path, why: str) -> DamagedIndex:
    return DamagedIndex(f"{path} is damaged: {why}; build the index again")


def _sealed(facts: Mapping[str, Any]) -> bytes:
    """The only bytes that stand for these facts, so that any other byte is noticed."""
    text = json.dumps(facts, indent=1, sort_keys=True, ensure_ascii=True)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return (json.dumps({"facts": facts, "sha256": digest}, indent=1, sort_keys=True) + "\n").encode()


@contextlib.contextmanager
def replacing(path: Path) -> Any:
    """A new file that takes the place of `path` once it is written in full and on the disk."""
    number, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with open(number, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
