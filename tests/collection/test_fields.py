"""What items say in their fields: lists and types kept, merged or replaced, counted; and what stays removed."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from collection_world import Palette, album, paint

from diptych.collection import Bin, Collection, Entry
from diptych.kinds import BadInput, cosine

N = 60


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Collection]:
    """Sixty things with everything that can be said of one."""
    rows = cosine.normalise(np.random.default_rng(0).normal(size=(N, 8)).astype(np.float32))
    with Collection.open(tmp_path / "shop", space=cosine, width=8, write=True) as collection:
        collection.put(
            Entry(
                f"sku-{at}",
                row,
                captions=[f"thing {at}"],
                tags=[tag for tag, every in (("new", 2), ("sale", 3)) if at % every == 0],
                metadata={"colours": ["red", "blue", "green"][: at % 4], "price": at / 2, "sold": at % 5 == 0, "n": at},
                taken=f"20{20 + at % 3}-{1 + at % 12:02d}-05T10:00:00",
                camera=["X100V", "Pixel"][at % 2],
                width=100 + at,
            )
            for at, row in enumerate(rows)
        )
        yield collection


def passing(shop: Collection, query: str) -> set[int]:
    answer = shop.search(query, k=N)
    assert answer.total == len(answer.results)
    return {int(hit.key.removeprefix("sku-")) for hit in answer.results}


def test_metadata_by_a_name_that_others_give_a_column_is_asked_for_like_a_column(shop):
    with pytest.raises(BadInput, match="expected folder:sea"):
        shop.search("album:sea")
    shop.annotate("sku-3", metadata={"album": "Sea"}, merge=True)
    assert passing(shop, "album:sea") == {3} == passing(shop, 'album:"sea" price = 1.5')
    assert shop.counts("price", where="album:sea") == {1.5: 1}
    assert [hit.key for hit in shop.similar("sku-1", where="album:sea").results] == ["sku-3"]
    shop.remove(["sku-3"])
    with pytest.raises(BadInput, match="expected folder:sea"):
        shop.search("album:sea")


def test_values_keep_their_types_and_lists_their_order(shop):
    values = {
        "i": 3, "f": 3.0, "big": 2**62, "s": "3", "t": True, "no": False, "list": ["b", "a", "b", 1, 2.5, True],
        "one": ["x"], "none": [], "": 1, "b\nc": "d\ne",
    }  # fmt: skip
    with pytest.raises(BadInput):
        shop.annotate("sku-1", metadata=values)
    del values[""]
    item = shop.annotate("sku-1", metadata=values)
    assert item.metadata == values and shop.get("sku-1").metadata == values
    assert {name: type(value) for name, value in item.metadata.items()} == {k: type(v) for k, v in values.items()}
    assert [type(one) for one in item.metadata["list"]] == [str, str, str, int, float, bool]
    shop.annotate("sku-1", metadata={"a": np.float32(0.5), "b": np.int8(3), "c": np.array([1, 2]), "d": (True, "x")})
    assert shop.get("sku-1").metadata == {"a": 0.5, "b": 3, "c": [1, 2], "d": [True, "x"]}
    assert shop.verify() == []


def test_any_value_of_a_list_passes_a_filter(shop):
    assert passing(shop, "colours = red") == {at for at in range(N) if at % 4 >= 1}
    assert passing(shop, "colours = GREEN") == {at for at in range(N) if at % 4 == 3}
    assert passing(shop, "colours != blue") == {at for at in range(N) if at % 4 == 1}, "has some, and none is equal"
    assert passing(shop, "has(colours)") == {at for at in range(N) if at % 4}
    assert passing(shop, "NOT has(colours)") == {at for at in range(N) if at % 4 == 0}
    assert passing(shop, "sold = true") == set(range(0, N, 5)) and passing(shop, "sold = false") == {
        at for at in range(N) if at % 5
    }
    assert passing(shop, "price >= 20 price < 25") == set(range(40, 50))


def test_replace_and_merge_are_two_calls(shop):
    old = shop.get("sku-1")
    item = shop.annotate("sku-1", ["more"], ["extra"], {"price": 9, "seen": [1]}, merge=True)
    assert item.captions == ("thing 1", "more") and item.tags == ("extra",)
    assert item.metadata == {**old.metadata, "price": 9, "seen": [1]}
    item = shop.annotate("sku-1", metadata={"seen": None, "nobody": None}, merge=True)
    assert item.metadata == {**old.metadata, "price": 9} and item.captions == ("thing 1", "more")
    item = shop.annotate("sku-1", ["only"], [], {"price": 1})
    assert (item.captions, item.tags, item.metadata) == (("only",), (), {"price": 1})
    assert passing(shop, "price = 1") == {1, 2} and shop.verify() == []


def test_a_field_that_no_item_has_gives_nothing_and_a_hint(shop):
    answer = shop.search("pricee < 5")
    assert (answer.results, answer.total, answer.verdict) == ((), 0, "none")
    (hint,) = answer.hints
    assert "'pricee'" in hint and "did you mean 'price'?" in hint
    assert shop.search("has(nothing) OR tag:new", k=N).total == N // 2
    assert len(shop.search("nothing = 1 OR nowhere = 2 OR nothing = 3").hints) == 2
    assert shop.search("price < 5").hints == () == shop.search("tag:nobody").hints
    with pytest.raises(BadInput, match="column 9"):
        shop.search("price < ")


def test_values_are_counted_under_a_filter(shop):
    assert shop.counts("tag") == {"new": 30, "sale": 20} and list(shop.counts("tag")) == ["new", "sale"]
    assert shop.counts("camera", where="tag:new") == {"X100V": 30}
    assert shop.counts("colours") == {"red": 45, "blue": 30, "green": 15}
    assert shop.counts("sold") == {False: 48, True: 12} and shop.counts("year") == {2020: 20, 2021: 20, 2022: 20}
    assert shop.counts("colours", where="price >= 20 NOT tag:sale") == dict(
        Counter(colour for at in range(40, N) if at % 3 for colour in ["red", "blue", "green"][: at % 4]).most_common()
    )
    assert shop.counts("nothing") == {} and shop.counts("tag", where="nothing = 1") == {}
    assert shop.counts("TAG") == shop.counts("tag")


def test_what_is_equal_in_python_is_counted_as_one_value(shop):
    values = [1, True, 1.0, [1, True], False, 0, True, "true", "1"]
    for at, value in enumerate(values):
        shop.annotate(f"sku-{at}", metadata={"v": value})
    assert shop.counts("v") == {1: 5, 0: 2, "true": 1, "1": 1}
    assert shop.counts("v", where='name = "sku-1" OR name = "sku-6" OR name = "sku-4"') == {True: 2, False: 1}
    assert not any(isinstance(value, bool) for value in shop.counts("v"))
    assert all(isinstance(value, bool) for value in shop.counts("v", where='name = "sku-1" OR name = "sku-4"'))


def test_metadata_that_is_called_as_a_column_is_counted_by_its_name_in_quotes(shop):
    shop.annotate("sku-1", metadata={"size": "M", "width": 7, 'a "b" \\': 1})
    assert shop.counts('"size"') == {"M": 1} and shop.counts("size") == {}
    assert shop.counts('"size"', where='"size" = M') == {"M": 1}
    assert [step.count for step in shop.histogram('"width"', bins=1)] == [1]
    assert shop.counts('a "b" \\') == {1: 1} == shop.counts('"a \\"b\\" \\\\"')


@pytest.mark.parametrize("values", [
    [1.7e18], [10**17, 10**17 + 16], [2**53, 2**53 + 1], [5e-324, 1e-323], [-1e308, 1e308], [1.7e308],
])  # fmt: skip
@pytest.mark.parametrize("steps", [1, 10, np.int64(1000)])
def test_a_histogram_holds_every_number_there_may_be(shop, values, steps):
    for at, value in enumerate(values):
        shop.annotate(f"sku-{at}", metadata={"v": value})
    bins = shop.histogram("v", steps)
    assert sum(step.count for step in bins) == len(values) and len(bins) in (1, steps)
    assert bins[0].low <= min(values) and float(max(values)) <= bins[-1].high
    assert all(step.high == after.low for step, after in pairwise(bins))


def test_a_number_and_a_date_have_histograms(shop):
    bins = shop.histogram("price", bins=5)
    held, edges = np.histogram(np.arange(N) / 2, 5)
    assert [(step.low, step.high, step.count) for step in bins] == list(zip(edges, edges[1:], held, strict=False))
    assert sum(step.count for step in shop.histogram("width", where="tag:new")) == 30
    assert shop.histogram("taken", bins="year") == [Bin(str(year), str(year), 20) for year in (2020, 2021, 2022)]
    months = shop.histogram("taken", where="year = 2021")
    assert months == [Bin(f"2021-{month:02d}", f"2021-{month:02d}", 5) for month in (2, 5, 8, 11)]
    assert shop.histogram("taken", "day")[0] == Bin("2020-01-05", "2020-01-05", 5)
    assert shop.histogram("nothing") == [] == shop.histogram("colours")
    for field, bins in (("camera", 3), ("tag", 3), ("taken", 3), ("price", "month")):
        with pytest.raises(BadInput):
            shop.histogram(field, bins)


def test_an_answer_says_how_many_pass_and_what_is_said_of_each(shop):
    answer = shop.search("tag:new colours = red", k=3, offset=2, fields=True)
    assert answer.total == len([at for at in range(N) if at % 2 == 0 and at % 4 >= 1]) and len(answer.results) == 3
    for hit in answer.results:
        item = shop.get(hit.key)
        assert (hit.captions, hit.tags, hit.metadata, hit.item) == (item.captions, item.tags, item.metadata, item)
    bare = shop.search("tag:new", k=1).results[0]
    assert (bare.captions, bare.tags, bare.metadata, bare.item) == ((), (), {}, None)


# ------------------------------------------------------------------------------------------------------------ for ever


@pytest.fixture
def photos(tmp_path: Path) -> Iterator[tuple[Collection, Path]]:
    (tmp_path / "photos").mkdir()
    album(tmp_path / "photos", 6)
    with Collection.open(tmp_path / "photos" / ".diptych", Palette(), write=True) as collection:
        collection.add(tmp_path / "photos")
        yield collection, tmp_path / "photos"


def test_what_is_removed_for_ever_does_not_come_back_until_it_is_readmitted(photos):
    collection, folder = photos
    gone = collection.get(1).key
    collection.annotate(gone, tags=["mine"])
    assert collection.remove([gone], forever=True) == 1
    for options in ({}, {"contents": True}, {"retry": True}):
        report = collection.add(**options)
        assert (report.added, report.barred, report.encoded) == (0, 1, 0) and not collection.ids(gone)
    elsewhere = folder / "renamed.png"
    Path(gone).rename(elsewhere)
    shutil.copy(elsewhere, folder / "copy.png")
    assert collection.add().barred == 2 and collection.add().barred == 2 and len(collection) == 5
    assert set(collection.status()["removed_forever"]) == {gone, str(elsewhere), str(folder / "copy.png")}
    paint(folder / "new.png", "blue", 77)
    assert collection.add().added == 1
    assert collection.readmit(elsewhere) == 3 and collection.status()["removed_forever"] == []
    assert collection.add().added == 2 and collection.get(elsewhere).tags == ("mine",)
    assert collection.verify(contents=True) == []


def test_a_copy_that_was_kept_stays_when_the_other_is_removed_for_ever(photos):
    collection, folder = photos
    first = collection.get(1).key
    shutil.copy(first, folder / "second.png")
    collection.add()
    assert collection.remove([folder / "second.png"], forever=True) == 1
    Path(first).touch()
    assert collection.add().barred == 1 and collection.ids(first) == [1]
    assert collection.readmit() == 1 and collection.add().added == 1


def test_an_edit_of_what_was_removed_for_ever_is_another_picture(photos):
    collection, _ = photos
    gone = collection.get(1).key
    collection.remove([1], forever=True)
    paint(Path(gone), "purple", 5)
    assert collection.add().added == 1 and collection.ids(gone)


def test_who_forgets_a_folder_forgets_that_too(photos):
    collection, folder = photos
    collection.remove(collection.ids(), forever=True)
    assert collection.add().barred == 6 and len(collection) == 0
    collection.forget(folder)
    assert collection.add(folder).added == 6


def test_copies_have_the_same_lists_and_they_wait_with_the_words(photos):
    collection, folder = photos
    first = Path(collection.get(1).key)
    shutil.copy(first, folder / "second.png")
    collection.add()
    collection.annotate(1, metadata={"people": ["Ann", "Bo"], "seen": True})
    assert collection.get(folder / "second.png").metadata == {"people": ["Ann", "Bo"], "seen": True}
    first.rename(folder.parent / "away.png")
    (folder / "second.png").unlink()
    assert collection.add().words_waiting == 1
    assert collection.waiting()[0].metadata == {"people": ["Ann", "Bo"], "seen": True}
    (folder.parent / "away.png").rename(folder / "back.png")
    collection.add()
    assert collection.get(folder / "back.png").metadata == {"people": ["Ann", "Bo"], "seen": True}


def test_a_hint_names_the_column_that_other_programs_call_so(tmp_path):
    with Collection.open(tmp_path / "c", Palette(), write=True) as collection:
        assert collection.search("dog date > 2020").hints == (
            "no item has the metadata 'date'; it is called taken here",
        )
        (told,) = collection.search("rating >= 4").hints
        assert told.startswith("no item has the metadata 'rating'; there are: camera, caption, ") and "taken" in told
