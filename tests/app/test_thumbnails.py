"""The bytes that make a terminal show a picture, read back as the protocols say."""

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from diptych.app import thumbnails


@pytest.fixture
def picture(tmp_path: Path) -> str:
    """Red above, blue below, 600 x 300."""
    pixels = np.zeros((300, 600, 3), dtype=np.uint8)
    pixels[:150, :, 0] = 255
    pixels[150:, :, 2] = 255
    Image.fromarray(pixels).save(tmp_path / "flag.png")
    return str(tmp_path / "flag.png")


@pytest.mark.parametrize(
    ("environment", "form"),
    [
        ({"TERM": "xterm-kitty"}, "kitty"),
        ({"TERM": "xterm-256color", "KITTY_WINDOW_ID": "1"}, "kitty"),
        ({"TERM": "xterm-ghostty"}, "kitty"),
        ({"TERM_PROGRAM": "iTerm.app"}, "iterm"),
        ({"TERM_PROGRAM": "WezTerm"}, "iterm"),
        ({"LC_TERMINAL": "iTerm2"}, "iterm"),
        ({"TERM": "foot"}, "sixel"),
        ({"TERM": "mlterm-256color"}, "sixel"),
        ({"TERM": "xterm-256color"}, None),
        ({}, None),
        ({"TERM": "xterm-kitty", "TMUX": "/tmp/tmux"}, None),
        ({"TERM_PROGRAM": "iTerm.app", "STY": "1"}, None),
    ],
)
def test_a_terminal_is_known_by_what_it_says_and_a_pipe_shows_nothing(environment, form):
    assert thumbnails.form(environment, terminal=True) == form
    assert thumbnails.form(environment, terminal=False) is None


def test_kitty_gets_a_png_in_chunks(picture):
    text = thumbnails.drawn(picture, "kitty")
    chunks = re.findall(r"\033_G([^;]*);([^\033]*)\033\\", text)
    assert "".join(f"\033_G{keys};{data}\033\\" for keys, data in chunks) == text, "and nothing between them"
    assert chunks[0][0].startswith("a=T,f=100,q=2,r=6,m=")
    assert [keys for keys, _ in chunks[1:]] == ["m=1"] * (len(chunks) - 2) + ["m=0"] * (len(chunks) > 1)
    assert all(len(data) <= 4096 and (len(data) % 4 == 0) for _, data in chunks)
    shown = Image.open(io.BytesIO(base64.b64decode("".join(data for _, data in chunks))))
    assert shown.format == "PNG" and shown.size == (192, 96)


def test_iterm_gets_a_file_with_its_size(picture):
    text = thumbnails.drawn(picture, "iterm")
    size, data = re.fullmatch(
        r"\033\]1337;File=inline=1;size=(\d+);height=6;preserveAspectRatio=1:([^\a]*)\a", text
    ).groups()
    assert len(base64.b64decode(data)) == int(size)
    assert Image.open(io.BytesIO(base64.b64decode(data))).size == (192, 96)


def test_sixel_draws_every_pixel_in_its_colour(picture):
    text = thumbnails.drawn(picture, "sixel")
    body = re.fullmatch(r'\033Pq"1;1;(\d+);(\d+)(.*)\033\\', text, re.S)
    width, height = int(body[1]), int(body[2])
    palette: dict[int, np.ndarray] = {}
    pixels = np.full((height + 6, width, 3), -1.0)
    top = left = colour = 0
    for token in re.finditer(r"#(\d+);2;(\d+);(\d+);(\d+)|#(\d+)|!(\d+)([?-~])|([?-~])|([$-])", body[3]):
        number, red, green, blue, chosen, count, many, one, move = token.groups()
        if number:
            palette[int(number)] = np.array([int(red), int(green), int(blue)]) * 2.55
        elif chosen:
            colour = int(chosen)
        elif move:
            left, top = 0, top + 6 * (move == "-")
        else:
            length = int(count or 1)
            for row in range(6):
                if (ord(many or one) - 63) >> row & 1:
                    pixels[top + row, left : left + length] = palette[colour]
            left += length
    pixels = pixels[:height]
    assert (pixels >= 0).all(), "none is left out"
    assert height == 96 and width == 192
    np.testing.assert_allclose(pixels[:40].mean(axis=(0, 1)), [255, 0, 0], atol=6)
    np.testing.assert_allclose(pixels[-40:].mean(axis=(0, 1)), [0, 0, 255], atol=6)


@pytest.mark.parametrize("form", ["kitty", "iterm", "sixel"])
def test_a_picture_that_is_gone_is_nothing(tmp_path, form):
    assert thumbnails.drawn(str(tmp_path / "gone.png"), form) == ""


def test_a_closed_standard_output_shows_no_pictures(monkeypatch):
    monkeypatch.setattr("sys.stdout", None)
    assert thumbnails.form() is None
