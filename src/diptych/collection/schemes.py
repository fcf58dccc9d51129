"""Schemes with a language model on a collection: a query is rewritten before it is asked, answers are looked at closer.

Nothing is asked of a model unless a caller brings one. Where it gives no answer, the query is asked and the answers
stand as they would without it, and `ranked_by` says why.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from diptych.collection.arguments import whole
from diptych.collection.query import Query, Term
from diptych.collection.search import Answer, Hit
from diptych.kinds import BadInput, shown

if TYPE_CHECKING:  # what a search without a language model does not wait for
    from diptych.language_models.model import LanguageModel
    from diptych.scheme import Reranker, Rewriter

T = TypeVar("T", "Closer", "Reworder")


@dataclass(frozen=True)
class Closer:
    """Looks closer at the first answers.

    reranker  a scheme that does, or its name, such as "yesno"
    model     a language model, or how one is written: "http://localhost:11434/v1#MODEL"
    first     so many of them, whatever page is asked for
    calls     prompts that a query may cost; None is as many as it takes. What was kept from before costs none
    seconds   that a query may take longer for it

    Raises BadInput for numbers that are none.
    """

    reranker: Reranker | str
    model: LanguageModel | str
    first: int = 20
    calls: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        from diptych.scheme import Reranker

        object.__setattr__(self, "reranker", _scheme(self.reranker, Reranker, "looks closer at answers"))
        object.__setattr__(self, "model", _model(self.model))
        whole(self.first, "first", 2, 100, "look closer at 2 to 100 answers")
        if self.calls is not None:
            whole(self.calls, "calls", 0, 10_000, "a query may cost up to 10,000 calls")
        if self.seconds is not None and not (isinstance(self.seconds, int | float) and 0 <= self.seconds <= 3600):
            raise BadInput(f"seconds: {shown(self.seconds)}; a query may take up to an hour")


@dataclass(frozen=True)
class Reworder:
    """Rewrites a query before it is asked.

    rewriter   a scheme that does, or its name, such as "cirevl"; model as `Closer` has it
    """

    rewriter: Rewriter | str
    model: LanguageModel | str

    def __post_init__(self) -> None:
        from diptych.scheme import Rewriter

        object.__setattr__(self, "rewriter", _scheme(self.rewriter, Rewriter, "rewrites queries"))
        object.__setattr__(self, "model", _model(self.model))


def unkept(scheme: T) -> T:
    """The same, without a file in which answers are kept."""
    from diptych.language_models.kept import Kept

    return replace(scheme, model=scheme.model.model) if isinstance(scheme.model, Kept) else scheme


def looked(closer: Closer, answer: Answer, query: Query, enough: int) -> Answer:
    """The answer with the first of its hits in another order, and what came of it in `ranked_by`.

    enough   hits of a page: so many right ones at the top need none behind them
    """
    from diptych.language_models.model import LanguageModel
    from diptych.scheme import Budget, Reranker

    text = words(query)
    if not text:
        raise BadInput(f"query: {query.text!r} has no words that a model could look for in a picture")
    assert isinstance(closer.reranker, Reranker) and isinstance(closer.model, LanguageModel)
    budget = Budget(closer.model, closer.calls, closer.seconds)
    hits = list(answer.results)
    places, pictures = _pictures(hits[: closer.first])
    came = closer.reranker.look(text, pictures, closer.model, budget, enough)
    for place, chosen in zip(places, came.order, strict=True):
        hits[place] = answer.results[places[chosen]]
    name, number = closer.reranker.paper_name(), len(pictures) - came.skipped
    if came.failed and not came.answered:
        by = f"{answer.ranked_by}; {name} looked at none: {closer.model.spent.why}"
    else:
        more = [f"{came.failed} unanswered"] * bool(came.failed) + [came.stopped] * bool(came.stopped)
        by = f"{answer.ranked_by}, looked at closer by {name} ({', '.join([f'{number} of {len(places)}', *more])})"
    return replace(answer, results=tuple(hits), ranked_by=by)


def reworded(reworder: Reworder, query: Query, pictured: Sequence[Any], liked: Sequence[Any]) -> tuple[Query, str]:
    """The query with a text in the place of its terms, and what was done in words.

    pictured   its pictures, as `seen` takes them
    liked      pictures that were marked yes
    Raises BadInput where the rewriter has nothing to do with such a query.
    """
    from diptych.language_models.model import LanguageModel
    from diptych.scheme import Asked, Rewriter

    assert isinstance(reworder.rewriter, Rewriter) and isinstance(reworder.model, LanguageModel)
    text, name = words(query), reworder.rewriter.paper_name()
    if reworder.rewriter.takes == "composed" and not (text and len(pictured) == 1):
        raise BadInput(f"query: {name} wants a picture and words, such as './a.jpg + \"but at night\"'")
    if not text:
        raise BadInput(f"query: {query.text!r} has no words that {name} could rewrite")
    asked = Asked(text, pictured[0] if pictured else None, liked=tuple(liked))
    (found,) = reworder.rewriter.rewritten([asked], reworder.model)
    if found.failed:
        return query, f"query; {name} did not rewrite it: {found.failed}"
    if found.text == text and not pictured:
        return query, "query"
    return replace(query, terms=(Term(1.0, "text", found.text),)), f"{found.text!r}, as {name} rewrote the query"


def _scheme(given: Any, kind: type, does: str) -> Any:
    """A scheme of this kind. Raises BadInput with those that there are."""
    from diptych import catalogue

    found = catalogue.scheme(given)() if isinstance(given, str) else given
    if not isinstance(found, kind):
        fit = ", ".join(name for name in catalogue.schemes() if issubclass(catalogue.scheme(name), kind))
        raise BadInput(f"{shown(given)} is no scheme that {does}; there are: {fit}")
    return found


def _model(given: Any) -> LanguageModel:
    from diptych.language_models import shelf
    from diptych.language_models.model import LanguageModel

    found = shelf.named(given) if isinstance(given, str) else given
    if not isinstance(found, LanguageModel):
        raise BadInput(
            f"language model: {shown(given)} knows none of these pictures; give one, as http://HOST/v1#MODEL"
        )
    return found


def words(query: Query) -> str:
    """What a query looks for in words, without what it does not want and its filters."""
    return ", ".join(term.value for term in query.terms if term.kind == "text" and term.weight > 0)


def _pictures(hits: Sequence[Hit]) -> tuple[list[int], list[bytes]]:
    """The places of hits whose file can still be read, and what a model sees of them."""
    from diptych.language_models.model import seen

    found: dict[int, bytes] = {}
    for place, hit in enumerate(hits):
        if hit.path is not None:
            with suppress(BadInput):  # it was found by what is kept of it
                found[place] = seen(hit.path)
    return list(found), list(found.values())
