"""The nineteen kinds of things. Each stands with its foot at (x, y); s = 1 is its full size."""

from __future__ import annotations

import math
from collections.abc import Callable

from diptych.postcards.card import Card, Colour, mix

DARK: Colour = (40, 36, 44)
WOOD: Colour = (126, 88, 56)


def _deeper(colour: Colour, share: float = 0.28) -> Colour:
    return mix(colour, (24, 18, 48), share)


def _paler(colour: Colour, share: float = 0.35) -> Colour:
    return mix(colour, (255, 250, 238), share)


def house(card: Card, x: float, y: float, s: float, colour: Colour) -> None:
    w, h = 14 * s, 16 * s
    card.shadow(x, y, w * 1.15, 2.2 * s)
    card.box(x - w, y - h, x + w, y, card.shade(colour))
    card.box(x + w * 0.55, y - h, x + w, y, card.shade(_deeper(colour)))
    winter = card.scene.season == "winter"
    roof: Colour = (236, 240, 248) if winter else (112, 78, 70)
    card.box(x + w * 0.40, y - h - 12 * s, x + w * 0.60, y - h - 3 * s, card.shade((138, 90, 78)))
    card.poly(
        [(x - w * 1.18, y - h), (x - w * 0.62, y - h - 10 * s), (x + w * 0.62, y - h - 10 * s), (x + w * 1.18, y - h)],
        card.shade(roof),
    )
    card.box(x - w * 1.18, y - h - 0.6 * s, x + w * 1.18, y - h + 0.7 * s, card.shade(_deeper(roof, 0.3)))
    card.box(x - 2.4 * s, y - 8.5 * s, x + 2.4 * s, y, card.shade((94, 62, 44)))
    card.oval(x + 1.4 * s, y - 4.2 * s, 0.5 * s, 0.5 * s, card.shade((226, 196, 110)))
    for side in (-8.6, 8.6):
        card.box(x + (side - 3.2) * s, y - 12.2 * s, x + (side + 3.2) * s, y - 5.4 * s, card.shade((250, 246, 236)))
        card.window(x + (side - 2.5) * s, y - 11.5 * s, 5 * s, 5.4 * s, True, 0.0)
        card.box(x + (side - 0.3) * s, y - 11.5 * s, x + (side + 0.3) * s, y - 6.1 * s, card.shade((250, 246, 236)))
    if card.scene.weather != "rain":
        for k in range(3):
            card.oval(
                x + w * 0.5 + (1.5 + 2.6 * k) * s,
                y - h - (14 + 3.6 * k) * s,
                (1.6 + 0.7 * k) * s,
                (1.3 + 0.5 * k) * s,
                (*card.shade((236, 236, 240)), 110 - 28 * k),
            )


def tree(card: Card, x: float, y: float, s: float, colour: Colour) -> None:
    card.shadow(x, y, 10 * s, 1.8 * s)
    trunk = card.shade((98, 70, 50))
    card.poly([(x - 1.7 * s, y), (x - 0.9 * s, y - 16 * s), (x + 0.9 * s, y - 16 * s), (x + 1.9 * s, y)], trunk)
    for dx, dy, r, tone in (
        (-6.0, -16.0, 6.4, 0.26),
        (6.2, -16, 6.2, 0.32),
        (0.4, -15, 7.0, 0.28),
        (-4.2, -23, 6.6, 0.06),
        (4.6, -23, 6.4, 0.16),
        (0.0, -27, 6.6, 0.0),
    ):
        card.oval(x + dx * s, y + dy * s, r * s, r * 0.94 * s, card.shade(_deeper(colour, tone)))
    for dx, dy, r in ((-3.6, -26.0, 3.2), (-6.4, -19.0, 2.2), (1.6, -29.5, 2.4), (2.4, -21, 1.9)):
        card.oval(x + dx * s, y + dy * s, r * s, r * 0.8 * s, (*card.shade(_paler(colour)), 130))
    if card.scene.season == "winter":
        card.pie(x, y - 28 * s, 6.4 * s, 5 * s, 200, 340, (*card.shade((246, 249, 253)), 225))


