"""The bundled encoder: small, whole, and as good on pictures it never saw as its page says."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from diptych.encoders import shelf
from diptych.encoders.pair import FILES

FOLDER = Path(shelf.__file__).parent / "mini"


def test_it_is_small_and_its_card_says_what_it_is():
    assert sum((FOLDER / name).stat().st_size for name in FILES) <= 24e6
    card = json.loads((FOLDER / "card.json").read_text())
    assert card["name"] == "mini" and set(card["digest"]) == set(FILES)
    assert all(len(card[name]) > 80 for name in ("trained_on", "terms", "weak"))


def test_words_that_no_caption_had_lie_by_their_kin():
    """GloVe and the neighbours of object names place words; none of these is in a caption it was trained on."""
    encoder = shelf.open("mini")
    words, kin = ["moped", "mammal", "lagoon"], ["a motorcycle", "an animal", "the sea"]
    near = encoder.encode_texts(words) @ encoder.encode_texts(kin).T
    assert (near.argmax(axis=1) == np.arange(len(words))).all()


def test_a_text_without_a_word_it_knows_is_a_row_of_zeros():
    assert not shelf.open("mini").encode_texts(["", "…", "ζζζ"]).any()


@pytest.mark.data
@pytest.mark.parametrize(
    ("dataset", "i2t", "t2i"),
    [("flickr8k", (0.13, 0.33, 0.45), (0.10, 0.28, 0.39)), ("coco_val2017", (0.14, 0.37, 0.49), (0.12, 0.34, 0.50))],
)
def test_it_finds_from_pixels_what_it_should(dataset, i2t, t2i):
    if "DIPTYCH_DATA" not in os.environ:
        pytest.skip("DIPTYCH_DATA is not set")
    from diptych import catalogue
    from diptych.flow.evaluate import evaluate

    protocol = next(rules.name for rules in catalogue.dataset(dataset).card.protocols if rules.relevance == "pair")
    report = evaluate("mini", dataset, protocol=protocol).report
    for found, floor in ((report.i2t, i2t), (report.t2i, t2i)):
        assert all(found[f"r@{k}"] >= least for k, least in zip((1, 5, 10), floor, strict=True)), found
