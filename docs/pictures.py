"""Paint docs/images/postcards.png: a column a place, three times of day each, as the README shows them."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from diptych import postcards

TARGET = Path(__file__).parent / "images" / "postcards.png"
GAP, MAT = 6, (238, 234, 226)
PLACES = ("beach", "mountains", "harbour", "farm", "city", "village", "desert", "forest")


def column(place: str, scenes: list[postcards.Scene]) -> list[postcards.Scene]:
    """The first lively scene of this place at each time of day, three of the four times, daylight first."""
    found: dict[str, postcards.Scene] = {}
    for scene in scenes:
        if scene.place == place and len(scene.things) > 1:
            found.setdefault(scene.time, scene)
    return [found[time] for time in ("day", "dawn", "dusk", "night") if time in found][-3:]


def main() -> None:
    step = postcards.SIZE + GAP
    scenes = postcards.generate(1000)[::2]  # neighbours in the world are variants of one another
    sheet = Image.new("RGB", (len(PLACES) * step + GAP, 3 * step + GAP), MAT)
    for x, place in enumerate(PLACES):
        for y, scene in enumerate(column(place, scenes)):
            sheet.paste(postcards.paint(scene), (GAP + x * step, GAP + y * step))
    # 200 colours: a third of the bytes, and the grain of the paper hides the difference.
    sheet.quantize(200, dither=Image.Dither.NONE).save(TARGET, optimize=True)


if __name__ == "__main__":
    main()
