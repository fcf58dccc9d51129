"""An album as people have them: postcards of several shapes, with dates, cameras, places and tags in their files."""

from __future__ import annotations

import random
from pathlib import Path

from PIL import Image
from PIL.ExifTags import GPS, IFD, Base

from diptych import postcards
from diptych.postcards import Scene

MONTHS = {"spring": (3, 4, 5), "summer": (6, 7, 8), "autumn": (9, 10, 11), "winter": (12, 1, 2)}
CAMERAS = ("X100V", "Pixel 8", "EOS 5D")
COAST = {"beach": (43.70, 7.27), "harbour": (53.54, 9.98), "mountains": (46.56, 7.98), "city": (48.86, 2.35)}
SHAPES = ((1.0, 1.0), (1.0, 0.72), (0.78, 1.0), (1.0, 0.62))
"""Parts of a card's width and height that are kept."""


def paint(folder: Path, n: int, seed: int = 3, side: int = 432) -> list[Scene]:
    """Paint n pictures, 00000.jpg and so on, two of them twice; those of the sea lie in a folder of their own."""
    scenes = postcards.generate(n, seed)
    (folder / "by the sea").mkdir(parents=True, exist_ok=True)
    for scene in scenes:
        at = folder / "by the sea" if scene.place in ("beach", "harbour") else folder
        _painted(scene, seed, side).save(at / f"{scene.index:05d}.jpg", quality=88, exif=_exif(scene))
    again = Image.open(next(folder.glob("*.jpg")))
    again.resize((again.width // 2, again.height // 2)).save(folder / "once more.jpg", quality=80)
    return scenes


def _painted(scene: Scene, seed: int, side: int) -> Image.Image:
    card = postcards.paint(scene, seed).crop((8, 8, 136, 136))
    wide, high = SHAPES[scene.index % len(SHAPES)]
    left, top = (1 - wide) / 2, 0.55 * (1 - high)
    part = (128 * left, 128 * top, 128 * (left + wide), 128 * (top + high))
    return card.resize((round(side * wide), round(side * high)), Image.Resampling.LANCZOS, part)


def _exif(scene: Scene) -> Image.Exif:
    draw = random.Random(scene.index)
    month = draw.choice(MONTHS[scene.season])
    year = draw.choice((2021, 2022, 2022, 2023, 2023, 2023, 2024, 2024))
    hour = {"dawn": 6, "day": 13, "dusk": 20, "night": 23}[scene.time]
    exif = Image.Exif()
    exif[Base.Model] = CAMERAS[scene.index % len(CAMERAS)]
    exif[Base.XPKeywords] = f"{scene.season};{scene.weather}".encode("utf-16-le")
    taken = f"{year}:{month:02d}:{draw.randint(1, 28):02d} {hour:02d}:{draw.randint(0, 59):02d}:00"
    exif.get_ifd(IFD.Exif)[Base.DateTimeOriginal] = taken
    if scene.place in COAST:
        lat, lon = (value + draw.uniform(-0.02, 0.02) for value in COAST[scene.place])
        place = exif.get_ifd(IFD.GPSInfo)
        place[GPS.GPSLatitudeRef], place[GPS.GPSLatitude] = "N", _degrees(lat)
        place[GPS.GPSLongitudeRef], place[GPS.GPSLongitude] = "E", _degrees(lon)
    return exif


def _degrees(value: float) -> tuple[float, float, float]:
    return (float(int(value)), round(60 * (value % 1), 4), 0.0)
