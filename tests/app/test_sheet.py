"""The contact sheet shows what strangers wrote, and does nothing of what they wanted."""

import base64
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from diptych.app import sheet
from diptych.collection import Answer, Hit
from diptych.collection.regions import Region

ATTACKS = (
    "<img src=x onerror=alert(1)>",
    "</h2><script>alert(1)</script>",
    '"><svg onload=alert(1)>',
    "' onmouseover='alert(1)",
    "javascript:alert(1)",
    "</title><iframe src=https://example.org>",
    "{{ 7*7 }}{% raw %}",
    "\u202etxt.gnp",
    "<style>*{background:url(https://example.org)}</style>",
)


TAGS = {"html", "meta", "title", "style", "section", "h2", "p", "b", "ol", "li", "img", "span", "br"}


class Page(HTMLParser):
    """Every tag with its attributes, and the text between."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def picture(path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (400, 200), (90, 90, 90)).save(path, "PNG")
    return str(path)


def page(tmp_path: Path, *answers: Answer) -> str:
    sheet.write(answers, tmp_path / "out" / "sheet.html")
    return (tmp_path / "out" / "sheet.html").read_text("utf-8")


def test_what_strangers_wrote_is_text_wherever_it_stands(tmp_path):
    answers = []
    for number, attack in enumerate(ATTACKS):
        path = picture(tmp_path / attack.replace("/", "\u2215")[:60])
        hit = Hit(number, path, 0.5, "match", (f"caption: {attack}", f"said of it: {attack}"))
        gone = Hit(number, f"/nowhere/{attack.replace('/', '')}", 0.4, "weak", (attack,))
        answers.append(Answer(attack, "match", (hit, gone), 0.01))
    text = page(tmp_path, *answers)
    read = Page(text)
    assert {tag for tag, _ in read.tags} <= TAGS
    assert sum(tag == "img" for tag, _ in read.tags) == len(ATTACKS)
    for tag, attributes in read.tags:
        assert not [name for name in attributes if name.startswith("on")], (tag, attributes)
        assert set(attributes) <= {"lang", "charset", "name", "content", "http-equiv", "class", "src", "alt"}
        if "src" in attributes:
            assert (attributes["src"] or "").startswith("data:image/jpeg;base64,")
    for attack in ATTACKS:
        assert read.text.count(attack) >= 4, "and can still be read"
    assert Page(page(tmp_path, answers[5])).text.count(ATTACKS[5]) >= 5, "in the title too"


def test_the_page_forbids_itself_everything_but_its_own_pictures(tmp_path):
    read = Page(page(tmp_path, Answer("dog", "none", (), 0.01)))
    policy = next(each for tag, each in read.tags if tag == "meta" and "http-equiv" in each)
    assert policy["http-equiv"] == "Content-Security-Policy"
    assert policy["content"] == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    before = [tag for tag, _ in read.tags[: read.tags.index(("meta", policy))]]
    assert not {"style", "img", "title"} & set(before), "before anything that it rules"


def test_a_name_that_is_no_unicode_does_not_stop_the_page(tmp_path):
    hit = Hit(1, "/nowhere/\udcff.png", 0.5, "match")
    assert "?.png" in page(tmp_path, Answer("dog", "match", (hit,), 0.01))


@pytest.mark.parametrize("region", [None, Region("upper left", 0, 0, 0.5, 0.5)])
def test_a_region_is_framed(tmp_path, region):
    hit = Hit(1, picture(tmp_path / "grey.png"), 0.5, "match", (), region)
    data = re.search(r"base64,([^\"]+)", page(tmp_path, Answer("dog", "match", (hit,), 0.01)))[1]
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))).astype(int)
    assert pixels.shape == (96, 192, 3)
    yellow = (pixels[..., 0] - pixels[..., 2] > 60).nonzero()
    if region is None:
        assert not len(yellow[0])
    else:
        assert yellow[0].max() < 50 and yellow[1].max() < 98 and yellow[0].min() < 3 and yellow[1].min() < 3