def lighthouse(card: Card, x: float, y: float, s: float, colour: Colour) -> None:
    card.shadow(x, y, 8 * s, 1.8 * s)
    card.poly(
        [(x - 9 * s, y + 1), (x - 5 * s, y - 3.4 * s), (x + 5 * s, y - 3.2 * s), (x + 9.5 * s, y + 1)],
        card.shade((122, 112, 106)),
    )

    def half(up: float) -> float:
        return (5.0 - 1.9 * up / 36) * s

    for k in range(6):
        low, high = 3 + 5.5 * k, 3 + 5.5 * (k + 1)
        stripe = colour if k % 2 == 0 else (244, 241, 234)
        a, b = half(low), half(high)
        card.poly(
            [(x - a, y - low * s), (x - b, y - high * s), (x + b, y - high * s), (x + a, y - low * s)],
            card.shade(stripe),
        )
        card.poly(
            [(x + a * 0.3, y - low * s), (x + b * 0.3, y - high * s), (x + b, y - high * s), (x + a, y - low * s)],
            card.shade(_deeper(stripe, 0.2)),
        )
    top = y - 36 * s
    card.box(x - 4.4 * s, top - 0.8 * s, x + 4.4 * s, top + 0.6 * s, card.shade(DARK))
    if card.dim:
        for side in (-1, 1):
            for reach in (12, 20, 28, 36, 44, 52):  # shorter beams laid over longer ones fade with distance
                wide = 0.16 * reach
                card.poly(
                    [(x, top - 3 * s), (x + side * reach, top - 3 * s - wide), (x + side * reach, top - 3 * s + wide)],
                    (255, 232, 160, 17 if card.dark else 9),
                )
    card.lantern(x, top - 3.1 * s, 2.3 * s)
    card.poly([(x - 3.4 * s, top - 5 * s), (x, top - 9 * s), (x + 3.4 * s, top - 5 * s)], card.shade(colour))


def windmill(card: Card, x: float, y: float, s: float, colour: Colour) -> None:
    card.shadow(x, y, 9 * s, 1.8 * s)
    card.poly([(x - 7 * s, y), (x - 4 * s, y - 24 * s), (x + 4 * s, y - 24 * s), (x + 7 * s, y)], card.shade(colour))
    card.poly(
        [(x + 1.8 * s, y), (x + 1.2 * s, y - 24 * s), (x + 4 * s, y - 24 * s), (x + 7 * s, y)],
        card.shade(_deeper(colour)),
    )
    card.pie(x, y - 23.6 * s, 4.6 * s, 5.6 * s, 180, 360, card.shade((84, 66, 60)))
    card.box(x - 1.7 * s, y - 5.5 * s, x + 1.7 * s, y, card.shade((84, 60, 48)))
    card.window(x - 1.2 * s, y - 14 * s, 2.4 * s, 2.8 * s, True, 0.0)
    turn = card.rng.uniform(0, math.pi / 2)
    hub = (x, y - 25 * s)
    for k in range(4):
        a = turn + k * math.pi / 2
        dx, dy = math.cos(a), math.sin(a)
        end = (hub[0] + dx * 15 * s, hub[1] + dy * 15 * s)
        sail = [
            (hub[0] + dx * 4 * s, hub[1] + dy * 4 * s),
            end,
            (end[0] - dy * 3.6 * s, end[1] + dx * 3.6 * s),
            (hub[0] + (dx * 4 - dy * 3.6) * s, hub[1] + (dy * 4 + dx * 3.6) * s),
        ]
        card.poly(sail, (*card.shade((238, 230, 212)), 235))
        card.line([hub, end], 0.9 * s, card.shade((92, 70, 56)))
    card.oval(*hub, 1.2 * s, 1.2 * s, card.shade(DARK))


