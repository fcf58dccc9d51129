"""Measure a scheme with a language model: what is looked for is rewritten, or what was found is looked at closer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from diptych import catalogue
from diptych.catalogue import Dataset
from diptych.encoder import Encoder, load
from diptych.encoders.dual import DualEncoder
from diptych.kinds import Array, BadInput, Progress, Sought, Space, cosine, nearest
from diptych.language_models.forms import Form, Unanswered, Words
from diptych.language_models.model import LanguageModel, Prompt, seen, together
from diptych.metrics import measures, ranking, statistics
from diptych.scheme import Asked, Budget, Looked, Questioner, Reranker, Rewriter

ROUNDS = 10
"""Rounds of a dialogue, and pages of ten that somebody looks through and marks."""

PAGE = 10
"""Pictures that somebody looks at in a round."""

SHORTLIST = 20
"""Pictures that are looked at closer."""

METRICS = ("r@1", "r@5", "r@10", "map@all")

WEIGHTS = (0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0)
"""Of the text beside the picture, where their vectors are added up."""

ANSWER = """Somebody looks for exactly this picture and is asked about it. Answer the last question in a few words.
Text: {text}
{turns}
Question: {question}"""


@dataclass(frozen=True)
class Told:
    """What a scheme reached, beside what is reached without it.

    rows        what found the pictures -> measure -> mean over the queries
    intervals   the same with [low, high], 95 % bootstrap over the queries
    failed      queries that the model left as they were
    spent       calls, tokens and answers that were kept from before
    """

    scheme: str
    dataset: str
    protocol: str
    note: str
    encoder: str
    language_model: str
    queries: int
    pictures: int
    seed: int
    settings: Mapping[str, Any]
    rows: Mapping[str, Mapping[str, float]]
    intervals: Mapping[str, Mapping[str, Sequence[float]]]
    failed: int
    spent: Mapping[str, int]
    seconds: float = field(compare=False, default=0.0)

    @property
    def rounds(self) -> bool:
        """Whether its measures are of one round after another."""
        return not self.protocol.startswith("composed")

    def facts(self) -> dict[str, Any]:
        """All of it as plain JSON values."""
        return asdict(self)


def measure(
    scheme: str | Rewriter | Reranker,
    dataset: str | Dataset,
    model: Callable[[Sought], LanguageModel] | LanguageModel | None,
    *,
    protocol: str = "",
    encoder: str | Encoder | DualEncoder = "mini",
    settings: dict[str, str] | None = None,
    queries: int = 0,
    seed: int = 0,
    progress: Progress | None = None,
) -> Told:
    """Ask a dataset's pictures for what its protocol seeks, with the scheme and without.

    model      answers the scheme; or makes one of what is sought, as the oracle is made, which has to know the
               pictures; None where dialogues are written down
    protocol   one of the dataset's that the scheme's idea is alive in; the first of them by default
    queries    so many of them, the first; 0 is all
    seed       of the bootstrap

    Raises BadInput for whatever the caller can mend.
    """
    leaf = catalogue.scheme(scheme).configured(settings) if isinstance(scheme, str) else scheme
    found = dataset if isinstance(dataset, Dataset) else catalogue.dataset(dataset)
    name = protocol or leaf.takes
    if name not in found.sought:
        has = f"; {found.card.name} has {', '.join(found.sought)}" if found.sought else ""
        raise BadInput(f"{found.card.name} has no protocol {name!r} for a scheme{has or nearest(name, ['postcards'])}")
    if name.partition("_")[0] != leaf.takes:
        raise BadInput(f"{leaf.paper_name()} is for the protocol {leaf.takes!r}, and {name!r} asks for something else")
    started = time.perf_counter()
    sought = found.sought[name]()
    sought = sought.first(queries) if queries else sought
    eyes = load(encoder) if isinstance(encoder, str) else encoder
    if model is None and sought.turns is None:
        raise BadInput(f"{leaf.paper_name()} asks a language model; name one: --language-model http://HOST/v1#MODEL")
    answering = _Nobody() if model is None else model if isinstance(model, LanguageModel) else model(sought)
    gallery = _Gallery(sought, eyes, progress)
    values, failed = _MEASURES[leaf.takes](leaf, gallery, answering, progress)
    if failed and not answering.spent.calls and not answering.spent.kept:
        raise BadInput(f"{answering.name} answered nothing: {answering.spent.why}")
    return Told(
        scheme=leaf.paper_name(),
        dataset=found.card.name,
        protocol=name,
        note=sought.note,
        encoder=eyes.name if isinstance(eyes, DualEncoder) else eyes.method_.paper_name(),
        language_model=answering.name,
        queries=len(sought.texts),
        pictures=len(sought.pictures),
        seed=seed,
        settings=leaf.settings(),
        rows={row: {metric: float(np.nanmean(each)) for metric, each in some.items()} for row, some in values.items()},
        intervals={
            row: {metric: list(statistics.bootstrap_interval(each, seed=seed)) for metric, each in some.items()}
            for row, some in values.items()
        },
        failed=failed,
        spent=answering.spent.told(),
        seconds=round(time.perf_counter() - started, 1),
    )


class _Nobody(LanguageModel):
    """Where dialogues are written down, nobody is asked."""

    name = "nobody"

    def _answer(self, prompt: Prompt, form: Form, until: float | None) -> Any:
        raise Unanswered("nobody is asked")


class _Gallery:
    """The pictures that are searched, as rows of the encoder, and texts that are asked of them."""

    def __init__(self, sought: Sought, encoder: Encoder | DualEncoder, progress: Progress | None) -> None:
        self.sought, self.encoder = sought, encoder
        self.rows: Array = encoder.encode_images(sought.pictures, progress)
        self.space: Space = encoder.space

    def texts(self, texts: Sequence[str]) -> Array:
        rows: Array = self.encoder.encode_texts(list(texts))
        return rows

    def measured(self, queries: Array) -> dict[str, Array]:
        """Measure -> one value a query."""
        values = dict(self._measured(queries, self.sought.metrics or METRICS, self.sought.among))
        if self.sought.subsets is not None:
            within = self._measured(queries, ("r@1", "r@2", "r@3"), self.sought.subsets)
            values |= {name.replace("r@", "r_subset@"): each for name, each in within.items()}
        return values

    def found(self, queries: Array, depths: Sequence[int]) -> dict[int, Array]:
        """Depth -> whether a right picture is among so many of the first, one value a query."""
        found = self._measured(queries, [f"r@{depth}" for depth in depths], self.sought.among)
        return {depth: found[f"r@{depth}"] for depth in depths}

    def _measured(self, queries: Array, metrics: Sequence[str], among: Sequence[Array] | None) -> dict[str, Array]:
        blocks = (
            ranking.rank_scores(scores, self.sought.qrels, start, "expected", False)
            for start, scores in self._scores(queries, among)
        )
        return dict(measures.evaluate(metrics, blocks))

    def order(self, queries: Array) -> Array:
        """(n, pictures) rows of the pictures, the best first."""
        return np.concatenate(
            [ranking.best_first(scores, len(self.rows)) for _, scores in self._scores(queries, self.sought.among)]
        )

    def _scores(self, queries: Array, among: Sequence[Array] | None) -> Iterator[tuple[int, Array]]:
        """(start, scores) of one block of queries after another. What may not answer is -inf."""
        step = max(1, ranking.BLOCK // len(self.rows))
        for start in range(0, len(queries), step):
            scores = np.array(self.space.score(queries[start : start + step], self.rows), dtype=np.float32)
            rows = range(start, start + len(scores))
            if among is not None:
                outside = np.ones(scores.shape, dtype=bool)
                for place, query in enumerate(rows):
                    outside[place, among[query]] = False
                scores[outside] = -np.inf
            if self.sought.reference is not None and not self.sought.stays:
                scores[np.arange(len(scores)), self.sought.reference[rows.start : rows.stop]] = -np.inf
            yield start, scores

    def right(self) -> Array:
        """(n, pictures) bool, who answers whom."""
        return np.asarray(self.sought.qrels.grades(0, len(self.sought.texts)) > 0)


Values = dict[str, dict[str, Array]]


def _composed(
    scheme: Rewriter, gallery: _Gallery, model: LanguageModel, progress: Progress | None
) -> tuple[Values, int]:
    """Beside it: the change alone, the picture alone, and their vectors added up with the weight that is best here."""
    sought = gallery.sought
    assert sought.reference is not None
    asked = [
        Asked(text, sought.pictures[row]) for text, row in zip(sought.texts, sought.reference.tolist(), strict=True)
    ]
    found = scheme.rewritten(asked, model, progress)
    change, picture = gallery.texts(sought.texts), gallery.rows[sought.reference]
    values = {
        scheme.paper_name(): gallery.measured(gallery.texts([each.text for each in found])),
        "the change alone": gallery.measured(change),
        "the picture alone": gallery.measured(picture),
    }
    if gallery.space.name == cosine.name:
        sums = {weight: gallery.measured(cosine.normalise(picture + weight * change)) for weight in WEIGHTS}
        metrics = list(values[scheme.paper_name()])
        decides = "r@10" if "r@10" in metrics else metrics[-1]
        best = max(sums, key=lambda weight: float(np.nanmean(sums[weight][decides])))
        values[f"both added, {best:g} x the change, the best of {len(WEIGHTS)} weights here"] = sums[best]
    return values, sum(bool(each.failed) for each in found)


def _dialogue(
    scheme: Rewriter, gallery: _Gallery, model: LanguageModel, progress: Progress | None
) -> tuple[Values, int]:
    """hits@10 after r rounds: whether it stood among the first ten at any round up to r.

    Beside it: who looks at ten more each time, and is asked nothing.
    """
    if not isinstance(scheme, Questioner):
        raise BadInput(f"{scheme.paper_name()} asks no questions, and a dialogue is made of them")
    sought = gallery.sought
    talks, failed = [Asked(text) for text in sought.texts], np.zeros(len(sought.texts), dtype=bool)
    hit, talked = np.zeros(len(talks)), dict[str, Array]()
    rounds = ROUNDS if sought.turns is None else max(map(len, sought.turns))
    looked = gallery.found(gallery.texts(sought.texts), [PAGE * (number + 1) for number in range(rounds + 1)])
    for number in range(rounds + 1):
        if number and sought.turns is not None:
            talks = [
                replace(talk, turns=_written(turns[:number])) for talk, turns in zip(talks, sought.turns, strict=True)
            ]
        elif number:
            told = _asked_back(scheme, gallery, talks, model, progress, f"{scheme.paper_name()}: round {number}")
            failed |= np.array([one is None for one in told])
            talks = [one or before for one, before in zip(told, talks, strict=True)]
        rows = gallery.texts([each.text for each in scheme.rewritten(talks, model)])
        hit = np.maximum(hit, gallery.found(rows, [PAGE])[PAGE])
        talked[f"hits@{PAGE} after {number}"] = hit
    more = {f"hits@{PAGE} after {number}": looked[PAGE * (number + 1)] for number in range(rounds + 1)}
    return {scheme.paper_name(): talked, f"looking at {PAGE} more": more}, int(failed.sum())


def _written(turns: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Question and answer of turns that are written as one, "is it red? yes"."""
    return tuple(
        (question + mark, answer.strip()) for question, mark, answer in (turn.rpartition("?") for turn in turns)
    )


