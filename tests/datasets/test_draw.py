import hashlib

import numpy as np

from diptych.datasets import _draw
from diptych.kinds import Card, Pairs, Protocol


def test_shuffled_is_the_order_of_sha256():
    ids = [f"{i}.jpg" for i in range(50)]
    drawn = [ids[row] for row in _draw.shuffled(ids)]
    digests = [hashlib.sha256(name.encode()).hexdigest() for name in drawn]
    assert digests == sorted(digests)
    assert sorted(drawn) == sorted(ids)


def test_the_draw_of_a_picture_does_not_hang_on_the_order_of_rows():
    ids = np.array([f"{i}.jpg" for i in range(40)])
    card = Card("x", "", "", "", "", {"query": 5, "train": 10}, (Protocol("h", "train", "query", "database", "label"),))

    def draw(names, split):
        pairs = Pairs([*names], [*names], image_ids=tuple(names))
        return set(_draw.hashing(card, pairs, split).image_ids)

    backwards = ids[::-1]
    for split, n in {"query": 5, "train": 10, "database": 35, "unseen": 25, "all": 40}.items():
        assert len(draw(ids, split)) == n
        assert draw(ids, split) == draw(backwards, split)
    assert draw(ids, "train") | draw(ids, "unseen") == draw(ids, "database")
    assert not draw(ids, "train") & draw(ids, "unseen")
    assert draw(ids, "query") | draw(ids, "database") == set(ids.tolist())
    assert not draw(ids, "query") & draw(ids, "database")
