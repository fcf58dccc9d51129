"""Paint a scene as a postcard.

Colour words are meant to be hard to see: night darkens and blues, dusk warms, fog fades, and sun, haze, grain and paper
all have their say in the value of a pixel before it is kept.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from diptych.kinds import Array
from diptych.postcards.card import (
    FINE,
    HORIZON,
    PAINT,
    SIZE,
    Card,
    Colour,
    array,
    grid,
    inner_shadow,
    paper_and_border,
    vignette,
)
from diptych.postcards.places import BACKDROP, LAND, front_quay
from diptych.postcards.scene import KINDS, POSITIONS, Group, Scene, check
from diptych.postcards.things import DRAWN

# place -> rows, as parts of the height, on which the feet of far, water-borne and near things stand
FEET = {
    "beach": {"far": (0.73, 0.76), "water": (0.54, 0.62), "near": (0.84, 0.92)},
    "harbour": {"far": (0.50, 0.51), "water": (0.62, 0.74), "near": (0.89, 0.93)},
    "mountains": {"far": (0.73, 0.76), "water": (0.62, 0.67), "near": (0.84, 0.92)},
    "forest": {"far": (0.68, 0.72), "near": (0.84, 0.92)},
    "farm": {"far": (0.62, 0.68), "near": (0.83, 0.92)},
    "village": {"far": (0.66, 0.70), "near": (0.84, 0.92)},
    "city": {"far": (0.70, 0.72), "near": (0.85, 0.92)},
    "desert": {"far": (0.66, 0.71), "near": (0.84, 0.92)},
}
FULL = {"sky": 1.15, "far": 1.08, "water": 1.12, "near": 1.28}
"""How much larger than drawn the things of a band are painted."""
LITTER: dict[str, tuple[Colour, ...]] = {
    "spring": ((246, 170, 196), (252, 246, 240), (250, 222, 110)),
    "summer": ((60, 118, 52),),
    "autumn": ((204, 96, 40), (224, 158, 54), (160, 62, 40)),
    "winter": ((250, 252, 255),),
}


Box = tuple[float, float, float, float]
"""Left, top, right and bottom, as parts of the width and height."""


def paint(scene: Scene, seed: int = 0) -> Image.Image:
    """The postcard of a scene, (144, 144) RGB. The same scene and seed give the same bytes.

    Raises BadInput for a scene with a value that is not in the vocabulary.
    """
    return _developed(_drawn(scene, seed))


def outlines(scene: Scene, seed: int = 0) -> list[Box]:
    """Where `paint` puts each of the scene's things, in their order: shadow and all, also what others stand before."""
    found: dict[str, Box] = {}
    _drawn(scene, seed, found)
    return [found[group.kind] for group in scene.things]


def _drawn(scene: Scene, seed: int, found: dict[str, Box] | None = None) -> Card:
    """The card with everything on it, and in `found`, where it is given, the outline of each kind."""
    check(scene)
    card = Card(scene, np.random.default_rng([seed, scene.index]))
    land = card.sky()
    LAND[scene.place](card, land)
    card.canvas(land)
    card.stars()
    bands: dict[str, list[Group]] = {"sky": [], "far": [], "water": [], "near": []}
    for group in scene.things:
        bands[KINDS[group.kind].band].append(group)
    if scene.place in BACKDROP:
        BACKDROP[scene.place](card)
    if scene.place == "harbour":  # its far things stand behind the water, and are seen in it
        _put(card, bands.pop("far"), found)
    if scene.place in ("harbour", "mountains"):
        card.mirror()
    if scene.place == "harbour":
        front_quay(card)
    _litter(card)
    _put(card, bands["sky"], found)
    _put(card, bands["water"], found)
    _put(card, [*bands.get("far", ()), *bands["near"]], found)
    _falling(card)
    return card


def _put(card: Card, groups: list[Group], found: dict[str, Box] | None) -> None:
    """Draw groups, the farthest thing first."""
    rng, scene = card.rng, card.scene
    spots = []
    for group in groups:
        band = KINDS[group.kind].band
        centre = (0.195 + 0.305 * POSITIONS.index(group.position)) * SIZE + rng.uniform(-3, 3)
        reach = (0.0, 7.5, 10.5, 11.5)[group.number - 1]
        scale = (1.0 if group.size == "large" else 0.64) * (1.0, 0.92, 0.84, 0.78)[group.number - 1] * FULL[band]
        for k in range(group.number):
            step = 0.0 if group.number == 1 else 2 * k / (group.number - 1) - 1
            x = centre + step * reach * (1.15 if scale > 0.7 else 1.0) + rng.uniform(-1, 1)
            rung = (2 * k + 1) % 3  # neighbours stand at different depths, so that they can be told apart
            if band == "sky":
                y = card.horizon * (0.45 + 0.22 * (rung - 1) * (group.number > 1)) + rng.uniform(-4, 4)
                y = max(y, 8 + 13 * scale)
            else:
                low, high = FEET[scene.place][band]
                y = (low + (high - low) * rung / 2) * SIZE + rng.uniform(-0.7, 0.7)
            spots.append((y, x, scale, group))
    for y, x, scale, group in sorted(spots, key=lambda spot: spot[0]):
        r, g, b = (value * rng.normal(1, 0.05) + rng.normal(0, 5) for value in PAINT[group.colour])
        before = card.image.copy() if found is not None else None
        DRAWN[group.kind](card, x, y, scale, (r, g, b))
        if found is not None and before is not None:
            changed = ImageChops.difference(before, card.image).getbbox() or (0, 0, 0, 0)
            box = [edge / (SIZE * FINE) for edge in changed]
            other = found.get(group.kind, (1.0, 1.0, 0.0, 0.0))
            found[group.kind] = (*map(min, box[:2], other[:2]), *map(max, box[2:], other[2:]))  # type: ignore[assignment]