def boat(card: Card, x: float, y: float, s: float, colour: Colour) -> None:
    lean = card.rng.uniform(-0.5, 0.5)
    hull = [(x - 10 * s, y - 3.6 * s), (x + 10.5 * s, y - 3.6 * s), (x + 7 * s, y), (x - 7 * s, y)]
    card.poly([(px, 2 * y - py) for px, py in hull], (*card.shade(_deeper(colour)), 100))
    card.poly([(x + lean, y + 1), (x + 7 * s, y + 3 * s), (x + 1 * s, y + 15 * s)], (*card.shade((240, 236, 226)), 62))
    card.poly(hull, card.shade(colour))
    card.poly(
        [(x - 8.2 * s, y - 1.5 * s), (x + 8.6 * s, y - 1.5 * s), (x + 7 * s, y), (x - 7 * s, y)],
        card.shade(_deeper(colour)),
    )
    card.line([(x - 10 * s, y - 3.6 * s), (x + 10.5 * s, y - 3.6 * s)], 0.7 * s, card.shade(_paler(colour, 0.6)))
    card.line([(x, y - 3.6 * s), (x + lean, y - 22 * s)], 0.8 * s, card.shade(WOOD))
    card.poly(
        [(x + 1 * s + lean, y - 21 * s), (x + 1 * s, y - 5.4 * s), (x + 9 * s, y - 5.4 * s)],
        card.shade((246, 242, 230)),
    )
    card.poly(
        [(x - 1 * s + lean, y - 18.5 * s), (x - 1 * s, y - 5.4 * s), (x - 6.8 * s, y - 5.4 * s)],
        card.shade(_paler(colour, 0.15)),
    )
    card.line([(x - 9 * s, y + 0.3), (x + 9 * s, y + 0.3)], 0.5, (*card.shade((248, 250, 252)), 130))
    if card.dark:
        card.lantern(x - 8 * s, y - 5 * s, 0.9 * s)


def balloon(card: Card, x: float, y: float, s: float, colour: Colour) -> None:
    r = 9.5 * s
    for k, tone in ((1.0, 0.18), (0.62, 0.0), (0.24, -1.0)):
        part = _paler(colour, 0.62) if tone < 0 else _deeper(colour, tone)
        card.oval(x, y - r * 0.2, r * k, r * 1.04, card.shade(part, 0.08))
        neck = [
            (x - r * 0.86 * k, y + r * 0.34),
            (x - r * 0.26 * k, y + r * 1.18),
            (x + r * 0.26 * k, y + r * 1.18),
            (x + r * 0.86 * k, y + r * 0.34),
        ]
        card.poly(neck, card.shade(part, 0.08))
    card.oval(x - r * 0.36, y - r * 0.62, r * 0.26, r * 0.34, (255, 255, 255, 60 if not card.dark else 18))
    for side in (-1, 1):
        card.line([(x + side * r * 0.24, y + r * 1.16), (x + side * r * 0.17, y + r * 1.52)], 0.35, card.shade(DARK))
    card.box(x - r * 0.21, y + r * 1.48, x + r * 0.21, y + r * 1.80, card.shade((138, 94, 56)))
    if card.dim:
        card.lantern(x, y + r * 1.26, 0.9 * s)


def kite(card: Card, x: float, y: float, s: float, colour: Colour) -> None:
    a = card.rng.uniform(-0.5, 0.5)

    def at(u: float, v: float) -> tuple[float, float]:
        return x + (u * math.cos(a) - v * math.sin(a)) * s, y + (u * math.sin(a) + v * math.cos(a)) * s

    tail = [at(2.2 * math.sin(k * 0.9), 9 + 1.7 * k) for k in range(9)]
    card.line(tail, 0.4, card.shade(_deeper(colour, 0.4), 0.1))
    for k in (2, 4, 6, 8):
        card.oval(*tail[k], 1.0 * s, 0.7 * s, card.shade(_paler(colour, 0.2), 0.1))
    card.poly([at(0, -9), at(6.4, -1.6), at(0, 9), at(-6.4, -1.6)], card.shade(colour, 0.05))
    card.poly([at(0, -9), at(6.4, -1.6), at(0, 9)], card.shade(_deeper(colour, 0.22), 0.05))
    card.poly([at(0, -9), at(-6.4, -1.6), at(0, -1.6)], card.shade(_paler(colour), 0.05))


