import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diptych.collection import Collection, Entry, anonymous
from diptych.collection.items import Item
from diptych.kinds import BadInput
from diptych.sources.metadata.about import Words

items = st.builds(
    lambda tags, camera, taken, place: Item(
        "secret-name.jpg",
        camera=camera,
        taken=taken,
        lat=place,
        lon=place,
        given=Words(("a caption with a name",), tuple(tags)),
        metadata={"owner": "somebody"},
    ),
    st.sets(st.sampled_from(["sea", "dog", "anna", "bert"]), max_size=3),
    st.sampled_from([None, "Canon", "Leica"]),
    st.sampled_from([None, "2020", "2020-05-01", "2020-05-02T10:00:00", "2021-01-01"]),
    st.sampled_from([None, 48.137154, 48.1299, -33.5]),
)


@given(st.lists(items, min_size=2, max_size=30), st.integers(2, 5))
def test_every_record_is_that_of_k_items_at_least(some, k):
    if len(some) < k:
        with pytest.raises(BadInput, match="items there are"):
            anonymous.records(some, k)
        return
    told = anonymous.records(some, k)
    assert len(told) == len(some)
    assert min(Counter(told).values()) >= k
    for item, record in zip(some, told, strict=True):  # nothing is told that was not so
        assert record.tags <= set(item.tags)
        assert record.camera in ("", item.camera)
        assert (item.taken or "").startswith(record.when) and len(record.when) in (0, 4, 7)
        assert record.where is None or record.where == (round(item.lat, 1), round(item.lon, 1))


def test_what_many_share_is_told():
    alike = [Item("x", camera="Canon", taken="2020-05-01", lat=48.13, lon=11.57, given=Words((), ("sea",)))] * 5
    assert set(anonymous.records(alike, 5)) == {anonymous.Record("2020-05", (48.1, 11.6), "Canon", frozenset({"sea"}))}


def test_the_file_holds_no_name_and_no_caption(tmp_path):
    with Collection.open(tmp_path / "c", space="cosine", width=2, write=True) as collection:
        collection.put(
            Entry(f"anna-{n}", [1.0, n], captions=["anna at the sea"], tags=["sea"], metadata={"who": "anna"})
            for n in range(6)
        )
        assert collection.export_anonymous(tmp_path / "told.jsonl", 5) == 6
        text = (tmp_path / "told.jsonl").read_text()
        assert "anna" not in text
        lines = [json.loads(line) for line in text.splitlines()]
        assert [line["tags"] for line in lines] == [["sea"]] * 6
        assert len({line["key"] for line in lines}) == 6
        for path, k, why in ((tmp_path / "told.jsonl", 5, "already"), (tmp_path / "x.csv", 5, "jsonl")):
            with pytest.raises(BadInput, match=why):
                collection.export_anonymous(path, k)
        for k in (1, 7):
            with pytest.raises(BadInput, match="at least 2"):
                collection.export_anonymous(tmp_path / "y.jsonl", k)
