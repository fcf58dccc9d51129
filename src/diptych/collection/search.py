"""One query answered: terms to a vector, its nearest, fused with keywords, what must not show taken out, and why."""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import Any, TypeVar

import numpy as np

from diptych.collection import arguments, regions
from diptych.collection import verdict as judge
from diptych.collection.arguments import Allowed
from diptych.collection.feedback import learning, reranker
from diptych.collection.feedback import marks as marking
from diptych.collection.feedback.learning import Learned
from diptych.collection.feedback.preferences import Preferences
from diptych.collection.feedback.reranker import FIRST, RANK, Candidates
from diptych.collection.identity import EncoderProtocol
from diptych.collection.items import Item, Value
from diptych.collection.nearest import Nearest
from diptych.collection.query import Filter, Query, Term
from diptych.collection.regions import Region
from diptych.collection.vectors import Vectors
from diptych.collection.verdict import SAMPLE, TOP, Background, Calibration, Thresholds, Verdict
from diptych.index.files import DamagedIndex
from diptych.kinds import Array, BadInput, Floats, Ints, batches, shown

T = TypeVar("T")

KEYWORDS = 0.5
"""What keywords weigh against vectors where nobody says."""

DEPTH = 100
"""Candidates looked at, at the least, where the order of the vectors alone does not decide."""

SPARE = 4
"""Candidates looked at for each answer there."""

FILTERS = 8
"""Filters whose items are kept."""

PEOPLE = 8
"""People of whom is kept what they preferred."""

# Words that say nothing about a picture: a keyword match is about the others.
_STOP_WORDS = (
    "a an and are at be by for from has have in into is it its of on or over some that the their there this to two "
    "under up was with"
)
STOP_WORDS = frozenset(_STOP_WORDS.split())

MOST_NAMED = 5
"""Pictures of one name that a message lists."""

BEST_FIRST: tuple[Verdict, ...] = ("match", "weak", "unrated", "none")


@dataclass(frozen=True)
class Hit:
    """One answer.

    key       what it is called: the path of its file in full, or what it was given as
    path      where its file lies; None where it has none
    score     of its vector against the query's, in the measure of the encoder's space; higher is nearer
    verdict   "match", "weak", "none", or "unrated" where nothing was calibrated
    why       reasons a person can check: a caption, words that are said of it, the filter it passed, the part of it
    region    the part of it that answers best, where it was asked for
    captions, tags, metadata   what is said of it, where `fields` was asked for
    item      all that is known of it, where `fields` was asked for
    """

    id: int
    path: str | None
    score: float
    verdict: Verdict
    why: tuple[str, ...] = ()
    region: Region | None = None
    key: str = ""
    captions: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, Value] = field(default_factory=dict)
    item: Item | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Answer:
    """verdict   that of the best answer; "none" where nothing is there
    results   best first
    seconds   from the query to the answer
    total     items that pass the filters, on this page or not; of a query without filters, all there are
    hints     what is odd about the query, such as a field that no item has
    ranked_by   what ordered the results, in plain words: "query"; "date taken", where nothing is looked for; "marks
              (ridge)" or how else they moved the query; and behind it, if so, ", re-ranked by what was learned"
    """

    query: str
    verdict: Verdict
    results: tuple[Hit, ...]
    seconds: float
    total: int = 0
    hints: tuple[str, ...] = ()
    ranked_by: str = "query"


@dataclass
class Passing:
    """What a filter lets pass.

    mask         (m,) bool, whether each id passes; ids (n,) those that do
    thresholds   of words asked with this filter, once they were
    """

    mask: Array
    ids: Ints
    thresholds: Thresholds | None = None

    def of(self, ids: Ints) -> Ints:
        """Those of these ids that pass, in their order."""
        ids = ids[(ids >= 0) & (ids < len(self.mask))]
        return ids[self.mask[ids]]


@dataclass(frozen=True)
class SearchParams:
    """How a query is to be answered.

    k, offset   answers on a page, and answers to pass over
    diverse     0 to 1: how much a picture like those before it is held back
    keywords    0 to 1: what words in captions, tags and names weigh against the vectors
    learned     what was learned from feedback, and who asks
    without     ids that are no answer
    yes, no     ids of answers that somebody marked so for this query; they are no answers any more
    regions     whether to say which part of each answers best
    fields      whether to say what is known of each
    pictures    which files the query may open
    """

    k: int = 10
    offset: int = 0
    diverse: float = 0.0
    keywords: float = KEYWORDS
    without: frozenset[int] = frozenset()
    yes: tuple[int, ...] = ()
    no: tuple[int, ...] = ()
    learned: Learned | None = None
    user: str | None = None
    regions: bool = False
    fields: bool = False
    pictures: Allowed = Allowed.ANYTHING

    def __post_init__(self) -> None:
        arguments.whole(self.k, "k", 1, 10_000, "ask for 1 to 10,000 answers")
        arguments.whole(self.offset, "offset", 0, 1_000_000, "it counts from 0 to 1,000,000")
        for name in ("diverse", "keywords"):
            arguments.number(getattr(self, name), name, 0, 1, "it lies between 0 and 1")
        arguments.flags(regions=self.regions, fields=self.fields)
        if not isinstance(self.pictures, Allowed):
            raise BadInput(f"pictures: {shown(self.pictures)}; give Allowed() for none, or Allowed([FOLDER])")

        object.__setattr__(self, "without", self.without.union(self.yes, self.no))

    @property
    def need(self) -> int:
        return self.offset + self.k


