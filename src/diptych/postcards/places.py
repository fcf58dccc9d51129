"""The eight places: land and water laid by numpy, then what belongs to the place drawn over it."""

from __future__ import annotations

import numpy as np

from diptych.kinds import Array
from diptych.postcards.card import GRASS, HORIZON, LEAVES, SIZE, Card, Colour, mix

SEA: Colour = (42, 118, 150)
LAKE: Colour = (46, 108, 138)


def _front(card: Card) -> float:
    return HORIZON[card.scene.place][1] * SIZE


def _snowy(card: Card, colour: Colour, share: float) -> Colour:
    return mix(colour, (238, 242, 250), share) if card.scene.season == "winter" else colour


def beach(card: Card, land: Array) -> None:
    card.hill(land, card.hills(card.horizon - 1, 9, 3), _snowy(card, (96, 128, 120), 0.5), 0.85)
    card.water(land, card.horizon, 0.78 * SIZE, SEA)
    x = np.arange(SIZE)
    shore = _front(card) + 3.0 * np.sin(x / 30 + card.rng.uniform(0, 6)) + 1.2 * np.sin(x / 11 + card.rng.uniform(0, 6))
    for offset, strength in ((-3.2, 0.35), (-0.8, 0.8)):  # foam where the waves run out
        y = np.arange(SIZE)[:, None] + 0.5
        foam = np.exp(-(((y - shore - offset) / 0.9) ** 2))[..., None] * strength
        land += foam * (np.array(card.shade((250, 252, 252)), dtype=np.float32) - land)
    sand: Colour = {"autumn": (214, 182, 132), "winter": (226, 222, 214)}.get(card.scene.season, (238, 212, 158))
    card.ground(land, shore, sand, mix(sand, (170, 136, 96), 0.28))


def harbour(card: Card, land: Array) -> None:
    card.hill(land, card.hills(card.horizon, 16, 4), _snowy(card, (92, 124, 104), 0.6), 0.75)
    card.water(land, 0.50 * SIZE, 0.84 * SIZE, (36, 96, 122))


def mountains(card: Card, land: Array) -> None:
    winter = card.scene.season == "winter"
    for base, height, number, colour, depth, snow in (
        (card.horizon - 12, 44, 3, (104, 112, 150), 0.74, 13.0),
        (card.horizon - 2, 32, 4, (92, 100, 128), 0.46, 7.0),
    ):
        top = card.peaks(base, height, number)
        card.hill(land, top, colour, depth)
        y = np.arange(SIZE)[:, None] + 0.5
        line = np.min(top) + snow * (1.7 if winter else 1.0) + 14 * (card.stretch(6) - 0.5)
        cap = np.clip(y - top + 0.5, 0, 1) * np.clip((line - y) / 2.2, 0, 1)
        slope = np.clip(0.90 - 0.14 * np.sign(card.sun[0] - SIZE / 2) * np.gradient(top)[None, :], 0.74, 1.04)
        white = np.array(card.shade((246, 248, 252), depth * 0.6), dtype=np.float32)
        land += cap[..., None] * (white * slope[..., None] - land)
    near, far = GRASS[card.scene.season]
    pine = _snowy(card, (50, 86, 70) if card.scene.season != "autumn" else (134, 104, 60), 0.25)
    card.hill(land, card.hills(card.horizon + 3, 11, 7), pine, 0.35)
    card.water(land, 0.58 * SIZE, 0.74 * SIZE, LAKE)
    x = np.arange(SIZE)
    card.ground(land, _front(card) + 2.2 * np.sin(x / 26 + card.rng.uniform(0, 6)), near, far)


def forest(card: Card, land: Array) -> None:
    card.hill(land, card.hills(card.horizon - 8, 20, 5), _snowy(card, (84, 116, 112), 0.4), 0.85)
    near, far = GRASS[card.scene.season]
    card.ground(land, _front(card) - 4, mix(near, (90, 74, 44), 0.25), mix(far, (70, 74, 48), 0.35), 0.24)


def forest_trees(card: Card) -> None:
    leaves = LEAVES[card.scene.season]
    for row, number, height, depth in ((-4.0, 22, 30, 0.75), (0.0, 16, 38, 0.48), (5.0, 9, 46, 0.22)):
        for k in range(number):
            x = (k + card.rng.uniform(0.1, 0.9)) * SIZE / number
            if depth < 0.3 and 0.30 < x / SIZE < 0.70:
                continue  # a clearing, so that things can be seen
            y = _front(card) + row + card.rng.uniform(-2, 2)
            tall = height * card.rng.uniform(0.75, 1.2)
            leaf = leaves[int(card.rng.integers(len(leaves)))]
            conifer(card, x, y, tall, mix(leaf, (30, 66, 54), 0.55 if card.scene.season != "autumn" else 0.15), depth)


