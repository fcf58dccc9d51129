"""The oracle of the postcards, speaking as a language model does: what schemes can do at best, and with noise how soon
they fail.

It looks at a picture and finds the scene that it shows, reads the lines of a prompt by their names ("Picture:",
"Change:", "Text:", "Question:"), and answers what is true. With noise it sees or says something else, so often.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from diptych.kinds import Array, BadInput
from diptych.language_models.forms import Choice, Form, Order, Share, Unanswered, Words
from diptych.language_models.model import LanguageModel, Prompt
from diptych.postcards import Scene
from diptych.postcards.oracle import described, overruled
from diptych.postcards.words import Atom, Clause, read, tell
from diptych.sources import pictures

_TINY = (80, 60)
"""Pixels by which a postcard is known again: enough to tell one bird more."""


class PostcardsOracle(LanguageModel):
    """scenes, paths   the postcards that it knows, and their pictures
    noise    share of its answers that are of another scene, or say something else
    seed     of the noise. The same prompt has the same answer
    """

    def __init__(self, scenes: Sequence[Scene], paths: Sequence[Any], noise: float = 0.0, seed: int = 0) -> None:
        super().__init__()
        if not 0 <= noise <= 1:
            raise BadInput(f"noise {noise}: it lies between 0 and 1")
        self.scenes, self.noise, self.seed = tuple(scenes), noise, seed
        self.name = f"oracle@noise={noise:g},seed={seed}"
        self._looks = np.stack([_tiny(pictures.load(path)) for path in paths])
        self._met: dict[bytes, Scene] = {}

    def _answer(self, prompt: Prompt, form: Form, until: float | None) -> Any:
        rng = np.random.default_rng(int(prompt.digest(str(self.seed))[:15], 16))
        wrong = rng.random() < self.noise
        shown = [self._scene(picture) for picture in prompt.pictures]
        if wrong and shown:
            shown = [self.scenes[int(rng.integers(len(self.scenes)))] for _ in shown]
        lines = _lines(prompt.text)
        try:
            return self._value(form, lines, shown, wrong and not prompt.pictures, rng)
        except BadInput as error:  # words that no postcard knows
            raise Unanswered(str(error)) from None

    def _scene(self, picture: bytes) -> Scene:
        """The scene that a picture shows most nearly."""
        if picture not in self._met:
            look = _tiny(Image.open(io.BytesIO(picture)))
            self._met[picture] = self.scenes[int(np.abs(self._looks - look).mean(axis=1).argmin())]
        return self._met[picture]

    def _value(
        self, form: Form, lines: Mapping[str, list[str]], shown: list[Scene], wrong: bool, rng: np.random.Generator
    ) -> Any:
        if isinstance(form, Share):
            return float(self._fits(lines["Text"][0], shown[0]))
        if isinstance(form, Order | Choice):
            fits = [self._fits(lines["Text"][0], scene) for scene in shown]
            order = tuple(int(place) + 1 for place in np.argsort(-np.array(fits), kind="stable"))
            return order[0] if isinstance(form, Choice) else order
        assert isinstance(form, Words)
        if form.field == "caption":
            return tell(described(shown[0]))
        if form.field == "answer":
            return _answered(lines, shown[0])
        if form.field == "question":
            return _question(lines, wrong, rng)
        said = self._said(lines)
        if wrong and said:
            said = [clause for clause in said if rng.random() < 0.5] or said[:1]
        return tell(said) or "a postcard"

    @staticmethod
    def _said(lines: Mapping[str, list[str]]) -> list[Clause]:
        """What a text is to say that takes up all lines of a prompt."""
        said = list(read(lines["Text"][0]).clauses) if "Text" in lines else []
        if "Change" in lines:
            return overruled(list(read(lines["Picture"][0]).clauses), read(lines["Change"][0]))
        common: list[Clause] = []
        for caption in lines.get("Picture", ()):
            told = [clause for clause in read(caption).clauses if not clause[0].denied]
            common = told if not common else [clause for clause in common if clause in told]
        spoken_of = {atom.subject for clause in said for atom in clause}
        return said + [clause for clause in common if clause[0].subject not in spoken_of]

    @staticmethod
    def _fits(text: str, scene: Scene) -> float:
        """The share of what a text says that is true of a scene; a half for a clause that nearly is."""
        clauses = read(text).clauses
        held = [any(atom.holds(scene) for atom in clause) for clause in clauses]
        return sum(held) / max(len(held), 1)


def _tiny(picture: Image.Image) -> Array:
    return np.asarray(picture.convert("RGB").resize(_TINY), dtype=np.float32).ravel()


def _lines(text: str) -> dict[str, list[str]]:
    """Name -> what stands behind it, of the lines "Name: …" of a prompt."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        name, colon, value = line.partition(": ")
        if colon and name[:1].isupper() and " " not in name:
            found.setdefault(name, []).append(value.strip())
    return found


_SETTING = {
    "where is it?": "place",
    "what time of day is it?": "time",
    "how is the weather?": "weather",
    "which season is it?": "season",
}
_MORE, _COLOUR, _NOTHING = "what else is there?", "which colour has the ", "nothing else"


def _told(lines: Mapping[str, list[str]]) -> list[Atom]:
    """What was said so far in a dialogue."""
    texts = [text for name in ("Text", "Answer") for text in lines.get(name, ()) if text != _NOTHING]
    return [atom for text in texts for clause in read(text).clauses for atom in clause]


def _question(lines: Mapping[str, list[str]], wrong: bool, rng: np.random.Generator) -> str:
    """What is worth knowing next: the colour of a thing, a side of the setting and more things, in turn.

    With noise, something that was asked before.
    """
    asked = lines.get("Question", [])
    if wrong and asked:
        return asked[int(rng.integers(len(asked)))]
    told = _told(lines)
    coloured = {atom.kind for atom in told if atom.colour}
    plain = dict.fromkeys(atom.kind for atom in told if atom.kind and atom.kind not in coloured)
    open_ = (
        [f"{_COLOUR}{kind}?" for kind in plain],
        [question for question, name in _SETTING.items() if name not in {atom.subject for atom in told}],
        [_MORE] if _NOTHING not in lines.get("Answer", []) else [],
    )
    turn = len(asked) % len(open_)
    return next((kind[0] for kind in (*open_[turn:], *open_[:turn]) if kind), _MORE)


def _answered(lines: Mapping[str, list[str]], scene: Scene) -> str:
    """What is true of a scene, in words that stand for themselves; of things, one that was not spoken of yet."""
    question = lines["Question"][-1]
    if name := _SETTING.get(question):
        return tell([(Atom(name, getattr(scene, name)),)])
    if question.startswith(_COLOUR):
        kind = question.removeprefix(_COLOUR).rstrip("?")
        things = [Atom(kind=group.kind, colour=group.colour) for group in scene.things if group.kind == kind]
    else:
        spoken_of = {atom.kind for atom in _told(lines)}
        things = [
            Atom(kind=group.kind, least=group.number, most=group.number)
            for group in scene.things
            if group.kind not in spoken_of
        ]
    return tell([(thing,) for thing in things[:1]]) or _NOTHING
