"""The page, its contact sheet and its charts, and the files beside it."""

import base64
import io
import json
import os
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from diptych.flow.evaluate import Direction, Evaluation, evaluate
from diptych.flow.report import write
from diptych.flow.report.charts import Curves, charts
from diptych.flow.report.page import rendered
from diptych.flow.report.sheet import contact_sheet, spread
from diptych.kinds import BadInput, Report, SharedLabels, hamming

PICTURES = 60
COLOURS = ("red", "green", "blue", "yellow", "white", "black", "orange", "purple")
INERT = '<script>alert("x")</script> & <img src=x onerror=alert(1)>'


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory) -> Evaluation:
    """CCA on squares of two colours, three captions each; the last caption of each would like to be HTML."""
    home = tmp_path_factory.mktemp("squares")
    rng = np.random.default_rng(0)
    lines = []
    for number in range(PICTURES):
        left, right = rng.choice(COLOURS, 2)
        picture = Image.new("RGB", (200, 100), str(left))
        picture.paste(Image.new("RGB", (100, 100), str(right)), (100, 0))
        picture.save(home / f"{number:02d}.png")
        captions = [f"{left} and {right}", f"a {left} half beside a {right} half", f"{INERT} {left}"]
        split = "train" if number < 35 else "test"
        lines.append(json.dumps({"image": f"{number:02d}.png", "captions": captions, "split": split}))
    (home / "squares.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return evaluate(
        "cca", home / "squares.jsonl", image_features="colour", text_features="bag_of_words", settings={"dims": "4"}
    )


@pytest.fixture(scope="module")
def written(evaluation, tmp_path_factory):
    return write(evaluation, tmp_path_factory.mktemp("out") / "deep" / "er")