def bird(card: Card, x: float, y: float, s: float, colour: Colour) -> None:
    lift = card.rng.uniform(2.2, 4.2) * s
    facing = 1 if card.rng.random() < 0.5 else -1
    for side in (-1, 1):
        card.poly(
            [
                (x, y - 0.8 * s),
                (x + side * 4.4 * s, y - lift - 0.6 * s),
                (x + side * 10 * s, y - lift * 0.55),
                (x + side * 4.2 * s, y - lift + 1.9 * s),
                (x, y + 1.2 * s),
            ],
            card.shade(colour if side == facing else _deeper(colour, 0.18)),
        )
        card.poly(
            [
                (x + side * 7 * s, y - lift * 0.82),
                (x + side * 10 * s, y - lift * 0.55),
                (x + side * 6.6 * s, y - lift * 0.58),
            ],
            card.shade(_deeper(colour, 0.5)),
        )
    card.oval(x, y, 3.6 * s, 1.5 * s, card.shade(colour))
    card.poly(
        [(x - facing * 3 * s, y - 0.6 * s), (x - facing * 6 * s, y - 0.2), (x - facing * 3 * s, y + 0.9 * s)],
        card.shade(_deeper(colour, 0.15)),
    )
    card.oval(x + facing * 3.6 * s, y - 0.8 * s, 1.4 * s, 1.3 * s, card.shade(colour))
    card.poly(
        [(x + facing * 4.7 * s, y - 1.1 * s), (x + facing * 6.6 * s, y - 0.5 * s), (x + facing * 4.7 * s, y - 0.1 * s)],
        card.shade((236, 160, 50)),
    )


def tent(card: Card, x: float, y: float, s: float, colour: Colour) -> None:
    card.shadow(x, y, 15 * s, 2.0 * s)
    card.poly(
        [(x - 13 * s, y), (x - 2 * s, y - 15 * s), (x + 6 * s, y - 14 * s), (x + 15 * s, y - 1)],
        card.shade(_deeper(colour)),
    )
    card.poly([(x - 13 * s, y), (x - 2 * s, y - 15 * s), (x + 8 * s, y)], card.shade(colour))
    card.poly(
        [(x - 6 * s, y), (x - 2 * s, y - 11 * s), (x + 1.5 * s, y)],
        card.lit((255, 206, 120)) if card.dim else card.shade(_deeper(colour, 0.6)),
    )
    if card.dim:
        card.lamp(x - 2 * s, y - 4 * s, 3 * s)
    card.poly([(x - 6 * s, y), (x - 2 * s, y - 11 * s), (x - 4.4 * s, y)], card.shade(_paler(colour, 0.25)))
    card.line([(x - 2 * s, y - 15 * s), (x - 2 * s, y - 17 * s)], 0.6 * s, card.shade(WOOD))


def car(card: Card, x: float, y: float, s: float, colour: Colour) -> None:
    s *= 0.92
    card.shadow(x, y, 15 * s, 1.9 * s)
    f = 1 if card.rng.random() < 0.5 else -1
    card.poly(
        [
            (x - f * 9 * s, y - 7 * s),
            (x - f * 6 * s, y - 12.5 * s),
            (x + f * 3.4 * s, y - 12.5 * s),
            (x + f * 8 * s, y - 7 * s),
        ],
        card.shade(colour),
    )
    card.draw.rounded_rectangle(
        card.fine(x - 14 * s, y - 7.6 * s, x + 14 * s, y - 1.6 * s), radius=int(7 * s) + 1, fill=card.shade(colour)
    )
    card.box(x - 13.4 * s, y - 3.6 * s, x + 13.4 * s, y - 1.6 * s, card.shade(_deeper(colour)))
    glass = card.shade((176, 208, 226))
    card.poly(
        [
            (x - f * 7.4 * s, y - 7.4 * s),
            (x - f * 5.3 * s, y - 11.4 * s),
            (x - f * 1.4 * s, y - 11.4 * s),
            (x - f * 1.4 * s, y - 7.4 * s),
        ],
        glass,
    )
    card.poly(
        [
            (x - f * 0.4 * s, y - 7.4 * s),
            (x - f * 0.4 * s, y - 11.4 * s),
            (x + f * 2.9 * s, y - 11.4 * s),
            (x + f * 6.3 * s, y - 7.4 * s),
        ],
        glass,
    )
    for side in (-8, 8):
        card.oval(x + side * s, y - 2 * s, 3.1 * s, 3.1 * s, card.shade((34, 34, 38)))
        card.oval(x + side * s, y - 2 * s, 1.3 * s, 1.3 * s, card.shade((196, 198, 204)))
    if card.dim:
        card.poly([(x + f * 14 * s, y - 5 * s), (x + f * 34 * s, y - 8 * s), (x + f * 34 * s, y)], (255, 236, 170, 48))
        card.lantern(x + f * 13.4 * s, y - 5 * s, 1.1 * s)
    else:
        card.oval(x + f * 13.2 * s, y - 5 * s, 0.8 * s, 1.2 * s, card.shade((255, 246, 206)))


