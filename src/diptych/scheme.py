"""What a scheme with a language model is: it rewrites what is looked for, or looks closer at what was found.

A scheme learns nothing. It asks a model, and where that gives no answer, what was there before stands.
"""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from diptych.kinds import Progress
from diptych.language_models.forms import Unanswered
from diptych.language_models.model import LanguageModel, one_line, together
from diptych.parts.fitted import Fitted


@dataclass(frozen=True)
class Asked:
    """What somebody looks for, as far as they have told.

    text      what is looked for; beside a picture, what is to be different from it
    picture   what they start from: a path, or an open picture
    turns     questions that they were asked, and what they answered
    liked     pictures that were shown to them and are right
    """

    text: str
    picture: Any = None
    turns: tuple[tuple[str, str], ...] = ()
    liked: tuple[Any, ...] = ()

    def dialogue(self) -> str:
        """The turns as they stand in a prompt, a line for each question and each answer."""
        return "\n".join(
            f"Question: {one_line(question)}\nAnswer: {one_line(answer)}" for question, answer in self.turns
        )


@dataclass(frozen=True)
class Rewritten:
    """text    what to look for in its place
    failed  why it is the text as it was; "" where it was rewritten
    """

    text: str
    failed: str = ""


class Rewriter(Fitted):
    """Turns what somebody asked into a text that says it.

    takes   the protocol in which its idea is alive: "composed", "dialogue" or "feedback"
    """

    needs: ClassVar[str] = "language model"
    takes: ClassVar[str]

    @abstractmethod
    def rewrite(self, asked: Asked, model: LanguageModel) -> str:
        """The text. Raises Unanswered where the model does."""

    def rewritten(
        self, asked: Sequence[Asked], model: LanguageModel, progress: Progress | None = None
    ) -> list[Rewritten]:
        """Each in the place of what was asked; the text as it was where the model gives no answer."""

        def one(each: Asked) -> Rewritten:
            try:
                return Rewritten(self.rewrite(each, model))
            except Unanswered as error:
                return Rewritten(each.text, str(error))

        return together(one, asked, model.at_once, progress, f"{self.paper_name()}: rewriting")


class Questioner(Rewriter):
    """A rewriter that also asks back."""

    takes = "dialogue"

    @abstractmethod
    def question(self, asked: Asked, model: LanguageModel) -> str:
        """What to ask next. Raises Unanswered where the model does."""


class Budget:
    """What looking closer may cost: prompts that a model is asked, and seconds from now; None is as much as it takes.

    What was kept from before costs no call.
    """

    def __init__(self, model: LanguageModel, calls: int | None = None, seconds: float | None = None) -> None:
        self.until = None if seconds is None else time.monotonic() + seconds
        self._model, self._before, self._calls, self._seconds = model, model.spent.asked, calls, seconds

    @property
    def calls(self) -> float:
        """Those that are left."""
        spent = self._model.spent.asked - self._before
        return float("inf") if self._calls is None else max(0, self._calls - spent)

    def spent(self) -> str:
        """What of it is used up, in words; "" while there is some left."""
        if not self.calls:
            return f"{self._calls} calls"
        return f"{self._seconds:g} s" if self.until is not None and time.monotonic() >= self.until else ""


@dataclass(frozen=True)
class Looked:
    """What came of looking closer at a shortlist.

    order     places in the shortlist, the best first: all of it
    skipped   how many were not looked at
    stopped   why not: what of the budget was used up, or "enough was found"; "" where none was skipped
    answered  prompts that got an answer
    failed    prompts that got none; what they were about stays where it was
    """

    order: tuple[int, ...]
    skipped: int = 0
    stopped: str = ""
    answered: int = 0
    failed: int = 0


class Reranker(Fitted):
    """Looks closer at the pictures of a shortlist, with the text that they were found by."""

    needs: ClassVar[str] = "language model"
    takes: ClassVar[str] = "shortlist"

    @abstractmethod
    def look(self, text: str, pictures: Sequence[Any], model: LanguageModel, budget: Budget, enough: int) -> Looked:
        """The shortlist in a new order; in its own where nothing can be asked.

        text       what is looked for
        pictures   those of the shortlist, the best first
        enough     right pictures after which no more are looked for
        """