class Page(HTMLParser):
    """The tags of a page with their attributes, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text += data

    def all(self, tag: str) -> list[dict]:
        return [attributes for name, attributes in self.tags if name == tag]


def test_the_page_asks_nothing_of_the_outside_and_runs_nothing(written):
    html = written.read_text(encoding="utf-8")
    page = Page(html)
    assert not page.all("script") and not page.all("iframe")
    for tag, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("src", "href"):
            assert attributes.get(name, "data:").startswith("data:"), tag
    style = html[html.index("<style>") : html.index("</style>")]
    assert "url(" not in style and "@import" not in style
    policy = next(tag["content"] for tag in page.all("meta") if tag.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in policy


def test_a_caption_that_is_html_stays_text(written):
    page = Page(written.read_text(encoding="utf-8"))
    assert INERT in page.text
    assert not [tag for tag in page.all("img") if tag["src"] == "x"]


def test_pictures_are_small_have_a_text_and_every_graphic_is_described_or_hidden(written):
    page = Page(written.read_text(encoding="utf-8"))
    pictures = page.all("img")
    assert len(pictures) >= 12 * 11
    for picture in pictures:
        assert ".png" in picture["alt"]
        data = base64.b64decode(picture["src"].removeprefix("data:image/jpeg;base64,"))
        assert max(Image.open(io.BytesIO(data)).size) == 144
    for graphic in page.all("svg"):
        assert graphic.get("aria-hidden") == "true" or graphic["aria-label"]


def test_headings_descend_one_step_at_a_time(written):
    levels = [
        int(tag[1]) for tag, _ in Page(written.read_text(encoding="utf-8")).tags if tag in ("h1", "h2", "h3", "h4")
    ]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_the_page_says_protocol_numbers_and_intervals(written, evaluation):
    text = Page(written.read_text(encoding="utf-8")).text
    said = evaluation.report
    assert said.protocol_text in text
    for side, values in (("i2t", said.i2t), ("t2i", said.t2i)):
        for metric, value in values.items():
            low, high = said.intervals[side][metric]
            scale = 1 if metric == "medr" else 100
            assert f"{scale * value:.1f}[{scale * low:.1f}, {scale * high:.1f}]" in text


def test_the_report_reads_back(written, evaluation):
    assert Report.load(written.parent).to_json() == evaluation.report.to_json()


def test_the_contact_sheet_shows_the_best_answers_and_marks_the_right_ones(evaluation):
    for side in ("i2t", "t2i"):
        direction = evaluation.directions[side]
        curves = Curves.of(direction, "expected")
        sheet = contact_sheet(evaluation, side, curves)
        assert len(sheet) == 12
        row_of = {name: row for row, name in enumerate(direction.qrels.query_ids)}
        item_of = {name: row for row, name in enumerate(direction.qrels.item_ids)}
        for asked in sheet:
            scores = direction.queries[row_of[asked.query.name]] @ direction.items.T
            np.testing.assert_allclose([each.score for each in asked.answers], np.sort(scores)[::-1][:10], atol=1e-6)
            for each in asked.answers:
                assert each.score == pytest.approx(scores[item_of[each.tile.name]], abs=1e-6)
                # A text is named after its picture: `07.png#2`.
                assert each.right == (each.tile.name.partition("#")[0] == asked.query.name.partition("#")[0])
            assert (asked.first is None) == any(each.right for each in asked.answers)
            if asked.first:
                above = np.count_nonzero(scores > asked.first.score + 1e-6)
                assert float(asked.first.rank) >= max(above, 10) - 1e-9
        quality = [asked.quality for asked in sheet]
        assert quality == sorted(quality, reverse=True)


def test_queries_of_the_sheet_are_spread_over_the_quality_and_drawn_by_seed():
    quality = np.random.default_rng(1).random(1200)
    quality[::7] = np.nan
    rows = spread(quality, 12, seed=3)
    assert rows == spread(quality, 12, seed=3) != spread(quality, 12, seed=4)
    places = np.sort(quality[~np.isnan(quality)])[::-1]
    for part, row in enumerate(rows):
        inside = np.array_split(places, 12)[part]
        assert inside.min() <= quality[row] <= inside.max()
    assert sorted(spread(np.array([0.5, np.nan, 0.1]), 12, seed=0)) == [0, 2]
    assert spread(np.array([np.nan]), 12, seed=0) == []


def test_binary_codes_get_the_curves_of_hash_lookup(evaluation):
    rng = np.random.default_rng(5)
    labels = rng.random((50, 4)) < 0.4
    codes = hamming.normalise(rng.normal(size=(50, 16)))
    qrels = SharedLabels(labels[:20], labels[20:])
    direction = Direction(codes[:20], codes[20:], qrels, hamming, np.arange(20))
    stub = SimpleNamespace(encoder=SimpleNamespace(space=hamming), directions={"i2t": direction})
    curves = {"i2t": Curves.of(direction, "expected")}
    micro = next(chart for chart in charts(stub, curves) if chart.title == "Hash lookup, micro").lines[0]
    distance = -hamming.score(codes[:20], codes[20:])
    relevant = qrels.relevant(0, 20)
    for radius in range(17):
        ball = distance <= radius
        assert micro.y[radius] == pytest.approx(relevant[ball].mean() if ball.any() else np.nan, nan_ok=True)
        assert micro.x[radius] == pytest.approx((relevant & ball).sum() / relevant.sum())
    titles = [chart.title for chart in charts(evaluation, curves)]
    assert len(titles) == 4 and "Hash lookup, micro" not in titles


def test_rows_of_features_and_missing_pictures_are_shown_as_words(evaluation):
    database = evaluation.database
    labels = np.eye(3, dtype=bool)[np.arange(database.n_images) % 3]
    bare = replace(
        database, images=np.ones((database.n_images, 2)), texts=np.ones((database.n_texts, 2)), labels=labels
    )
    gone = replace(database, images=[f"{path}.gone" for path in database.images])
    for pairs, said in ((bare, "class 2"), (gone, "half beside")):
        prepared = SimpleNamespace(
            rules=evaluation.protocol, dataset=evaluation.prepared.dataset, items=lambda split, pairs=pairs: pairs
        )
        page = Page(rendered(replace(evaluation, prepared=prepared)))
        assert not page.all("img")
        assert said in page.text and ".png" in page.text


def test_a_folder_that_cannot_be_made_is_said_in_one_line(evaluation, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="file/out: no folder can be made here"):
        write(evaluation, tmp_path / "file" / "out")


@pytest.mark.data
def test_the_page_of_published_features_shows_classes(tmp_path):
    if not os.environ.get("DIPTYCH_DATA"):
        pytest.skip("DIPTYCH_DATA is not set")
    page = Page(write(evaluate("scm", "wikipedia"), tmp_path).read_text(encoding="utf-8"))
    assert not page.all("img") and "class 10" in page.text
