"""Approximate search over binary codes in memory: their nearest are scored exactly, on rows that are read for it.

Eight bytes a picture are kept of 64 bits, and as much for its id, where a row takes a thousand. What makes the codes is
learned elsewhere, and so are the rows kept: a search asks for the few that it scores.

Codes are asked in one of two ways. Where they are `Turned`, the query is not coded: its row, turned as they are, is
weighed with their signs, which finds as much among a quarter of the candidates, whatever asks. Where they come from a
method of which only codes are known, codes ask codes; and texts, which lie in a cone of their own (Liang et al. 2022,
Mind the Gap), are told from pictures by the nearer mean, for a method codes each in its own way.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt

from diptych.index.flat import Flat
from diptych.index.hamming import nearest_codes
from diptych.index.index import best, space_named
from diptych.index.refined import TUNED_K, Recall, Refined, standing
from diptych.kinds import Array, BadInput, Floats, Ints, Space, batches, hamming

_CANDIDATES = (2, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 400)
"""Rows scored exactly for every answer asked for: what `tune` chooses from."""

_MORE = 100
"""Candidates beyond those that are wanted, so that ties of the last are broken by id."""

_BLOCK = 4096
"""Rows that are read at a time."""

_TUNED, _TIMED = 500, 100
"""Queries that are asked, of more some spread evenly; and those whose time is taken, one by one."""


class Coder(Protocol):
    """What makes codes of rows (n, dims): (n, bytes) uint8, bits packed as `kinds.hamming` packs them."""

    def encode_images(self, items: Any) -> Array: ...

    def encode_texts(self, items: Any) -> Array: ...


@dataclass(frozen=True)
class Turned:
    """Signs of rows around their mean, on some directions: x as sgn((x - mean) turn).

    What asks is weighed with them: q'x is about q'turn sgn((x - mean) turn), but for what is the same for every x
    (asymmetric distances: Gordo, Perronnin, Gong & Lazebnik, PAMI 2014).

    mean (dims,), turn (dims, bits)
    """

    mean: Array
    turn: Array

    def encode_images(self, items: Any) -> Array:
        return hamming.normalise((items - self.mean) @ self.turn)

    encode_texts = encode_images


class Codes(Refined):
    """Packed codes of all rows, searched one by one, refined on rows from elsewhere.

    bits      of a code; kept in whole bytes
    learned   names the coder, where it is not kept with the index: "" for `Turned`, which is

    A coder is given to `train`, and what reads rows to `reads`: ids (n,) -> (n, dims) float32. Both are asked for again
    after `load`. Ties are broken by id, so candidates do not depend on the order in which rows came.
    """

    kind = "codes"
    spaces = ("cosine", "dot", "l2")

    def __init__(self, space: Space, dims: int, bits: int = 64, learned: str = "") -> None:
        if bits < 1:
            raise BadInput(f"bits: {bits}; a code has one or more")
        self.bits, self.learned = bits, learned
        super().__init__(space, dims)
        self.milliseconds = 0.0
        self._coder: Coder | None = None
        self._rows_of: Callable[[Ints], Array] | None = None
        self._signs: Any = None
        self._means = np.zeros((2, dims), dtype=np.float32)

    @property
    def _dtype(self) -> type[np.generic]:
        return np.uint8

    @property
    def _columns(self) -> int:
        return -(-self.bits // 8)

    # ------------------------------------------------------------------------------------------------------- build

    def reads(self, rows_of: Callable[[Ints], Array], coder: Coder | None = None) -> Self:
        """Itself, with what reads rows; and with the coder, where that was not kept."""
        self._rows_of, self._coder = rows_of, coder or self._coder
        return self

    def train(self, rows: Array, queries: Array | None = None, coder: Coder | None = None) -> None:
        """Take the coder, and learn from (n, dims) rows and (n_q, dims) queries where each kind lies.

        Raises BadInput without a coder, for one of other bits, and where there are rows in the index already.
        """
        rows = self._normalised(rows, "rows")
        asked = rows if queries is None else self._normalised(queries, "queries")
        if len(self):
            raise BadInput(f"train: the index holds {len(self):,} rows coded as before; train a new one and add them")
        if not len(rows) or not len(asked):
            raise BadInput(f"rows: {len(rows)} rows and {len(asked)} queries; training takes one of each")
        self._coder = coder or self._coder
        codes = self._coding().encode_images(rows[:1])
        if codes.shape != (1, self._columns) or codes.dtype != np.uint8:
            raise BadInput(f"coder: of one row it makes {codes.dtype} {codes.shape}; give {self.bits} bits, packed")
        images, texts = rows.mean(axis=0), asked.mean(axis=0)
        gap = texts - images
        # Where both lie so close that rows of one reach beyond the mean of the other, all that asks is a text.
        spread = max(((some - mean) @ gap).std() for some, mean in ((rows, images), (asked, texts)))
        self._means = np.stack([images, texts if gap @ gap > 2 * spread else images]).astype(np.float32)

    def add(self, ids: npt.ArrayLike, rows: Array) -> None:
        """As `Index.add`; rows are coded, and not kept."""
        super().add(ids, rows)
        self._added += len(rows)
        if not self._reference[0]:
            self._refer()

    def remove(self, ids: npt.ArrayLike) -> int:
        """As `Index.remove`."""
        removed = super().remove(ids)
        self._removed += removed
        return removed

    def tune(self, queries: Array, recall: float = 0.95) -> Recall:
        """As `Refined.tune`: rows to score. Takes the time of some queries, too: `milliseconds`, the median of one."""
        queries = self._normalised(queries, "queries")
        if not 0.0 < recall <= 1.0:
            raise BadInput(f"recall: {recall}; a share of the true answers, above 0 and up to 1")
        if not len(queries) or not len(self):
            raise BadInput(f"tune: {len(queries)} queries of {len(self)} rows; give at least one of each")
        queries = queries[np.linspace(0, len(queries) - 1, min(_TUNED, len(queries))).astype(int)]
        k = min(TUNED_K, len(self))
        deepest = min(len(self), k * _CANDIDATES[-1])
        found = self._candidates(self._asked(queries), self._rows.values, self._rows.ids, deepest)
        places = standing(found, self._truth(queries, k))
        for factor in _CANDIDATES:
            share = (places < k * factor).mean(axis=1)
            if share.mean() - 2 * share.std() / len(queries) ** 0.5 >= recall or k * factor >= len(self):
                break
        self.candidates, self.recall = factor, Recall(float(share.mean()), k, len(queries), len(self))
        seconds = []
        for query in queries[:_TIMED, None]:
            started = time.perf_counter()
            self.search(query, k)
            seconds.append(time.perf_counter() - started)
        self.milliseconds = round(1e3 * float(np.median(seconds)), 2)
        self._refer()
        return self.recall

    def _truth(self, queries: Array, k: int) -> Ints:
        """(n_q, k) the true answers, with few rows in memory at a time."""
        scores = np.full((len(queries), k), -np.inf, dtype=np.float32)
        ids: Ints = np.full((len(queries), k), -1, dtype=np.int64)
        for some in batches(self._rows.ids, 16 * _BLOCK):
            exact = Flat(self.space, self.dims)
            exact.add(some, self._read(some))
            here = exact.search(queries, k)
            scores, ids = best(np.hstack([scores, here[0]]), np.hstack([ids, here[1]]), k)
        return ids

    # ------------------------------------------------------------------------------------------------------ search

    def rows(self, ids: npt.ArrayLike) -> Array:
        """As `Index.rows`, read from where they are kept."""
        super().rows(ids)  # raises BadInput for a strange id
        return self._read(np.asarray(ids, dtype=np.int64))

    def _kept(self, rows: Array) -> Array:
        return self._coding().encode_images(rows)

    def _asked(self, queries: Array) -> Array:
        """(n_q, 8 bytes) rows to weigh signs with, or (n_q, bytes) codes."""
        coder = self._coding()
        if isinstance(coder, Turned):
            asked = np.zeros((len(queries), 8 * self._columns), dtype=np.float32)
            asked[:, : self.bits] = queries @ coder.turn
            return asked
        images, texts = self._means
        is_text = (queries - (images + texts) / 2) @ (texts - images) >= 0
        codes = np.empty((len(queries), self._columns), dtype=np.uint8)
        for side, encode in ((is_text, coder.encode_texts), (~is_text, coder.encode_images)):
            if side.any():
                codes[side] = encode(queries[side])
        return codes

    def _among(self, places: Ints) -> Any:
        return self._rows.at(places), self._rows.ids[places]

    def _near(self, asked: Array, k: int, places: Ints | None, among: Any) -> Iterator[Ints]:
        codes, names = (self._rows.values, self._rows.ids) if among is None else among
        depth = min(len(names), max(k, self._depth(k)))
        for query in asked[:, None]:
            found = self._candidates(query, codes, names, depth)[0]
            yield self._rows.find(np.sort(found))  # read in order, which is that of the disk

    def _candidates(self, asked: Array, codes: Array, names: Ints, depth: int) -> Ints:
        """(n_q, depth) ids, best code first."""
        if asked.dtype == np.uint8:
            return nearest_codes(asked, codes, names, depth)[1]
        import faiss

        if self._signs is None:
            # Each byte of a code is a cell of a product quantiser, whose centre has its bits for signs.
            self._signs = faiss.ProductQuantizer(8 * self._columns, self._columns, 8)
            centres = 2 * np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).astype(np.float32) - 1
            faiss.copy_array_to_vector(np.tile(centres, (self._columns, 1)).ravel(), self._signs.centroids)
        codes, more = np.ascontiguousarray(codes), min(depth + _MORE, len(codes))
        values, near = np.empty((len(asked), more), np.float32), np.empty((len(asked), more), np.int64)
        heap = faiss.float_minheap_array_t()
        heap.nh, heap.k, heap.val, heap.ids = len(asked), more, faiss.swig_ptr(values), faiss.swig_ptr(near)
        self._signs.search_ip(faiss.swig_ptr(asked), len(asked), faiss.swig_ptr(codes), len(codes), heap, True)
        return best(values, names[near], depth)[1]

    def _scored(self, queries: Array, places: Ints | slice) -> Floats:
        names = self._rows.ids[places]
        scores = np.empty((len(queries), len(names)), dtype=np.float32)
        for some in batches(np.arange(len(names)), _BLOCK):
            scores[:, some] = self.space.score(queries, self._read(names[some]))
        return scores

    def _read(self, ids: Ints) -> Array:
        if self._rows_of is None:
            raise BadInput("codes: nothing reads rows; call `reads`")
        return np.asarray(self._rows_of(ids), dtype=np.float32)

    def _coding(self) -> Coder:
        if self._coder is None:
            raise BadInput("codes: there is no coder; call `train` or `reads` with one")
        return self._coder

    # -------------------------------------------------------------------------------------------------------- keep

    def _state(self) -> tuple[dict[str, Any], dict[str, Array]]:
        kept = self._columns + 8
        facts = {
            "bits": self.bits,
            "learned": self.learned,
            "candidates": self.candidates,
            "rescored": self.candidates * TUNED_K,
            "recall": self.recall and asdict(self.recall),
            "milliseconds": self.milliseconds,
            "bytes": {"memory": kept, "disk": kept},
            "reference": list(self._reference),
            "added": self._added,
            "removed": self._removed,
        }
        arrays: dict[str, Array] = {"means": self._means}
        if isinstance(self._coder, Turned):
            learned = {"mean": self._coder.mean, "turn": self._coder.turn}
            arrays |= {name: np.asarray(array, dtype=np.float32) for name, array in learned.items()}
        return facts, arrays

    @classmethod
    def _restored(cls, facts: Mapping[str, Any], arrays: Mapping[str, Array]) -> Self:
        index = cls(space_named(facts["space"]), facts["dims"], facts["bits"], facts["learned"])
        index._means = arrays["means"]
        told = [(name, arrays[name].shape) for name in ("means", *([] if index.learned else ["mean", "turn"]))]
        shapes = {"means": (2, index.dims), "mean": (index.dims,), "turn": (index.dims, index.bits)}
        if any(shapes[name] != shape for name, shape in told):
            raise ValueError(f"{told} for {index.dims} columns and {index.bits} bits")
        if not index.learned:
            index._coder = Turned(arrays["mean"], arrays["turn"])
        index.candidates, index.milliseconds = facts["candidates"], facts["milliseconds"]
        index.recall = facts["recall"] and Recall(**facts["recall"])
        index._reference = facts["reference"][0], facts["reference"][1]
        index._added, index._removed = facts["added"], facts["removed"]
        return index