def conifer(card: Card, x: float, y: float, tall: float, leaf: Colour, depth: float) -> None:
    card.box(x - tall * 0.025, y - tall * 0.2, x + tall * 0.025, y, card.shade((78, 58, 44), depth))
    snow = card.scene.season == "winter"
    for step in range(4):
        low, high = y - tall * (0.10 + 0.20 * step), y - tall * (0.44 + 0.187 * step)
        half = tall * (0.21 - 0.04 * step)
        card.poly([(x - half, low), (x, high), (x + half, low)], card.shade(leaf, depth))
        card.poly(
            [(x + half * 0.15, low), (x, high), (x + half, low)], card.shade(mix(leaf, (16, 30, 40), 0.25), depth)
        )
        if snow:
            mid = high + (low - high) * 0.45
            card.poly([(x - half * 0.45, mid), (x, high), (x + half * 0.45, mid)], card.shade((244, 248, 252), depth))


def farm(card: Card, land: Array) -> None:
    near, far = GRASS[card.scene.season]
    card.hill(land, card.hills(card.horizon + 2, 14, 3), mix(far, (90, 120, 120), 0.35), 0.75)
    wheat: Colour = _snowy(
        card, {"autumn": (206, 160, 78), "spring": (176, 200, 96)}.get(card.scene.season, (226, 194, 96)), 0.85
    )
    card.hill(land, card.hills(card.horizon + 7, 9, 2), wheat, 0.45)
    top = _front(card)
    card.ground(land, top, near, far)
    y, x = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32)
    down = np.clip((y - top) / (SIZE - top), 0, 1)
    vanishing = card.rng.uniform(40, 104)
    rows = np.sin((x - vanishing) / (3 + 22 * down) * 3.2)
    band = np.clip(1 - np.abs(down - 0.22) / 0.20, 0, 1) * (down > 0)
    furrow = (0.5 + 0.5 * rows) * band * 0.42
    earth = np.array(card.shade(_snowy(card, (134, 96, 58), 0.55), 0.15), dtype=np.float32)
    land += furrow[..., None] * (earth - land)


def farm_yard(card: Card) -> None:
    y = _front(card) - 2
    side = 1 if card.rng.random() < 0.5 else -1
    x = SIZE / 2 + side * card.rng.uniform(42, 56)
    silo = card.shade((176, 182, 188), 0.35)  # a silo and not a barn: a barn would pass for a house
    card.box(x - 4, y - 19, x + 4, y, silo)
    card.box(x + 1, y - 19, x + 4, y, card.shade((134, 140, 150), 0.35))
    card.pie(x, y - 19, 4, 4.4, 180, 360, card.shade((120, 128, 140), 0.35))
    for k in range(3):
        bale = x - side * (14 + 9 * k) + card.rng.uniform(-2, 2)
        card.oval(bale, y + 3 + k, 3.4, 2.7, card.shade(_snowy(card, (214, 176, 92), 0.45), 0.3))
        card.oval(bale + 0.6, y + 3 + k, 1.8, 1.6, card.shade((176, 138, 66), 0.3))
    fence = card.shade((146, 116, 84), 0.1)
    row = 0.975 * SIZE - 5
    for x in range(-2, SIZE, 13):
        card.box(x, row - 6, x + 1.3, row + 3, fence)
    for up in (1.5, 4.5):
        card.box(0, row - up - 0.5, SIZE, row - up + 0.4, fence)


def village(card: Card, land: Array) -> None:
    near, far = GRASS[card.scene.season]
    card.hill(land, card.hills(card.horizon - 8, 26, 3), _snowy(card, (112, 138, 130), 0.4), 0.85)
    card.hill(land, card.hills(card.horizon + 3, 13, 3), far, 0.55)
    top = _front(card)
    card.ground(land, top, near, far)
    y, x = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32)
    down = np.clip((y - top) / (SIZE - top), 0, 1)
    bend = SIZE / 2 + 16 * np.sin(down * 3.4 + card.rng.uniform(0, 6)) * (1 - down * 0.4)
    lane = np.clip((2.4 + 15 * down - np.abs(x - bend)) / 1.5, 0, 1) * (down > 0)
    land += lane[..., None] * (np.array(card.shade(_snowy(card, (206, 180, 140), 0.35)), dtype=np.float32) - land)


