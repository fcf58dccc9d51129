"""What a postcard shows: its vocabulary of attributes, the scenes drawn from it, and the pairs kept back for `unseen`.

A scene is drawn from `(seed, index)` alone, so any stretch of the world can be made without the rest. Scenes come in
twos: the odd one is its even neighbour with one thing changed, so that "the same but at night" has an answer to find.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeVar

import numpy as np

from diptych.kinds import Array, BadInput

T = TypeVar("T")

PLACES = ("beach", "harbour", "mountains", "forest", "farm", "village", "city", "desert")
TIMES = ("dawn", "day", "dusk", "night")
WEATHERS = ("clear", "cloudy", "rain", "fog", "snow")
SEASONS = ("spring", "summer", "autumn", "winter")
COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "white", "brown", "black")
SIZES = ("small", "large")
POSITIONS = ("left", "middle", "right")

SETTING = {"place": PLACES, "time": TIMES, "weather": WEATHERS, "season": SEASONS}
"""The attributes that every scene has exactly one value of."""

LAND = PLACES
WILD = ("mountains", "forest", "farm", "village", "desert")
WATER = ("beach", "harbour", "mountains")


@dataclass(frozen=True)
class Kind:
    """A kind of thing that can stand in a scene.

    band     how deep it stands: "sky", "far", "water" or "near"; things of one band never share a position
    most     the largest number of them in one scene
    colours  those it is painted in; `kept` are the ones that only `unseen` scenes show
    places   where it is met
    """

    band: str
    most: int
    colours: tuple[str, ...]
    kept: tuple[str, ...]
    places: tuple[str, ...] = LAND


KINDS: dict[str, Kind] = {
    "house": Kind("far", 2, ("red", "yellow", "blue", "white", "pink", "green"), ("yellow",)),
    "tree": Kind(
        "far",
        4,
        ("green", "yellow", "orange", "red", "pink"),
        ("orange",),
        ("beach", "mountains", "farm", "village", "city"),
    ),
    "lighthouse": Kind("far", 1, ("red", "blue", "black", "green"), ("blue",), ("beach", "harbour")),
    "windmill": Kind(
        "far", 2, ("white", "red", "brown", "blue"), ("red",), ("harbour", "mountains", "farm", "village", "desert")
    ),
    "boat": Kind(
        "water", 4, ("red", "orange", "yellow", "green", "blue", "white", "black"), ("yellow", "black"), WATER
    ),
    "balloon": Kind("sky", 4, ("red", "orange", "yellow", "green", "blue", "purple", "pink"), ("green", "purple")),
    "kite": Kind("sky", 3, ("red", "orange", "yellow", "green", "blue", "purple", "pink"), ("orange", "pink")),
    "bird": Kind("sky", 4, ("white", "black", "blue", "red", "brown"), ("red",)),
    "tent": Kind("near", 2, ("red", "orange", "yellow", "green", "blue", "white"), ("green",), ("beach", *WILD)),
    "car": Kind("near", 3, ("red", "yellow", "green", "blue", "white", "black"), ("blue",)),
    "bicycle": Kind("near", 3, ("red", "yellow", "green", "blue", "pink", "black"), ("red",)),
    "bench": Kind("near", 2, ("red", "green", "blue", "white", "brown"), ("white",)),
    "umbrella": Kind(
        "near", 3, ("red", "orange", "yellow", "green", "blue", "purple", "pink", "white"), ("blue", "white")
    ),
    "horse": Kind("near", 3, ("brown", "black", "white", "orange"), ("black",), ("beach", *WILD)),
    "sheep": Kind("near", 4, ("white", "black", "brown", "pink"), ("brown",), WILD),
    "dog": Kind("near", 3, ("brown", "black", "white", "orange", "yellow"), ("white",)),
    "cat": Kind("near", 3, ("black", "white", "orange", "brown", "yellow"), ("orange",)),
    "person": Kind(
        "near", 4, ("red", "yellow", "green", "blue", "purple", "pink", "white", "black"), ("green", "purple")
    ),
    "flower": Kind("near", 4, ("red", "orange", "yellow", "purple", "pink", "white", "blue"), ("yellow", "blue")),
}

KEPT_TIME = {
    "beach": "dawn",
    "harbour": "day",
    "mountains": "dusk",
    "forest": "night",
    "farm": "dusk",
    "village": "dawn",
    "city": "day",
    "desert": "night",
}
"""place -> the time of day at which only `unseen` scenes show it."""

ATTRIBUTES = tuple(
    f"{name}: {value}" for name, values in (*SETTING.items(), ("kind", KINDS), ("colour", COLOURS)) for value in values
)
"""Names of the columns of `attribute_table`."""

CLASSES = tuple(f"{place} at {time}" for place in PLACES for time in TIMES)
"""Names of the columns of `class_table`."""


@dataclass(frozen=True)
class Group:
    """Some things of one kind: `number` of them (1 to 4), alike in colour and size, in one third of the picture."""

    kind: str
    colour: str
    number: int
    size: str
    position: str


@dataclass(frozen=True)
class Scene:
    """One postcard. No two of its groups are of one kind."""

    index: int
    place: str
    time: str
    weather: str
    season: str
    things: tuple[Group, ...]
    captions: tuple[str, ...] = ()

    def attributes(self) -> dict[str, Any]:
        """Place, time, weather, season and things as plain JSON values."""
        return {
            **{name: getattr(self, name) for name in SETTING},
            "things": [asdict(group) for group in self.things],
        }

    @staticmethod
    def read(row: dict[str, Any]) -> Scene:
        """The scene that a line of `scenes.jsonl` tells of."""
        told = row["attributes"]
        index = int(row["image"].rpartition("/")[2].partition(".")[0])
        groups = tuple(Group(**group) for group in told["things"])
        setting = {name: told[name] for name in SETTING}
        return Scene(index, **setting, things=groups, captions=tuple(row["captions"]))


def imagine(index: int, seed: int = 0, unseen: bool = False) -> Scene:
    """The scene that stands at `index` of the world of this seed, without captions.

    unseen   whether it is made only of kept pairs (place with time, kind with colour), or of all the others only
    """
    rng = np.random.default_rng([seed, index // 2, 11, int(unseen)])
    place = _one(rng, PLACES)
    time = KEPT_TIME[place] if unseen else _one(rng, [time for time in TIMES if time != KEPT_TIME[place]])
    season = _one(rng, SEASONS)
    scene = Scene(index, place, time, _weather(rng, place, season), season, ())
    for _ in range(1 + rng.choice(5, p=(0.15, 0.30, 0.30, 0.17, 0.08))):
        scene = _with_one_more(rng, scene, unseen)
    return _changed(rng, scene, unseen) if index % 2 else scene


def attribute_table(scenes: list[Scene]) -> Array:
    """(n, len(ATTRIBUTES)) 0/1: place, time, weather, season, each kind and each colour that is there."""
    column = {name: j for j, name in enumerate(ATTRIBUTES)}
    table = np.zeros((len(scenes), len(ATTRIBUTES)), dtype=bool)
    for row, scene in zip(table, scenes, strict=True):
        row[[column[f"{name}: {getattr(scene, name)}"] for name in SETTING]] = True
        for group in scene.things:
            row[[column[f"kind: {group.kind}"], column[f"colour: {group.colour}"]]] = True
    return table


def class_table(scenes: list[Scene]) -> Array:
    """(n, len(CLASSES)) 0/1, one 1 a row: the place at its time of day."""
    table = np.zeros((len(scenes), len(CLASSES)), dtype=bool)
    for row, scene in zip(table, scenes, strict=True):
        row[PLACES.index(scene.place) * len(TIMES) + TIMES.index(scene.time)] = True
    return table


def _one(rng: np.random.Generator, choices: Sequence[T]) -> T:
    return choices[int(rng.integers(len(choices)))]


def _weather(rng: np.random.Generator, place: str, season: str) -> str:
    snows = season == "winter" and place != "desert"
    return WEATHERS[int(rng.choice(5, p=(0.28, 0.14, 0.12, 0.12, 0.34) if snows else (0.40, 0.24, 0.19, 0.17, 0.0)))]


def _colours(kind: str, unseen: bool) -> list[str]:
    return [colour for colour in KINDS[kind].colours if (colour in KINDS[kind].kept) == unseen]


def _with_one_more(rng: np.random.Generator, scene: Scene, unseen: bool) -> Scene:
    """The scene with a group of a kind it does not have yet, where there is room in the depth of that kind."""
    here = {group.kind for group in scene.things}
    taken = {(KINDS[group.kind].band, group.position) for group in scene.things}
    room = {band: [p for p in POSITIONS if (band, p) not in taken] for band in ("sky", "far", "water", "near")}
    fitting = [
        name for name, kind in KINDS.items() if name not in here and scene.place in kind.places and room[kind.band]
    ]
    name = _one(rng, fitting)
    kind = KINDS[name]
    group = Group(
        name,
        _one(rng, _colours(name, unseen)),
        1 + min(int(rng.choice(4, p=(0.46, 0.26, 0.17, 0.11))), kind.most - 1),
        _one(rng, SIZES),
        _one(rng, room[kind.band]),
    )
    return replace(scene, things=(*scene.things, group))


def _changed(rng: np.random.Generator, scene: Scene, unseen: bool) -> Scene:
    """The scene with one thing changed: time, weather, a thing more or less, another colour, another number."""
    hows = ["weather", "more"]
    hows += [] if unseen else ["time", "time"]
    hows += ["less"] if len(scene.things) > 1 else []
    which = int(rng.integers(len(scene.things)))
    group = scene.things[which]
    colours = [colour for colour in _colours(group.kind, unseen) if colour != group.colour]
    hows += ["colour"] if colours else []
    hows += ["number"] if KINDS[group.kind].most > 1 else []
    how = _one(rng, hows)
    if how == "weather":
        while (weather := _weather(rng, scene.place, scene.season)) == scene.weather:
            pass
        return replace(scene, weather=weather)
    if how == "more":
        return _with_one_more(rng, scene, unseen)
    if how == "time":
        others = [time for time in TIMES if time not in (scene.time, KEPT_TIME[scene.place])]
        return replace(scene, time=_one(rng, others))
    things = list(scene.things)
    if how == "less":
        del things[which]
    elif how == "colour":
        things[which] = replace(group, colour=_one(rng, colours))
    else:
        numbers = [number for number in range(1, KINDS[group.kind].most + 1) if number != group.number]
        things[which] = replace(group, number=_one(rng, numbers))
    return replace(scene, things=tuple(things))


def check(scene: Scene) -> None:
    """Raise BadInput when a scene made by hand says something that cannot be painted."""
    for name, values in SETTING.items():
        if getattr(scene, name) not in values:
            raise BadInput(f"scene {scene.index}: {name} is {getattr(scene, name)!r}; there are: {', '.join(values)}")
    for group in scene.things:
        if group.kind not in KINDS:
            raise BadInput(f"scene {scene.index}: no kind {group.kind!r}; there are: {', '.join(KINDS)}")
        for name, values in (("colour", COLOURS), ("size", SIZES), ("position", POSITIONS)):
            if getattr(group, name) not in values:
                raise BadInput(
                    f"scene {scene.index}: {name} is {getattr(group, name)!r}; there are: {', '.join(values)}"
                )
        if not 1 <= group.number <= 4:
            raise BadInput(f"scene {scene.index}: {group.number} of {group.kind}; paint 1 to 4 of a kind")