class Search:
    """What is kept between two queries: the index, the pictures that stand for the collection, what the last filters
    let pass, and in which order all were taken."""

    def __init__(self, vectors: Vectors, nearest: Nearest, encoder: Callable[[], EncoderProtocol]) -> None:
        self.vectors, self.store, self.nearest, self.encoder = vectors, vectors.store, nearest, encoder
        self._rated: tuple[int, Calibration, Background] | None = None
        self._sampled: tuple[int, Ints, Array] | None = None
        self._kept_at = -1
        self._passed: dict[Filter | None, Passing] = {}
        self._latest: Ints | None = None
        self._known: dict[str | None, tuple[Learned, Preferences]] = {}

    def answer(self, query: Query, params: SearchParams) -> Answer:
        """Inside a snapshot."""
        started = time.perf_counter()
        return self._sound(lambda: self._answered(query, params, started))

    def answers(self, rows: Sequence[Array], where: Filter | None, params: SearchParams) -> list[Answer]:
        """The answer to each of some vectors, (n, d), with one call of the index. Inside a snapshot."""
        started = time.perf_counter()
        return self._sound(lambda: self._answered_together(rows, where, params, started))

    def _sound(self, answered: Callable[[], T]) -> T:
        try:
            return answered()
        except DamagedIndex:  # in a row that no query had met since the index was loaded
            self.nearest.forget()
            return answered()

    def _answered_together(
        self, rows: Sequence[Array], where: Filter | None, params: SearchParams, started: float
    ) -> list[Answer]:
        queries = [Query((Term.of(row),), (), where, f"vector {place}") for place, row in enumerate(rows)]
        if params.diverse:  # which takes steps of its own for each
            return [self._answered(query, params, started) for query in queries]
        among, index = None if where is None else self.passing(where), self.nearest.current()
        vectors = np.concatenate([self.rows(query.terms) for query in queries])
        most = max(1, len(index) if among is None else len(among.ids))
        scores, ids = index.ranked(vectors, min(most, params.need), None if among is None else among.mask)
        answers = []
        for place, query in enumerate(queries):
            real = ids[place] >= 0
            ranked = ids[place][real], scores[place][real].astype(np.float64)
            vector = vectors[place : place + 1]
            answers.append(
                self._told(query, vector, vector, vector[:0], *ranked, set(), among, params, started, "query")
            )
        return answers

    def _answered(self, query: Query, params: SearchParams, started: float) -> Answer:
        among = None if query.where is None else self.passing(query.where)
        rows = self.rows((*query.terms, *query.never), params.pictures)
        terms, never = rows[: len(query.terms)], rows[len(query.terms) :]
        if len(query.terms) > 1:  # who asks for a picture with something else has that picture
            params = replace(params, without=params.without.union(*map(self.itself, query.terms)))
        if query.terms:
            vector = self._joined(query.terms, terms)
            asked, by = self._moved(vector, params)
            if params.learned is not None and params.learned.reranks and not params.diverse:
                ids, scores, keyword_hits = self._reranked(query, asked, never, among, params)
                by += ", re-ranked by what was learned"
            else:
                ids, scores, keyword_hits = self._ranked(query, asked, never, among, params)
        else:
            vector, keyword_hits, by = None, set[int](), "date taken"
            ids = self._listed(query, never, among, params)
            scores = np.ones(len(ids))
        return self._told(query, vector, terms, never, ids, scores, keyword_hits, among, params, started, by)

    def _moved(self, vector: Array, params: SearchParams) -> tuple[Array, str]:
        """The query (1, d) as marks move it, and what does; itself without any."""
        if not (params.yes or params.no):
            return vector, "query"
        yes, no = self.vectors.of(params.yes), self.vectors.of(params.no)
        ids, rows = self._sample()
        others = np.flatnonzero(~np.isin(ids, (*params.yes, *params.no)))
        background = rows[others[:: max(1, len(others) // marking.BACKGROUND)]]
        found = marking.moved(self.vectors.space, vector, yes, no, background)
        return found.vector, found.by

    def _told(
        self,
        query: Query,
        vector: Array | None,
        terms: Array,
        never: Array,
        ids: Ints,
        scores: Floats,
        keyword_hits: set[int],
        among: Passing | None,
        params: SearchParams,
        started: float,
        by: str,
    ) -> Answer:
        """The page of the answer among what was ranked, with verdicts and reasons.

        vector   of the query as it was asked: marks change the order, and not what is rated and explained
        """
        page = slice(params.offset, params.need)
        rated = scores
        if vector is not None and (params.yes or params.no):
            rated = self.vectors.space.score(vector, self.nearest.current().rows(ids))[0].astype(np.float64)
        verdict, verdicts = self._verdicts(query, terms, never, ids, rated, page, keyword_hits, among, params.without)
        reasons = self._reasons(query, vector, ids[page].tolist(), keyword_hits)
        items = [self.store.named(item) for item in self.store.items(ids[page].tolist())]
        hits = [
            Hit(item.id, item.path, score, verdict, reasons[item.id], key=item.key, **_fields(item, params.fields))
            for item, score, verdict in zip(items, scores[page].tolist(), verdicts, strict=True)
        ]
        if params.regions and vector is not None:
            hits = [self._with_region(hit, vector) for hit in hits]
        total = len(self.nearest.current()) if among is None else len(among.ids)
        if params.without:
            total -= len((among or self.passing(None)).of(np.array(list(params.without))))
        return Answer(query.text, verdict, tuple(hits), time.perf_counter() - started, total, ranked_by=by)

    def region(self, path: str, query: Query, pictures: Allowed) -> Region:
        """The part of a picture file that answers best. Raises BadInput where nothing is asked that could be seen."""
        if not query.terms:
            raise BadInput(f"query: {query.text!r} names nothing to look for; a filter has no place in a picture")
        rows = self.rows(query.terms, pictures)
        return regions.best(self.vectors, self.encoder(), self._joined(query.terms, rows), path)

    def _with_region(self, hit: Hit, vector: Array) -> Hit:
        if hit.path is None:
            return hit
        try:
            region = regions.best(self.vectors, self.encoder(), vector, hit.path)
        except BadInput:  # it cannot be read any more; it was found by what is kept of it
            return hit
        return replace(hit, region=region, why=(*hit.why, f"region: {region}"))

    # ------------------------------------------------------------------------------------------------------------ terms

    def rows(self, terms: Sequence[Term], pictures: Allowed = Allowed.ANYTHING) -> Array:
        """One normalised row a term. pictures: which files may be opened for it."""
        rows: dict[int, Array] = {}
        texts = [place for place, term in enumerate(terms) if term.kind == "text"]
        if texts:
            encoded = self._encoded([terms[place].value for place in texts])
            rows.update(zip(texts, self.vectors.checked(encoded, len(texts)), strict=True))
        for place, term in enumerate(terms):
            if term.kind == "picture":
                path = os.path.expanduser(term.value)  # noqa: PTH111 - another's home that is unknown stays
                arguments.check_may_open(pictures, path, term.value)
                rows[place] = self.picture(term.value)
            elif term.kind == "vector":
                rows[place] = self._sound_row([term.data], "the vector")
            elif term.kind == "open picture":
                encoded = regions.encoded(self.encoder(), [_open(term.data)])
                rows[place] = self._sound_row(encoded, "the picture")
            elif term.kind == "item":
                if not self.store.rows("SELECT 1 FROM items WHERE id = ? AND status = 'ok'", (int(term.value),)):
                    raise BadInput(f"query: there is no item #{term.value} in {self.store.folder}")
                rows[place] = self.vectors.of([int(term.value)])[0]
        width = self.vectors.identity.width
        return np.stack([rows[place] for place in range(len(terms))]) if len(terms) else np.empty((0, width))

    def _encoded(self, texts: list[str]) -> Array:
        encoder = self.encoder()
        if self.nearest.generation >= 0:
            return encoder.encode_texts(texts)
        with ThreadPoolExecutor(1) as beside:  # the first query has to load both, the network and the index
            rows = beside.submit(encoder.encode_texts, texts)
            self.nearest.current()
            return rows.result()

    def picture(self, name: str) -> Array:
        """The row of a picture file: that of an item with its content, else what the encoder makes of it.

        Where there is no such file, it is the name of an item.
        """
        if known := self._pictured(name):
            return np.asarray(self.vectors.of(known[:1])[0])
        return self._sound_row(self.encoder().encode_images([os.path.expanduser(name)]), name)  # noqa: PTH111

    def _pictured(self, name: str) -> list[int]:
        """The items with the content of a picture file; where there is no such file, the one of this name."""
        path = os.path.expanduser(name)  # noqa: PTH111 - another's home that is unknown stays
        try:
            with open(path, "rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except FileNotFoundError:
            return [self.named(name, _as_text(name))]
        except (OSError, ValueError) as error:  # a zero byte is a ValueError
            why = getattr(error, "strerror", None) or error
            raise BadInput(f"{name}: not readable ({why}){_as_text(name)}") from None
        return [id for (id,) in self.store.rows("SELECT id FROM items WHERE digest = ? AND status = 'ok'", (digest,))]

    def itself(self, term: Term) -> frozenset[int]:
        """The items that are the picture of a term, copies of it among them."""
        ids = self._pictured(term.value) if term.kind == "picture" else []
        ids = [int(term.value)] if term.kind == "item" else ids
        same = "SELECT id FROM items WHERE digest = (SELECT digest FROM items WHERE id = ?)"
        return frozenset(ids).union(*([copy for (copy,) in self.store.rows(same, (id,))] for id in ids[:1]))

    def _sound_row(self, rows: Any, what: str) -> Array:
        """The one row of a query that is no text. Raises BadInput where it is like nothing."""
        try:
            row = self.vectors.judged(rows, 1)[0][0]
        except BadInput as error:
            row = str(error)
        if isinstance(row, str):
            raise BadInput(f"query: {what}: {row}")
        return row

    def named(self, name: str, else_: str = "") -> int:
        """The item whose path ends with this name, in any case where none does exactly.

        Raises BadInput for none, with what else may have been meant.
        """
        end = PurePath(name).as_posix().removeprefix("./")
        kept = "SELECT id, path, status, reason FROM items WHERE '/' || {} LIKE '%' || {} ESCAPE '\\'"
        escaped = re.sub(r"([\\%_])", r"\\\1", f"/{end}")
        found = self.store.rows(kept.format("path", "?"), (escaped,))
        found = [row for row in found if f"/{row[1]}".endswith(f"/{end}")] or found
        well = [(id, path) for id, path, status, _ in found if status == "ok"]
        if len(well) == 1:
            return int(well[0][0])
        if well:
            some = ", ".join(f"#{id} {path}" for id, path in well[:MOST_NAMED]) + ", …" * (len(well) > MOST_NAMED)
            raise BadInput(f"{name}: {len(well)} pictures here have this name; say which: {some}")
        if found:
            raise BadInput(f"{name}: in the collection, but it cannot be read: {found[0][3]}")
        raise BadInput(f"{name}: no such file, and no picture of that name in {self.store.folder}{else_}")

    def _joined(self, terms: Sequence[Term], rows: Array) -> Array:
        if len(terms) == 1 and terms[0].weight > 0:
            return rows[:1]
        if self.vectors.space.name not in ("cosine", "dot"):
            raise BadInput(f"query: rows of the space {self.vectors.space!r} have no sum; ask for one thing at a time")
        with np.errstate(over="ignore"):
            joined = self.vectors.space.normalise((self._weights(terms) @ rows)[None])
        if not np.isfinite(joined).all():
            raise BadInput("query: its weights are too large to be added up; give smaller ones")
        return joined

    def _weights(self, terms: Sequence[Term]) -> Floats:
        """Those of the terms; in the space `cosine`, where only their ratio tells, at most 1."""
        weights = np.array([term.weight for term in terms], dtype=np.float64)
        return weights / np.abs(weights).max() if self.vectors.space.name == "cosine" else weights

    def passing(self, where: Filter | None) -> Passing:
        """The items that a filter lets pass; None: all that can be found.

        Those of the last few filters are kept, since a person pages, and refines.
        """
        self._of_this_generation()
        if where in self._passed:
            return self._passed[where]
        (last,) = self.store.rows("SELECT max(id) FROM items")[0]

        def named(ids: Ints) -> Array:
            mask = np.zeros((last or 0) + 1, dtype=bool)
            mask[ids[(ids >= 0) & (ids < len(mask))]] = True
            return mask

        if where is None:
            mask = named(self.nearest.current().ids)
        else:
            passes = where.passing(lambda sql, values: named(self.store.ids(sql, values)))
            mask = passes & self.passing(None).mask
        while len(self._passed) >= FILTERS:
            del self._passed[next(iter(self._passed))]
        self._passed[where] = found = Passing(mask, np.flatnonzero(mask))
        return found

    def _of_this_generation(self) -> None:
        """Forget what was found out before the last change."""
        if self._kept_at != (generation := self.store.generation):
            self._kept_at, self._passed, self._latest = generation, {}, None

    # ------------------------------------------------------------------------------------------------------------ order

    def _ranked(
        self, query: Query, vector: Array, never: Array, among: Passing | None, params: SearchParams
    ) -> tuple[Ints, Floats, set[int]]:
        """(ids, scores, those that the query's words are said of) of the first `need` answers and perhaps more."""
        most = len(self.nearest.current()) if among is None else len(among.ids)
        depth = DEPTH
        while depth < SPARE * params.need:
            depth *= 2
        words = self._keyword_hits(query, among, depth, params) if params.keywords else []
        # The index orders vectors in the same way at any depth.
        plain = not (words or params.diverse)
        if plain:
            depth = max(DEPTH, 2 * params.need) if query.never else max(TOP, params.need)
        while True:
            ids, scores = self._candidates(vector, among, depth, params)
            if not plain:
                ids, scores = self._in_steps(query, vector, never, ids, scores, words, min(depth, most), params)
            elif query.never:
                some = self._without(query, never, ids, params.need)
                ids, scores = ids[some], scores[some]
            if len(ids) >= params.need or depth >= most:
                return ids, scores, set(words)
            depth *= 2  # what no answer may show left too few
            words = self._keyword_hits(query, among, depth, params) if words else []

    def _in_steps(
        self,
        query: Query,
        vector: Array,
        never: Array,
        near: Ints,
        scores: Floats,
        words: Sequence[int],
        upto: int,
        params: SearchParams,
    ) -> tuple[Ints, Floats]:
        """(ids, scores) of candidates in an order that keywords and likeness have a say in.

        How many are looked at decides how they are ordered. So there are steps, the same ones whatever is asked for:
        each orders the first of `near` and of `words`, twice as many as the one before it and `upto` in the last, and
        takes back nothing that was given. The last gives all, the others one of SPARE.
        """
        known = set(near.tolist())
        late = [id for id in words if id not in known]
        ids = np.append(near, np.array(late, dtype=np.int64))
        if late:  # scored on the rows of the index, as the others are
            late_scores = self.vectors.space.score(vector, self.nearest.current().rows(late))[0]
            scores = np.append(scores, late_scores)
        by_vector = np.append(np.arange(len(near)), np.full(len(late), upto))
        place = {id: rank for rank, id in enumerate(words)}
        by_word = np.array([place.get(id, upto) for id in ids.tolist()], dtype=np.int64)
        order = np.lexsort((ids, -scores))
        ids, scores, by_vector, by_word = ids[order], scores[order], by_vector[order], by_word[order]
        weight = params.keywords if words else 0.0
        free, given = np.ones(len(ids), dtype=bool), np.empty(0, dtype=np.int64)
        depth = DEPTH
        while True:
            depth = min(depth, upto)
            fill = (params.need if depth == upto else depth // SPARE) - len(given)
            some = np.flatnonzero(np.minimum(by_vector, by_word) < depth)
            # Both orders as one, by reciprocal rank.
            said = np.where(by_word[some] < depth, 1 / (RANK + 1 + by_word[some]), 0.0)
            value = (1 - weight) / (RANK + 1 + np.arange(len(some))) + weight * said
            new = some[np.lexsort((ids[some], -value))]
            new = new[free[new]]
            if query.never:
                new = new[self._without(query, never, ids[new], len(new) if params.diverse else fill)]
            if params.diverse and len(new):
                new = new[_diverse(self.vectors, ids[new], ids[given], fill, params.diverse)]
            if depth == upto:
                given = np.append(given, new)
                return ids[given], scores[given]
            given = np.append(given, new[:fill])
            free[given] = False
            depth *= 2

    def _reranked(
        self, query: Query, vector: Array, never: Array, among: Passing | None, params: SearchParams
    ) -> tuple[Ints, Floats, set[int]]:
        """As `_ranked`, the first of them in the order that was learned."""
        learned = params.learned
        assert learned is not None
        first = replace(params, k=FIRST, offset=max(0, params.need - FIRST))
        ids, scores, keyword_hits = self._ranked(query, vector, never, among, first)
        found = self._looked_at(query, ids[:FIRST], scores[:FIRST], among, params)
        without = params.user if learned.user is None else None
        rows = reranker.facts(found, query.text, self._preferences(learned), without)
        order = reranker.order(rows, np.array([learned.weights[fact] for fact in reranker.FACTS]))
        order = np.append(order, np.arange(len(order), len(ids)))
        return ids[order], scores[order], keyword_hits

    def _preferences(self, learned: Learned) -> Preferences:
        """What was known of answers when this was learned. Those of the last few people are kept."""
        if learned.user not in self._known or self._known[learned.user][0] != learned:
            while len(self._known) >= PEOPLE:
                del self._known[next(iter(self._known))]
            self._known[learned.user] = learned, learning.known(self.store, learned)
        return self._known[learned.user][1]

    def candidates(self, query: Query) -> Candidates | None:
        """The first answers to a query, with what a re-ranker weighs; None where nothing ranks them. In a snapshot.

        Raises BadInput for one with a picture file: who wrote the query is not who asks now, and opens no file.
        """
        if not query.terms:
            return None
        params = SearchParams(FIRST)
        among = None if query.where is None else self.passing(query.where)
        rows = self.rows((*query.terms, *query.never), Allowed())
        vector = self._joined(query.terms, rows[: len(query.terms)])
        ids, scores, _ = self._ranked(query, vector, rows[len(query.terms) :], among, params)
        return self._looked_at(query, ids[:FIRST], scores[:FIRST], among, params)

    def _looked_at(
        self, query: Query, ids: Ints, scores: Floats, among: Passing | None, params: SearchParams
    ) -> Candidates:
        by_vector = np.empty(len(ids), dtype=np.int64)
        by_vector[np.lexsort((ids, -scores))] = np.arange(len(ids))
        hits = {id: place for place, id in enumerate(self._keyword_hits(query, among, DEPTH, params))}
        by_word = np.array([hits.get(id, -1) for id in ids.tolist()], dtype=np.int64)
        ((last,),) = self.store.rows("SELECT max(id) FROM items")
        return Candidates(ids, by_vector, by_word, last or 0)

    def _candidates(
        self, vector: Array, among: Passing | None, depth: int, params: SearchParams
    ) -> tuple[Ints, Floats]:
        """(ids, scores) of so many of the nearest that may be answers, best first."""
        index = self.nearest.current()
        mask, most = (None, len(index)) if among is None else (among.mask, len(among.ids))
        scores, ids = index.ranked(vector, max(1, min(depth + len(params.without), most)), mask)
        real = ids[0] >= 0
        if params.without:
            real &= ~np.isin(ids[0], list(params.without))
        return ids[0][real][:depth], scores[0][real][:depth].astype(np.float64)

    def _keyword_hits(self, query: Query, among: Passing | None, depth: int, params: SearchParams) -> list[int]:
        """The items that all words of the texts asked for are said of, best first (BM25)."""
        match = _match([term.value for term in query.terms if term.kind == "text" and term.weight > 0])
        if not match:
            return []
        sql = "SELECT rowid AS id FROM words WHERE words MATCH ? ORDER BY rank, rowid"
        if among is None:
            found = [id for (id,) in self.store.rows(f"{sql} LIMIT ?", (match, depth + len(params.without)))]
        else:
            found = among.of(self.store.ids(sql, (match,)))[: depth + len(params.without)].tolist()
        return [id for id in found if id not in params.without][:depth]

    def _listed(self, query: Query, never: Array, among: Passing | None, params: SearchParams) -> Ints:
        """Without a term to rank by: the latest first."""
        self._of_this_generation()
        if self._latest is None:
            self._latest = self.store.ids("SELECT id FROM items ORDER BY taken DESC, id DESC")
        ids = (among or self.passing(None)).of(self._latest)
        ids = ids[~np.isin(ids, list(params.without))] if params.without else ids
        if query.never:
            ids = ids[self._without(query, never, ids, params.need)]
        return ids[: params.need]

    def _without(self, query: Query, never: Array, ids: Ints, enough: int) -> Ints:
        """The places of enough of these, and perhaps more, that show nothing that no answer may show."""
        kept = [np.empty(0, dtype=np.int64)]
        for some in batches(np.arange(len(ids)), 1000):
            kept.append(some[~self._shows(query.never, never, ids[some])])
            if sum(map(len, kept)) >= enough:
                break
        return np.concatenate(kept)

    def _shows(self, terms: Sequence[Term], rows: Array, ids: Ints) -> Array:
        """(n,) whether an item shows any of the things that no answer may show, or they are said of it."""
        calibration, _ = self._rating()
        middle, deviation = judge.spread(self.vectors.space, rows, self._sample()[1])
        best = self.nearest.current().search(rows, 1)[0][:, 0]
        # Where scores spread more below the middle than above, so many deviations may be beyond the best of them.
        bound = middle + np.minimum(calibration.veto * deviation, (best - middle) / 2)
        shows = (self.vectors.space.score(rows, self.vectors.of(ids.tolist())) >= bound[:, None]).any(axis=0)
        for term in terms:
            match = _match([term.value]) if term.kind == "text" else ""
            if match:
                hits = [id for (id,) in self.store.rows("SELECT rowid FROM words WHERE words MATCH ?", (match,))]
                shows |= np.isin(ids, hits)
            elif term.kind == "item":
                shows |= ids == int(term.value)
        return np.asarray(shows)

    # ---------------------------------------------------------------------------------------------------------- honesty

    def _rating(self) -> tuple[Calibration, Background]:
        """What was measured on the collection, and the things that are not there."""
        generation = self.store.generation
        if self._rated is None or self._rated[0] != generation:
            text = self.store.meta("calibration", "")
            calibration = Calibration.read(text) if text else Calibration()
            self._rated = generation, calibration, Background.kept(self.vectors)
        return self._rated[1], self._rated[2]

    def _sample(self) -> tuple[Ints, Array]:
        """The pictures that stand for the collection: ids, rows."""
        generation = self.store.generation
        if self._sampled is None or self._sampled[0] != generation:
            index_ids = self.nearest.current().ids
            here = sorted(set(self._rating()[0].sample) & set(index_ids.tolist()))
            ids = here or np.sort(index_ids)[:SAMPLE].tolist()
            self._sampled = generation, np.array(ids, dtype=np.int64), self.vectors.of(ids)
        return self._sampled[1:]

    def _verdicts(
        self,
        query: Query,
        rows: Array,
        never: Array,
        ids: Ints,
        scores: Floats,
        page: slice,
        keyword_hits: set[int],
        among: Passing | None,
        without: frozenset[int],
    ) -> tuple[Verdict, list[Verdict]]:
        """Of these hits up to the end of the page: that of the best, and those of the page.

        rows, never   those of the query's terms
        """
        terms, n = query.terms, min(page.stop, len(ids))
        if not n:
            return "none", []
        on_page = range(n)[page]
        if not len(terms):
            return "match", ["match"] * len(on_page)
        best: Verdict = "unrated"
        each: list[Verdict] = ["unrated"] * len(on_page)
        if any(term.kind == "vector" for term in terms):  # what it means nobody can tell
            hit: list[Verdict] = ["match" if id in keyword_hits else "unrated" for id in ids[:n].tolist()]
            return min(hit, key=BEST_FIRST.index), hit[page]
        calibration, absent = self._rating()
        words = [place for place, term in enumerate(terms) if term.kind == "text" and term.weight > 0]
        if words and len(words) == len(terms) and not absent.knows(rows).any():
            best, each = "none", ["none"] * len(on_page)
        elif words and calibration.text and len(absent.rows):  # a move to another encoder may have been stopped
            thresholds, null = self._thresholds(query, rows, never, words, among, without)
            weights = self._weights([terms[place] for place in words])
            by = float(np.average(absent.raised(rows[words]), weights=weights))
            searched = len(self.nearest.current()) if among is None else len(among.ids)
            best, each = self._of_words(thresholds, null, ids, scores, by, n, on_page, judge.best_of(searched))
        elif not words and calibration.picture and any(term.kind != "text" for term in terms):
            thresholds = self._of_pictures(calibration.picture, terms, rows)
            best = thresholds.of(float(scores[:n].max()))
            each = [thresholds.of(score) for score in scores[:n][page].tolist()]
        if keyword_hits and not keyword_hits.isdisjoint(ids[:n].tolist()):
            best = "match"
        on_page_ids = ids[:n][page].tolist()
        return best, ["match" if id in keyword_hits else one for id, one in zip(on_page_ids, each, strict=True)]

    def _thresholds(
        self,
        query: Query,
        rows: Array,
        never: Array,
        words: Sequence[int],
        among: Passing | None,
        without: frozenset[int],
    ) -> tuple[Thresholds, Array]:
        """For a query with words at these places of its terms; and absent things in their place."""
        terms = query.terms
        calibration, absent = self._rating()
        assert calibration.text is not None
        null = self._in_place(terms, rows, words, absent.rows)
        if among is None and not len(never) and len(words) == len(terms):
            return calibration.text, null
        plain = null is absent.rows and not len(never)  # so that what it asks for makes no difference
        if plain and among is not None and among.thresholds is not None:
            return among.thresholds, null
        # It asks in a way of its own, so what absent things reach is measured for it alone.
        some, items = self._sample() if among is None else self._evenly(among.ids)
        can_answer = ~np.isin(some, list(without))
        if len(never):
            can_answer &= ~self._shows(query.never, never, some)
        items = items[can_answer]
        usual = calibration.usual or np.zeros(len(null))  # of a collection that was measured without it
        turned = [np.roll(usual, turn) for turn in range(len(words))]  # as `_in_place` puts them
        raised = np.average(turned, axis=0, weights=self._weights([terms[place] for place in words]))
        thresholds = judge.of_absent(self.vectors.space, null, items, raised, calibration.points)
        if (len(self.nearest.current()) if among is None else len(among.ids)) > len(some):
            thresholds = thresholds.raised(calibration.shift)
        if plain and among is not None:
            among.thresholds = thresholds
        return thresholds, null

    def _of_words(
        self, thresholds: Thresholds, null: Array, ids: Ints, scores: Floats, by: float, n: int, page: range, k: int
    ) -> tuple[Verdict, list[Verdict]]:
        """Of the best of the first n hits, and of those of the page, against absent things in the place of the words;
        their answer is as high as the k best.

        by   what is added to each z-score
        """
        top = np.argsort(-scores)[:k]
        # The best of the first n is as good as their answer where that is made of them: others are not looked at.
        shown = page if top.max() < n else range(n)
        rated = np.array(sorted({*top.tolist(), *shown}))  # np.union1d would load all of numpy.ma
        z_scores = np.empty(len(ids))
        items = self.vectors.of(ids[rated].tolist())
        z_scores[rated] = judge.z_scores(self.vectors.space, scores[rated], items, null) + by
        # No hit is better than the answer it is in.
        most = thresholds.of(float(z_scores[top].mean()))
        each = [max(most, thresholds.of(z_score), key=BEST_FIRST.index) for z_score in z_scores[shown].tolist()]
        if shown is page:
            return most, each
        return min(each, key=BEST_FIRST.index), each[page.start : page.stop]

    def _of_pictures(self, plain: Thresholds, terms: Sequence[Term], rows: Array) -> Thresholds:
        """For a query of pictures: what pictures drawn at random score when they are in their place."""
        if len(terms) == 1 and terms[0].weight > 0:
            return plain
        sample = self._sample()[1]
        some = np.random.default_rng(0).permutation(len(sample))[: judge.QUERIES]
        pictured = [place for place, term in enumerate(terms) if term.kind != "text"]
        return judge.of_pairs(self.vectors.space, self._in_place(terms, rows, pictured, sample[some]), sample, some)

    def _evenly(self, among: Ints) -> tuple[Ints, Array]:
        """At most SAMPLE of these items, from all over: ids, rows."""
        some = among[np.linspace(0, len(among) - 1, min(SAMPLE, len(among))).astype(int)]
        return some, self.nearest.current().rows(some)

    def _in_place(self, terms: Sequence[Term], rows: Array, places: Sequence[int], others: Array) -> Array:
        """(k, d) the query with other rows at these places, each time others of the (k, d) that are given."""
        if len(terms) == 1 and terms[0].weight > 0:
            return others
        weights = self._weights(terms)
        fixed = sum((weights[place] * rows[place] for place in range(len(terms)) if place not in places), 0.0)
        put = sum(weights[place] * np.roll(others, turn, axis=0) for turn, place in enumerate(places))
        return self.vectors.space.normalise(fixed + put)

    def _reasons(
        self, query: Query, vector: Array | None, ids: Sequence[int], keyword_hits: set[int]
    ) -> dict[int, tuple[str, ...]]:
        """Reasons of each answer."""
        reasons: dict[int, list[str]] = {id: [] for id in ids}
        words = [term.value for term in query.terms if term.kind == "text" and term.weight > 0]
        for id in ids:
            if id in keyword_hits:
                reasons[id].append(f"said of it: {', '.join(_content_words(words))}")
        if vector is not None and vector.any():
            for id, text in self._nearest_captions(vector, ids).items():
                reasons[id].append(f"caption: {text}")
        if query.where is not None:
            for id in ids:
                reasons[id].append(str(query.where))
        return {id: tuple(some) for id, some in reasons.items()}

    def _nearest_captions(self, vector: Array, ids: Sequence[int]) -> dict[int, str]:
        """The caption of each item that is nearest to the query."""
        marks = ",".join("?" * len(ids))
        best: dict[int, tuple[float, int]] = {}
        for items, numbers, rows in self.vectors.blocks("text", f"item IN ({marks})", ids):
            scores = self.vectors.space.score(vector, rows)[0]
            for item, number, score in zip(items.tolist(), numbers.tolist(), scores.tolist(), strict=True):
                if item not in best or score > best[item][0]:
                    best[item] = (score, number)
        texts = self.store.rows(f"SELECT item, row, text FROM captions WHERE item IN ({marks})", ids)
        return {item: text for item, row, text in texts if item in best and best[item][1] == row}


def _fields(item: Item, told: bool) -> dict[str, Any]:
    """What a hit says of its item, where that was asked for."""
    if not told:
        return {}
    return {"captions": item.captions, "tags": item.tags, "metadata": item.metadata, "item": item}


def _open(picture: Any) -> Any:
    """A picture that was handed over, PIL's or its pixels, upright in RGB."""
    from PIL import Image

    from diptych.sources import pictures

    try:
        if isinstance(picture, np.ndarray):
            return Image.fromarray(picture)
        if 0 in picture.size:
            raise ValueError("it has no pixels")
        return pictures.upright(picture)
    except (OSError, ValueError, SyntaxError) as error:  # it was closed, or what it is read from is damaged
        raise BadInput(f"query: the picture that was given does not open ({error})") from None


def _content_words(texts: Sequence[str]) -> list[str]:
    words = dict.fromkeys(word for text in texts for word in re.findall(r"[^\W_]+", text.lower()))
    return [word for word in words if word not in STOP_WORDS]


def _as_text(name: str) -> str:
    return f"; were it meant as a text, it would go in quotes behind a weight: '1:\"{name}\"'"


def _match(texts: Sequence[str]) -> str:
    """What FTS5 looks for: all telling words, each as a string, so that none is an operator."""
    return " AND ".join(f'"{word}"' for word in _content_words(texts))


def _diverse(vectors: Vectors, ids: Ints, given: Ints, n: int, weight: float) -> list[int]:
    """The places of n of these, best first, behind those that are given already.

    Maximal marginal relevance (Carbonell & Goldstein, SIGIR 1998), both of its terms brought to 0 … 1 first. Scores of
    texts against pictures and of pictures against each other have different ranges; and the order that came in, not the
    score, is the relevance, since keywords may have had their say in it.
    """
    rows = vectors.of(ids.tolist())
    relevance = 1 - np.arange(len(rows)) / max(len(rows), 1)
    nearest = np.full(len(rows), -np.inf)
    for some in batches(given, 1000):
        nearest = np.maximum(nearest, vectors.space.score(rows, vectors.of(some.tolist())).max(axis=1))
    lowest, highest = vectors.space.score(rows, rows[:1]).min(), vectors.space.score(rows[:1], rows[:1]).max()
    chosen: list[int] = []
    free = np.ones(len(rows), dtype=bool)
    while len(chosen) < min(n, len(rows)):
        value = relevance
        if chosen or len(given):
            value = (1 - weight) * relevance - weight * (nearest - lowest) / max(highest - lowest, 1e-12)
        chosen.append(int(np.where(free, value, -np.inf).argmax()))
        free[chosen[-1]] = False
        nearest = np.maximum(nearest, vectors.space.score(rows, rows[chosen[-1:]])[:, 0])
    return chosen
