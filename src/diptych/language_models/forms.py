"""The form an answer must have: a JSON object with one field. What does not read as it is no answer."""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

MOST = 100_000
"""Characters of an answer that are looked at; a longer one is no answer."""


class Unanswered(Exception):
    """A model gave no answer that can be used: it was away, slow, refused, or did not keep to the form.

    One line that says which. Whoever asked goes on with what there was before.
    """


@dataclass(frozen=True)
class Form(ABC):
    """field   the one key of the object, which says to the model what is asked for"""

    field: str

    @abstractmethod
    def of_value(self) -> dict[str, Any]:
        """The JSON schema of the value."""

    @abstractmethod
    def checked(self, value: Any) -> Any:
        """The value, or ValueError with what is wrong."""

    def schema(self) -> dict[str, Any]:
        """The JSON schema of the answer."""
        return {
            "type": "object",
            "properties": {self.field: self.of_value()},
            "required": [self.field],
            "additionalProperties": False,
        }

    def read(self, text: str) -> Any:
        """The value in an answer. Models that know no schemas put prose or a fence around the object; that is let go.

        Raises Unanswered.
        """
        if len(text) > MOST:
            raise Unanswered(f"the answer has {len(text):,} characters, and {MOST:,} are read")
        start, stop = text.find("{"), text.rfind("}")
        try:
            told = json.loads(text[start : stop + 1]) if 0 <= start < stop else None
        except (ValueError, RecursionError):
            told = None
        if not isinstance(told, dict) or self.field not in told:
            raise Unanswered(f"the answer is no object with {self.field!r}: {' '.join(text.split())[:60]!r}")
        try:
            return self.checked(told[self.field])
        except ValueError as error:
            raise Unanswered(f"{self.field}: {error}") from None


@dataclass(frozen=True)
class Words(Form):
    """A text on one line, of at most so many characters."""

    most: int = 600

    def of_value(self) -> dict[str, Any]:
        return {"type": "string", "minLength": 1, "maxLength": self.most}

    def checked(self, value: Any) -> str:
        if not isinstance(value, str):
            raise ValueError("it is no text")
        text = " ".join(re.sub(r"[^\w\s.,;:!?'’\"()/%&+-]", " ", value).split())
        if not re.search(r"\w", text):
            raise ValueError("it holds no word")
        if len(text) > self.most:
            raise ValueError(f"it has {len(text)} characters; {self.most} were asked for at most")
        return text


@dataclass(frozen=True)
class Share(Form):
    """A number from 0 to 1."""

    def of_value(self) -> dict[str, Any]:
        return {"type": "number", "minimum": 0, "maximum": 1}

    def checked(self, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            raise ValueError(f"{str(value)[:40]} is no number from 0 to 1")
        return float(value)


@dataclass(frozen=True)
class Choice(Form):
    """One of so many, counted from 1."""

    among: int = 2

    def of_value(self) -> dict[str, Any]:
        return {"type": "integer", "minimum": 1, "maximum": self.among}

    def checked(self, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= self.among:
            raise ValueError(f"{str(value)[:40]} is none of 1 to {self.among}")
        return value


@dataclass(frozen=True)
class Order(Form):
    """Some of so many, counted from 1, the best first and none twice."""

    among: int = 2

    def of_value(self) -> dict[str, Any]:
        number = {"type": "integer", "minimum": 1, "maximum": self.among}
        return {"type": "array", "items": number, "minItems": 1, "maxItems": self.among}

    def checked(self, value: Any) -> tuple[int, ...]:
        one = Choice(self.field, self.among)
        if not isinstance(value, list) or not value:
            raise ValueError("it is no list of numbers")
        order = tuple(one.checked(each) for each in value)
        if len(set(order)) < len(order):
            raise ValueError("a number stands in it twice")
        return order
