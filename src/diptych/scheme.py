"""What a scheme with a language model is: it rewrites what is looked for, or looks closer at what was found.

A scheme learns nothing. It asks a model, and where that gives no answer, what was there before stands.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from diptych.kinds import Progress
from diptych.language_models.forms import Unanswered
from diptych.language_models.model import LanguageModel, together
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
