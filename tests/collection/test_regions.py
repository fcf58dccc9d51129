"""The part of a picture that answers: painted there, so it is known where it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from collection_world import COLOURS, Palette
from PIL import Image

from diptych.collection import Collection
from diptych.collection.regions import CROPS
from diptych.kinds import BadInput
from diptych.sources.pictures import Preprocessing

PLACES = {
    "upper left": (0.0, 0.0),
    "upper right": (0.5, 0.0),
    "lower left": (0.0, 0.5),
    "lower right": (0.5, 0.5),
    "middle": (0.25, 0.25),
}


@dataclass
class Seeing(Palette):
    """The same, handed pixels."""

    preprocessing = Preprocessing(8)

    def encode_pixels(self, pixels: np.ndarray) -> np.ndarray:
        return self._rows(pixels.astype(np.float32).mean(axis=(1, 2)))

    def encode_images(self, items: list[str]) -> np.ndarray:
        return self.encode_pixels(np.stack([self.preprocessing.of(item) for item in items]))


def spotted(path: Path, place: str, ground: str = "blue", spot: str = "red") -> Path:
    """A picture of one colour with a quarter of another."""
    path.parent.mkdir(exist_ok=True)
    pixels = np.empty((80, 120, 3), dtype=np.uint8)
    pixels[:] = COLOURS[ground]
    left, top = (int(part * side) for part, side in zip(PLACES[place], (120, 80), strict=True))
    pixels[top : top + 40, left : left + 60] = COLOURS[spot]
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture(params=[Palette, Seeing], ids=["files", "pixels"])
def collection(request, tmp_path):
    for place in PLACES:
        spotted(tmp_path / "pictures" / f"{place}.png", place)
    with Collection.open(tmp_path / "c", request.param(), write=True) as found:
        found.add(tmp_path / "pictures")
        yield found


def test_the_region_is_where_it_was_painted(collection):
    for id in collection.ids():
        place = Path(collection.get(id).path).stem
        region = collection.region(id, "red")
        assert region.name == place and (region.left, region.top) == PLACES[place]
        whole = next(hit.score for hit in collection.search("red", keywords=0).results if hit.id == id)
        assert region.score > whole + 0.1, "a part of it answers better than all of it"
        assert collection.region(collection.get(id).path, "red - blue").name == place


def test_hits_tell_their_regions_when_asked(collection):
    answer = collection.search("red", k=5, regions=True)
    for hit in answer.results:
        assert hit.region is not None and hit.region.name == Path(hit.path).stem
        assert hit.why[-1].startswith(f"region: {hit.region.name} (")
    assert all(hit.region is None for hit in collection.search("red", k=5).results)
    assert all(hit.region is None for hit in collection.search("width > 3", regions=True).results)


def test_a_picture_that_is_gone_has_no_region_and_is_still_found(collection):
    path = Path(collection.get(1).path)
    path.unlink()
    hits = {hit.path: hit for hit in collection.search("red", k=5, regions=True).results}
    assert hits[str(path)].region is None and len(hits) == 5
    with pytest.raises(BadInput, match="not readable"):
        collection.region(1, "red")
    with pytest.raises(BadInput, match="nothing to look for"):
        collection.region(2, "width > 3")
    with pytest.raises(BadInput, match="no item 99"):
        collection.region(99, "red")


def test_a_picture_of_one_pixel_has_parts(tmp_path, collection):
    Image.new("RGB", (1, 1), COLOURS["red"]).save(tmp_path / "dot.png")
    assert collection.region(tmp_path / "dot.png", "red").score == pytest.approx(1, abs=1e-3)


def test_crops_cover_every_corner_and_none_is_named_twice():
    assert len({crop.name for crop in CROPS}) == len(CROPS) == 13
    assert all(0 <= crop.left < crop.right <= 1 and 0 <= crop.top < crop.bottom <= 1 for crop in CROPS)
    corners = {(crop.left, crop.top, crop.right, crop.bottom) for crop in CROPS}
    assert {(0, 0, 0.5, 0.5), (0.5, 0.5, 1, 1), (0, 0, 0.5, 1), (0, 0.5, 1, 1)} <= corners