def bicycle(card: Card, x: float, y: float, s: float, colour: Colour) -> None:
    card.shadow(x, y, 11 * s, 1.4 * s)
    w = max(1.25 * s, 0.9)
    paint, tyre = card.shade(colour), card.shade(DARK)
    for side in (-6.8, 6.8):
        card.arc(x + side * s, y - 4.6 * s, 4.8 * s, 4.8 * s, 0, 360, max(0.9 * s, 0.6), tyre)
    back, front, crank, seat, head = (
        (x - 6.8 * s, y - 4.6 * s),
        (x + 6.8 * s, y - 4.6 * s),
        (x - 0.6 * s, y - 4.2 * s),
        (x - 2.6 * s, y - 11 * s),
        (x + 4.8 * s, y - 11 * s),
    )
    card.line([back, crank, head, seat, back], w * 1.2, paint)
    card.line([crank, seat], w * 1.2, paint)
    card.line([front, head, (x + 4.4 * s, y - 13 * s), (x + 6.6 * s, y - 13.6 * s)], w * 1.2, paint)
    card.line([(x - 4.4 * s, y - 11.8 * s), (x - 1.0 * s, y - 11.8 * s)], w * 1.3, tyre)
    card.box(x + 5.6 * s, y - 12 * s, x + 9.4 * s, y - 8.8 * s, card.shade(_paler(colour, 0.12)))


def bench(card: Card, x: float, y: float, s: float, colour: Colour) -> None:
    card.shadow(x, y, 13 * s, 1.6 * s)
    iron = card.shade((60, 60, 66))
    for side in (-9.4, 9.4):
        card.line([(x + side * s, y), (x + side * s, y - 11 * s)], 1.2 * s, iron)
    for up, tone in ((10.5, 0.0), (8.0, 0.06), (4.9, 0.16)):
        card.box(x - 12 * s, y - (up + 1.0) * s, x + 12 * s, y - (up - 1.0) * s, card.shade(_deeper(colour, tone)))
    card.poly(
        [(x - 12 * s, y - 5.6 * s), (x + 12 * s, y - 5.6 * s), (x + 13 * s, y - 3.4 * s), (x - 13 * s, y - 3.4 * s)],
        card.shade(_paler(colour, 0.14)),
    )


def umbrella(card: Card, x: float, y: float, s: float, colour: Colour) -> None:
    card.shadow(x + 2 * s, y, 10 * s, 1.7 * s)
    card.line([(x, y), (x, y - 20 * s)], 0.9 * s, card.shade((206, 190, 164)))
    top = y - 14 * s
    card.pie(x, top, 12 * s, 9.4 * s, 180, 360, card.shade(colour))
    pale, deep = card.shade(_paler(colour, 0.55)), card.shade(_deeper(colour, 0.25))
    card.pie(x, top, 7.0 * s, 9.4 * s, 180, 360, pale)
    card.pie(x, top, 2.8 * s, 9.4 * s, 180, 360, card.shade(colour))
    card.poly([(x + 12 * s, top), (x + 8.4 * s, top - 6.6 * s), (x + 7 * s, top)], deep)
    for k in range(-2, 3):
        card.oval(x + k * 4.8 * s, top, 2.4 * s, 1.1 * s, card.shade(colour) if k % 2 == 0 else pale)
    card.line([(x, top - 9.2 * s), (x, top - 11 * s)], 0.7 * s, card.shade((206, 190, 164)))