def _litter(card: Card) -> None:
    """Blossoms, fallen leaves or drifts on the ground: what tells the season where nothing else does."""
    rng, season, place = card.rng, card.scene.season, card.scene.place
    first = HORIZON[place][1] + 0.04
    colours = LITTER[season]
    bare = place in ("desert", "beach", "harbour", "city")
    number = {"spring": 46, "summer": 30, "autumn": 50, "winter": 26}[season] // (2 if bare else 1)
    for x, v, w in rng.random((number, 3)):
        y = (first + (1 - first) * v) * SIZE
        near = 0.4 + 0.9 * v
        colour = card.shade(colours[int(w * len(colours))], 0.3 * (1 - v))
        if season == "winter":
            card.oval(x * SIZE, y, (3 + 6 * w) * near, 0.9 * near, (*colour, 150))
        elif season != "summer":
            card.oval(x * SIZE, y, 0.85 * near, 0.6 * near, (*colour, 225))
        elif not bare:
            card.line([(x * SIZE, y), (x * SIZE + w - 0.5, y - 2.2 * near)], 0.5, (*colour, 170))
    if season == "autumn" and place != "desert":
        for x, v, w in rng.random((9, 3)):
            card.oval(x * SIZE, (0.3 + 0.6 * v) * SIZE, 0.9, 0.55, (*card.shade(colours[int(w * 3)]), 220))


def _falling(card: Card) -> None:
    """Rain or snow in the air."""
    rng = card.rng
    if card.scene.weather == "rain":
        slant = rng.uniform(-2.2, -0.8)
        for x, y, w in rng.random((120, 3)):
            length = 3.5 + 6 * w
            px, py = x * (SIZE + 12) - 4, y * SIZE
            card.line([(px, py), (px + slant * length / 6, py + length)], 0.34, (226, 234, 246, 60 + round(80 * w)))
    elif card.scene.weather == "snow":
        for x, y, w in rng.random((130, 3)):
            radius = 0.35 + 1.0 * w * w
            card.oval(x * SIZE, y * SIZE, radius, radius, (250, 252, 255, 150 + round(90 * w)))


def _developed(card: Card) -> Image.Image:
    """Down to size; then fog, the glow of lamps, vignette, grain and paper."""
    rng = card.rng
    picture: Array = np.asarray(card.image.reduce(FINE), dtype=np.float32)
    if card.scene.weather == "fog":
        y, _ = grid()
        bank = 0.22 + 0.42 * np.exp(-(((y - card.horizon - 6) / 30) ** 2))
        drift = bank * (0.65 + 0.7 * card.stretch(1, 3))
        picture = picture + np.clip(drift, 0, 0.9)[..., None] * (array(card.grey) * 1.04 - picture)
    if card.lamps:
        glow = Image.new("L", (SIZE, SIZE), 0)
        brush = ImageDraw.Draw(glow)
        for x, row, reach in card.lamps:
            brush.ellipse((x - reach, row - reach, x + reach, row + reach), fill=210)
        halo = np.asarray(glow.filter(ImageFilter.BoxBlur(2)).filter(ImageFilter.BoxBlur(3)), dtype=np.float32)
        picture = picture + halo[..., None] / 255 * array((190, 130, 50)) * (1.0 if card.dark else 0.5)
    grain = rng.standard_normal((SIZE, SIZE, 1), dtype=np.float32)
    speckle = rng.standard_normal((SIZE // 4, SIZE // 4, 3), dtype=np.float32).repeat(4, 0).repeat(4, 1)
    border, paper = paper_and_border()
    picture = (picture + 3.6 * grain + 1.6 * speckle) * vignette() * inner_shadow()
    picture = picture * (1 + (paper - paper.mean()) * 0.003)
    finished = picture * (1 - border) + (paper + 1.2 * grain) * border
    return Image.fromarray(np.clip(finished + 0.5, 0, 255).astype(np.uint8))
