import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

CAPTIONS = [
    "A brown dog runs over the wet grass.",
    "Two dogs run across a field of grass",
    "a man in a red shirt rides a bicycle",
    "The man on the bicycle wears a red helmet, and a red shirt",
    "children play football on the beach",
    "A child runs along the beach towards the sea",
    "the sea, the beach and the sky",
    "red red red wine",
]


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DIPTYCH_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def captions() -> list[str]:
    return list(CAPTIONS)


@pytest.fixture
def pictures(tmp_path) -> list[Path]:
    """Six pictures of coloured noise, of different shapes."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "set" / "images"
    folder.mkdir(parents=True)
    paths = []
    for i, (height, width) in enumerate([(40, 60), (60, 40), (50, 50), (96, 30), (64, 64), (33, 71)]):
        coarse = rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)
        paths.append(folder / f"{i}.png")
        Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC).save(paths[-1])
    return paths


@pytest.fixture
def data() -> Path:
    """The real data sets."""
    if not os.environ.get("DIPTYCH_DATA"):
        pytest.skip("DIPTYCH_DATA is not set")
    return Path(os.environ["DIPTYCH_DATA"])
