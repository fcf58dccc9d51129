"""Where the relevant items stand: the one thing every ranking measure needs to know.

Items of equal score form a tie group, and a query is described by those of its groups that hold something relevant.
From that record each measure of `measures.py` is one closed formula, whether scores are real numbers or Hamming
distances, and whichever way ties are broken; breaking a tie is only a change to the record. Nothing here sorts items
when it can count.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from typing import Any, Literal

import numpy as np

from diptych.kinds import Array, BadInput, Floats, Ints, Qrels, Run, Space, count, named, nearest, words

Ties = Literal["expected", "stable", "optimistic", "pessimistic"]
TIES: tuple[Ties, ...] = ("expected", "stable", "optimistic", "pessimistic")


def policy(name: str) -> Ties:
    """The tie policy of this name. Raises BadInput with the nearest one there is."""
    named(name, "ties")
    for known in TIES:
        if known == name:
            return known
    raise BadInput(f"ties: no policy {name!r}{nearest(name, TIES)}")


BLOCK = 4_000_000
"""Scores held at a time when a query has a handful of answers: 16 MB of float32."""

DENSE_BLOCK = 1_000_000
"""The same when every other item may be relevant, and the record of a block can outgrow its scores ten times."""

COUNTED_BLOCK, COUNTED_QUERIES = 200_000, 128
"""Hamming distances held at a time, what a core has near at hand; and queries whose counts are told at once."""

HANDFUL = 32
"""Up to this many relevant items a query it is cheaper to count what beats each of them than to sort the row."""


@dataclass(frozen=True)
class Ranking:
    """The tie groups that hold at least one relevant item, as flat arrays of one length, by query, best group first.

    query        (G,) the row of the query
    above        (G,) items ranked strictly above the group
    size         (G,) items in the group, in random order
    hits         (G,) relevant items in the group
    hits_above   (G,) relevant items ranked strictly above the group
    gain         (G,) sum of the grades in the group
    relevant     (n_q,) relevant items of each query in the whole database, retrieved or not
    n_items      size of the database
    ideal        the best ranking there could be, for nDCG; None when grades were not asked for
    """

    query: Ints
    above: Ints
    size: Ints
    hits: Ints
    hits_above: Ints
    gain: Floats
    relevant: Ints
    n_items: int
    ideal: Ranking | None = None

    @property
    def n_queries(self) -> int:
        return len(self.relevant)

    def per_query(self, values: Array) -> Floats:
        """(n_q,) the sum over its groups of one value a group."""
        sums: Floats = np.bincount(self.query, weights=values, minlength=self.n_queries).astype(np.float64)
        return sums

    @property
    def first(self) -> Ints:
        """The best group of each query that has one, as rows of the flat arrays."""
        return _starts(self.query)


def rank(
    queries: Array, items: Array, space: Space, qrels: Qrels, ties: Ties = "expected", graded: bool = False
) -> Ranking:
    """The whole ranking of normalised `queries` against normalised `items`; see `rankings` for the arguments.

    Dense relevance with real scores makes one group a relevant item: when n_q x n_relevant is large, go by `rankings`.
    """
    return joined(rankings(queries, items, space, qrels, ties, graded))


def rankings(
    queries: Array, items: Array, space: Space, qrels: Qrels, ties: Ties = "expected", graded: bool = False
) -> Iterator[Ranking]:
    """Rankings of one block of queries after another; no more than a block of scores is ever held.

    queries, items   n_q and n_d rows, as `space.normalise` gave them
    qrels            (n_q, n_d) judgements
    ties             "expected": every order inside a tie group is equally likely, and measures are exact expectations;
                     "stable": database order; "optimistic" and "pessimistic": relevant items first or last
    graded           keep the grades, which nDCG asks for; relevance alone is cheaper

    Raises BadInput for NaN scores, shapes that do not match and an unknown `ties`.
    """
    _check(ties, qrels, count(queries), count(items))
    if space.name == "hamming" and ties != "stable" and not graded and not qrels.sparse:
        for start, everything, relevant in distance_histograms(queries, items, qrels):
            yield _from_histograms(everything, relevant, ties, count(items), start)
        return
    rows = max(1, (BLOCK if qrels.sparse else DENSE_BLOCK) // count(items))
    for start, scores in score_blocks(queries, items, space, rows):
        yield rank_scores(scores, qrels, start, ties, graded)


def score_blocks(queries: Array, items: Array, space: Space, rows: int) -> Iterator[tuple[int, Array]]:
    """(row of the first query, (b, n_d) scores) of `rows` queries after another; equal items score equally.

    A matrix product rounds the same item differently from one column to the next, which would break true ties by
    position. So real-valued items that stand there several times are scored once.
    """
    distinct = None
    if items.dtype.kind == "f" and count(items):
        distinct, items = _distinct(items)
    for start in range(0, count(queries), rows):
        scores = space.score(queries[start : start + rows], items)
        yield start, scores if distinct is None else scores[:, distinct]


def rank_scores(scores: Array, qrels: Qrels, start: int = 0, ties: Ties = "expected", graded: bool = False) -> Ranking:
    """The ranking by ready-made scores (b, n_d), higher is nearer, of the queries from row `start` of the qrels."""
    stop = start + len(scores)
    policy(ties)
    if scores.shape[1] != qrels.shape[1] or stop > qrels.shape[0]:
        raise BadInput(
            f"scores: rows {start} to {stop} of {scores.shape[1]} items, but the judgements are {qrels.shape}"
        )
    if scores.dtype.kind == "f":
        wrong = np.isnan(scores).any(axis=1)
        if wrong.any():
            raise BadInput(
                f"scores: query {qrels.query_ids[start + int(wrong.argmax())]} has a NaN score; mend its features"
            )
    if graded or qrels.sparse:
        query, item, grade = qrels.listed(start, stop)
        query, item, grade = query[grade > 0], item[grade > 0], grade[grade > 0]
        if len(query) <= HANDFUL * len(scores):
            standing = _standing_by_counting(scores, query, item, grade, ties)
        else:
            marks = np.zeros(scores.shape)
            marks[query, item] = grade
            standing = _standing_by_sorting(scores, marks, ties)
        ideal = _ideal(query, grade, *scores.shape)
    else:
        standing = _standing_by_sorting(scores, qrels.relevant(start, stop), ties)
        ideal = None
    return replace(_grouped(*standing, ties, *scores.shape), ideal=ideal)


def rank_run(run: Run, qrels: Qrels, ties: Ties = "expected") -> Ranking:
    """The ranking a run gives the queries of the judgements, found by their names.

    A relevant item that the run leaves out is never hit but counts as relevant; a query that the run leaves out finds
    nothing; queries and items without judgements are irrelevant, as in trec_eval. Raises BadInput when scores are not
    best first.
    """
    policy(ties)
    row_of = {name: row for row, name in enumerate(run.query_ids)}
    item_row = {name: row for row, name in enumerate(qrels.item_ids)}
    # The last entry serves the -1 of a query that has fewer answers.
    to_item = np.array([item_row.get(name, -1) for name in run.item_ids] + [-1], dtype=np.int64)
    grade_of = np.zeros(qrels.shape[1] + 1)
    found: list[tuple[Array, ...]] = []
    judged: list[tuple[Array, Array]] = []
    for query, name in enumerate(qrels.query_ids):
        _, items, grades = qrels.listed(query, query + 1)
        items, grades = items[grades > 0], grades[grades > 0]
        judged.append((np.full(len(items), query), grades))
        if name not in row_of:
            continue
        answers = run.items[row_of[name]]
        cost = -run.scores[row_of[name]][answers >= 0]
        answers = answers[answers >= 0]
        if not (cost[1:] >= cost[:-1]).all():
            raise BadInput(f"run: the scores of query {name} are not best first; sort them or give -rank as the score")
        grade_of[items] = grades
        grade = grade_of[to_item[answers]]
        grade_of[items] = 0
        hit = np.flatnonzero(grade)
        if ties == "stable":
            above, size = hit, np.ones_like(hit)
        else:
            above = np.searchsorted(cost, cost[hit], "left")
            size = np.searchsorted(cost, cost[hit], "right") - above
        found.append((np.full(len(hit), query), above, size, grade[hit]))
    nothing = np.zeros(0, dtype=np.int64)
    hits = [np.concatenate(column) for column in zip(*found, (nothing,) * 4, strict=True)]
    # A run may rank items that nobody judged, so it can be longer than the list of judged ones.
    n_queries, n_items = qrels.shape[0], max(qrels.shape[1], run.items.shape[1])
    ranking = _grouped(hits[0], hits[1], hits[2], hits[3], ties, n_queries, n_items)
    everyone, every_grade = (np.concatenate(column) for column in zip(*judged, strict=True))
    relevant = np.bincount(everyone, minlength=n_queries)
    return replace(ranking, relevant=relevant, ideal=_ideal(everyone, every_grade, n_queries, n_items))


def joined(blocks: Iterable[Ranking]) -> Ranking:
    """Rankings of consecutive blocks of queries as one."""
    parts = list(blocks)
    if not parts:
        raise BadInput("no queries: there is nothing to rank")
    first = np.cumsum([0] + [part.n_queries for part in parts])
    values: dict[str, Any] = {
        field.name: np.concatenate([getattr(part, field.name) for part in parts])
        for field in fields(Ranking)
        if field.name not in ("query", "n_items", "ideal")
    }
    values["query"] = np.concatenate([part.query + start for part, start in zip(parts, first, strict=False)])
    ideals = [part.ideal for part in parts if part.ideal is not None]
    return Ranking(**values, n_items=parts[0].n_items, ideal=joined(ideals) if len(ideals) == len(parts) else None)


def distance_histograms(queries: Array, items: Array, qrels: Qrels) -> Iterator[tuple[int, Ints, Ints]]:
    """Blocks of (row of the first query, all, relevant): how many items lie at each Hamming distance 0 … K.

    queries, items   (n_q, K / 8) and (n_d, K / 8) packed uint8 codes
    all, relevant    (b, K + 1) number of all items and of relevant items at each distance
    """
    _check("expected", qrels, count(queries), count(items))
    if queries.dtype != np.uint8 or items.dtype != np.uint8 or queries.shape[1:] != items.shape[1:]:
        raise BadInput(
            f"codes: queries are {queries.dtype} {queries.shape[1:]}, items {items.dtype} {items.shape[1:]}; "
            "both need packed uint8 codes of one length, as hamming.normalise gives them"
        )
    bins = 8 * queries.shape[1] + 1
    # Distance and relevance share one small number, so that a single pass counts both.
    small = np.uint8 if 2 * bins <= 256 else np.uint16
    # So do neighbouring queries, as long as what they share is no longer than the items: counting is most of the work.
    shared = max(1, int(np.log(min(1 << 16, count(items))) / np.log(2 * bins)))
    query_words, item_words = words(queries), words(items)
    rows = shared * max(1, COUNTED_BLOCK // (shared * count(items)))
    for first in range(0, count(queries), max(rows, COUNTED_QUERIES)):
        counts = []
        last = min(first + max(rows, COUNTED_QUERIES), count(queries))
        for start in range(first, last, rows):
            stop = min(start + rows, last)
            key: Array = np.multiply(qrels.relevant(start, stop), bins, dtype=small)
            for query, item in zip(query_words[:, start:stop], item_words, strict=True):
                key += np.bitwise_count(query[:, None] ^ item)
            counts.append(_counted(key, 2 * bins, shared))
        both = np.concatenate(counts).reshape(-1, 2, bins)
        yield first, both.sum(axis=1), both[:, 1]


def _counted(keys: Array, bins: int, shared: int) -> Ints:
    """(b, bins) how often each number below `bins` stands in each row; so many rows are counted by what they pair."""
    if shared == 1:
        return np.array([np.bincount(row, minlength=bins) for row in keys])
    counts = []
    for some in (keys[row : row + shared] for row in range(0, len(keys), shared)):
        joint = some[0].astype(np.uint16)
        for row in some[1:]:
            joint *= np.uint16(bins)
            joint += row
        table = np.bincount(joint, minlength=bins ** len(some)).reshape((bins,) * len(some))
        counts += [table.sum(axis=tuple(set(range(table.ndim)) - {axis})) for axis in range(table.ndim)]
    return np.array(counts)


def fold_slices(n: int, folds: int) -> list[slice]:
    """`folds` disjoint runs of consecutive rows, of one length or nearly so: COCO 1K cuts 5,000 pictures into 5.

    Each fold is ranked inside itself and the measures of the folds are averaged.
    """
    if not 1 <= folds <= n:
        raise BadInput(f"folds: cannot cut {n} rows into {folds} folds; give a number from 1 to {n}")
    edges = [n * fold // folds for fold in range(folds + 1)]
    return [slice(low, high) for low, high in pairwise(edges)]


def _check(ties: str, qrels: Qrels, n_queries: int, n_items: int) -> None:
    policy(ties)
    if not n_queries or not n_items:
        raise BadInput(f"{n_queries} queries against {n_items} items: there is nothing to rank")
    if qrels.shape != (n_queries, n_items):
        raise BadInput(f"{n_queries} queries and {n_items} items, but the judgements are for {qrels.shape}")


Standing = tuple[Ints, Ints, Ints, Array]
"""Of each relevant item: query, above and size of its tie group, grade; sorted by query and above."""


def _standing_by_counting(scores: Array, query: Ints, item: Ints, grade: Array, ties: Ties) -> Standing:
    """Compare the score of each relevant item with its row."""
    above = np.empty(len(query), dtype=np.int64)
    size = np.ones(len(query), dtype=np.int64)
    for pair, (row, column) in enumerate(zip(query.tolist(), item.tolist(), strict=True)):
        line = scores[row]
        above[pair] = np.count_nonzero(line > line[column])
        if ties == "stable":
            above[pair] += np.count_nonzero(line[:column] == line[column])
        else:
            size[pair] = np.count_nonzero(line == line[column])
    order = np.lexsort((above, query))
    return query[order], above[order], size[order], grade[order]


def _standing_by_sorting(scores: Array, marks: Array, ties: Ties) -> Standing:
    """Sort each row; `marks` (b, n_d) are the grades, or whether items are relevant."""
    order = best_first(scores)
    marks = np.take_along_axis(marks, order, axis=1)
    query, place = np.nonzero(marks)
    if ties == "stable":
        return query, place, np.ones_like(place), marks[query, place]
    ordered = np.take_along_axis(scores, order, axis=1)
    new = np.ones(scores.shape, dtype=bool)
    new[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    start = np.flatnonzero(new)
    group = np.cumsum(new)[query * scores.shape[1] + place] - 1
    size = np.diff(np.append(start, new.size))
    return query, start[group] % scores.shape[1], size[group], marks[query, place]


def _distinct(items: Array) -> tuple[Ints | None, Array]:
    """Where each item stands among the distinct ones, and those; (None, the items) when all are distinct."""
    flat = np.ascontiguousarray(items).reshape(len(items), -1)
    heads = np.ascontiguousarray(flat[:, :2])  # the first two values nearly always normalise it, and cheaply
    if len(np.unique(heads.view(f"V{heads[:1].nbytes}"))) == len(items):
        return None, items
    seen: dict[bytes, int] = {}
    place = np.array([seen.setdefault(row.tobytes(), len(seen)) for row in flat])
    if len(seen) == len(items):
        return None, items
    return place, items[np.unique(place, return_index=True)[1]]


def best_first(scores: Array, depth: int | None = None) -> Ints:
    """(b, depth) items of each row by falling score, equal ones in the order they stand in; all items by default."""
    if scores.dtype.kind in "iu" and scores.dtype.itemsize > 2:
        return np.argsort(~scores, axis=1, kind="stable")[:, :depth]
    if scores.dtype.itemsize > 4:
        return np.argsort(-scores, axis=1, kind="stable")[:, :depth]
    # Sorting values is several times as fast as argsort, so the item rides in the lower half of a 64-bit value. Bits of
    # a float order like whole numbers once negative ones are turned round; adding 0 makes one zero of two.
    bits = (scores.astype(np.float32) + np.float32(0)).view(np.uint32)
    falling = np.where(bits >> 31, bits, ~bits & np.uint32(0x7FFFFFFF))
    keys = falling.astype(np.uint64) << np.uint64(32) | np.arange(scores.shape[1], dtype=np.uint64)
    if depth is not None and depth < keys.shape[1]:
        keys.partition(depth, axis=1)
        keys = keys[:, :depth]
    keys.sort(axis=1)
    return (keys & np.uint64(0xFFFFFFFF)).astype(np.int64)


def _grouped(query: Ints, above: Ints, size: Ints, grade: Array, ties: Ties, n_queries: int, n_items: int) -> Ranking:
    """The relevant items of one tie group made one."""
    group = _starts(query, above)
    hits_in_group = np.diff(np.append(group, len(query)))
    cell, hits = group, hits_in_group
    grade = grade.astype(np.float64)
    if ties in ("optimistic", "pessimistic"):
        # Relevant items first or last; among themselves they stand by grade, each grade a group of its own.
        order = np.lexsort((-grade if ties == "optimistic" else grade, above, query))
        grade = grade[order]
        cell = _starts(query, above, grade)
        hits = np.diff(np.append(cell, len(query)))
        mine = np.searchsorted(group, cell, "right") - 1
        above = above.copy()
        above[cell] += cell - group[mine]
        if ties == "pessimistic":
            above[cell] += size[cell] - hits_in_group[mine]
        size = size.copy()
        size[cell] = hits
    first = np.searchsorted(query, np.arange(n_queries))
    gain = np.add.reduceat(grade, cell) if len(cell) else np.zeros(0)
    relevant = np.bincount(query, minlength=n_queries)
    return Ranking(query[cell], above[cell], size[cell], hits, cell - first[query[cell]], gain, relevant, n_items)


def _ideal(query: Ints, grade: Floats, n_queries: int, n_items: int) -> Ranking:
    """The ranking that puts the best grades first."""
    order = np.lexsort((-grade, query))
    query, grade = query[order], grade[order]
    level = _starts(query, grade)
    hits = np.diff(np.append(level, len(query)))
    above = level - np.searchsorted(query, query[level])
    relevant = np.bincount(query, minlength=n_queries)
    return Ranking(query[level], above, hits, hits, above, grade[level] * hits, relevant, n_items)


def _from_histograms(everything: Ints, relevant: Ints, ties: Ties, n_items: int, start: int) -> Ranking:
    """Tie groups from the numbers of items at each distance."""
    query, distance = np.nonzero(relevant)
    size, hits = everything[query, distance], relevant[query, distance]
    above = np.cumsum(everything, axis=1)[query, distance] - size
    hits_above = np.cumsum(relevant, axis=1)[query, distance] - hits
    if ties == "pessimistic":
        above = above + size - hits
    if ties in ("optimistic", "pessimistic"):
        size = hits
    return Ranking(query, above, size, hits, hits_above, hits.astype(np.float64), relevant.sum(axis=1), n_items)


def _starts(*keys: Array) -> Ints:
    """Where a new combination of values begins in sorted columns."""
    n = len(keys[0])
    new = np.zeros(n, dtype=bool)
    new[:1] = True
    for key in keys:
        new[1:] |= key[1:] != key[:-1]
    return np.flatnonzero(new)
