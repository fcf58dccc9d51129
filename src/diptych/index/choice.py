"""Which index: from the number of rows, their width, and wishes for memory and latency."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from diptych.index import files
from diptych.index.codes import Codes
from diptych.index.flat import Flat
from diptych.index.hamming import Hamming
from diptych.index.index import Index
from diptych.index.ivf import IVF
from diptych.kinds import BadInput, Space, nearest

LATENCY = 0.005
"""Seconds a query may take when nothing is wished: below what anyone notices."""

# Measured on two cores of a shared server (AVX2), one query at a time, warm; see `choose`.
_FLAT_RATE = 14e9
_L2_RATE = 3.5e9
_HAMMING_RATE = 2.5e9
_IVF_SECONDS = 0.5e-3
_IVF_SCAN_SECONDS = 0.45e-3

_KINDS: dict[str, type[Index]] = {kind.kind: kind for kind in (Flat, IVF, Hamming, Codes)}


@dataclass(frozen=True)
class Choice:
    """An index, not yet trained, why it was taken, and what it is expected to cost: bytes in all, seconds a query."""

    index: Index
    reason: str
    memory: int
    latency: float


def choose(n: int, dims: int, space: Space, memory: float | None = None, latency: float | None = None) -> Choice:
    """The plainest index that answers one query of n rows in time, and fits.

    dims      columns of a normalised row (packed bytes in the space `hamming`)
    memory    bytes that the index may take; None: as many as it wants
    latency   seconds that one query may take, warm; None: `LATENCY`

    Exact search is taken as long as it keeps the wish, then IVF; when neither does, the quicker that fits. The times
    behind this are those of one warm query on two cores: exact search reads 14 GB a second (3.5 by squared distance,
    2.5 of packed codes), so that 34,000 rows of 512 columns take 5 ms; IVF tuned to a recall of .95 takes 0.6 ms at
    100,000 rows and 0.93 ms at 500,000, and needs 584 MB where exact search needs 1,028 MB.

    Raises BadInput for a space without an index, and for memory that no index can keep, naming the least.
    """
    if n < 0 or dims < 1:
        raise BadInput(f"{n} rows of {dims} columns; an index takes 0 rows or more, of at least one column")
    if space.name in Hamming.spaces:
        seconds = n * dims / _HAMMING_RATE
        choices = [Choice(Hamming(space, dims), f"exact: {_timed(n, dims, seconds)}", n * (dims + 8), seconds)]
    elif space.name in Flat.spaces:
        exact = n * 4 * dims / (_L2_RATE if space.name == "l2" else _FLAT_RATE)
        inverted = IVF(space, dims)
        # Tuned for text queries, cells hold 11,000 rows to be scanned of 100,000 and 17,000 of 500,000: about a root.
        inexact = _IVF_SECONDS + _IVF_SCAN_SECONDS * (n / 500_000) ** 0.5 * inverted.width / 128
        choices = [
            Choice(Flat(space, dims), f"exact: {_timed(n, dims, exact)}", n * (4 * dims + 8), exact),
            Choice(
                inverted,
                f"IVF: {_timed(n, dims, inexact)}, where exact search takes {1e3 * exact:.2g} ms",
                n * (2 * dims + inverted.width + 16),
                inexact,
            ),
        ]
    else:
        raise BadInput(f"space: no index for {space.name!r}{nearest(space.name, [*Flat.spaces, *Hamming.spaces])}")
    fitting = [choice for choice in choices if memory is None or choice.memory <= memory]
    if not fitting:
        least = min(choice.memory for choice in choices)
        raise BadInput(f"memory: {n:,} rows of {dims} columns take {-(-least // 10**6):,} MB at least; allow as much")
    wish = LATENCY if latency is None else latency
    in_time = [choice for choice in fitting if choice.latency <= wish]
    return in_time[0] if in_time else min(fitting, key=lambda choice: choice.latency)


def load(path: str | Path, mapped: bool = False) -> Index:
    """The index that `save` wrote, of whichever kind; `mapped` and what it raises are those of `Index.load`."""
    kind = files.read_facts(path).get("kind")
    if kind not in _KINDS:
        raise BadInput(f"{path}: an index of kind {kind!r}{nearest(str(kind), _KINDS)}")
    return _KINDS[kind].load(path, mapped)


def _timed(n: int, dims: int, seconds: float) -> str:
    return f"about {1e3 * seconds:.2g} ms a query of {n:,} x {dims}"
