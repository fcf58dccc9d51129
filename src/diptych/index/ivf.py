"""Approximate search: an inverted file over short codes, its candidates scored exactly.

Texts ask pictures from outside: queries and rows fill two separate cones (Liang et al. 2022, Mind the Gap), and what a
text query asks for is only a part of what tells pictures apart. So three things are fitted to the queries, not to the
rows alone:

  the codes       rows are shortened to `width` columns by the map that loses least of the score over the queries, in
                  expectation: the leading singular vectors of Cq^1/2 Cx^1/2, for second moments Cq of queries and
                  covariance Cx of rows. At 512 columns a scan reads a quarter of the bytes, and loses little. Codes
                  and queries are whole numbers of one byte, which Faiss multiplies twice as fast as decoded ones
  the cells       rows go to the nearest centre (k-means in those columns), queries probe the centres of highest
                  inner product: the centre of a cell scores as its members do on average. Sending rows by inner
                  product too, as Faiss does by itself, fills cells unevenly and finds half as much
  how many        cells to probe and candidates to score are found by measuring recall on queries, see `tune`

Squared distance is an inner product of rows with one column more, so that all spaces go one way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from diptych.index.index import checked_ids, space_named
from diptych.index.refined import FIRST, SECOND, TUNED_K, Recall, Refined, standing
from diptych.kinds import Array, BadInput, Ints, Space

SCANNED, DEEP = 20_000, 1000
"""Up to so many rows, all their codes are scanned when a search is restricted to them, and so many candidates scored: a
filter may let pass what lies in none of the cells nearest to the query, close together far down its ranking."""

_SAMPLE = 60
"""Rows a cell that k-means sees; more change nothing that can be measured."""

_ARRAYS = ("mean", "row_map", "ask_map", "centres", "middle", "step")
"""What training learned, as it is kept."""

_MOMENTS = 50_000
"""Rows and queries that the moments are taken from."""

_CANDIDATES = (2, 3, 4, 6, 8, 12, 16, 24, 32, 64)
"""Candidates scored exactly for every answer asked for: what `tune` chooses from."""

_FULL = 127
"""The largest number in a byte of a code or of a query."""

_HEAPED = 1000
"""Up to so many candidates are kept in order while codes are scanned; of more, all that are scanned are parted once."""

_ROW_COST = 90
"""What scoring one candidate costs, in codes scanned: a gather from far memory against a read of the next bytes."""


class IVF(Refined):
    """Inverted file (Jégou et al. 2011) of 8-bit scalar codes (Faiss), refined on the rows.

    cells      inverted lists; 0: four times the square root of the rows that `train` gets
    width      columns that codes keep, one byte each
    precise    keep rows as float32 for the refinement: twice the memory, scores equal `Space.score` to the last bits.
               Else float16: scores differ by less than 1e-3 of the norms, and values beyond 65,504 are refused
    seed       of sampling and k-means

    Bytes a row: 2 dims (4 when precise) + width + 16. Measured on 500,000 x 512 and text queries from another cone
    (`bench/ann.py`), two cores: 589 MB, trained, filled and tuned in 36 to 51 s to 89 of 2,828 cells and 80
    candidates, recall@10 of .956 on new texts at .76 to .95 ms a query on one thread; exact search 4 ms on two.
    Trained without queries the same recall took four times as long at 100,000 rows and seven times at 500,000.
    float16 halves the memory of the rows, moved no score of unit rows by more than 1e-4, and cost .0004 of recall.
    """

    kind = "ivf"
    spaces = ("cosine", "dot", "l2")
    maps = True

    def __init__(
        self, space: Space, dims: int, cells: int = 0, width: int = 128, precise: bool = False, seed: int = 0
    ) -> None:
        self.precise = precise
        super().__init__(space, dims)
        if cells < 0:
            raise BadInput(f"cells: {cells}; give at least one, or 0 to go by the number of rows")
        if width < 1:
            raise BadInput(f"width: {width}; codes keep at least one column")
        self.cells = cells
        self.width = min(width, self._augmented_dims)
        self.seed = seed
        self.probes = 0
        self._lists: Any = None

    # ------------------------------------------------------------------------------------------------------- build

    def train(self, rows: Array, queries: Array | None = None) -> None:
        """Learn codes and cells from (n, dims) rows like those to come, before the first `add`.

        queries   (n_q, dims) normalised queries as users will ask them, some hundreds or more. Without them the rows
                  stand in, and the same recall on queries from another cone takes several times as long.

        Raises BadInput when there are rows in the index already, and when `rows` are too few to learn from.
        """
        import faiss

        rows = self._normalised(rows, "rows")
        asked = rows if queries is None else self._normalised(queries, "queries")
        if len(self):
            raise BadInput(f"train: the index holds {len(self):,} rows coded as before; train a new one and add them")
        if len(rows) < 2 or not len(asked):
            raise BadInput(f"rows: {len(rows)} rows and {len(asked)} queries; training takes two rows and a query")
        rng = np.random.default_rng(self.seed)
        cells = self.cells or round(4 * len(rows) ** 0.5)
        cells = max(1, min(cells, len(rows) // 8))
        sample = rows[_some(len(rows), max(_SAMPLE * cells, _MOMENTS), rng)]
        self._fit_map(self._augmented(sample[:_MOMENTS]), self._asking(asked[_some(len(asked), _MOMENTS, rng)]))
        codes = self._shortened(sample[: _SAMPLE * cells])
        means = faiss.Kmeans(
            self.width, cells, niter=8, seed=self.seed + 1, min_points_per_centroid=1, max_points_per_centroid=_SAMPLE
        )
        means.train(codes)
        self._centres = np.asarray(means.centroids).reshape(cells, self.width)
        low, high = codes.min(axis=0), codes.max(axis=0)
        self._middle, self._step = (low + high) / 2, np.maximum((high - low) / (2 * _FULL), 1e-30)
        quantizer = faiss.IndexFlatIP(self.width)
        quantizer.add(self._centres / self._step)
        self._lists = faiss.IndexIVFScalarQuantizer(
            quantizer, self.width, cells, faiss.ScalarQuantizer.QT_8bit_direct_signed, faiss.METRIC_INNER_PRODUCT, False
        )
        self._lists.train(codes)
        # Untuned, an eighth of the cells: slow and near to complete.
        self.probes, self.candidates, self.recall = -(-cells // 8), 16, None

    def add(self, ids: npt.ArrayLike, rows: Array) -> None:
        """As `Index.add`. Rows go to the cells that training found; `drift` says when to train anew."""
        import faiss

        self._trained()
        rows = self._normalised(rows, "rows")
        names = checked_ids(ids, "ids")
        if not self.precise and len(rows) and max(rows.max(), -rows.min()) > np.finfo(np.float16).max:
            raise BadInput("rows: values beyond 65,504 do not fit float16; use IVF(precise=True)")
        super().add(names, rows)
        for start in range(0, len(rows), 65_536):
            some, named = self._shortened(rows[start : start + 65_536]), names[start : start + 65_536].copy()
            cell = faiss.knn(some, self._centres, 1)[1].ravel()
            codes = np.rint((some - self._middle) / self._step).clip(-_FULL, _FULL)
            self._lists.add_core(len(some), *map(faiss.swig_ptr, (codes, named, cell)))
        self._added += len(rows)
        if not self._reference[0]:
            self._refer()

    def remove(self, ids: npt.ArrayLike) -> int:
        """As `Index.remove`."""
        import faiss

        names = checked_ids(ids, "ids")
        removed = super().remove(names)
        if removed:
            self._lists.remove_ids(faiss.IDSelectorBatch(np.asarray(names, dtype=np.int64)))
            self._removed += removed
        return removed

    def tune(self, queries: Array, recall: float = 0.95) -> Recall:
        """As `Refined.tune`: cells to probe, and candidates to score."""
        self._trained()
        queries = self._normalised(queries, "queries")
        if not 0.0 < recall <= 1.0:
            raise BadInput(f"recall: {recall}; a share of the true answers, above 0 and up to 1")
        if not len(queries) or not len(self):
            raise BadInput(f"tune: {len(queries)} queries of {len(self)} rows; give at least one of each")
        k = min(TUNED_K, len(self))
        _, truth = self._exactly(queries, k)
        asked = self._asked(queries)
        deepest = min(len(self), k * _CANDIDATES[-1])
        cells = self._lists.nlist
        error = 2 / len(queries) ** 0.5
        measured: dict[tuple[int, int], tuple[float, float]] = {}

        def reached(probes: int, factors: Sequence[int]) -> list[int]:
            """Of these numbers of candidates, those that find enough."""
            # Where each true answer stands among the candidates: one scan tells for every number of them.
            places = standing(self._candidates(asked, probes, deepest), truth)
            enough = []
            for factor in factors:
                share = (places < k * factor).mean(axis=1)
                measured[probes, factor] = float(share.mean()), -work(probes, factor)
                if share.mean() - error * share.std() >= recall:
                    enough.append(factor)
            return enough

        def work(probes: int, factor: int = 0) -> float:
            return float(cells + probes / cells * len(self) + _ROW_COST * min(k * factor, len(self)))

        least, below, last = np.inf, 0, 0
        for probes in _ladder(cells):
            if work(probes) >= least:
                break
            if (enough := reached(probes, _CANDIDATES)) and work(probes, enough[0]) < least:
                least, below = work(probes, enough[0]), last
                self.probes, self.candidates = probes, enough[0]
            last = probes
        if np.isinf(least):
            self.probes, self.candidates = max(measured, key=lambda setting: measured[setting])
        while below and self.probes - below > max(1, self.probes // 50):  # between two rungs
            middle = (below + self.probes) // 2
            if reached(middle, [self.candidates]):
                self.probes = middle
            else:
                below = middle
        self.recall = Recall(measured[self.probes, self.candidates][0], k, len(queries), len(self))
        self._refer()
        return self.recall

    def _imbalance(self) -> float:
        return float(self._lists.invlists.imbalance_factor()) if len(self) else 1.0

    # ------------------------------------------------------------------------------------------------------ search

    def _asked(self, queries: Array) -> Array:
        """As the codes are asked: whole numbers of a byte, so that Faiss multiplies bytes."""
        asked = self._asking(queries) @ self._ask_map * self._step
        asked *= _FULL / np.maximum(np.abs(asked).max(axis=1, keepdims=True), 1e-30)
        return np.asarray(np.rint(asked))

    def _among(self, places: Ints) -> Any:
        return _selector(self._rows.ids[places])

    def _first(self, places: Ints | None) -> int:
        # Where all codes are scanned, more answers cost nothing.
        return SECOND if places is not None and len(places) <= SCANNED else FIRST

    def _near(self, asked: Array, k: int, places: Ints | None, among: Any) -> Iterator[Ints]:
        allowed = len(self) if places is None else len(places)
        # Answers further down, and those left by a filter, lie in more cells than the ten that were tuned for.
        spread = max(1.0, k / TUNED_K) ** 0.5 * len(self) / allowed
        probes = min(self._lists.nlist, round(self.probes * spread))
        depth = self._depth(k)
        if places is not None and allowed <= SCANNED:
            probes, depth = self._lists.nlist, max(depth, DEEP)
        for names in self._candidates(asked, probes, min(allowed, depth), among):
            # Faiss fills up with -1; `find` knows no such id. In order, looking up and gathering jump about less.
            here = self._rows.find(np.sort(names))
            here = here[here >= 0]
            if len(here) < k:  # the probed cells may hold fewer than were asked for, although there are enough
                here = np.arange(len(self)) if places is None else places
            yield here

    def _candidates(self, asked: Array, probes: int, depth: int, selector: Any = None) -> Ints:
        """(n_q, depth) ids, best code first where they are few, -1 where the cells run out.

        selector   what Faiss asks whether an id may be found; it keeps a bare pointer, so hold on to it meanwhile
        """
        import faiss

        parameters = faiss.SearchParametersIVF()
        parameters.nprobe = probes
        if selector is not None:
            parameters.sel = selector
        if depth <= _HEAPED:
            found: Ints = self._lists.search(asked, depth, params=parameters)[1]
            return found
        found = np.full((len(asked), depth), -1)
        for row in range(len(asked)):
            _, values, names = self._lists.range_search(asked[row : row + 1], -np.inf, params=parameters)
            if len(names) > depth:
                names = names[np.argpartition(-values, depth)[:depth]]
            found[row, : len(names)] = names
        return found

    # ------------------------------------------------------------------------------------------------------- codes

    @property
    def _augmented_dims(self) -> int:
        return self.dims + (self.space.name == "l2")

    def _augmented(self, rows: Array) -> Array:
        """Rows whose inner product with `_asking(queries)` ranks as the space does."""
        if self.space.name != "l2":
            return rows
        return np.hstack([rows, -0.5 * np.square(rows).sum(axis=1, keepdims=True)])

    def _asking(self, queries: Array) -> Array:
        if self.space.name != "l2":
            return queries
        return np.hstack([queries, np.ones((len(queries), 1), dtype=np.float32)])

    def _fit_map(self, rows: Array, queries: Array) -> None:
        """The `width` columns that lose least of the scores, (q · x - q' · x')² in expectation."""
        rows, queries = rows.astype(np.float64), queries.astype(np.float64)
        self._mean = rows.mean(axis=0).astype(np.float32)
        rows -= self._mean
        spread = rows.T @ rows / len(rows)
        asked = queries.T @ queries / len(queries)
        dims = len(asked)
        # Few queries do not fill all directions: shrink their moments towards an even ball, less the more there are.
        share = dims / (dims + len(queries))
        asked = (1 - share) * asked + np.eye(dims) * max(share * np.trace(asked) / dims, 1e-12)
        values, vectors = np.linalg.eigh(asked)
        values = np.maximum(values, values[-1] * 1e-9)
        root, inverse = ((vectors * values**power) @ vectors.T for power in (0.5, -0.5))
        leading = np.linalg.eigh(root @ spread @ root)[1][:, : -self.width - 1 : -1]
        self._row_map = (root @ leading).astype(np.float32)
        self._ask_map = (inverse @ leading).astype(np.float32)

    def _shortened(self, rows: Array) -> Array:
        return np.ascontiguousarray((self._augmented(rows) - self._mean) @ self._row_map)

    # -------------------------------------------------------------------------------------------------------- keep

    @property
    def _dtype(self) -> type[np.generic]:
        return np.float32 if self.precise else np.float16

    def _state(self) -> tuple[dict[str, Any], dict[str, Array]]:
        import faiss

        self._trained()
        facts = {
            "cells": self.cells,
            "width": self.width,
            "precise": self.precise,
            "seed": self.seed,
            "probes": self.probes,
            "candidates": self.candidates,
            "recall": self.recall and asdict(self.recall),
            "reference": list(self._reference),
            "added": self._added,
            "removed": self._removed,
        }
        arrays = {name: getattr(self, f"_{name}") for name in _ARRAYS}
        return facts, {**arrays, "faiss": faiss.serialize_index(self._lists)}

    @classmethod
    def _restored(cls, facts: Mapping[str, Any], arrays: Mapping[str, Array]) -> Self:
        import faiss

        settings = (facts[name] for name in ("cells", "width", "precise", "seed"))
        index = cls(space_named(facts["space"]), facts["dims"], *settings)
        for name in _ARRAYS:
            setattr(index, f"_{name}", arrays[name])
        # A forged length must not make Faiss ask for more memory than the file could fill.
        before = faiss.get_deserialization_vector_byte_limit()
        faiss.set_deserialization_vector_byte_limit(max(arrays["faiss"].nbytes, 1))
        try:
            lists: Any = faiss.deserialize_index(arrays["faiss"])
        finally:
            faiss.set_deserialization_vector_byte_limit(before)
        known = isinstance(lists, faiss.IndexIVFScalarQuantizer)
        if not known or not isinstance(faiss.downcast_index(lists.quantizer), faiss.IndexFlatIP):
            raise ValueError(f"a Faiss {type(lists).__name__} where an inverted file of scalar codes was kept")
        dims, width = index._augmented_dims, index.width
        shapes = [arrays[name].shape for name in _ARRAYS]
        if shapes != [(dims,), (dims, width), (dims, width), (lists.nlist, width), (width,), (width,)]:
            raise ValueError(f"maps of shapes {shapes} for {dims} columns in {width}")
        told = (lists.d, lists.ntotal, lists.metric_type, lists.sq.qtype, lists.sq.d)
        coding = faiss.ScalarQuantizer.QT_8bit_direct_signed
        if told != (width, facts["count"], faiss.METRIC_INNER_PRODUCT, coding, width):
            raise ValueError("the Faiss index is not the one that was kept")
        index._lists = lists
        index.probes, index.candidates = facts["probes"], facts["candidates"]
        index.recall = facts["recall"] and Recall(**facts["recall"])
        index._reference = facts["reference"][0], facts["reference"][1]
        index._added, index._removed = facts["added"], facts["removed"]
        return index

    def _trained(self) -> None:
        if self._lists is None:
            raise BadInput("ivf: not trained; call `train` with rows like those to come")


def _selector(ids: Ints) -> Any:
    """What Faiss asks whether an id may be found: a bit for each, unless they lie far apart."""
    import faiss

    most = int(ids.max()) + 1
    if most > 64 * len(ids) + 1_000_000:
        return faiss.IDSelectorBatch(ids.astype(np.int64))
    allowed = np.zeros(most, dtype=bool)
    allowed[ids] = True
    selector: Any = faiss.IDSelectorBitmap
    return selector(np.packbits(allowed, bitorder="little"))


def _some(total: int, most: int, rng: np.random.Generator) -> Ints:
    """At most this many distinct rows, in random order."""
    return rng.permutation(total)[:most]


def _ladder(cells: int) -> list[int]:
    """Numbers of cells to probe, each about a fifth more than the last."""
    steps = np.unique(np.round(1.2 ** np.arange(0, 200)).clip(1, cells).astype(int))
    return [int(step) for step in steps]