def horse(card: Card, x: float, y: float, s: float, colour: Colour) -> None:
    f = 1 if card.rng.random() < 0.5 else -1
    card.shadow(x, y, 11 * s, 1.5 * s)
    coat, dark = card.shade(colour), card.shade(_deeper(colour, 0.4))
    for dx, tone in ((-6.2, dark), (-4.0, coat), (4.2, dark), (6.2, coat)):
        card.line([(x + f * dx * s, y - 9 * s), (x + f * (dx + 0.3) * s, y)], 1.7 * s, tone)
    card.oval(x, y - 10.6 * s, 8.6 * s, 4.3 * s, coat)
    card.poly(
        [
            (x + f * 4.4 * s, y - 12 * s),
            (x + f * 8.6 * s, y - 20.4 * s),
            (x + f * 12.0 * s, y - 19 * s),
            (x + f * 8.2 * s, y - 8.6 * s),
        ],
        coat,
    )
    card.poly(
        [
            (x + f * 8.4 * s, y - 21 * s),
            (x + f * 15.6 * s, y - 16.4 * s),
            (x + f * 14.4 * s, y - 14.6 * s),
            (x + f * 9.4 * s, y - 17 * s),
        ],
        coat,
    )
    card.poly([(x + f * 8.6 * s, y - 20.6 * s), (x + f * 9.2 * s, y - 23.4 * s), (x + f * 10.4 * s, y - 20 * s)], coat)
    card.line(
        [(x + f * 8.4 * s, y - 21 * s), (x + f * 5.4 * s, y - 16 * s), (x + f * 3.4 * s, y - 13.4 * s)], 1.7 * s, dark
    )
    card.line(
        [(x - f * 8.2 * s, y - 12.4 * s), (x - f * 11 * s, y - 9 * s), (x - f * 10.8 * s, y - 4.4 * s)], 1.6 * s, dark
    )
    card.oval(x + f * 11.2 * s, y - 18.6 * s, 0.5 * s, 0.5 * s, card.shade((16, 14, 14)))


def sheep(card: Card, x: float, y: float, s: float, colour: Colour) -> None:
    s *= 1.05
    f = 1 if card.rng.random() < 0.5 else -1
    card.shadow(x, y, 9 * s, 1.4 * s)
    face = card.shade((52, 46, 50) if sum(colour) > 200 else (196, 184, 172))
    for dx in (-4.4, -2.6, 3.0, 4.8):
        card.line([(x + dx * s, y - 4 * s), (x + dx * s, y)], 1.2 * s, face)
    for dx, dy, r, tone in (
        (-5, -6.6, 3.6, 0.12),
        (0, -6.0, 4.0, 0.16),
        (5, -6.6, 3.4, 0.14),
        (-3.6, -9.2, 3.6, 0.0),
        (1.4, -9.8, 3.9, 0.0),
        (4.8, -8.8, 3.0, 0.04),
    ):
        card.oval(x + dx * s, y + dy * s, r * s, r * 0.88 * s, card.shade(_deeper(colour, tone)))
    card.oval(x + f * 8.6 * s, y - 9.2 * s, 2.3 * s, 2.8 * s, face)
    card.oval(x + f * 7.0 * s, y - 11 * s, 1.6 * s, 0.8 * s, face)
    card.oval(x + f * 8.0 * s, y - 11.6 * s, 2.0 * s, 1.3 * s, card.shade(colour))


