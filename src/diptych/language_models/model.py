"""What a language model is, what it is asked, and what it cost."""

from __future__ import annotations

import hashlib
import io
import json
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

from PIL import Image

from diptych.kinds import Progress
from diptych.language_models.forms import Form, Unanswered
from diptych.sources import pictures

SIDE = 512
"""Pixels of the longer side of a picture as a model sees it."""


@dataclass(frozen=True)
class Prompt:
    """pictures   files as `seen` makes them, in the order in which the text speaks of them"""

    text: str
    pictures: tuple[bytes, ...] = ()

    def digest(self, *beside: str) -> str:
        """sha256, hexadecimal, of all of it and of what stands beside."""
        found = hashlib.sha256(json.dumps([self.text, *beside]).encode())
        for picture in self.pictures:
            found.update(hashlib.sha256(picture).digest())
        return found.hexdigest()


@dataclass
class Spent:
    """calls that a model answered; those it did not, and why the last one; answers kept from before; its tokens."""

    calls: int = 0
    unanswered: int = 0
    kept: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    why: str = ""
    _lock: Any = field(default_factory=Lock, repr=False, compare=False)

    def add(self, **more: int) -> None:
        with self._lock:
            for name, number in more.items():
                setattr(self, name, getattr(self, name) + number)

    @property
    def asked(self) -> int:
        """Prompts that went to the model."""
        return self.calls + self.unanswered

    def failed(self, why: str) -> None:
        with self._lock:
            self.unanswered, self.why = self.unanswered + 1, why

    def told(self) -> dict[str, int]:
        """The numbers alone."""
        return {name: value for name, value in vars(self).items() if isinstance(value, int)}


class LanguageModel(ABC):
    """Answers a prompt in a form, or leaves it unanswered.

    name      which model it is: its answers are kept under it
    sends     where prompts go, in words; "" while nothing leaves this machine
    at_once   prompts it takes at a time
    """

    name: str
    sends: str = ""
    at_once: int = 1

    def __init__(self) -> None:
        self.spent = Spent()

    def answer(self, prompt: Prompt, form: Form, until: float | None = None) -> Any:
        """The value that the form asks for. Raises Unanswered.

        until   on the clock of time.monotonic: the answer of a model that takes longer is not waited for
        """
        if until is not None and time.monotonic() >= until:
            raise Unanswered("there was no time left to ask")
        try:
            value = self._answer(prompt, form, until)
        except Unanswered as error:
            self.spent.failed(str(error))
            raise
        self.spent.add(calls=1)
        return value

    @abstractmethod
    def _answer(self, prompt: Prompt, form: Form, until: float | None) -> Any:
        """`answer`, which counts what this gives."""

    def answers(
        self,
        prompts: Sequence[Prompt],
        form: Form,
        until: float | None = None,
        progress: Progress | None = None,
    ) -> list[Any | Unanswered]:
        """The answer to each, several at a time; Unanswered stands where there is none."""

        def one(prompt: Prompt) -> Any | Unanswered:
            try:
                return self.answer(prompt, form, until)
            except Unanswered as error:
                return error

        return together(one, prompts, self.at_once, progress, f"{self.name}: {form.field}")


def one_line(text: str) -> str:
    """A text of strangers as it stands in a prompt: on one line, so that it cannot pass for one of the prompt's own."""
    return " ".join(text.split())


def together(
    work: Any, items: Sequence[Any], at_once: int, progress: Progress | None = None, what: str = ""
) -> list[Any]:
    """work(item) for each, so many at a time, in their order."""
    done = []
    with ThreadPoolExecutor(max(1, at_once)) as pool:
        try:
            for result in pool.map(work, items):
                done.append(result)
                if progress:
                    progress(what, len(done), len(items))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return done


def seen(picture: Any) -> bytes:
    """A picture (a path, PIL's, or pixels) as a model gets it: upright, at most SIDE pixels a side, as JPEG.

    What was made so before, its bytes, is given back.

    It is drawn anew, so nothing of its file goes with it: no place, no time, no name. Raises BadInput where it does not
    decode.
    """
    if isinstance(picture, bytes):
        return picture
    if isinstance(picture, str | Path):
        image = pictures.load(picture, SIDE)
    else:
        image = Image.fromarray(picture) if pictures.is_pixels(picture) else pictures.upright(picture)
    image.thumbnail((SIDE, SIDE))
    file = io.BytesIO()
    image.save(file, format="JPEG", quality=90)
    return file.getvalue()