def village_roofs(card: Card) -> None:
    row = _front(card) + 1
    walls: list[Colour] = [(226, 214, 196), (214, 198, 180), (232, 224, 210)]
    for k in range(11):
        x = (k + card.rng.uniform(0.2, 0.8)) * SIZE / 11
        w, h = card.rng.uniform(4.2, 6.2), card.rng.uniform(4.5, 7.0)
        _cottage(card, x, row + card.rng.uniform(-3, 0.5), w, h, walls[k % 3], 0.5)
    x = card.rng.uniform(30, 114)
    stone, slate = card.shade((206, 196, 184), 0.42), card.shade(_snowy(card, (92, 92, 112), 0.5), 0.42)
    card.box(x - 3.2, row - 20, x + 3.2, row, stone)
    card.poly([(x - 4, row - 20), (x, row - 34), (x + 4, row - 20)], slate)
    card.box(x + 3, row - 10, x + 14, row, stone)
    card.poly([(x + 2, row - 10), (x + 5, row - 15), (x + 13, row - 15), (x + 16, row - 10)], slate)
    card.window(x - 0.9, row - 15, 1.8, 3.2)


def _cottage(card: Card, x: float, y: float, w: float, h: float, wall: Colour, depth: float) -> None:
    card.box(x - w, y - h, x + w, y, card.shade(wall, depth))
    roof = _snowy(card, (158, 98, 78), 0.75)
    card.poly(
        [(x - w - 1, y - h), (x - w * 0.6, y - h * 1.7), (x + w * 0.6, y - h * 1.7), (x + w + 1, y - h)],
        card.shade(roof, depth),
    )
    for side in (-0.5, 0.4):
        card.window(x + w * side - 0.8, y - h * 0.66, 1.6, 1.9)


def city(card: Card, land: Array) -> None:
    pavement = _snowy(card, (168, 164, 162), 0.6)
    card.ground(land, 0.66 * SIZE, pavement, mix(pavement, (120, 118, 124), 0.3), 0.08)


def city_blocks(card: Card) -> None:
    foot = 0.67 * SIZE
    fronts: list[Colour] = [(176, 148, 132), (148, 152, 166), (190, 178, 160), (132, 136, 154), (168, 128, 116)]
    for depth, low, high, width in ((0.80, 40, 74, 11), (0.48, 24, 56, 14), (0.2, 16, 34, 19)):
        x = -card.rng.uniform(0, 10)
        while x < SIZE:
            w = width * card.rng.uniform(0.75, 1.3)
            h = card.rng.uniform(low, high)
            colour = fronts[int(card.rng.integers(len(fronts)))]
            card.box(x, foot - h, x + w, foot, card.shade(colour, depth))
            card.box(x + w * 0.72, foot - h, x + w, foot, card.shade(mix(colour, (40, 40, 60), 0.25), depth))
            if card.scene.season == "winter":
                card.box(x, foot - h - 0.8, x + w, foot - h + 0.4, card.shade((244, 247, 252), depth * 0.6))
            if depth > 0.6 and card.rng.random() < 0.3:
                card.line([(x + w / 2, foot - h), (x + w / 2, foot - h - 8)], 0.6, card.shade(colour, depth))
            step = 3.4
            columns, rows = int(w * 0.72 / step), int((h - 4) / 4.2)
            for k, lit in enumerate(card.rng.random(columns * rows)):
                wx, wy = x + 1.2 + (k % columns) * step, foot - h + 2.4 + (k // columns) * 4.2
                if depth > 0.6:
                    if card.dark and lit < 0.35:
                        card.box(wx, wy, wx + 1.1, wy + 1.5, (238, 200, 128))
                else:
                    card.window(wx, wy, 1.5, 2.1, lit < 0.45, depth)
            x += w + card.rng.uniform(0, 2 if depth > 0.3 else 9)
    road = card.shade(_snowy(card, (92, 92, 100), 0.35))
    card.box(0, 0.735 * SIZE, SIZE, 0.80 * SIZE, road)
    for x in range(4, SIZE, 16):
        card.box(x, 0.765 * SIZE, x + 8, 0.772 * SIZE, card.shade((226, 222, 206)))
    for x in (20.0, 72.0, 124.0):
        x += card.rng.uniform(-5, 5)
        card.box(x - 0.5, 0.735 * SIZE - 20, x + 0.5, 0.735 * SIZE, card.shade((58, 60, 68)))
        card.lantern(x, 0.735 * SIZE - 21, 1.3)


def desert(card: Card, land: Array) -> None:
    sand: Colour = _snowy(card, (226, 172, 108), 0.22)
    _mesa(card, land)
    card.hill(land, card.hills(card.horizon + 4, 12, 2), mix(sand, (190, 110, 70), 0.3), 0.6)
    top = card.hills(card.horizon + 12, 9, 2)
    card.hill(land, top, sand, 0.3)
    card.ground(land, np.maximum(_front(card), top + 6), mix(sand, (240, 200, 140), 0.4), sand)
    y, x = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32)
    t = np.clip((y - _front(card)) / (SIZE - _front(card)), 0, 1)
    wind = np.sin(y * (1.3 - 0.7 * t) + 5 * card.stretch(2, 3) * 3 + x * 0.05) * 0.045 * (t > 0)
    land *= 1 + wind[..., None] * np.minimum(t * 5, 1)[..., None]


