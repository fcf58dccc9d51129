"""Pictures of which one is enough: the same file twice, the same picture twice, one moment taken several times.

Vectors only propose. Whether two files show the same picture their pixels decide (`same_picture`), read again from the
files: few are read, and nothing that could go stale is kept in the database. Each kind is looked for among those that
the kind before would keep, and every member of a group was compared with the one to keep, so that no chain of small
differences joins what is not alike. Nothing is ever deleted, and nothing is advised about a file that is not there.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Literal

import numpy as np

from diptych.collection.items import Item
from diptych.collection.nearest import Nearest
from diptych.collection.same_picture import PREPROCESSING, Glance, same
from diptych.collection.vectors import Vectors
from diptych.index.files import DamagedIndex
from diptych.index.flat import Flat
from diptych.kinds import Array, BadInput, Floats, Ints, Progress, batches, cosine
from diptych.sources.decoders import Decoders

THRESHOLD = 0.93
"""Likeness from which two pictures are compared by their pixels."""

ALONE = 0.98
"""Likeness from which two items without files, of which there are only vectors, are called near."""

BURST = 0.8
"""Likeness of two pictures of one moment, of which camera and time have already spoken."""

SECONDS = 10.0
"""Between two pictures of one moment."""

_BLOCK = 512  # pictures that are asked for at a time
_NEIGHBOURS, _MOST = 16, 1024  # nearest ones asked for at first, and at the most
_AHEAD = 100  # pictures of one camera behind another that may belong to its moment

Kind = Literal["exact", "near", "burst"]
KINDS: tuple[Kind, ...] = ("exact", "near", "burst")


@dataclass(frozen=True)
class Picture:
    """A member of a group.

    path    where it lies; the key of an item without a file
    why     to keep it; or what it is beside the one to keep, and why rather that one
    words   captions, tags and metadata that are said of it and not of the one to keep: they would have to move first
    """

    id: int
    path: str
    why: tuple[str, ...]
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class Group:
    """kind   "exact": the same bytes; "near": the same picture, saved again, resized, recoloured or slightly cropped;
    "burst": different pictures by one camera within seconds
    """

    kind: Kind
    keep: Picture
    others: tuple[Picture, ...]

    @property
    def ids(self) -> tuple[int, ...]:
        """Of all members, the one to keep first."""
        return (self.keep.id, *(other.id for other in self.others))


@dataclass(frozen=True)
class Duplicates:
    """groups   exact, near, burst; within each the largest first. The one to keep may stand in a group of a later kind
    unread      (path, why) of files that were not compared
    """

    groups: tuple[Group, ...]
    unread: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Candidates:
    """What the database and the vectors propose; items with their keys.

    alike    (one, other, likeness) of pictures that may be the same
    moments  the same of pictures that may be of one moment
    """

    items: Mapping[int, Item]
    exact: tuple[Group, ...]
    alike: Sequence[tuple[int, int, float]]
    moments: Sequence[tuple[int, int, float]]
    unread: Mapping[str, str]


def candidates(
    vectors: Vectors, nearest: Nearest, threshold: float = THRESHOLD, progress: Progress | None = None
) -> Candidates:
    """Groups of equal content, and pairs to look at. Inside a snapshot; of pictures, reads no more than their place.

    Raises BadInput for a threshold that is no likeness.
    """
    if not 0 < threshold <= 1:
        raise BadInput(f"threshold: {threshold}; it is a likeness above 0 and up to 1, such as {THRESHOLD}")
    exact, left_out, unread = _exact(vectors)
    ids, rows = vectors.all("image", "item IN (SELECT id FROM items WHERE status = 'ok')")
    some = ~np.isin(ids, list(left_out))
    ids, rows = ids[some], rows[some]
    likeness = _Likeness(ids, rows, vectors.space.name)
    alike = [pair for block in _alike(vectors, nearest, likeness, rows, threshold, progress) for pair in block]
    moments = list(_moments(vectors, likeness))
    met = sorted({id for one, other, _ in (*alike, *moments) for id in (one, other)})
    return Candidates(_items(vectors, met), tuple(exact), alike, moments, unread)


def judge(found: Candidates, workers: int | None = None, progress: Progress | None = None) -> Duplicates:
    """The groups among candidates, by the pixels of their files.

    workers   processes that read files; default: one a core
    """
    glances, unread = _glances(found.items.values(), workers, progress)
    items = {id: item for id, item in found.items.items() if id in glances or item.size is None}

    def near(keep: int, other: int, likeness: float) -> tuple[str, ...]:
        if _two_moments(items[keep], items[other]):
            return ()
        if keep in glances and other in glances:
            change = same(glances[keep], glances[other])
            return (change, _said(likeness)) if change else ()
        return ("alike by its vector alone", _said(likeness)) if likeness >= ALONE else ()

    def burst(keep: int, other: int, likeness: float) -> tuple[str, ...]:
        gap = (_taken(items[other]) - _taken(items[keep])).total_seconds()
        return (f"taken {abs(gap):g} s {'before' if gap < 0 else 'after'}" if gap else "same second", _said(likeness))

    groups = _stars("near", _links(found.alike, items), items, _CRITERIA, near)
    spare = {other.id for group in groups for other in group.others}
    seen = {id: item for id, item in items.items() if id in glances and id not in spare}
    groups += _stars("burst", _links(found.moments, seen), seen, (_sharpest(glances), *_CRITERIA), burst)
    ordered = sorted(
        (*found.exact, *groups), key=lambda group: (KINDS.index(group.kind), -len(group.others), group.ids)
    )
    return Duplicates(tuple(ordered), tuple(sorted({**found.unread, **unread}.items())))


# ------------------------------------------------------------------------------------------------------ what to keep


@dataclass(frozen=True)
class _Criterion:
    """value: the higher the better; better, worse: what is said where it decides, with `fact` of the item in it."""

    value: Callable[[Item], float]
    better: str
    worse: str
    fact: Callable[[Item], str] = field(default=lambda item: "")


def _pixels(item: Item) -> int:
    return (item.width or 0) * (item.height or 0)


def _name(item: Item) -> str:
    return item.key.replace(os.sep, "/").rpartition("/")[2]


_COPY = re.compile(r"(?<![^\W_])(copy|copie|kopie|kopia|copia)(?![^\W\d_])|\(\d+\)$|~\d+$", re.IGNORECASE)

_CRITERIA = (
    _Criterion(lambda item: item.size is not None, "has a file", "has no file"),
    _Criterion(_pixels, "most pixels ({})", "fewer pixels ({})", lambda item: f"{item.width} x {item.height}"),
    _Criterion(
        lambda item: item.size or 0,
        "most bytes, so the least lossy ({})",
        "fewer bytes ({})",
        lambda item: f"{item.size or 0:,}",
    ),
    _Criterion(lambda item: item.taken is not None, "says when it was taken", "does not say when it was taken"),
    _Criterion(lambda item: len(_words(item)), "has more words", "has fewer words"),
    _Criterion(
        lambda item: not _COPY.search(_name(item).rpartition(".")[0]), "its name is the original's", "named as a copy"
    ),
    _Criterion(lambda item: -(item.mtime_ns or 0), "the oldest file", "a newer file"),
    _Criterion(lambda item: -len(item.key), "the shortest path", "a longer path"),
)
"""The first in which two differ decides."""


def _sharpest(glances: Mapping[int, Glance]) -> _Criterion:
    return _Criterion(
        lambda item: glances[item.id].sharpness,
        "the sharpest (variance of Laplacian {})",
        "less sharp (variance of Laplacian {})",
        lambda item: f"{glances[item.id].sharpness:.0f}",
    )


def _best_first(items: Iterable[Item], criteria: Sequence[_Criterion]) -> list[Item]:
    return sorted(items, key=lambda item: ([-criterion.value(item) for criterion in criteria], item.key))


def _group(
    kind: Kind, keep: Item, others: Sequence[tuple[Item, tuple[str, ...]]], criteria: Sequence[_Criterion]
) -> Group:
    """A group with the reasons that decide; others come with what they are beside the one to keep."""
    reasons: dict[str, None] = {}
    pictures = []
    for other, what in others:
        decides = next((some for some in criteria if some.value(keep) != some.value(other)), None)
        if decides:
            reasons[decides.better.format(decides.fact(keep))] = None
            what = (*what, decides.worse.format(decides.fact(other)))
        moved = tuple(word for word in _words(other) if word not in _words(keep))
        pictures.append(Picture(other.id, other.key, what, moved))
    why = tuple(reasons) or ("nothing tells them apart",)
    return Group(kind, Picture(keep.id, keep.key, why), tuple(pictures))


def _words(item: Item) -> tuple[str, ...]:
    return (*item.captions, *item.tags, *(f"{key} = {value}" for key, value in item.metadata.items()))


# ------------------------------------------------------------------------------------------------------ equal content


def _exact(vectors: Vectors) -> tuple[list[Group], set[int], dict[str, str]]:
    """Groups of equal content; the ids that later kinds leave out; why files of equal content were not compared."""
    store = vectors.store
    ok = "status = 'ok' AND digest IS NOT NULL"
    twice = f"SELECT digest FROM items WHERE {ok} GROUP BY digest HAVING count(*) > 1"
    ids = [id for (id,) in store.rows(f"SELECT id FROM items WHERE {ok} AND digest IN ({twice}) ORDER BY digest, id")]
    sets: dict[str, dict[tuple[int, int], Item]] = {}
    left_out, unread = set(ids), dict[str, str]()
    for item in _items(vectors, ids).values():
        try:
            at = os.stat(item.key)  # noqa: PTH116 - there may be very many
        except OSError as error:
            unread[item.key] = f"not readable ({error.strerror})"
            continue
        if (at.st_size, at.st_mtime_ns) != (item.size, item.mtime_ns):
            unread[item.key] = _CHANGED
            continue
        # One file with two names is not two: who removed what a link leads to would have nothing left.
        alias = sets.setdefault(str(item.digest), {}).setdefault((at.st_dev, at.st_ino), item)
        if os.path.islink(alias.key):  # noqa: PTH114
            sets[str(item.digest)][at.st_dev, at.st_ino] = item
    groups = []
    for members in sets.values():
        keep, *others = _best_first(members.values(), _CRITERIA)
        left_out.discard(keep.id)
        if others:
            groups.append(_group("exact", keep, [(other, ("same bytes",)) for other in others], _CRITERIA))
    return groups, left_out, unread


_CHANGED = "changed since it was indexed; index its folder again"


def _items(vectors: Vectors, ids: Sequence[int]) -> dict[int, Item]:
    """By id, with their keys."""
    store = vectors.store
    return {item.id: store.named(item) for item in store.items(ids)}


# ------------------------------------------------------------------------------------------------- pairs by vector


@dataclass(frozen=True)
class _Likeness:
    """How alike pictures are: the cosine of their rows, or the part of equal bits. A row of zeros is like nothing.

    ids   (n,) rising
    """

    ids: Ints
    rows: Array
    space: str

    @cached_property
    def _lengths(self) -> Array:
        return np.asarray(np.maximum(np.linalg.norm(self.rows.astype(np.float32), axis=1), 1e-12))

    def places(self, ids: Ints) -> Ints:
        """Where these ids stand; -1 for one that is not among them."""
        if not len(self.ids):
            return np.full(ids.shape, -1)
        places = np.searchsorted(self.ids, ids).clip(max=len(self.ids) - 1)
        return np.where(self.ids[places] == ids, places, -1)

    def of(self, first: Ints, second: Ints) -> Floats:
        """(n,) of pairs of places."""
        if self.space == "hamming":
            differ = np.bitwise_count(self.rows[first] ^ self.rows[second]).sum(axis=-1)
            return np.asarray(1 - differ / (8 * self.rows.shape[1]), dtype=np.float32)
        products = np.einsum("nd,nd->n", self.rows[first], self.rows[second], dtype=np.float32)
        return np.asarray(products / (self._lengths[first] * self._lengths[second]), dtype=np.float32)


def _alike(
    vectors: Vectors,
    nearest: Nearest,
    likeness: _Likeness,
    rows: Array,
    threshold: float,
    progress: Progress | None,
) -> Iterator[list[tuple[int, int, float]]]:
    """Pairs that are at least `threshold` alike, block by block: each picture asks the index for its nearest."""
    if vectors.space.name in ("cosine", "hamming"):
        search = _asking(nearest)
    else:  # the nearest by another measure need not be the most alike
        rows = cosine.normalise(np.asarray(rows, dtype=np.float32))
        index = Flat(cosine, vectors.identity.width)
        index.add(likeness.ids, rows)
        search = index.search
    for start in range(0, len(rows), _BLOCK):
        pairs: list[tuple[int, int, float]] = []
        asking, k = np.arange(start, min(start + _BLOCK, len(rows))), _NEIGHBOURS
        while len(asking) and k <= _MOST:
            found = likeness.places(search(rows[asking], k)[1])
            one, other = np.repeat(asking, k), found.ravel()
            alike = np.where(other < 0, 0, likeness.of(one, other))
            enough = (alike >= threshold - 1e-6) & (other >= 0)
            # Where even the last is alike, or hidden by copies, there may be more: asked again, for more.
            more = (enough.reshape(-1, k) | (found < 0)).all(axis=1) & (k < len(rows)) & (2 * k <= _MOST)
            told = enough & (one != other) & ~np.repeat(more, k)
            first, second = (likeness.ids[places[told]].tolist() for places in (one, other))
            pairs += zip(first, second, alike[told].tolist(), strict=True)
            asking, k = asking[more], 2 * k
        yield pairs
        if progress:
            progress("compared", min(start + _BLOCK, len(rows)), len(rows))


def _asking(nearest: Nearest) -> Callable[[Array, int], tuple[Floats, Ints]]:
    def search(rows: Array, k: int) -> tuple[Floats, Ints]:
        try:
            return nearest.current().search(rows, k)
        except DamagedIndex:  # in a row that nobody had met since the index was loaded
            nearest.forget()
            return nearest.current().search(rows, k)

    return search


def _moments(vectors: Vectors, likeness: _Likeness) -> Iterator[tuple[int, int, float]]:
    """Pairs by one camera within seconds that are somewhat alike."""
    sql = "SELECT id, camera, taken FROM items WHERE status = 'ok' AND camera IS NOT NULL AND taken IS NOT NULL"
    shots = [(camera, at, id) for id, camera, taken in vectors.store.rows(sql) if (at := _time(taken))]
    shots = sorted(shot for shot, place in zip(shots, _places(likeness, shots), strict=True) if place >= 0)
    places = _places(likeness, shots)
    for first, (camera, at, id) in enumerate(shots):
        end = first + 1
        while end < min(first + 1 + _AHEAD, len(shots)) and shots[end][0] == camera:
            if (shots[end][1] - at).total_seconds() > SECONDS:
                break
            end += 1
        alike = likeness.of(np.full(end - first - 1, places[first]), places[first + 1 : end])
        later = [other for *_, other in shots[first + 1 : end]]
        yield from ((id, other, value) for other, value in zip(later, alike.tolist(), strict=True) if value >= BURST)


def _places(likeness: _Likeness, shots: Sequence[tuple[str, datetime, int]]) -> Ints:
    return likeness.places(np.array([id for *_, id in shots], dtype=np.int64))


def _time(taken: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(taken).replace(tzinfo=None) if taken else None
    except ValueError:
        return None


def _taken(item: Item) -> datetime:
    found = _time(item.taken)
    assert found is not None
    return found


# ------------------------------------------------------------------------------------------------------------- judging


def _glances(
    items: Iterable[Item], workers: int | None, progress: Progress | None
) -> tuple[dict[int, Glance], dict[str, str]]:
    """What is seen in the files of items that are still as they were indexed; (path, why) of the others."""
    wanted = sorted(
        (item for item in items if item.path), key=lambda item: item.key
    )  # files of one folder lie together on a disk
    glances: dict[int, Glance] = {}
    unread: dict[str, str] = {}
    with Decoders(workers, preprocessing=PREPROCESSING) as decoders:
        for some in batches(wanted, 64):
            looks = decoders.looks((item.key, ()) for item in some)
            for item, look in zip(some, looks, strict=True):
                if look.pixels is not None and item.digest in (None, look.digest):
                    glances[item.id] = Glance.of(look.pixels)
                elif item.size is not None:
                    unread[item.key] = look.reason or _CHANGED
            if progress:
                progress("read", len(glances) + len(unread), len(wanted))
    return glances, unread


def _two_moments(first: Item, second: Item) -> bool:
    """Whether both say when or with what they were taken, and do not say the same: no copy, however alike."""
    pairs = ((first.taken, second.taken), (first.camera, second.camera))
    return any(one is not None and other is not None and one != other for one, other in pairs)


def _links(pairs: Iterable[tuple[int, int, float]], items: Mapping[int, Item]) -> dict[int, dict[int, float]]:
    """Of each item its candidates, both ways."""
    links: dict[int, dict[int, float]] = {}
    for one, other, likeness in pairs:
        if one in items and other in items:
            links.setdefault(one, {})[other] = likeness
            links.setdefault(other, {})[one] = likeness
    return links


def _stars(
    kind: Kind,
    links: Mapping[int, Mapping[int, float]],
    items: Mapping[int, Item],
    criteria: Sequence[_Criterion],
    what: Callable[[int, int, float], tuple[str, ...]],
) -> list[Group]:
    """Groups around the best: it takes those that are its own, then the best of what is left does, and so on.

    what   tells what an item is beside one to keep; nothing where it is no duplicate of it
    """
    groups, used = [], set[int]()
    for keep in _best_first((items[id] for id in links), criteria):
        if keep.id in used:
            continue
        others = []
        for id, likeness in sorted(links[keep.id].items(), key=lambda link: (-link[1], link[0])):
            if id not in used and (said := what(keep.id, id, likeness)):
                others.append((items[id], said))
        if others:
            used |= {keep.id, *(other.id for other, _ in others)}
            groups.append(_group(kind, keep, others, criteria))
    return groups


def _said(likeness: float) -> str:
    return f"likeness {likeness:.3f}"
