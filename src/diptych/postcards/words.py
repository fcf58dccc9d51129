"""The words of the postcards: a grammar that writes captions, and the same vocabulary read back as constraints.

Reading is exact, not clever. Each known phrase says one thing; adjectives belong to the noun that follows, "on the
left" to the noun before it. "a dog" and "one dog" say exactly one, "dogs" and "some dogs" at least two, "dog" alone at
least one. "no", "not" and "without" deny the next item and its alternatives ("without" all that "and" adds too); "or"
between items that are not denied says that either will do.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, TypeVar

import numpy as np

from diptych.kinds import BadInput, nearest
from diptych.postcards.scene import COLOURS, SETTING, Group, Scene

T = TypeVar("T")

# place -> (preposition, noun) of its synonyms
PLACE_WORDS = {
    "beach": (("on", "beach"), ("on", "shore"), ("at", "seaside"), ("by", "sea")),
    "harbour": (("in", "harbour"), ("in", "port"), ("at", "marina"), ("by", "quay")),
    "mountains": (("in", "mountains"), ("in", "alps"), ("among", "peaks")),
    "forest": (("in", "forest"), ("in", "woods"), ("in", "woodland")),
    "farm": (("on", "farm"), ("in", "fields"), ("in", "farmland")),
    "village": (("in", "village"), ("in", "hamlet"), ("in", "small town")),
    "city": (("in", "city"), ("downtown", ""), ("in", "big city"), ("in", "metropolis")),
    "desert": (("in", "desert"), ("among", "dunes"), ("in", "badlands")),
}
# value -> (adjectives, phrases that stand behind)
SETTING_WORDS: dict[str, dict[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "time": {
        "dawn": (("early morning",), ("at dawn", "at sunrise", "at daybreak", "in the morning")),
        "day": (("daytime",), ("by day", "in daylight", "at noon", "in the afternoon")),
        "dusk": (("evening",), ("at dusk", "at sunset", "in the evening", "at twilight")),
        "night": (("night-time",), ("at night", "after dark", "by night", "at midnight")),
    },
    "weather": {
        "clear": ((), ("under a clear sky", "in fine weather", "without a cloud")),
        "cloudy": (("cloudy", "overcast"), ("under clouds", "under a grey sky", "under a cloudy sky")),
        "rain": (("rainy", "wet"), ("in the rain", "in a shower", "while it is raining")),
        "fog": (("foggy", "misty"), ("in the fog", "in the mist", "lost in fog")),
        "snow": (("snowy",), ("in the snow", "in falling snow", "while it is snowing")),
    },
    "season": {
        "spring": (("spring", "springtime"), ("in spring", "in springtime")),
        "summer": (("summer",), ("in summer", "in summertime")),
        "autumn": (("autumn", "autumnal"), ("in autumn", "in the fall")),
        "winter": (("winter", "wintry"), ("in winter", "in wintertime")),
    },
}
# words that a person may use, and captions do not
MORE_SETTING_WORDS: dict[str, dict[str, tuple[str, ...]]] = {
    "place": {
        "harbour": ("harbor",),
        "mountains": ("mountain", "mountainous"),
        "forest": ("forests", "wood"),
        "beach": ("coast",),
        "farm": ("countryside", "field"),
        "city": ("town centre", "urban"),
        "village": ("town",),
    },
    "time": {
        "dawn": ("dawn", "sunrise", "daybreak", "morning"),
        "day": ("day", "daylight", "noon", "afternoon", "midday"),
        "dusk": ("dusk", "sunset", "twilight"),
        "night": ("night", "midnight", "nighttime", "dark"),
    },
    "weather": {
        "clear": ("clear", "clear sky", "clear skies", "fine weather", "cloudless"),
        "cloudy": ("clouds", "cloud", "grey sky", "cloudy sky"),
        "rain": ("rain", "raining", "shower"),
        "fog": ("fog", "mist"),
        "snow": ("snow", "snowing", "falling snow"),
    },
    "season": {"autumn": ("fall",), "summer": ("summertime",), "winter": ("wintertime",)},
}
# kind -> (singular, plural) of its synonyms
KIND_WORDS: dict[str, tuple[tuple[str, str], ...]] = {
    "house": (("house", "houses"), ("cottage", "cottages"), ("home", "homes")),
    "tree": (("tree", "trees"), ("leafy tree", "leafy trees")),
    "lighthouse": (("lighthouse", "lighthouses"), ("beacon", "beacons")),
    "windmill": (("windmill", "windmills"), ("mill", "mills")),
    "boat": (("boat", "boats"), ("sailboat", "sailboats"), ("sailing boat", "sailing boats"), ("yacht", "yachts")),
    "balloon": (("balloon", "balloons"), ("hot-air balloon", "hot-air balloons")),
    "kite": (("kite", "kites"), ("paper kite", "paper kites")),
    "bird": (("bird", "birds"), ("flying bird", "flying birds")),
    "tent": (("tent", "tents"), ("camping tent", "camping tents")),
    "car": (("car", "cars"), ("automobile", "automobiles"), ("motor car", "motor cars")),
    "bicycle": (("bicycle", "bicycles"), ("bike", "bikes")),
    "bench": (("bench", "benches"), ("park bench", "park benches")),
    "umbrella": (("umbrella", "umbrellas"), ("parasol", "parasols"), ("sunshade", "sunshades")),
    "horse": (("horse", "horses"), ("pony", "ponies")),
    "sheep": (("sheep", "sheep"), ("lamb", "lambs")),
    "dog": (("dog", "dogs"), ("puppy", "puppies"), ("hound", "hounds")),
    "cat": (("cat", "cats"), ("kitten", "kittens"), ("kitty", "kitties")),
    "person": (("person", "people"), ("walker", "walkers"), ("stroller", "strollers")),
    "flower": (("flower", "flowers"), ("blossom", "blossoms"), ("bloom", "blooms")),
}
SIZE_WORDS = {"small": ("small", "little", "tiny"), "large": ("large", "big", "huge")}
POSITION_WORDS = {
    "left": ("on the left", "to the left", "at the left"),
    "middle": ("in the middle", "in the centre", "at the centre"),
    "right": ("on the right", "to the right", "at the right"),
}
# words that say how many, as (least, most)
NUMBER_WORDS: dict[str, tuple[int, int]] = {
    **dict.fromkeys(("a", "an", "one", "1", "a single", "single", "a lone", "just one"), (1, 1)),
    **dict.fromkeys(("two", "2", "a pair of", "a couple of", "pair of", "couple of"), (2, 2)),
    **dict.fromkeys(("three", "3", "a trio of", "trio of"), (3, 3)),
    **dict.fromkeys(("four", "4"), (4, 4)),
    **dict.fromkeys(("some", "a few", "few"), (2, 4)),
    **dict.fromkeys(("several", "a number of"), (3, 4)),
}
NUMBERS_WRITTEN = {
    1: ("one", "a single"),
    2: ("two", "a pair of", "a couple of"),
    3: ("three", "a trio of"),
    4: ("four",),
}
ANYTHING = ("something", "anything", "thing", "things")
NEGATORS = ("no", "not", "without", "except", "never", "nor", "neither", "minus", "isn't", "aren't")
# Words that carry no constraint of their own.
SILENT = (
    "the",
    "that",
    "there",
    "is",
    "are",
    "here",
    "we",
    "see",
    "you",
    "can",
    "has",
    "have",
    "had",
    "it",
    "its",
    "of",
    "in",
    "on",
    "at",
    "by",
    "to",
    "from",
    "under",
    "also",
    "too",
    "as",
    "view",
    "scene",
    "picture",
    "postcard",
    "photo",
    "painting",
    "card",
    "show",
    "shows",
    "showing",
    "where",
    "while",
    "lies",
    "lie",
    "stands",
    "standing",
    "seen",
    "near",
    "among",
    "sky",
    "weather",
    "who",
    "which",
    "wearing",
    "dressed",
    "me",
    "find",
    "over",
    "please",
    "i",
    "want",
    "like",
    "now",
    "make",
    "be",
    "was",
    "were",
    "this",
    "time",
    "so",
    "either",
    "very",
)
SAME = (
    "the same",
    "same",
    "this one",
    "this picture",
    "same picture",
    "same scene",
    "the same picture",
    "the same scene",
)
CORRECTORS = ("actually", "instead", "rather", "sorry", "i mean", "make it")
JOINERS = {"or": "or", "and": "and", ",": "comma", "but": "but", "with": "with", "plus": "with"}
# Between a noun and a colour these make the colour the noun's: "a person in red", "the boat is blue".
COPULAS = ("in", "wearing", "dressed", "is", "are")


@dataclass(frozen=True)
class Atom:
    """One thing said of a scene. Either a value of a setting attribute, or some things of a kind.

    attribute, value      "time", "night"; both empty when the atom is about things
    kind                  "" is whatever kind
    colour, size, position   "" is whatever
    least, most           how many there are; `least` is at least 1
    denied                whether the scene must not have it
    """

    attribute: str = ""
    value: str = ""
    kind: str = ""
    colour: str = ""
    size: str = ""
    position: str = ""
    least: int = 1
    most: int = 4
    denied: bool = False

    @property
    def subject(self) -> str:
        """What it speaks of: an attribute or a kind ("" is any thing)."""
        return self.attribute or self.kind

    def holds(self, scene: Scene) -> bool:
        """Whether it is true of this scene: the definition, which the oracle evaluates over whole tables."""
        if self.attribute:
            return bool(getattr(scene, self.attribute) == self.value) != self.denied
        there = any(self._fits(group) for group in scene.things)
        return there != self.denied

    def _fits(self, group: Group) -> bool:
        named = ("kind", "colour", "size", "position")
        return self.least <= group.number <= self.most and all(
            not getattr(self, name) or getattr(self, name) == getattr(group, name) for name in named
        )


Clause = tuple[Atom, ...]
"""Atoms of which one must hold."""


@dataclass(frozen=True)
class Sentence:
    """What a text says: clauses that must all hold; whether it begins "the same", and whether "no, …"."""

    clauses: tuple[Clause, ...]
    same: bool = False
    corrects: bool = False


# ----------------------------------------------------------------------------------------------------------- writing


def captions(scene: Scene, seed: int = 0, number: int = 5) -> tuple[str, ...]:
    """Different true captions of a scene; each leaves some of it out."""
    rng = np.random.default_rng([seed, scene.index, 13])
    written: list[str] = []
    while len(written) < number:
        caption = _caption(rng, scene)
        if caption not in written:
            written.append(caption)
    return tuple(written)


def phrase(group: Group, rng: np.random.Generator) -> str:
    """A noun phrase for a group, such as "two small red boats on the left"; it leaves some of it out."""
    singular, plural = _pick(rng, KIND_WORDS[group.kind])
    adjectives = []
    if rng.random() < 0.30:
        adjectives.append(_pick(rng, SIZE_WORDS[group.size]))
    coloured = rng.random() < 0.72
    behind = group.kind == "person"
    if coloured and not behind:
        adjectives.append(group.colour)
    described = " ".join([*adjectives, singular if group.number == 1 else plural])
    if group.number == 1:
        count = "a" if rng.random() < 0.85 else _pick(rng, NUMBERS_WRITTEN[1])
        if count == "a" and described[0] in "aeiou":
            count = "an"
    else:
        vague = ["some", "a few"] + (["several"] if group.number > 2 else [])
        count = _pick(rng, NUMBERS_WRITTEN[group.number]) if rng.random() < 0.8 else _pick(rng, vague)
    text = f"{count} {described}"
    if coloured and behind:
        text += f" in {group.colour}"
    if rng.random() < 0.28:
        text += f" {_pick(rng, POSITION_WORDS[group.position])}"
    return text


def change(before: Scene, after: Scene) -> str:
    """The words that lead from one scene to another: "the same but at night", "the same without the dog"."""
    parts = []
    for name in SETTING:
        if getattr(before, name) != getattr(after, name):
            parts.append(_behind(name, getattr(after, name)))
    had = {group.kind: group for group in before.things}
    has = {group.kind: group for group in after.things}
    for kind, group in has.items():
        if had.get(kind) != group:
            count = {1: "one", 2: "two", 3: "three", 4: "four"}[group.number]
            noun = KIND_WORDS[kind][0][group.number > 1]
            where = (
                f" {POSITION_WORDS[group.position][0]}" if kind in had and had[kind].position != group.position else ""
            )
            size = f"{group.size} " if kind in had and had[kind].size != group.size else ""
            parts.append(f"with {count} {size}{group.colour} {noun}{where}")
    parts += [f"without the {KIND_WORDS[kind][0][group.number > 1]}" for kind, group in had.items() if kind not in has]
    return "the same" + (" but " + " and ".join(parts) if parts else "")


def tell(clauses: Sequence[Clause]) -> str:
    """Clauses in plain words: "two small red boats on the left, a cat, in the harbour, at dusk, in the rain".

    Of a clause with a choice the first is told. What is denied is left out, as a picture shows only what is there.
    """
    atoms = [clause[0] for clause in clauses if not clause[0].denied]
    things = [_thing(atom) for atom in atoms if not atom.attribute]
    setting = [_behind(name, atom.value) for name in SETTING for atom in atoms if atom.attribute == name]
    return ", ".join([*things, *setting])


def _thing(atom: Atom) -> str:
    """Words for an atom about things that read back as it."""
    singular, plural = KIND_WORDS[atom.kind][0] if atom.kind else ("thing", "things")
    several = {(2, 4): "some", (3, 4): "several"}
    if atom.least == atom.most:
        count = {1: "a", 2: "two", 3: "three", 4: "four"}[atom.least]
    else:
        count = several.get((atom.least, atom.most), "")
    behind = atom.kind == "person" and atom.colour
    looks = [atom.size, "" if behind else atom.colour, singular if atom.most == 1 or not count else plural]
    described = " ".join(filter(None, looks))
    count = "an" if count == "a" and described[0] in "aeiou" else count
    where = POSITION_WORDS[atom.position][0] if atom.position else ""
    return " ".join(filter(None, [count, described, f"in {atom.colour}" if behind else "", where]))


def _behind(name: str, value: str) -> str:
    if name == "place":
        preposition, noun = PLACE_WORDS[value][0]
        return f"{preposition} the {noun}"
    return SETTING_WORDS[name][value][1][0]


def _pick(rng: np.random.Generator, choices: Sequence[T]) -> T:
    return choices[int(rng.integers(len(choices)))]


def _listed(phrases: list[str]) -> str:
    return phrases[0] if len(phrases) == 1 else ", ".join(phrases[:-1]) + " and " + phrases[-1]


def _caption(rng: np.random.Generator, scene: Scene) -> str:
    shown = rng.permutation(len(scene.things))[: 1 + int(rng.choice(3, p=(0.4, 0.4, 0.2)))]
    things = _listed([phrase(scene.things[i], rng) for i in shown])
    told = [name for name, chance in (("time", 0.6), ("weather", 0.5), ("season", 0.4)) if rng.random() < chance]
    preposition, noun = _pick(rng, PLACE_WORDS[scene.place])
    shape = rng.random()
    if shape < 0.60:
        behind = [_pick(rng, SETTING_WORDS[name][getattr(scene, name)][1]) for name in told]
        place = f"{preposition} the {noun}" if noun else preposition
        if shape < 0.20:  # two boats at dusk
            return " ".join([things, *behind])
        if shape < 0.42:  # two boats on the beach at dusk
            return " ".join([things, place, *behind])
        opening = [place, *behind] if rng.random() < 0.5 else [*behind, place]  # at dusk on the beach, two boats
        return f"{' '.join(opening)}, {_pick(rng, ('', 'we see '))}{things}"
    described, behind = _described(rng, scene, noun or "city", told)
    if shape < 0.70:  # two boats in a foggy winter harbour at dawn
        return " ".join([things, preposition if noun else "in", described, *behind])
    # a foggy winter harbour at dawn with two boats
    view = _pick(rng, ("", "", "a view of ", "a postcard of ", "a picture of "))
    return " ".join([view + described, *behind, "with", things])


def _described(rng: np.random.Generator, scene: Scene, noun: str, told: list[str]) -> tuple[str, list[str]]:
    """The place with adjectives before it, and the phrases that stand behind it."""
    before, behind = [], []
    for name in told:
        adjectives, phrases = SETTING_WORDS[name][getattr(scene, name)]
        if adjectives and (name != "time" or rng.random() < 0.25):
            before.append(_pick(rng, adjectives))
        else:
            behind.append(_pick(rng, phrases))
    described = " ".join([*before, noun])
    if noun in ("sea", "alps", "seaside", "badlands"):
        return f"the {described}", behind
    if noun.endswith("s") or noun in ("farmland", "woodland"):
        return described, behind
    return f"{'an' if described[0] in 'aeiou' else 'a'} {described}", behind


# ----------------------------------------------------------------------------------------------------------- reading


@cache
def _lexicon() -> dict[str, tuple[str, Any]]:
    """Phrase -> (what sort of word it is, what it says)."""
    known: dict[str, tuple[str, Any]] = dict.fromkeys(SILENT, ("silent", None))
    for attribute, values in SETTING_WORDS.items():
        for value, (adjectives, behind) in values.items():
            known.update(dict.fromkeys((*adjectives, *behind), ("setting", (attribute, value))))
    for place, synonyms in PLACE_WORDS.items():
        known.update(
            dict.fromkeys([noun or preposition for preposition, noun in synonyms], ("setting", ("place", place)))
        )
    for attribute, more in MORE_SETTING_WORDS.items():
        for value, words in more.items():
            known.update(dict.fromkeys(words, ("setting", (attribute, value))))
    for kind, nouns in KIND_WORDS.items():
        for singular, plural in nouns:
            known[plural] = ("noun", (kind, 2))
            known[singular] = ("noun", (kind, 1))  # "sheep" alone may be one
    known.update(dict.fromkeys(ANYTHING, ("noun", ("", 1))))
    known["somebody"] = known["someone"] = known["anyone"] = known["anybody"] = ("noun", ("person", 1))
    known.update({colour: ("colour", colour) for colour in COLOURS})
    for size, words in SIZE_WORDS.items():
        known.update(dict.fromkeys(words, ("size", size)))
    for position, words in POSITION_WORDS.items():
        known.update(dict.fromkeys((*words, position), ("position", position)))
    known["centre"] = known["center"] = known["in the center"] = ("position", "middle")
    known.update({word: ("number", span) for word, span in NUMBER_WORDS.items()})
    known.update(dict.fromkeys(NEGATORS, ("deny", None)))
    known.update(dict.fromkeys(SAME, ("same", None)))
    known.update(dict.fromkeys(CORRECTORS, ("correct", None)))
    known.update({word: (sort, None) for word, sort in JOINERS.items()})
    return known


@cache
def _longest() -> int:
    return max(phrase.count(" ") + 1 for phrase in _lexicon())


def _tokens(text: str) -> list[tuple[str, Any, str]]:
    """(sort, meaning, phrase) of the longest known phrases, from left to right."""
    words = re.findall(r"[\w'-]+|,", text.lower().replace("’", "'"))
    known, found, at = _lexicon(), [], 0
    while at < len(words):
        for size in range(min(_longest(), len(words) - at), 0, -1):
            candidate = " ".join(words[at : at + size])
            if candidate in known:
                sort, meaning = known[candidate]
                found.append((sort, meaning, candidate))
                at += size
                break
        else:
            near = nearest(words[at], [word for word in known if " " not in word])
            hint = near if "did you mean" in near else ""
            raise BadInput(f"{text!r}: the postcards know no word {words[at]!r}{hint}")
    return found


def read(text: str) -> Sentence:
    """What a caption, a question or a turn of a dialogue says.

    Raises BadInput naming the first word that is not in the vocabulary, or an adjective that no noun follows.
    """
    answered = re.match(r"\s*(oh )?no\s*[,.:;!]", text, flags=re.IGNORECASE)
    reader = _Reader(text)
    for sort, meaning, word in _tokens(text[answered.end() :] if answered else text):
        reader.take(sort, meaning, word)
    reader.end()
    return Sentence(tuple(tuple(clause) for clause in reader.clauses), reader.same, bool(answered) or reader.corrects)


class _Reader:
    """Gathers adjectives until their noun comes, and items into clauses."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.clauses: list[list[Atom]] = []
        self.same = self.corrects = False
        self.adjectives: dict[str, str] = {}
        self.span: tuple[int, int] | None = None  # how many of the noun to come
        self.denying = self.either = False  # of the item to come
        self.scope: tuple[str, ...] = ()  # the joiners over which a denial goes on
        self.after_noun = self.copula = False

    def take(self, sort: str, meaning: Any, word: str) -> None:
        if sort == "silent":
            self.copula = word in COPULAS
            return
        if sort in ("colour", "size", "position"):
            self.adjective(sort, meaning)
        elif sort == "number":
            self.span = meaning
        elif sort == "noun":
            self.noun(*meaning)
        elif sort == "setting":
            self.setting(*meaning)
        elif sort == "same":
            self.same = True
        elif sort == "correct":
            self.corrects = True
        elif sort == "deny":
            self.denying, self.scope = True, ("or", "and", "comma") if word == "without" else ("or",)
        else:
            self.join(sort, word)
        self.after_noun = sort == "noun" or (self.after_noun and sort in ("colour", "size", "position"))
        self.copula = False

    def adjective(self, sort: str, value: str) -> None:
        if self.after_noun and (sort == "position" or self.copula or not self.clauses[-1][-1].kind):
            noun = self.clauses[-1][-1]
            if not getattr(noun, sort):
                self.clauses[-1][-1] = replace(noun, **{sort: value})  # type: ignore[arg-type]
                return
        self.after_noun = False
        self.adjectives[sort] = value

    def noun(self, kind: str, least: int) -> None:
        least, most = self.span or (least, 4)
        if self.denying and (least, most) in ((1, 1), (2, 4)):
            least, most = 1, 4  # "no boats" and "not a boat" mean none, however many
        self.item(replace(Atom(kind=kind, least=least, most=most), **self.adjectives))  # type: ignore[arg-type]
        self.adjectives, self.span = {}, None

    def setting(self, attribute: str, value: str) -> None:
        if attribute == "place":
            if self.adjectives:
                raise self.stray(f"before {value!r}")
            self.span = None  # the "a" of "a foggy harbour"
        self.item(Atom(attribute, value))

    def item(self, atom: Atom) -> None:
        """What is denied, or an alternative to the item before, or one more that must hold."""
        if self.denying:
            self.clauses.append([replace(atom, denied=True)])
        elif self.either and self.clauses:
            self.clauses[-1].append(atom)
            self.scope = ()
        else:
            self.clauses.append([atom])
            self.scope = ()
        self.denying = self.either = False

    def join(self, sort: str, word: str) -> None:
        if self.adjectives and sort != "comma":
            raise self.stray(f"before {word!r}")
        if sort in self.scope:
            self.denying = True
        elif sort == "or":
            self.either = True
        elif sort in ("but", "with") and self.scope and self.clauses and self.clauses[-1][-1].denied:
            self.denying, self.scope = False, ()
        self.span = self.span if sort == "comma" else None

    def end(self) -> None:
        """Adjectives at the end that no noun came for speak of any thing: "red"."""
        if self.adjectives or self.span not in (None, (1, 1)):
            self.noun("", 1)

    def stray(self, where: str) -> BadInput:
        words = " ".join(self.adjectives.values())
        return BadInput(f"{self.text!r}: {words!r} {where} belongs to no thing; name it, as in '{words} boat'")