def _asked_back(
    scheme: Questioner,
    gallery: _Gallery,
    talks: Sequence[Asked],
    model: LanguageModel,
    progress: Progress | None,
    what: str,
) -> list[Asked | None]:
    """Each dialogue with one turn more; None where the model fell silent. It answers, too, and sees what is meant."""
    first = np.searchsorted(gallery.sought.qrels.queries, np.arange(len(talks)))
    meant = gallery.sought.qrels.items[first]

    def turn(each: int) -> Asked | None:
        talk = talks[each]
        try:
            question = scheme.question(talk, model)
            shown = seen(gallery.sought.pictures[int(meant[each])])
            prompt = Prompt(ANSWER.format(text=talk.text, turns=talk.dialogue(), question=question), (shown,))
            return replace(talk, turns=(*talk.turns, (question, model.answer(prompt, Words("answer")))))
        except Unanswered:
            return None

    return together(turn, range(len(talks)), model.at_once, progress, what)


def _feedback(
    scheme: Rewriter, gallery: _Gallery, model: LanguageModel, progress: Progress | None
) -> tuple[Values, int]:
    """found by page p: the share of the right pictures that was seen on the first p pages. The right ones are marked.

    Beside it: who turns pages, and marks nothing.
    """
    sought, right = gallery.sought, gallery.right()
    plain = gallery.order(gallery.texts(sought.texts))
    shown = np.zeros(right.shape, dtype=bool)
    asked = [Asked(text) for text in sought.texts]
    failed = np.zeros(len(asked), dtype=bool)
    order = plain
    marked: dict[str, Array] = {}
    turned: dict[str, Array] = {}
    for page in range(1, ROUNDS + 1):
        for query, ranked in enumerate(order):
            new = ranked[~shown[query, ranked]][:PAGE]
            shown[query, new] = True
            liked = tuple(sought.pictures[row] for row in new[right[query, new]].tolist())
            asked[query] = replace(asked[query], liked=(*asked[query].liked, *liked))
        of = right.sum(axis=1)
        marked[f"found by page {page}"] = (shown & right).sum(axis=1) / of
        turned[f"found by page {page}"] = np.take_along_axis(right, plain[:, : page * PAGE], 1).sum(axis=1) / of
        if page < ROUNDS:
            found = scheme.rewritten(asked, model, progress)
            failed |= np.array([bool(each.failed) for each in found])
            order = gallery.order(gallery.texts([each.text for each in found]))
    return {scheme.paper_name(): marked, "turning pages": turned}, int(failed.sum())


