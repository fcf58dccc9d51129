"""The card that a scene is painted on: its light, its brushes, its sky, and the ways to lay land and water.

Sky, land and water are numpy at the size of the card; things are drawn over them by Pillow at three times that size.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from diptych.kinds import Array
from diptych.postcards.scene import Scene

SIZE = 144
"""Width and height of a postcard in pixels, border and all."""
FINE = 3
BORDER = 6

Colour = tuple[float, float, float]

PAINT: dict[str, Colour] = {
    "red": (204, 49, 44),
    "orange": (233, 126, 38),
    "yellow": (243, 202, 62),
    "green": (74, 152, 74),
    "blue": (54, 104, 190),
    "purple": (128, 74, 160),
    "pink": (238, 140, 172),
    "white": (243, 241, 235),
    "brown": (128, 82, 48),
    "black": (42, 42, 48),
}

# time of day -> colours of the sky from the top down to the horizon
SKY: dict[str, tuple[Colour, Colour, Colour]] = {
    "dawn": ((108, 142, 204), (236, 182, 196), (255, 228, 178)),
    "day": ((58, 130, 214), (128, 186, 238), (216, 238, 248)),
    "dusk": ((52, 52, 122), (198, 84, 122), (255, 182, 92)),
    "night": ((8, 14, 40), (20, 36, 82), (46, 72, 124)),
}
LIGHT: dict[str, Colour] = {
    "dawn": (0.98, 0.88, 0.88),
    "day": (1.0, 1.0, 0.98),
    "dusk": (0.90, 0.66, 0.62),
    "night": (0.34, 0.40, 0.62),
}
# time of day -> colour of the lit and of the shaded side of a cloud
CLOUD: dict[str, tuple[Colour, Colour]] = {
    "dawn": ((255, 232, 220), (196, 160, 186)),
    "day": ((255, 255, 255), (190, 204, 222)),
    "dusk": ((255, 172, 120), (112, 72, 120)),
    "night": ((72, 86, 130), (26, 34, 68)),
}
# time of day -> what cloud, fog and rain fade everything into
GREY: dict[str, Colour] = {
    "dawn": (206, 194, 202),
    "day": (198, 208, 216),
    "dusk": (150, 112, 128),
    "night": (48, 58, 92),
}
# season -> (near ground, far ground) where things grow
GRASS: dict[str, tuple[Colour, Colour]] = {
    "spring": ((128, 182, 82), (148, 194, 122)),
    "summer": ((92, 154, 66), (106, 158, 96)),
    "autumn": ((176, 142, 70), (178, 132, 82)),
    "winter": ((236, 240, 246), (214, 224, 236)),
}
LEAVES: dict[str, tuple[Colour, ...]] = {
    "spring": ((132, 186, 92), (156, 204, 112), (236, 178, 200)),
    "summer": ((58, 124, 62), (74, 142, 70), (48, 108, 60)),
    "autumn": ((206, 120, 48), (184, 76, 46), (222, 168, 66)),
    "winter": ((196, 208, 220), (222, 230, 238), (150, 164, 172)),
}
LAMP: Colour = (255, 206, 120)

# place -> (row of the horizon, row where the foremost ground begins) as parts of the height
HORIZON = {
    "beach": (0.46, 0.70),
    "harbour": (0.44, 0.82),
    "mountains": (0.56, 0.70),
    "forest": (0.54, 0.62),
    "farm": (0.50, 0.58),
    "village": (0.52, 0.60),
    "city": (0.60, 0.66),
    "desert": (0.52, 0.62),
}
WATERLINE = {"beach": (0.46, 0.72), "harbour": (0.51, 0.82), "mountains": (0.58, 0.70)}


# ---------------------------------------------------------------------------------------------------------- textures


@cache
def noise(height: int, width: int, octaves: int, which: int) -> Array:
    """(height, width) cloudy values in 0..1 that tile; the same for every card, which shows another stretch of it."""
    rng = np.random.default_rng([which, height, width])
    total: Array = np.zeros((height, width), dtype=np.float32)
    for octave in range(octaves):
        rows, columns = 3 * 2**octave, 3 * 2**octave
        grid = np.pad(rng.random((rows, columns), dtype=np.float32), 2, mode="wrap")
        scaled = Image.fromarray(grid, mode="F").resize(
            (width, height), Image.Resampling.BICUBIC, box=(2, 2, columns + 2, rows + 2)
        )
        total += np.asarray(scaled) * 0.5**octave
    total -= total.min()
    return np.asarray(total / total.max())


@cache
def grid() -> tuple[Array, Array]:
    y, x = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32) + 0.5
    return y, x


@cache
def vignette() -> Array:
    y, x = grid()
    r2 = ((x - SIZE / 2) ** 2 + (y - SIZE / 2) ** 2) / (SIZE / 2) ** 2
    return (1 - 0.13 * np.clip(r2 - 0.35, 0, None)).astype(np.float32)[..., None]


@cache
def paper_and_border() -> tuple[Array, Array]:
    """(144, 144, 1) how much of each pixel is the blank border, and (144, 144, 3) what the paper looks like."""
    big = Image.new("L", (SIZE * 4, SIZE * 4), 255)
    inner = (BORDER * 4, BORDER * 4, (SIZE - BORDER) * 4 - 1, (SIZE - BORDER) * 4 - 1)
    ImageDraw.Draw(big).rounded_rectangle(inner, radius=12, fill=0)
    border = np.asarray(big.resize((SIZE, SIZE), Image.Resampling.BOX), dtype=np.float32)[..., None] / 255
    fibres = (noise(512, 512, 8, 3)[:SIZE, :SIZE, None] - 0.5) * 14
    paper = np.array((247, 241, 228), dtype=np.float32) + fibres
    return border, paper.astype(np.float32)


@cache
def inner_shadow() -> Array:
    border, _ = paper_and_border()
    soft = Image.fromarray((border[..., 0] * 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(1.6))
    shadow: Array = 1 - 0.16 * np.asarray(soft, dtype=np.float32) / 255
    return shadow[..., None]


def mix(a: Colour, b: Colour, share: float) -> Colour:
    """`share` of b in a."""
    return (a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share, a[2] + (b[2] - a[2]) * share)


def times(a: Colour, b: Colour | float) -> Colour:
    b = (b, b, b) if isinstance(b, float | int) else b
    return (a[0] * b[0], a[1] * b[1], a[2] * b[2])


def _whole(colour: Colour) -> tuple[int, int, int]:
    r, g, b = colour
    return max(0, min(255, int(r + 0.5))), max(0, min(255, int(g + 0.5))), max(0, min(255, int(b + 0.5)))


def array(colour: Colour) -> Array:
    return np.array(colour, dtype=np.float32)


def smooth(values: Array, low: float, high: float) -> Array:
    t = np.clip((values - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


# -------------------------------------------------------------------------------------------------------------- card


class Card:
    """One card as it is painted. Points are in pixels of the finished card, whatever the size of the canvas."""

    image: Image.Image
    draw: ImageDraw.ImageDraw

    def __init__(self, scene: Scene, rng: np.random.Generator) -> None:
        self.scene, self.rng = scene, rng
        self.dark = scene.time == "night"
        self.dim = scene.time in ("night", "dusk") or scene.weather in ("rain", "fog")
        overcast = {"clear": 0.0, "cloudy": 0.45, "rain": 0.8, "fog": 0.75, "snow": 0.65}[scene.weather]
        self.overcast = overcast
        light = times(LIGHT[scene.time], 1 - 0.20 * overcast)
        self.light: Colour = times(light, (1 + rng.normal(0, 0.02), 1.0, 1 + rng.normal(0, 0.025)))
        self.grey = times(GREY[scene.time], {"rain": 0.80, "snow": 1.06}.get(scene.weather, 1.0))
        self.horizon = round(HORIZON[scene.place][0] * SIZE + rng.uniform(-2, 2))
        self.haze_colour = mix(SKY[scene.time][2], self.grey, 0.25 + 0.7 * overcast)
        self.haziness = {"clear": 0.42, "cloudy": 0.46, "rain": 0.62, "fog": 0.92, "snow": 0.62}[scene.weather]
        self.lamps: list[tuple[float, float, float]] = []
        self.sun = (float(rng.uniform(24, 120)), 0.0)

    # ---- light

    def shade(self, colour: Colour, depth: float = 0.0) -> tuple[int, int, int]:
        """The colour of a thing in this light, `depth` (0 near, 1 at the horizon) of the way into the haze."""
        hazy = mix(times(colour, self.light), self.haze_colour, self.haziness * depth)
        return _whole(hazy)

    def lit(self, colour: Colour) -> tuple[int, int, int]:
        """The colour of something that shines by itself."""
        return _whole(mix(colour, self.grey, 0.18 * self.overcast))

    def lamp(self, x: float, y: float, reach: float) -> None:
        """Remember a light for the glow around it."""
        self.lamps.append((x, y, reach))

    def stretch(self, which: int, octaves: int = 6) -> Array:
        """(144, 144) a random stretch of a shared texture: fractal noise costs a copy and not a computation."""
        texture = noise(512, 512, octaves, which)
        top, left = self.rng.integers(0, 512 - SIZE, size=2)
        return texture[top : top + SIZE, left : left + SIZE]

    # ---- brushes

    def poly(self, points: list[tuple[float, float]], fill: tuple[int, ...]) -> None:
        self.draw.polygon([(x * FINE, y * FINE) for x, y in points], fill=fill)

    def box(self, x0: float, y0: float, x1: float, y1: float, fill: tuple[int, ...]) -> None:
        self.draw.rectangle((x0 * FINE, y0 * FINE, x1 * FINE, y1 * FINE), fill=fill)

    def oval(self, x: float, y: float, rx: float, ry: float, fill: tuple[int, ...]) -> None:
        self.draw.ellipse(((x - rx) * FINE, (y - ry) * FINE, (x + rx) * FINE, (y + ry) * FINE), fill=fill)

    def line(self, points: list[tuple[float, float]], width: float, fill: tuple[int, ...]) -> None:
        scaled = [(x * FINE, y * FINE) for x, y in points]
        self.draw.line(scaled, fill=fill, width=max(1, round(width * FINE)), joint="curve")

    def arc(
        self, x: float, y: float, rx: float, ry: float, start: float, end: float, width: float, fill: tuple[int, ...]
    ) -> None:
        box = ((x - rx) * FINE, (y - ry) * FINE, (x + rx) * FINE, (y + ry) * FINE)
        self.draw.arc(box, start, end, fill=fill, width=max(1, round(width * FINE)))

    def pie(self, x: float, y: float, rx: float, ry: float, start: float, end: float, fill: tuple[int, ...]) -> None:
        box = ((x - rx) * FINE, (y - ry) * FINE, (x + rx) * FINE, (y + ry) * FINE)
        self.draw.pieslice(box, start, end, fill=fill)

    def window(self, x: float, y: float, w: float, h: float, lit: bool = True, depth: float = 0.45) -> None:
        """A pane that shines when it is dark enough, and is glass when it is not."""
        if lit and self.dim and self.scene.time != "dawn":
            self.box(x, y, x + w, y + h, self.lit(LAMP))
            self.lamp(x + w / 2, y + h / 2, max(0.8, w * 0.5))
        else:
            self.box(x, y, x + w, y + h, self.shade((96, 116, 140), depth))

    def lantern(self, x: float, y: float, r: float) -> None:
        """A lamp, lit when it is dim."""
        self.oval(x, y, r, r, self.lit((255, 232, 168)) if self.dim else self.shade((238, 232, 210)))
        if self.dim:
            self.lamp(x, y, r * 1.6)

    def fine(self, *points: float) -> tuple[float, ...]:
        """Points of the card as points of the canvas."""
        return tuple(point * FINE for point in points)

    def shadow(self, x: float, y: float, rx: float, ry: float) -> None:
        strength = 34 if self.dim else 56
        lean = (x - self.sun[0]) * 0.03
        for step in (1.25, 1.0, 0.72):
            self.oval(x + lean * step, y, rx * step, ry * step, (18, 18, 40, strength // 3 + 4))

    def canvas(self, land: Array) -> None:
        """Go on from the pixels of sky and land with a brush, at three times their size."""
        pixels = np.clip(land, 0, 255).astype(np.uint8)
        self.image = Image.fromarray(pixels).resize((SIZE * FINE, SIZE * FINE), Image.Resampling.NEAREST)
        self.draw = ImageDraw.Draw(self.image, "RGBA")

    # ---- sky

    def sky(self) -> Array:
        scene, rng = self.scene, self.rng
        y, x = grid()
        top, middle, low = (array(mix(c, self.grey, 0.72 * self.overcast)) for c in SKY[scene.time])
        t = np.clip(y[:, :1] / self.horizon, 0, 1)[..., None]
        lower = np.clip((t - 0.55) / 0.45, 0, 1)
        sky = np.where(t < 0.55, top + (middle - top) * (t / 0.55), middle + (low - middle) * lower)
        sky = np.broadcast_to(sky, (SIZE, SIZE, 3)).astype(np.float32)
        height = {"dawn": 0.80, "day": 0.28, "dusk": 0.86, "night": 0.26}[scene.time]
        sun_y = self.horizon * height + rng.uniform(-4, 4)
        self.sun = (self.sun[0], sun_y)
        clearness = {"clear": 1.0, "cloudy": 0.75, "rain": 0.0, "fog": 0.25, "snow": 0.1}[scene.weather]
        distance = np.sqrt((x - self.sun[0]) ** 2 + (y - sun_y) ** 2)
        disc, halo, radius = {
            "dawn": ((255, 246, 220), (255, 214, 160), 6.5),
            "day": ((255, 253, 236), (255, 250, 220), 6.0),
            "dusk": ((255, 236, 170), (255, 150, 80), 8.0),
            "night": ((250, 246, 226), (150, 176, 230), 5.5),
        }[scene.time]
        glow = np.exp(-np.maximum(distance - radius, 0) / (15 if self.dark else 20)) * (0.42 if self.dark else 0.72)
        sky += glow[..., None] * clearness * (array(halo) - sky)
        edge = np.clip(radius - distance + 0.5, 0, 1)
        if self.dark:  # a bite out of the disc makes the moon wane
            bite = rng.uniform(2.5, 9.0)
            edge = edge * np.clip(np.hypot(x - self.sun[0] + bite, y - sun_y + 1.5) - radius + 0.5, 0, 1)
        sky += (edge * clearness)[..., None] * (array(disc) - sky)
        wisps = self.stretch(1)
        stretched = wisps[np.minimum((y[:, 0] * 2.0).astype(int), SIZE - 1)][:, (x[0] * 0.95).astype(int)]
        free = {"clear": 0.80, "cloudy": 0.36, "rain": 0.15, "fog": 0.50, "snow": 0.25}[scene.weather]
        cover = float(np.quantile(stretched[: self.horizon : 3, ::3], free))
        alpha = smooth(stretched, cover, cover + 0.17)[..., None] * (0.55 + 0.45 * (1 - t))
        below = np.roll(stretched, -3, axis=0)
        bright, dull = (array(mix(c, self.grey, 0.55 * max(self.overcast - 0.3, 0) / 0.5)) for c in CLOUD[scene.time])
        body = smooth(below - stretched, -0.12, 0.10)[..., None]
        sky += alpha * 0.88 * (bright + (dull - bright) * (1 - body) - sky)
        return sky

    def stars(self) -> None:
        rng = self.rng
        if not self.dark or self.scene.weather not in ("clear", "cloudy"):
            return
        for x, y, size in rng.random((46, 3)):
            if math.hypot(x * SIZE - self.sun[0], y * self.horizon - self.sun[1]) < 11:
                continue
            alpha = round((70 + 185 * size) * (1.0 if self.scene.weather == "clear" else 0.45))
            self.oval(x * SIZE, y * self.horizon * 0.92, 0.25 + 0.38 * size, 0.25 + 0.38 * size, (255, 250, 226, alpha))

    # ---- land

    def hills(self, base: float, height: float, rough: int = 4, which: int = 2) -> Array:
        """(144,) the rows of a rolling outline."""
        waves = noise(512, 512, rough, which)
        row, start = int(self.rng.integers(0, 512)), int(self.rng.integers(0, 512 - SIZE))
        return base - height * (waves[row, start : start + SIZE] - 0.35) / 0.5

    def peaks(self, base: float, height: float, number: int) -> Array:
        """(144,) the rows of a jagged outline."""
        x = np.arange(SIZE, dtype=np.float32)
        up = np.zeros(SIZE, dtype=np.float32)
        for k in range(number):
            centre = (k + self.rng.uniform(0.2, 0.8)) * SIZE / number
            tall, left, right = height * self.rng.uniform(0.6, 1.0), *self.rng.uniform(0.8, 1.3, 2)
            up = np.maximum(up, tall - height * np.where(x < centre, left, right) * np.abs(x - centre) * number / SIZE)
        crags = noise(512, 512, 8, 2)[int(self.rng.integers(0, 512)), ::3][:SIZE]
        return base - up - height * 0.45 * (crags - 0.4)

    def hill(self, land: Array, top: Array, colour: Colour, depth: float) -> None:
        """Lay a hill of this outline over all that is behind it, its face shaded by noise."""
        y, _ = grid()
        inside = np.clip(y - top + 0.5, 0, 1)[..., None]
        shade = 0.90 + 0.20 * self.stretch(4) - 0.08 * np.clip((y - top) / 40, 0, 1)
        land += inside * (array(self.shade(colour, depth)) * shade[..., None] - land)

    def ground(self, land: Array, top: Array | float, near: Colour, far: Colour, grain: float = 0.16) -> None:
        """Everything below the rows `top`: colour from far to near, blotched."""
        y, _ = grid()
        rows = np.broadcast_to(np.asarray(top, dtype=np.float32), (SIZE,))
        inside = np.clip(y - rows + 0.5, 0, 1)[..., None]
        t = np.clip((y - rows) / (SIZE - rows), 0, 1)[..., None]
        colour = array(self.shade(far, 0.35)) * (1 - t) + array(self.shade(near)) * t
        blotch = 1 + grain * (self.stretch(4, 8) - 0.5)[..., None] * (0.5 + t)
        land += inside * (colour * blotch - land)

    def water(self, land: Array, top: float, bottom: float, tint: Colour) -> None:
        """A sheet of water: the sky turned over, tinted, with ripples that widen towards us and the sun's path."""
        _, x = grid()
        first, last = round(top), min(round(bottom), SIZE)
        depth = np.linspace(0, 1, last - first, dtype=np.float32)[:, None, None]
        source = np.clip(self.horizon - 2 - (np.arange(last - first) * 1.3).astype(int), 0, SIZE - 1)
        mirrored = land[source]
        waves = noise(512, 512, 6, 5)
        start = int(self.rng.integers(0, 512 - SIZE))
        rows = ((np.arange(last - first) / (0.25 + 0.03 * np.arange(last - first))) * 9 + start).astype(int) % 512
        ripple = waves[rows, start : start + SIZE][..., None] - 0.5
        sheet = mirrored * (0.74 - 0.25 * depth) + array(self.shade(tint)) * (0.22 + 0.26 * depth)
        sheet = sheet * (1 + 0.34 * ripple)
        if self.scene.weather in ("clear", "cloudy"):
            width = 5 + 16 * depth[..., 0]
            path = np.exp(-(((x[first:last] - self.sun[0]) / width) ** 2)) * smooth(ripple[..., 0], 0.0, 0.16)
            warm = array({"night": (196, 212, 250), "day": (255, 255, 250)}.get(self.scene.time, (255, 214, 150)))
            sheet += (path * 0.75)[..., None] * (warm - sheet)
        land[first:last] = sheet

    def mirror(self) -> None:
        """Turn what stands behind the water upside down into it."""
        top, bottom = (round(part * SIZE) * FINE for part in WATERLINE[self.scene.place])
        depth = bottom - top
        above = self.image.crop((0, top - depth, SIZE * FINE, top)).transpose(Image.Transpose.FLIP_TOP_BOTTOM)
        pixels = np.asarray(above)
        wave = np.arange(depth)
        shift = (np.sin(wave * 0.55 + self.rng.uniform(0, 6)) * (1 + wave / depth * 5)).astype(int)
        columns = np.clip(np.arange(SIZE * FINE)[None, :] + shift[:, None], 0, SIZE * FINE - 1)
        rippled = Image.fromarray(np.take_along_axis(pixels, columns[..., None], axis=1))
        mask = Image.linear_gradient("L").resize((SIZE * FINE, depth)).point(lambda v: round(125 - v * 0.42))
        self.image.paste(rippled, (0, top), mask)