def dog(card: Card, x: float, y: float, s: float, colour: Colour) -> None:
    s *= 1.1
    f = 1 if card.rng.random() < 0.5 else -1
    card.shadow(x, y, 8 * s, 1.3 * s)
    coat, dark = card.shade(colour), card.shade(_deeper(colour, 0.32))
    for dx, tone in ((-4.6, dark), (-3.2, coat), (3.2, dark), (4.6, coat)):
        card.line([(x + f * dx * s, y - 4.4 * s), (x + f * dx * s, y)], 1.5 * s, tone)
    card.oval(x, y - 5.8 * s, 6.0 * s, 2.7 * s, coat)
    card.line(
        [(x - f * 5.2 * s, y - 6.8 * s), (x - f * 8 * s, y - 9.2 * s), (x - f * 8.4 * s, y - 11.4 * s)], 1.2 * s, coat
    )
    card.poly(
        [
            (x + f * 3.4 * s, y - 7.4 * s),
            (x + f * 4.6 * s, y - 11 * s),
            (x + f * 7.6 * s, y - 9 * s),
            (x + f * 5.8 * s, y - 5 * s),
        ],
        coat,
    )
    card.oval(x + f * 6.4 * s, y - 10.4 * s, 2.8 * s, 2.4 * s, coat)
    card.oval(x + f * 9.0 * s, y - 9.6 * s, 1.8 * s, 1.2 * s, coat)
    card.poly([(x + f * 4.2 * s, y - 12.2 * s), (x + f * 6.2 * s, y - 12.2 * s), (x + f * 4.4 * s, y - 7.6 * s)], dark)
    card.oval(x + f * 10.5 * s, y - 10 * s, 0.7 * s, 0.6 * s, card.shade((20, 18, 20)))
    card.oval(x + f * 7.2 * s, y - 11 * s, 0.45 * s, 0.45 * s, card.shade((20, 18, 20)))
    card.line([(x + f * 4.0 * s, y - 8.4 * s), (x + f * 6.4 * s, y - 7.0 * s)], 0.8 * s, card.shade((206, 60, 54)))


def cat(card: Card, x: float, y: float, s: float, colour: Colour) -> None:
    s *= 1.05
    f = 1 if card.rng.random() < 0.5 else -1
    card.shadow(x, y, 6 * s, 1.2 * s)
    coat, dark = card.shade(colour), card.shade(_deeper(colour, 0.3))
    card.line(
        [
            (x - f * 3.6 * s, y - 1 * s),
            (x - f * 7.4 * s, y - 1.2 * s),
            (x - f * 8.6 * s, y - 5 * s),
            (x - f * 7 * s, y - 7.6 * s),
        ],
        1.5 * s,
        dark,
    )
    card.oval(x, y - 4.2 * s, 4.3 * s, 4.4 * s, coat)
    card.oval(x + f * 0.4 * s, y - 7.4 * s, 3.1 * s, 3.6 * s, coat)
    hx, hy = x + f * 1.0 * s, y - 11.6 * s
    for side in (-1, 1):
        card.poly(
            [
                (hx + side * 3.2 * s, hy + 0.4 * s),
                (hx + side * 3.2 * s, hy - 4.6 * s),
                (hx + side * 0.6 * s, hy - 2.2 * s),
            ],
            coat,
        )
        card.poly(
            [
                (hx + side * 2.7 * s, hy - 0.8 * s),
                (hx + side * 2.8 * s, hy - 3.5 * s),
                (hx + side * 1.3 * s, hy - 2.0 * s),
            ],
            card.shade((232, 160, 160)),
        )
        card.line([(x + side * 1.5 * s, y - 4 * s), (x + side * 1.6 * s, y - 0.2)], 1.5 * s, dark)
    card.oval(hx, hy, 3.4 * s, 2.9 * s, coat)
    for side in (-1, 1):
        card.oval(
            hx + side * 1.3 * s,
            hy - 0.2 * s,
            0.55 * s,
            0.7 * s,
            card.shade((206, 214, 92)) if sum(colour) < 300 else card.shade((30, 60, 40)),
        )
    card.oval(hx, hy + 1.1 * s, 0.5 * s, 0.35 * s, card.shade((220, 130, 130)))


