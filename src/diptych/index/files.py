"""Arrays in one file, and beside it a JSON file that says what they are and proves that neither was touched.

Index files are untrusted input: nothing is interpreted before its sha256 matches. The JSON file, `PATH.json`, holds
facts, the layout of the arrays and the checksum of the data file, under a checksum of its own.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from diptych.kinds import Array, BadInput

FORMAT = 1
"""Of the files. A reader refuses any other number."""

LONGEST_FACTS = 1_000_000
"""Bytes of JSON that are read at most."""

_DTYPES = ("uint8", "int64", "float16", "float32")


def facts_path(path: str | Path) -> Path:
    """The JSON file beside an index file."""
    return Path(f"{path}.json")


def write(path: str | Path, facts: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
    """Write both files, each replaced in one step. A crash between the two leaves a pair that `read` refuses."""
    home = Path(path)
    digest = hashlib.sha256()
    with _replacing(home) as file:
        for array in arrays.values():
            # Buffers do not know float16, hence the plain bytes.
            data = np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
            digest.update(data)
            file.write(data)
    layout = [[name, array.dtype.name, list(array.shape)] for name, array in arrays.items()]
    described = {"format": FORMAT, **facts, "arrays": layout, "sha256": digest.hexdigest()}
    with _replacing(facts_path(home)) as file:
        file.write(_sealed(described))


def read(path: str | Path) -> tuple[dict[str, Any], dict[str, Array]]:
    """Facts and arrays of what `write` wrote.

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
        arrays, digest = {}, hashlib.sha256()
        with open(home, "rb") as file:
            for name, dtype, shape in facts["arrays"]:
                array = np.fromfile(file, dtype=dtype, count=math.prod(shape))
                digest.update(array.view(np.uint8).data)
                arrays[name] = array.reshape(shape)
        if digest.hexdigest() != facts["sha256"]:
            raise _damaged(home, "its checksum differs")
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


def _damaged(path: Path, why: str) -> BadInput:
    return BadInput(f"{path} is damaged: {why}; build the index again")


def _sealed(facts: Mapping[str, Any]) -> bytes:
    """The only bytes that stand for these facts, so that any other byte is noticed."""
    text = json.dumps(facts, indent=1, sort_keys=True, ensure_ascii=True)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return (json.dumps({"facts": facts, "sha256": digest}, indent=1, sort_keys=True) + "\n").encode()


@contextlib.contextmanager
def _replacing(path: Path) -> Any:
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
