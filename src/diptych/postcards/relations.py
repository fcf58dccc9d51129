"""Scenes in fours that bags of words cannot tell apart: only who has what, and who stands where, differs.

A family shows two kinds of things in one setting. Of two of colour, number, size and position, each kind has a value of
its own, and its four scenes are the four ways to hand them out:

    a red dog on the left, a black car on the right        a black dog on the left, a red car on the right
    a red dog on the right, a black car on the left        a black dog on the right, a red car on the left

All four say the same words, each as often. So whoever scores a picture against the words of a text, whatever their
order, gives these texts one score: of four pictures it finds the right one for one text in four, and no trick helps.
What is true of which scene is left to the `Oracle`: a family is kept where each text is true of its own scene alone.

Things do nothing here but stand, float and fly, each kind in its own way: what is done where is its position.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np

from diptych.kinds import BadInput
from diptych.postcards.oracle import Oracle
from diptych.postcards.scene import KINDS, POSITIONS, SIZES, Group, Scene, imagine
from diptych.postcards.words import KIND_WORDS, POSITION_WORDS

FAMILY = 4
"""Scenes of a family, which stand one after another."""
CAPTIONS = 3
"""Texts of a scene. The k-th text of each scene of a family says the same words."""

_ATTRIBUTES = ("colour", "number", "size", "position")
_NUMBERS = {1: "a", 2: "two", 3: "three", 4: "four"}


def families(n: int, seed: int = 0, first: int = 0) -> list[Scene]:
    """n scenes with their captions, family after family, whose indices count from `first`.

    A family depends on the seed and on its first index alone. Raises BadInput where n or `first` parts a family.
    """
    if n % FAMILY or first % FAMILY:
        raise BadInput(f"relations: {n} scenes from {first} part a family; give multiples of {FAMILY}")
    return [scene for index in range(first, first + n, FAMILY) for scene in _family(index, seed)]


def _family(index: int, seed: int) -> list[Scene]:
    rng = np.random.default_rng([seed, index, 17])
    setting = imagine(index, seed)
    while True:
        scenes = _told(rng, setting)
        if scenes and _alike_and_apart(scenes):
            return [replace(scene, index=index + k) for k, scene in enumerate(scenes)]


def _alike_and_apart(scenes: list[Scene]) -> bool:
    """Whether the texts of all scenes say the same words, and each is true of its own scene alone."""
    for texts in zip(*(scene.captions for scene in scenes), strict=True):
        if any(Counter(text.split()) != Counter(texts[0].split()) for text in texts):
            return False  # "an orange cat" and "a person in orange" part with their articles
    oracle = Oracle(scenes)
    return all(oracle.answers(text).tolist() == [row] for row, s in enumerate(scenes) for text in s.captions)


def _told(rng: np.random.Generator, setting: Scene) -> list[Scene]:
    """Four scenes with captions; none where these two kinds have no two values to exchange."""
    fitting = [name for name, kind in KINDS.items() if setting.place in kind.places]
    kinds = [fitting[row] for row in rng.permutation(len(fitting))[:2]]
    exchanged = [_ATTRIBUTES[row] for row in rng.permutation(4)[:2]]
    values = {name: _values(rng, name, kinds, name in exchanged) for name in _ATTRIBUTES}
    if any(value is None for value in values.values()):
        return []
    also = {name for name in _ATTRIBUTES if name not in exchanged and rng.random() < 0.3}
    scenes = []
    for turned in product((False, True), repeat=2):
        handed = {name: values[name][::-1] if turned[exchanged.index(name)] else values[name] for name in exchanged}
        groups = [Group(kind, **{n: (values | handed)[n][k] for n in _ATTRIBUTES}) for k, kind in enumerate(kinds)]
        texts = tuple(_captions(rng, groups, {name: values[name] for name in exchanged}, also))
        scenes.append(replace(setting, things=tuple(groups), captions=texts))
    return scenes


def _values(rng: np.random.Generator, name: str, kinds: list[str], exchanged: bool) -> Any:
    """A value for each of two kinds; two that either may have, and no one, where they are exchanged. None: no such."""
    if name == "position":
        return [POSITIONS[row] for row in rng.permutation(3)[:2]]
    # Nouns of a number that changes hands would change with it, so there are two of each at least.
    least = 2 if exchanged else 1
    choices: list[list[Any]] = []
    for kind in map(KINDS.__getitem__, kinds):
        seen = [colour for colour in kind.colours if colour not in kind.kept]
        known: dict[str, list[Any]] = {"colour": seen, "number": [*range(least, kind.most + 1)], "size": [*SIZES]}
        choices.append(known[name])
    if not exchanged:
        return [own[int(rng.integers(len(own)))] for own in choices]
    both = [value for value in choices[0] if value in choices[1]]
    return [both[row] for row in rng.permutation(len(both))[:2]] if len(both) > 1 else None


def _captions(
    rng: np.random.Generator, groups: list[Group], exchanged: dict[str, list[Any]], also: set[str]
) -> Iterator[str]:
    """One text that tells all that was exchanged, then for each value two texts that tell it of its holder alone."""
    all_told = [{*exchanged, *also}] * 2
    first, second = (_phrase(groups[k], all_told[k]) for k in rng.permutation(2))
    yield f"{first} and {second}"
    for which in range(2):
        holds = [{name for name, values in exchanged.items() if getattr(g, name) == values[which]} for g in groups]
        side = exchanged["position"][which] if "position" in exchanged else ""
        if side in ("left", "right"):
            order = sorted(range(2), key=lambda k: groups[k].position != side)
            first, second = (_phrase(groups[k], (holds[k] | also) - {"position"}) for k in order)
            yield f"{first} to the {side} of {second}"
        else:
            first, second = (_phrase(groups[k], holds[k] | also) for k in rng.permutation(2))
            yield f"{first} and {second}"


def _phrase(group: Group, told: set[str]) -> str:
    """Number and kind, and of the rest what is told: "two small dogs on the left", "a person in red"."""
    words = [group.size] if "size" in told else []
    behind = [f"in {group.colour}"] if "colour" in told and group.kind == "person" else []
    words += [group.colour] if "colour" in told and group.kind != "person" else []
    words += [KIND_WORDS[group.kind][0][group.number > 1]]
    behind += [POSITION_WORDS[group.position][0]] if "position" in told else []
    article = _NUMBERS[group.number] + ("n" if group.number == 1 and words[0][0] in "aeiou" else "")
    return " ".join([article, *words, *behind])
