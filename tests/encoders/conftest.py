import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DIPTYCH_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def no_network(monkeypatch):
    """Whoever asks for a connection fails the test, whatever it makes of the error."""
    import socket

    asked = []

    def refuse(*arguments, **options):
        asked.append(arguments)
        raise OSError("there is no network in this test")

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    yield asked
    assert asked == []


@pytest.fixture
def pictures(tmp_path) -> list[Path]:
    """Pictures of every shape and kind: large and small JPEG, one on its side, PNG with transparency, grey, palette."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "pictures"
    folder.mkdir()

    def noise(width: int, height: int) -> Image.Image:
        coarse = rng.integers(0, 256, (7, 9, 3), dtype=np.uint8)
        return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)

    exif = Image.Exif()
    exif[0x0112] = 6
    noise(640, 480).save(folder / "large.jpg")
    noise(333, 500).save(folder / "odd.jpg")
    noise(160, 90).save(folder / "turned.jpg", exif=exif)
    noise(20, 31).save(folder / "small.png")
    noise(41, 640).save(folder / "strip.png")
    clear = noise(64, 64)
    clear.putalpha(Image.fromarray(rng.integers(0, 256, (64, 64), dtype=np.uint8)))
    clear.save(folder / "clear.png")
    noise(50, 70).convert("L").save(folder / "grey.png")
    noise(70, 50).convert("P").save(folder / "palette.gif")
    return sorted(folder.iterdir())