def _mesa(card: Card, land: Array) -> None:
    y, x = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32)
    for _ in range(2):
        centre, half, tall = card.rng.uniform(8, 136), card.rng.uniform(9, 20), card.rng.uniform(12, 24)
        rough = 3 * (card.stretch(2)[0] - 0.5)
        top = card.horizon + 4 - tall * np.clip((half - np.abs(x[0] - centre)) / 3.5, 0, 1) + rough
        inside = np.clip(y - top + 0.5, 0, 1)[..., None]
        strata = 1 + 0.07 * np.sin(y * 1.1 + 2 * rough)[..., None] * (np.abs(x - centre) < half + 2)[..., None]
        land += inside * (np.array(card.shade((186, 100, 70), 0.6), dtype=np.float32) * strata - land)


def desert_plants(card: Card) -> None:
    for _ in range(4):
        x = card.rng.uniform(6, 138)
        y = _front(card) + card.rng.uniform(1, 8)
        h = card.rng.uniform(7, 12)
        green = card.shade((92, 128, 84), 0.2)
        card.line([(x, y), (x, y - h)], 2.0, green)
        for side, up in ((-1, 0.35), (1, 0.5)):
            card.line(
                [(x, y - h * up), (x + side * 3.2, y - h * up), (x + side * 3.2, y - h * (up + 0.32))], 1.4, green
            )


def quay_houses(card: Card) -> None:
    foot = 0.505 * SIZE
    fronts: list[Colour] = [(214, 190, 164), (198, 176, 168), (222, 212, 194), (180, 176, 178), (206, 170, 146)]
    x = -card.rng.uniform(0, 8)
    while x < SIZE:
        w, h = card.rng.uniform(8, 13), card.rng.uniform(11, 20)
        wall = fronts[int(card.rng.integers(len(fronts)))]
        card.box(x, foot - h, x + w, foot, card.shade(wall, 0.45))
        card.poly(
            [(x - 0.4, foot - h), (x + w / 2, foot - h - 5), (x + w + 0.4, foot - h)],
            card.shade(_snowy(card, (150, 96, 80), 0.75), 0.45),
        )
        for row in range(int(h / 5.5)):
            for column in range(2):
                lit = card.rng.random() < 0.6
                card.window(x + w * (0.24 + 0.36 * column), foot - h + 2 + row * 5.2, 1.6, 2.2, lit, 0.45)
        x += w
    card.box(0, foot - 0.6, SIZE, foot + 2, card.shade((112, 104, 100), 0.35))


def front_quay(card: Card) -> None:
    """The stones we stand on, with bollards: drawn after the water has been given its reflections."""
    top = _front(card)
    stone = _snowy(card, (164, 152, 140), 0.45)
    card.box(0, top, SIZE, SIZE, card.shade(stone))
    card.box(0, top, SIZE, top + 2.2, card.shade(mix(stone, (250, 246, 236), 0.35)))
    for row in range(4):
        y = top + 4 + row * 6
        card.line([(0, y), (SIZE, y)], 0.35, (*card.shade((108, 98, 92)), 120))
        for x in range(-10 + (row % 2) * 9, SIZE, 18):
            card.line([(x, y), (x - 1.5, y + 6)], 0.35, (*card.shade((108, 98, 92)), 110))
    for x in (14, 72, 130):
        card.box(x - 1.6, top - 2.6, x + 1.6, top + 1, card.shade((58, 58, 64)))
        card.oval(x, top - 2.8, 2.1, 1.1, card.shade((78, 78, 84)))


LAND = {
    "beach": beach,
    "harbour": harbour,
    "mountains": mountains,
    "forest": forest,
    "farm": farm,
    "village": village,
    "city": city,
    "desert": desert,
}
BACKDROP = {
    "harbour": quay_houses,
    "forest": forest_trees,
    "farm": farm_yard,
    "village": village_roofs,
    "city": city_blocks,
    "desert": desert_plants,
}
