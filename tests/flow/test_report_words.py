"""How measures and texts are said."""

import pytest

from diptych.flow.report.words import cut, meaning
from diptych.metrics import measures


def test_long_texts_are_cut_between_words():
    assert cut("short  text\n", 40) == "short text"
    assert cut("one two three, four five", 15) == "one two three …"
    assert cut("x" * 50, 10) == "x" * 10 + " …"


@pytest.mark.parametrize(
    "metric", ["map@all", "map@50", "map@50:hits", "map@50:first", "r@1", "recall@10", "p@5", "mrr"]
)
def test_every_measure_can_be_said_in_words(metric):
    measures.known(metric)
    assert len(meaning(metric)) > 10


def test_every_kind_of_measure_there_is_has_its_words():
    for name in (*measures.CUT, *measures.WHOLE):
        base, colon, normaliser = name.partition(":")
        assert meaning(f"{base}@7{colon}{normaliser}" if name in measures.CUT else name)
