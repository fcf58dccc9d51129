"""A language model that sees how light a picture is, and nothing else."""

from __future__ import annotations

import io
import time
from typing import Any

import numpy as np
from PIL import Image

from diptych.language_models.forms import Choice, Form, Order, Share, Unanswered, Words
from diptych.language_models.model import LanguageModel, Prompt


class Grey(LanguageModel):
    """Finds the lightest right. `prompts` are those that it was asked.

    away   prompts, counted from 0, that it gives no answer to
    late   seconds that it takes for each
    """

    name = "grey"

    def __init__(self, away: tuple[int, ...] = (), at_once: int = 1, late: float = 0.0) -> None:
        super().__init__()
        self.prompts: list[Prompt] = []
        self.away, self.at_once, self.late = away, at_once, late

    def _answer(self, prompt: Prompt, form: Form, until: float | None) -> Any:
        self.prompts.append(prompt)
        time.sleep(self.late)
        if len(self.prompts) - 1 in self.away:
            raise Unanswered("it is away")
        light = [np.asarray(Image.open(io.BytesIO(picture))).mean() / 255 for picture in prompt.pictures]
        if isinstance(form, Share):
            return light[0]
        if isinstance(form, Order):
            return tuple(int(place) + 1 for place in np.argsort(-np.array(light), kind="stable"))
        if isinstance(form, Choice):
            return int(np.argmax(light)) + 1
        assert isinstance(form, Words)
        said = [f"light {value:.1f}" for value in light] or [prompt.text.splitlines()[-1]]
        return f"{form.field} of {' and '.join(said)}"