def person(card: Card, x: float, y: float, s: float, colour: Colour) -> None:
    card.shadow(x, y, 5.4 * s, 1.3 * s)
    skin = card.shade(((246, 210, 180), (222, 174, 134), (166, 112, 78), (112, 74, 54))[int(card.rng.integers(4))])
    hair = card.shade(((58, 40, 32), (28, 24, 26), (176, 122, 62), (128, 62, 38))[int(card.rng.integers(4))])
    trousers = card.shade((62, 66, 88))
    stride = card.rng.uniform(0.8, 2.4)
    for side in (-1, 1):
        card.line([(x + side * 1.2 * s, y - 9 * s), (x + side * stride * s, y - 0.4)], 2.1 * s, trousers)
    coat, deep = card.shade(colour), card.shade(_deeper(colour))
    for side in (-1, 1):
        hand = (x + side * 4.9 * s, y - 10.6 * s)
        card.line([(x + side * 2.6 * s, y - 17.2 * s), (x + side * 4.6 * s, y - 13.6 * s), hand], 1.7 * s, deep)
        card.oval(*hand, 0.9 * s, 0.9 * s, skin)
    card.poly(
        [
            (x - 3.0 * s, y - 18.4 * s),
            (x + 3.0 * s, y - 18.4 * s),
            (x + 4.2 * s, y - 7.6 * s),
            (x - 4.2 * s, y - 7.6 * s),
        ],
        coat,
    )
    card.poly(
        [
            (x + 1.0 * s, y - 18.4 * s),
            (x + 3.0 * s, y - 18.4 * s),
            (x + 4.2 * s, y - 7.6 * s),
            (x + 1.4 * s, y - 7.6 * s),
        ],
        deep,
    )
    card.oval(x, y - 21.4 * s, 2.8 * s, 3.0 * s, skin)
    card.pie(x, y - 21.8 * s, 3.1 * s, 3.2 * s, 180, 360, hair)
    if card.scene.season == "winter" or card.scene.weather in ("rain", "snow"):
        card.pie(x, y - 22.2 * s, 3.2 * s, 3.4 * s, 180, 360, coat)
        card.oval(x, y - 25.6 * s, 0.9 * s, 0.9 * s, card.shade(_paler(colour, 0.6)))


def flower(card: Card, x: float, y: float, s: float, colour: Colour) -> None:
    s *= 1.15
    card.shadow(x, y, 3.4 * s, 0.8 * s)
    stem = card.shade((70, 128, 62))
    bend = card.rng.uniform(-1.6, 1.6)
    hx, hy = x + bend * s, y - 12.4 * s
    card.line([(x, y), (x + bend * 0.3 * s, y - 6 * s), (hx, hy)], 1.0 * s, stem)
    for side, up in ((-1, 3.4), (1, 5.0)):
        card.poly(
            [
                (x, y - (up - 1.4) * s),
                (x + side * 4.2 * s, y - (up + 2.2) * s),
                (x + side * 0.8 * s, y - (up + 0.6) * s),
            ],
            stem,
        )
    turn = card.rng.uniform(0, 1)
    for k in range(6):
        a = (k + turn) * math.pi / 3
        petal = colour if k % 2 else _deeper(colour, 0.12)
        card.oval(hx + 3.0 * s * math.cos(a), hy + 3.0 * s * math.sin(a), 2.2 * s, 2.2 * s, card.shade(petal))
    heart: Colour = (250, 208, 84) if colour[2] > 120 or colour[1] < 150 else (122, 78, 42)
    card.oval(hx, hy, 1.8 * s, 1.8 * s, card.shade(heart))


DRAWN: dict[str, Callable[[Card, float, float, float, Colour], None]] = {
    drawn.__name__: drawn
    for drawn in (
        house,
        tree,
        lighthouse,
        windmill,
        boat,
        balloon,
        kite,
        bird,
        tent,
        car,
        bicycle,
        bench,
        umbrella,
        horse,
        sheep,
        dog,
        cat,
        person,
        flower,
    )
}
