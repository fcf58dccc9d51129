"""The exact answer to every question about the postcards: which scenes are right, and no other.

Scenes are held as tables, one row a scene; a question is read into clauses (`words.read`) and each clause is one pass
over the tables. `words.Atom.holds` is the same truth for one scene, and the tests hold the two against each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from diptych.kinds import Array, BadInput, Ints, Listed
from diptych.postcards.scene import COLOURS, KINDS, POSITIONS, SETTING, SIZES, Scene
from diptych.postcards.words import Atom, Clause, Sentence, read

_VALUES = {"colour": COLOURS, "size": SIZES, "position": POSITIONS}
_KINDS = tuple(KINDS)


class Oracle:
    """Knows the answers among these scenes. Answers are rows of `scenes`, in rising order."""

    def __init__(self, scenes: Sequence[Scene]) -> None:
        self.scenes = tuple(scenes)
        n = len(self.scenes)
        self._setting = {
            name: np.array([values.index(getattr(scene, name)) for scene in self.scenes], dtype=np.int8)
            for name, values in SETTING.items()
        }
        # (n, kinds): how many there are of each kind, and what they look like where there are any. A scene has at most
        # one group of a kind, so one cell tells all of it.
        self._number = np.zeros((n, len(_KINDS)), dtype=np.int8)
        self._looks = {name: np.full((n, len(_KINDS)), -1, dtype=np.int8) for name in _VALUES}
        for row, scene in enumerate(self.scenes):
            for group in scene.things:
                column = _KINDS.index(group.kind)
                self._number[row, column] = group.number
                for name, values in _VALUES.items():
                    self._looks[name][row, column] = values.index(getattr(group, name))

    def answers(self, query: str | Sequence[str] = "", like: int | None = None) -> Ints:
        """The rows of the scenes that are right.

        query   a text, or the turns of a dialogue: a later turn adds to the earlier ones and overrules them where the
                two speak of the same attribute or the same kind of thing
        like    the row of a scene that the query starts from: "the same but at night" is every scene that agrees with
                it in everything the query does not say; without a query, those that agree in everything (itself too)

        Raises BadInput for a word that the postcards do not know, for a row that is not there, and for "the same"
        without a scene.
        """
        right = np.ones(len(self.scenes), dtype=bool)
        for clause in self.clauses(query, like):
            right &= np.logical_or.reduce([self._holds(atom) for atom in clause])
        return np.flatnonzero(right)

    def clauses(self, query: str | Sequence[str] = "", like: int | None = None) -> list[Clause]:
        """What must hold of a right scene: in every clause one atom."""
        turns = [query] if isinstance(query, str) else list(query)
        said: list[Clause] = []
        if like is not None:
            if not 0 <= like < len(self.scenes):
                raise BadInput(f"like: there is no scene {like}; rows go from 0 to {len(self.scenes) - 1}")
            said = described(self.scenes[like])
        for turn in turns:
            sentence = read(turn)
            if sentence.same and not said:
                raise BadInput(f"{turn!r} says 'the same', but as what? Give the row of a scene as `like`")
            said = overruled(said, sentence) if said else list(sentence.clauses)
        return said

    def qrels(self, queries: Sequence[str | Sequence[str]], item_ids: Sequence[str] = ()) -> Listed:
        """The answers to many texts or dialogues as judgements, for the metrics."""
        found = [self.answers(query) for query in queries]
        rows = np.repeat(np.arange(len(found)), [len(answer) for answer in found])
        items = np.concatenate(found) if found else np.zeros(0, dtype=np.int64)
        ids = tuple(item_ids) or tuple(f"{scene.index:05d}" for scene in self.scenes)
        return Listed(rows, items, tuple(map(str, range(len(found)))), ids)

    def differences(self, row: int) -> Ints:
        """(n,) in how many sides of the setting and kinds of things each scene differs from the one at `row`."""
        setting = sum((column != column[row]).astype(np.int64) for column in self._setting.values())
        kinds = self._number != self._number[row]
        for looks in self._looks.values():
            kinds = kinds | (looks != looks[row])
        return np.asarray(setting + kinds.sum(axis=1))

    def _holds(self, atom: Atom) -> Array:
        """(n,) where an atom is true."""
        if atom.attribute:
            there = self._setting[atom.attribute] == SETTING[atom.attribute].index(atom.value)
        else:
            columns = slice(None) if not atom.kind else slice(_KINDS.index(atom.kind), _KINDS.index(atom.kind) + 1)
            number = self._number[:, columns]
            fits = (number >= atom.least) & (number <= atom.most)
            for name, values in _VALUES.items():
                if value := getattr(atom, name):
                    fits &= self._looks[name][:, columns] == values.index(value)
            there = fits.any(axis=1)
        return np.asarray(there != atom.denied)


def described(scene: Scene) -> list[Clause]:
    """All there is to say of a scene: its setting, its things, and that there are no others."""
    said: list[Clause] = [(Atom(name, getattr(scene, name)),) for name in SETTING]
    here = {group.kind: group for group in scene.things}
    for kind in KINDS:
        if kind not in here:
            said.append((Atom(kind=kind, denied=True),))
    for group in scene.things:
        look = (group.kind, group.colour, group.size, group.position)
        said.append((Atom("", "", *look, least=group.number, most=group.number),))
    return said


def overruled(said: list[Clause], sentence: Sentence) -> list[Clause]:
    """What holds after one more turn of a dialogue.

    A new value of an attribute takes the place of the old one. What is said of a kind that was spoken of before changes
    only what it says: after "a red boat", "two boats" are two red boats. Denying a thing takes back that it was asked
    for, and asking takes back a denial. "no, a cat" puts the cat in the place of the thing named last.
    """
    old, new = list(said), []
    for clause in sentence.clauses:
        if len(clause) > 1:
            subjects = {atom.subject for atom in clause}
            old = [earlier for earlier in old if not subjects & {atom.subject for atom in earlier}]
        elif clause[0].denied:
            old = [earlier for earlier in old if not (len(earlier) == 1 and _entails(earlier[0], clause[0]))]
        elif clause[0].attribute:
            old = [earlier for earlier in old if not _gives_way(earlier, clause[0])]
        elif clause[0].kind:
            asked = [
                earlier
                for earlier in old
                if len(earlier) == 1 and not earlier[0].denied and earlier[0].subject in KINDS
            ]
            same = [earlier for earlier in asked if earlier[0].kind == clause[0].kind]
            merged = clause[0]
            for earlier in same:
                merged = _updated(earlier[0], merged)
            gone = same or (asked[-1:] if sentence.corrects else [])
            old = [
                earlier
                for earlier in old
                if earlier not in gone and not (earlier[0].denied and _entails(merged, earlier[0]))
            ]
            clause = (merged,)
        new.append(clause)
    return old + new


def _gives_way(earlier: Clause, atom: Atom) -> bool:
    """Whether an earlier clause about an attribute falls when the attribute is given a value."""
    if earlier[0].denied:
        return earlier[0].attribute == atom.attribute and earlier[0].value == atom.value
    return any(one.attribute == atom.attribute for one in earlier)


def _entails(atom: Atom, denial: Atom) -> bool:
    """Whether an asserted atom says, among other things, what a denial denies."""
    if atom.denied or atom.attribute != denial.attribute:
        return False
    if atom.attribute:
        return atom.value == denial.value
    stated = [name for name in ("kind", "colour", "size", "position") if getattr(denial, name)]
    within = denial.least <= atom.least and atom.most <= denial.most
    return within and all(getattr(atom, name) == getattr(denial, name) for name in stated)


def _updated(before: Atom, after: Atom) -> Atom:
    """An atom about a kind, changed by what a later one says of the same kind."""
    stated = {name: getattr(after, name) for name in ("colour", "size", "position") if getattr(after, name)}
    if (after.least, after.most) != (1, 4):
        stated |= {"least": after.least, "most": after.most}
    return replace(before, **stated)