def _shortlist(
    scheme: Reranker, gallery: _Gallery, model: LanguageModel, progress: Progress | None
) -> tuple[Values, int]:
    """Beside it: the order of the encoder, and the best that any order of the shortlist could be."""
    sought, right = gallery.sought, gallery.right()
    rows = gallery.texts(sought.texts)
    first = gallery.order(rows)[:, :SHORTLIST]

    def look(query: int) -> Looked:
        pictures = [sought.pictures[row] for row in first[query].tolist()]
        return scheme.look(sought.texts[query], pictures, model, Budget(model), 1)

    looked = together(look, range(len(first)), 1, progress, f"{scheme.paper_name()}: shortlists")
    order = np.array([each.order for each in looked])
    closer = np.take_along_axis(first, order, 1)
    relevant = [np.take_along_axis(right, ranked, 1) for ranked in (closer, first)]
    best = np.sort(relevant[1], axis=1)[:, ::-1]
    values = {
        name: {f"r@{k}": np.asarray(found[:, :k].any(axis=1), dtype=np.float64) for k in (1, 5, 10)}
        for name, found in ((scheme.paper_name(), relevant[0]), ("the encoder alone", relevant[1]), ("at best", best))
    }
    return values, sum(bool(each.failed) for each in looked)


_MEASURES: dict[str, Callable[..., tuple[Values, int]]] = {
    "composed": _composed,
    "dialogue": _dialogue,
    "feedback": _feedback,
    "shortlist": _shortlist,
}
