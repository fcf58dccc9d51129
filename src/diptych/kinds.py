"""The nouns of Diptych. Stages of the system exchange these and nothing else.

Pairs   pictures, the texts that belong to them, labels and ids
Qrels   which item answers which query, told block by block
Space   how outputs are stored and compared
Run     ranked answers
Card    the facts of a dataset, with the protocols it is measured under
Report  numbers that name their protocol

Floor 0: numpy only. Every other module may import this one; it imports none of them.
"""

from __future__ import annotations

import difflib
import json
import os
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote, unquote

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.integer[Any]]


class BadInput(ValueError):
    """Something that the person who called can mend: one line that names the field or file and the way out."""


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint for a name that was not found: `; did you mean 'cca'?`, else the names there are."""
    names = sorted(known)
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else f"; there are: {', '.join(names)}"


def shown(thing: Any) -> str:
    """Anything as a message shows it: on one line, and short."""
    return " ".join(repr(thing).split())[:60]


def place(path: Any) -> Path:
    """A path; BadInput for what is none on any system: other calls would stumble on it, each in its own way."""
    if not isinstance(path, str | os.PathLike):
        raise BadInput(f"{shown(path)} is no path; name a file or a folder")
    text = os.fspath(path)
    if not isinstance(text, str) or not text or "\0" in text:
        raise BadInput(f"{shown(text)} is no path: it is empty, no text, or holds a zero byte")
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        raise BadInput(f"{shown(text)} is no path: it holds half of a character") from None
    return Path(text)


def named(value: Any, what: str) -> str:
    """A name as it stands; BadInput for what is no text, before it is looked up."""
    if not isinstance(value, str):
        raise BadInput(f"{what}: {shown(value)} is no text; give a name")
    return value


def take(items: Any, rows: Array | Sequence[int] | slice) -> Any:
    """Some rows of an array, a sparse matrix or a list, as the same kind of thing."""
    if hasattr(items, "shape"):
        return items[rows]
    if isinstance(rows, slice):
        return items[rows]
    return [items[i] for i in np.asarray(rows).tolist()]


def count(items: Any) -> int:
    """Number of rows of an array, a sparse matrix (which has no len) or a list."""
    return int(items.shape[0]) if hasattr(items, "shape") else len(items)


def listed(items: Any, who: str, what: str) -> list[Any]:
    """Several things as a list; BadInput for one text, whose letters would be taken for many, and for what is no list.

    who, what   what they were given to, and what it takes
    """
    single = isinstance(items, str | bytes | Mapping) or not isinstance(items, Iterable)
    if single or getattr(items, "ndim", 1) == 0:
        raise BadInput(f"{who}: {shown(items)} is no list; {who} takes several {what}: put one in [ ]")
    return list(items)


def batches(items: Any, size: int) -> Iterator[Any]:
    """The rows of `items` in order, `size` at a time."""
    for start in range(0, count(items), size):
        yield take(items, slice(start, start + size))


# ------------------------------------------------------------------------------------------------------------- Pairs


@dataclass(frozen=True)
class Pairs:
    """Pictures and the texts that belong to them. Five captions a picture is the normal case.

    images    n_i rows of features (array or scipy.sparse), or n_i paths
    texts     n_t rows of features, or n_t strings
    owner     (n_t,) the row in `images` of each text; default: text i belongs to image i
    labels    (n_i, C) 0/1 membership of C classes, or None; a text has its picture's labels
    image_ids, text_ids   stable names, each once; default "0", "1", …
    views     for each side the widths of the features that stand beside each other in its rows; () where they are one

    Raises BadInput where numbers of rows do not agree, a value is NaN or infinite, or a name stands there twice.
    """

    images: Any
    texts: Any
    owner: Any = None
    labels: Any = None
    image_ids: tuple[str, ...] = ()
    text_ids: tuple[str, ...] = ()
    views: tuple[tuple[int, ...], tuple[int, ...]] = ((), ())

    def __post_init__(self) -> None:
        for side, items in (("images", self.images), ("texts", self.texts)):
            is_several = bool(items.shape) if hasattr(items, "shape") else hasattr(items, "__len__")
            if not is_several or isinstance(items, str | bytes | Mapping | type):
                raise BadInput(f"Pairs: {side}: {shown(items)} is no list; give an array of rows, or several in [ ]")
        n_images, n_texts = count(self.images), count(self.texts)
        owner = np.arange(n_texts) if self.owner is None else np.asarray(self.owner)
        if owner.size and owner.dtype.kind not in "iu":
            raise BadInput(f"owner holds {owner.dtype} values; give every text the row of its own image")
        owner = owner.astype(np.int64)
        if owner.shape != (n_texts,):
            raise BadInput(f"owner has {owner.shape} entries for {n_texts} texts; it needs one image row a text")
        if n_texts and not (owner.min() >= 0 and owner.max() < n_images):
            raise BadInput(
                f"{n_images} images against {n_texts} texts: owner names image rows from {owner.min()} to "
                f"{owner.max()}; give every text the row of its own image"
            )
        for side, items in (("images", self.images), ("texts", self.texts)):
            values = getattr(items, "data", None) if hasattr(items, "tocsr") else items
            if isinstance(values, np.ndarray) and values.dtype.kind == "f" and not np.isfinite(values).all():
                if isinstance(items, np.ndarray):
                    row = int(np.flatnonzero(~np.isfinite(items.reshape(len(items), -1)).all(axis=1))[0])
                    raise BadInput(f"{side}: row {row} holds NaN or infinity; drop it or fill it before you fit")
                raise BadInput(f"{side}: a value is NaN or infinite; drop it or fill it before you fit")
        labels = None
        if self.labels is not None:
            labels = np.asarray(self.labels)
            if labels.ndim != 2 or len(labels) != n_images:
                raise BadInput(f"labels have shape {labels.shape}; they need one 0/1 row for each of {n_images} images")
            wrong = np.argwhere((labels != 0) & (labels != 1))
            if len(wrong):
                row, column = wrong[0].tolist()
                raise BadInput(f"labels: row {row} holds {labels[row, column]}; membership of a class is 0 or 1")
            labels = labels.astype(bool)
        object.__setattr__(self, "owner", owner)
        object.__setattr__(self, "labels", labels)
        for name, n in (("image_ids", n_images), ("text_ids", n_texts)):
            ids = tuple(map(str, listed(getattr(self, name), name, "names"))) or tuple(map(str, range(n)))
            if len(ids) != n:
                raise BadInput(f"{name}: {len(ids)} ids for {n} rows")
            if len(set(ids)) != n:
                twice = next(each for each, times in Counter(ids).items() if times > 1)
                raise BadInput(f"{name}: {twice!r} stands there more than once; give each row a name of its own")
            object.__setattr__(self, name, ids)
        for side, items, widths in zip(("images", "texts"), (self.images, self.texts), self.views, strict=True):
            if widths and sum(widths) != items.shape[1]:
                raise BadInput(f"views: {side} are {items.shape[1]} wide, and {shown(widths)} is {sum(widths)}")

    @property
    def n_images(self) -> int:
        """Number of pictures."""
        return count(self.images)

    @property
    def n_texts(self) -> int:
        """Number of texts."""
        return count(self.texts)

    @property
    def text_labels(self) -> Array | None:
        """(n_t, C) the labels of each text: those of its picture."""
        return None if self.labels is None else self.labels[self.owner]

    def select(self, images: Array | Sequence[int]) -> Pairs:
        """These rows of images in this order, with the texts that belong to them.

        Raises BadInput for one twice, and for what is no row.
        """
        keep = np.asarray(listed(images, "select", "rows of images"))
        keep = keep.astype(np.int64) if keep.dtype.kind in "iu" or not keep.size else keep
        if keep.dtype != np.int64 or keep.ndim != 1 or len(np.unique(keep)) != len(keep):
            raise BadInput("select wants the rows of images, each at most once; of a mask take np.flatnonzero first")
        if keep.size and not (keep.min() >= 0 and keep.max() < self.n_images):
            raise BadInput(f"select: rows from {keep.min()} to {keep.max()}; there are 0 to {self.n_images - 1}")
        new_row = np.full(self.n_images, -1)
        new_row[keep] = np.arange(len(keep))
        texts = np.flatnonzero(new_row[self.owner] >= 0)
        texts = texts[np.argsort(new_row[self.owner[texts]], kind="stable")]
        return Pairs(
            take(self.images, keep),
            take(self.texts, texts),
            new_row[self.owner[texts]],
            None if self.labels is None else self.labels[keep],
            tuple(self.image_ids[i] for i in keep),
            tuple(self.text_ids[i] for i in texts),
            self.views,
        )

    def joined(self, between: str = " ") -> Pairs:
        """The strings of each picture as one document, in the order they stand in; no strings, no document."""
        documents: dict[int, list[str]] = {}
        for text, image in zip(self.texts, self.owner.tolist(), strict=True):
            documents.setdefault(image, []).append(text)
        rows = sorted(documents)
        return replace(
            self,
            texts=[between.join(documents[row]) for row in rows],
            owner=np.array(rows, dtype=np.int64),
            text_ids=tuple(self.image_ids[row] for row in rows),
        )

    def features(self, images: Any, texts: Any, views: tuple[tuple[int, ...], tuple[int, ...]] = ((), ())) -> Pairs:
        """The same pairs, seen through features: n_i and n_t rows take the place of pictures and strings.

        views   as the field of that name
        """
        return replace(self, images=images, texts=texts, views=views)


# ------------------------------------------------------------------------------------------------------------- Qrels


class Qrels(ABC):
    """Which item answers which query. Told in blocks of queries, so that no n x n matrix need exist.

    query_ids, item_ids   names, for TREC files
    """

    query_ids: tuple[str, ...]
    item_ids: tuple[str, ...]

    @abstractmethod
    def grades(self, start: int, stop: int) -> Array:
        """(stop - start, n_items) how well each item answers these queries; 0 is not at all."""

    @abstractmethod
    def transposed(self) -> Qrels:
        """The same judgements with queries and items changing places."""

    def relevant(self, start: int, stop: int) -> npt.NDArray[np.bool_]:
        """(stop - start, n_items) which items answer these queries at all."""
        return self.grades(start, stop) > 0

    def listed(self, start: int, stop: int) -> tuple[Ints, Ints, Array]:
        """The same block as lists: (query row within the block, item row, grade) of every relevant item."""
        grades = self.grades(start, stop)
        query, item = np.nonzero(grades)
        return query, item, grades[query, item]

    @property
    def sparse(self) -> bool:
        """Whether a query has a handful of answers, so that `listed` is the cheap way to ask."""
        return False

    @property
    def unit(self) -> float:
        """What 1 is worth in a TREC file, where grades are whole numbers: 1, or a thousandth where grades are not."""
        return 1.0

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.query_ids), len(self.item_ids)

    def write_trec(self, path: str | Path, append: bool = False) -> None:
        """Lines `query 0 item grade`, as trec_eval reads them; inside an id a blank is written %20, and % is %25.

        Grades are counted in `unit`; more of them would be more than trec_eval can count. Rounding moves nDCG in the
        fourth digit; all other measures only ask whether a grade is 0.
        """
        answers = [_word(name) for name in self.item_ids]
        with open(path, "a" if append else "w", encoding="utf-8") as file:
            step = max(1, 4_000_000 // max(1, len(answers)))
            for start in range(0, self.shape[0], step):
                query, item, grade = self.listed(start, min(start + step, self.shape[0]))
                whole = np.rint(grade / self.unit).astype(np.int64)
                asked = [_word(name) for name in self.query_ids[start : start + step]]
                lines = zip(query.tolist(), item.tolist(), whole.tolist(), strict=True)
                file.writelines(f"{asked[q]} 0 {answers[i]} {g}\n" for q, i, g in lines)

    @staticmethod
    def read_trec(path: str | Path, query_ids: Sequence[str] = (), item_ids: Sequence[str] = ()) -> Listed:
        """Read `query 0 item grade` lines. Ids not given are those of the file, in order of appearance."""
        rows = []
        for number, line in enumerate(_lines(path), 1):
            try:
                query, _, item, grade = line.split()
                rows.append((unquote(query), unquote(item), _number(grade)))
            except ValueError:
                raise BadInput(f"{path}, line {number}: expected `query 0 item grade`, found {line[:60]!r}") from None
        queries = tuple(query_ids) or tuple(dict.fromkeys(row[0] for row in rows))
        items = tuple(item_ids) or tuple(dict.fromkeys(row[1] for row in rows))
        query_row, item_row = ({name: row for row, name in enumerate(ids)} for ids in (queries, items))
        rows = [row for row in rows if row[0] in query_row and row[1] in item_row and row[2] > 0]
        return Listed(
            np.array([query_row[q] for q, _, _ in rows], dtype=np.int64),
            np.array([item_row[i] for _, i, _ in rows], dtype=np.int64),
            queries,
            items,
            np.array([grade for _, _, grade in rows], dtype=np.float64),
        )


class Listed(Qrels):
    """Judgements as lists: annotated pairs, TREC files, answers that an oracle knows."""

    def __init__(
        self,
        queries: Any,
        items: Any,
        query_ids: Sequence[str],
        item_ids: Sequence[str],
        grade: Any = None,
    ) -> None:
        order = np.lexsort((np.asarray(items), np.asarray(queries)))
        self.queries = np.asarray(queries, dtype=np.int64)[order]
        self.items = np.asarray(items, dtype=np.int64)[order]
        self.grade = np.ones(len(order)) if grade is None else np.asarray(grade, dtype=np.float64)[order]
        self.query_ids, self.item_ids = tuple(query_ids), tuple(item_ids)
        self._first = np.searchsorted(self.queries, np.arange(len(self.query_ids) + 1))

    @property
    def sparse(self) -> bool:
        return True

    @property
    def unit(self) -> float:
        return 1.0 if (self.grade == np.rint(self.grade)).all() else 1e-3

    def listed(self, start: int, stop: int) -> tuple[Ints, Ints, Array]:
        block = slice(self._first[start], self._first[stop])
        return self.queries[block] - start, self.items[block], self.grade[block]

    def grades(self, start: int, stop: int) -> Array:
        query, item, grade = self.listed(start, stop)
        block = np.zeros((stop - start, len(self.item_ids)), dtype=np.float32)
        block[query, item] = grade
        return block

    def transposed(self) -> Listed:
        return Listed(self.items, self.queries, self.item_ids, self.query_ids, self.grade)


class SharedLabels(Qrels):
    """Relevant when query and item share at least one label; the grade is how many they share.

    query_labels (n_q, C) and item_labels (n_d, C) are 0/1.
    """

    def __init__(
        self, query_labels: Any, item_labels: Any, query_ids: Sequence[str] = (), item_ids: Sequence[str] = ()
    ) -> None:
        self.query_labels = np.asarray(query_labels, dtype=bool)
        self.item_labels = np.asarray(item_labels, dtype=bool)
        self.query_ids = tuple(query_ids) or tuple(map(str, range(len(self.query_labels))))
        self.item_ids = tuple(item_ids) or tuple(map(str, range(len(self.item_labels))))
        packed = np.packbits(self.query_labels, axis=1), np.packbits(self.item_labels, axis=1)
        self._query_words, self._item_words = words(packed[0]), words(packed[1])

    def grades(self, start: int, stop: int) -> Array:
        query = self.query_labels[start:stop].astype(np.float32)
        return query @ self.item_labels.T.astype(np.float32)

    def relevant(self, start: int, stop: int) -> npt.NDArray[np.bool_]:
        # Labels packed into words: sharing one is a word whose AND is not zero, up to 64 labels an operation.
        block = np.zeros((stop - start, len(self.item_labels)), dtype=self._item_words.dtype)
        for query, item in zip(self._query_words[:, start:stop], self._item_words, strict=True):
            block |= query[:, None] & item
        return np.asarray(block != 0)

    def transposed(self) -> SharedLabels:
        return SharedLabels(self.item_labels, self.query_labels, self.item_ids, self.query_ids)


class LabelCosine(SharedLabels):
    """Relevant when the cosine of the two label vectors is at least `threshold` (Bi-CMR, Li et al. 2022)."""

    def __init__(
        self,
        query_labels: Any,
        item_labels: Any,
        threshold: float,
        query_ids: Sequence[str] = (),
        item_ids: Sequence[str] = (),
    ) -> None:
        super().__init__(query_labels, item_labels, query_ids, item_ids)
        self.threshold = threshold

    def grades(self, start: int, stop: int) -> Array:
        query = self.query_labels[start:stop]
        shared = super().grades(start, stop)
        norms = np.sqrt(np.outer(query.sum(axis=1), self.item_labels.sum(axis=1)))
        cosine = shared / np.maximum(norms, 1.0)
        return np.where(cosine >= self.threshold, cosine, 0.0)

    def relevant(self, start: int, stop: int) -> npt.NDArray[np.bool_]:
        return np.asarray(self.grades(start, stop) > 0)

    @property
    def unit(self) -> float:
        return 1e-3

    def transposed(self) -> LabelCosine:
        return LabelCosine(self.item_labels, self.query_labels, self.threshold, self.item_ids, self.query_ids)


def _word(name: str) -> str:
    """An id as one word, since blanks part the columns of a TREC file; `unquote` gives it back."""
    if not name:
        raise BadInput("an id is empty, and a TREC file cannot hold it; give every picture and text a name")
    return "".join(quote(sign) if sign == "%" or sign.isspace() else sign for sign in name)


def _number(text: str) -> float:
    """A number of a TREC file; NaN is none."""
    value = float(text)
    if value != value:
        raise ValueError("NaN")
    return value


def _lines(path: str | Path) -> list[str]:
    try:
        return Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} does not read as a TREC file ({getattr(error, 'strerror', None) or error})") from None


# ------------------------------------------------------------------------------------------------------------- Space


class Space(ABC):
    """How outputs are stored (`normalise`) and compared (`score`, higher is nearer)."""

    name: str

    @abstractmethod
    def normalise(self, outputs: Any) -> Array:
        """Raw outputs of a method, (n, d) or (n, tokens, d), one an item, as the index stores them."""

    @abstractmethod
    def score(self, queries: Array, items: Array) -> Array:
        """(n_q, n_d) scores of normalised queries against normalised items, or what `Method.stored` makes of these."""

    def __repr__(self) -> str:
        return self.name


_ALONE = 4_000_000
"""Multiplications up to which scores are taken on one core, within a millisecond. BLAS would spread them over all, and
where another program has one of these, wait for the scheduler, 4 to 12 ms."""


class Cosine(Space):
    """Unit rows; the score is their cosine. A row of zeros stays zero and is equally far from everything."""

    name = "cosine"

    def normalise(self, outputs: Any) -> Array:
        rows = np.asarray(outputs, dtype=np.float32)
        return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-12))

    def score(self, queries: Array, items: Array) -> Array:
        if len(queries) * items.size < _ALONE:
            return np.asarray(np.einsum("qd,nd->qn", queries, items))
        return np.asarray(queries @ items.T)


class Dot(Cosine):
    """Rows as they are; the score is their inner product."""

    name = "dot"

    def normalise(self, outputs: Any) -> Array:
        return np.ascontiguousarray(outputs, dtype=np.float32)


class L2(Dot):
    """Rows as they are; the score is minus their squared Euclidean distance."""

    name = "l2"

    def score(self, queries: Array, items: Array) -> Array:
        scores = 2.0 * (queries @ items.T)
        scores -= np.square(queries).sum(axis=1)[:, None]
        scores -= np.square(items).sum(axis=1)[None, :]
        return np.asarray(scores)


class Hamming(Space):
    """Signs packed eight to a byte; the score is minus the number of bits that differ. sign(0) is +1."""

    name = "hamming"

    def normalise(self, outputs: Any) -> Array:
        return np.packbits(np.asarray(outputs) >= 0, axis=1)

    def score(self, queries: Array, items: Array) -> Array:
        distance = np.zeros((len(queries), len(items)), dtype=np.int16)
        for query, item in zip(words(queries), words(items), strict=True):
            distance -= np.bitwise_count(query[:, None] ^ item[None, :])
        return distance


class Sets(Space):
    """A set of unit tokens an item, (n, tokens, d), rows of zeros as padding; every query token takes its best match.

    Late interaction (MaxSim) as in Khattab & Zaharia 2020, averaged over the query's tokens so that scores of
    queries of different length compare.
    """

    name = "sets"

    def normalise(self, outputs: Any) -> Array:
        return cosine.normalise(outputs)

    def score(self, queries: Array, items: Array) -> Array:
        asked = np.abs(queries).sum(axis=2) > 0
        offered = np.abs(items).sum(axis=2) > 0
        scores = np.empty((len(queries), len(items)), dtype=np.float32)
        for row, (tokens, real) in enumerate(zip(queries, asked, strict=True)):
            similarity = np.einsum("qd,ntd->nqt", tokens[real], items)
            similarity[~np.broadcast_to(offered[:, None, :], similarity.shape)] = -1.0
            scores[row] = similarity.max(axis=2).mean(axis=1) if real.any() else 0.0
        return scores


class Tables(Dot):
    """What every word of m books gives whoever asks, (n, m, K); an item is the word it takes of each, (n, m) bytes.

    The score is the sum over the books of what the item's words give: asymmetric distances (Jégou, Douze & Schmid, PAMI
    2011). What is asked with is not quantised, and an item has as many bytes as there are books.
    """

    name = "tables"

    def score(self, queries: Array, items: Array) -> Array:
        scores = np.zeros((len(queries), len(items)), dtype=np.float32)
        for book in range(items.shape[1]):
            scores += queries[:, book, items[:, book]]
        return scores


def words(codes: Array) -> Array:
    """(w, n) bits packed eight to a byte, (n, bytes), as the widest unsigned words that divide their bytes."""
    width = next(size for size in (8, 4, 2, 1) if codes.shape[1] % size == 0)
    return np.ascontiguousarray(np.ascontiguousarray(codes).view(f"u{width}").T)


cosine, dot, l2, hamming, sets, tables = Cosine(), Dot(), L2(), Hamming(), Sets(), Tables()


# --------------------------------------------------------------------------------------------------------------- Run


@dataclass(frozen=True)
class Run:
    """Ranked answers: for each query the rows of its best items, best first, and their scores.

    items (n_q, k) rows into `item_ids`, -1 where a query has fewer answers; scores (n_q, k).
    """

    query_ids: tuple[str, ...]
    item_ids: tuple[str, ...]
    items: Ints
    scores: Floats

    def untied(self) -> Run:
        """The same order with scores that fall from each rank to the next: equal ones are put a hair apart.

        Programs that read a run sort it by its scores, as float32, and break ties by the names of items. So this is how
        to hand them the order that is meant.
        """
        bits = self.scores.astype(np.float32).view(np.int32).astype(np.int64)
        keys = np.where(bits < 0, -(bits & 0x7FFFFFFF), bits)  # whole numbers that stand in the order of the floats
        places = np.arange(keys.shape[1])
        keys = np.minimum.accumulate(keys + places, axis=1) - places
        apart = np.copysign(np.abs(keys).astype(np.int32).view(np.float32), keys).astype(np.float64)
        return replace(self, scores=np.where(self.items >= 0, apart, self.scores))

    def write_trec(self, path: str | Path, tag: str = "diptych", append: bool = False) -> None:
        """Lines `query Q0 item rank score tag`; ranks count from 1; ids as in `Qrels.write_trec`."""
        answers, tag = [_word(name) for name in self.item_ids], _word(tag)
        with open(path, "a" if append else "w", encoding="utf-8") as file:
            for query, items, scores in zip(map(_word, self.query_ids), self.items, self.scores, strict=True):
                ranked = enumerate(zip(items.tolist(), scores.tolist(), strict=True), 1)
                lines = (
                    f"{query} Q0 {answers[item]} {rank} {s:.9g} {tag}\n" for rank, (item, s) in ranked if item >= 0
                )
                file.writelines(lines)

    @staticmethod
    def read_trec(path: str | Path, query_ids: Sequence[str] = (), item_ids: Sequence[str] = ()) -> Run:
        """Read a TREC run. Ids not given are those of the file, as they appear; order is by score, then rank."""
        answers: dict[str, list[tuple[float, int, str]]] = {}
        for number, line in enumerate(_lines(path), 1):
            try:
                asked, _, answer, place, score, _ = line.split()
                answers.setdefault(unquote(asked), []).append((-_number(score), int(place), unquote(answer)))
            except ValueError:
                raise BadInput(
                    f"{path}, line {number}: expected `query Q0 item rank score tag`, found {line[:60]!r}"
                ) from None
        queries = tuple(query_ids) or tuple(answers)
        names = tuple(item_ids) or tuple(dict.fromkeys(item for rows in answers.values() for _, _, item in rows))
        row_of = {name: row for row, name in enumerate(names)}
        depth = max((len(rows) for rows in answers.values()), default=0)
        items = np.full((len(queries), depth), -1, dtype=np.int64)
        scores = np.full((len(queries), depth), -np.inf)
        for query, name in enumerate(queries):
            for rank, (below, _, item) in enumerate(sorted(answers.get(name, []))):
                if item not in row_of:
                    raise BadInput(f"{path}: query {name} ranks item {item}, which is not among the items given")
                items[query, rank], scores[query, rank] = row_of[item], -below
        return Run(queries, names, items, scores)


# -------------------------------------------------------------------------------------------------- Card and Report


@dataclass(frozen=True)
class Protocol:
    """What is asked of what: a number without one is not printed.

    train, query, database   names of splits ("all" is every row)
    relevance                "pair" (the annotated partner) or "label" (share at least one label)
    joined                   whether the texts of a picture count as one document
    folds                    the database is cut into this many disjoint folds, each ranked inside itself, then averaged
    """

    name: str
    train: str
    query: str
    database: str
    relevance: str
    joined: bool = False
    folds: int = 1
    note: str = ""

    def __str__(self) -> str:
        return self.describe(f"trained on {self.train}")

    def describe(self, trained: str) -> str:
        """The protocol in words, where `trained` says what was learned from."""
        text = f"{self.query} against {self.database}, relevant by {self.relevance}, {trained}"
        text += ", texts of a picture joined" if self.joined else ""
        text += f", mean of {self.folds} folds" if self.folds > 1 else ""
        return text


@dataclass(frozen=True)
class Sought:
    """Pictures that somebody looks for in more than one step: with a picture and a change, in a dialogue, by marks.

    pictures    those that are searched, each as an encoder takes it
    texts       (n,) what is said first; beside a picture, how the wanted one differs from it
    qrels       which of the pictures answer each
    reference   (n,) the rows of the pictures that are started from; None where there are none
    stays       whether the picture that is started from may be an answer
    among       rows of the only pictures that may answer each; None where all may
    subsets     rows of pictures that each is ranked among besides, of measures `r_subset@k`
    turns       what is said after the text, of dialogues that were written down
    metrics     what is measured, as its papers do; "" is the usual
    note        what is asked of what, in words
    """

    pictures: Any
    texts: tuple[str, ...]
    qrels: Listed
    reference: Ints | None = None
    stays: bool = False
    among: tuple[Ints, ...] | None = None
    subsets: tuple[Ints, ...] | None = None
    turns: tuple[tuple[str, ...], ...] | None = None
    metrics: tuple[str, ...] = ()
    note: str = ""

    def first(self, n: int) -> Self:
        """The first n of the queries, over all pictures."""
        if n >= len(self.texts):
            return self
        kept = self.qrels.queries < n
        some = Listed(self.qrels.queries[kept], self.qrels.items[kept], self.qrels.query_ids[:n], self.qrels.item_ids)
        cut: dict[str, Any] = {
            name: None if (each := getattr(self, name)) is None else each[:n]
            for name in ("reference", "among", "subsets", "turns")
        }
        return replace(self, texts=self.texts[:n], qrels=some, **cut)


@dataclass(frozen=True)
class Card:
    """The facts of a dataset.

    splits      name -> number of images, asserted on reading; empty where the person's own data decides
    protocols   the first is the default
    folder      its folder below $DIPTYCH_DATA; of a generated one, below the cache
    generated   made by this package on first use, so nothing need be fetched
    splitless   the data names no splits; those here were drawn by us
    get         what to fetch and where to put it, said when a file is missing
    image_features, text_features   what `evaluate` uses when nothing else is asked for
    """

    name: str
    title: str
    source: str
    licence: str
    citation: str
    splits: Mapping[str, int]
    protocols: tuple[Protocol, ...]
    get: str = ""
    folder: str = ""
    generated: bool = False
    splitless: bool = False
    revision: str = ""
    image_features: str = "efficientnetv2"
    text_features: str = "tfidf"

    def protocol(self, name: str = "") -> Protocol:
        """The protocol of this name; the first one when no name is given. Raises BadInput with the nearest name."""
        if not self.protocols:
            raise BadInput(f"{self.name} pairs no pictures with texts, so no method is measured on it; schemes are")
        if not named(name, "protocol"):
            return self.protocols[0]
        for protocol in self.protocols:
            if protocol.name == name:
                return protocol
        raise BadInput(f"{self.name} has no protocol {name!r}{nearest(name, [p.name for p in self.protocols])}")

    def facts(self) -> dict[str, Any]:
        """Everything above as plain JSON values."""
        facts = asdict(self)
        facts["splits"] = dict(self.splits)
        facts["protocols"] = {p.name: str(p) for p in self.protocols}
        return facts


@dataclass(frozen=True)
class Report:
    """Numbers with everything needed to believe and repeat them. Figures are fractions of 1, seconds and bytes.

    i2t, t2i       metric name -> value: pictures asking for texts, texts asking for pictures
    intervals      direction -> metric -> [low, high], 95 % bootstrap over pictures, each with all its queries
    per_query      direction -> metric -> one value a query (None where nothing is relevant), for paired tests
    owners         direction -> the row of the picture that each query is or belongs to, in the order of `per_query`;
                   empty in reports written before there was such a thing, whose intervals took every query for itself
    seconds        fit, encode, score
    data           a digest of the names of queries and items, and of what belongs to what
    trained_on     dataset, split, seed and so on of the fit, as `Encoder.trained_on_` has them
    rsum           r@1, r@5 and r@10 of both directions added up, at most 6; None where one was not measured
    """

    method: str
    dataset: str
    protocol: str
    seed: int
    i2t: Mapping[str, float]
    t2i: Mapping[str, float]
    seconds: Mapping[str, float]
    bytes_per_item: float
    versions: Mapping[str, str]
    settings: Mapping[str, Any] = field(default_factory=dict)
    protocol_text: str = ""
    ties: str = "expected"
    features: Mapping[str, str] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    intervals: Mapping[str, Mapping[str, Sequence[float]]] = field(default_factory=dict)
    per_query: Mapping[str, Mapping[str, Sequence[float | None]]] = field(default_factory=dict)
    data: str = ""
    trained_on: Mapping[str, Any] = field(default_factory=dict)
    rsum: float | None = None
    owners: Mapping[str, Sequence[int]] = field(default_factory=dict)

    def to_json(self) -> str:
        """Everything above as one JSON object."""
        return json.dumps(asdict(self), indent=None, ensure_ascii=False)

    def save(self, path: str | Path) -> None:
        """Write it as JSON to this file. Raises BadInput where none can be."""
        file = place(path)
        try:
            file.write_text(self.to_json() + "\n", encoding="utf-8")
        except OSError as error:
            raise BadInput(f"{file}: not written ({error.strerror})") from None

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a report written by `save`; a folder means its `report.json`. Raises BadInput for anything else."""
        file = place(path)
        file = file / "report.json" if file.is_dir() else file
        try:
            return cls(**json.loads(file.read_text(encoding="utf-8")))
        except FileNotFoundError:
            raise BadInput(f"{file}: no such report; write one with `diptych evaluate … --out FOLDER`") from None
        except (TypeError, ValueError) as error:
            raise BadInput(f"{file}: not a report of `diptych evaluate` ({error})") from None


Progress = Callable[[str, int, int], None]
"""Told as long work goes on: what, how many done, how many in all."""
