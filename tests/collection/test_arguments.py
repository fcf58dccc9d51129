"""Arguments that look right: every public entry takes them on purpose or refuses them in one line."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from collection_world import Palette, album, paint
from PIL import Image

from diptych.collection import Allowed, Collection, Entry, Feedback, Marks, Term, interleave
from diptych.encoder import Encoder
from diptych.encoders import shelf
from diptych.kinds import BadInput, cosine

ODD: list[Any] = [
    None, True, False, -1, 0, 10**30, 2.5, float("nan"), float("inf"), "", "abc", b"abc", "\0", "\ud800", [], [None],
    ["abc"], [b"abc"], [1.5], [[1]], {}, {"a": 1}, {1}, object(), int, len, np.float64(1), np.int64(10**12),
    np.zeros(3), np.zeros((2, 3), np.float32), np.zeros((2, 2, 3), np.uint8), np.array("x"), np.array(None), 1j,
    Path("none"), Image.new("L", (3, 3)), Term.of("red"), Entry("k"), (i for i in "ab"), range(2), lambda: 0,
]  # fmt: skip

CALLS: dict[str, dict[str, Any]] = {
    "add": {"captions": None, "retry": False, "contents": False, "workers": 1, "seconds": 20, "progress": None},
    "watch": {"every": 0, "workers": 1, "changed": None},
    "put": {"entries": [], "progress": None},
    "annotate": {"item": 1, "captions": None, "tags": None, "metadata": None, "merge": False},
    "remove": {"items": [], "forever": False},
    "read_by_older": {}, "readmit": {}, "exclude": {}, "include": {}, "excluded": {}, "notes": {},
    "forget": {"place": "nowhere", "words": True, "forever": False},
    "waiting": {},
    "reindex": {"encoder": None, "memory": None, "latency": None, "progress": None, "codes": None,
        "bits": None},
    "use_codes": {"of": "own", "bits": None},
    "calibrate": {"weak": None, "match": None},
    "backup": {"folder": "backup"},
    "export": {"path": "all.jsonl", "vectors": True},
    "export_anonymous": {"path": "told.jsonl", "k": 3},
    "import_": {"path": "none.jsonl"},
    "erase": {"items": []},
    "encrypt": {"key": "ab" * 32},
    "get": {"item": 1}, "digest": {"item": 1},
    "ids": {"key": None},
    "search": {"query": "red", "k": 3, "offset": 0, "diverse": 0, "keywords": 0.5, "regions": False, "where": None,
        "fields": False, "language": "query", "pictures": Allowed.ANYTHING, "marks": None, "user": None,
        "learned": True, "rewrite": None, "closer": None},
    "region": {"picture": 1, "query": "red", "pictures": Allowed.ANYTHING},
    "similar": {"picture": 1, "k": 3, "offset": 0, "diverse": 0, "where": None, "fields": False},
    "captions": {"picture": 1, "k": 3, "among": None},
    "counts": {"field": "tag", "where": None},
    "histogram": {"field": "year", "bins": None, "where": None},
    "duplicates": {"threshold": 0.9, "workers": 1, "progress": None},
    "failures": {}, "status": {}, "close": {}, "within": {"seconds": 5},
    "verify": {"contents": False, "progress": None},
}  # fmt: skip

FEEDBACK: dict[str, dict[str, Any]] = {
    "record": {"user": "ann", "query": "red", "item": 1, "kind": "yes", "value": 1.0, "rank": None, "shown": (),
        "at": 0},
    "marks": {"user": "ann", "query": "red"}, "count": {"user": "ann"}, "asked": {"query": "red"}, "users": {},
    "events": {"user": None}, "forget": {"user": "bob"}, "learn": {"user": None}, "learned": {"user": None},
    "export": {"path": "pairs.jsonl", "user": None},
    "credit": {"shown": interleave([1, 2], [2, 1], 0), "opened": [1]},
    "comparison": {"winners": ["first", None]},
}  # fmt: skip


@pytest.fixture
def collection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Collection]:
    monkeypatch.chdir(tmp_path)
    album(tmp_path / "photos", 4)
    with Collection.open(tmp_path / "c", Palette(), write=True) as collection:
        collection.add(tmp_path / "photos", workers=1)
        yield collection


def taken_or_refused(call: Callable[[], Any]) -> str:
    """What is refused is refused in one line that can be shown; anything else is no error."""
    try:
        found = call()
        if inspect.isgenerator(found):
            return "taken"
    except BadInput as error:
        assert str(error) and "\n" not in str(error) and len(str(error)) < 600
        return "refused"
    return "taken"


def test_every_public_entry_is_in_the_table():
    public = {name for name, _ in inspect.getmembers(Collection, inspect.isfunction) if not name.startswith("_")}
    assert public == {*CALLS}
    for name, arguments in CALLS.items():
        parameters = inspect.signature(getattr(Collection, name)).parameters.values()
        assert {p.name for p in parameters if p.name != "self" and p.kind is not p.VAR_POSITIONAL} == {*arguments}
    assert {name for name, _ in inspect.getmembers(Feedback, inspect.isfunction) if name[0] != "_"} == {*FEEDBACK}


@pytest.mark.parametrize("name", sorted(FEEDBACK))
def test_an_odd_argument_of_feedback_is_taken_or_refused(collection, name):
    method, usual = getattr(collection.feedback, name), FEEDBACK[name]
    for parameter in usual:
        for odd in ODD:
            if parameter != "shown" or name == "record":  # which `interleave` made
                taken_or_refused(lambda parameter=parameter, odd=odd: method(**{**usual, parameter: odd}))
    for odd in ODD:
        taken_or_refused(lambda odd=odd: interleave(odd, [1], 0))
        taken_or_refused(lambda odd=odd: interleave([1], [1], odd))
        taken_or_refused(lambda odd=odd: Marks(odd))
    assert collection.verify() == []


@pytest.mark.parametrize("name", sorted({*CALLS} - {"close", "encrypt"}))
def test_an_odd_argument_is_taken_or_refused_and_never_stumbled_over(collection, name):
    method, usual = getattr(collection, name), CALLS[name]
    for parameter in usual:
        for odd in ODD:
            if callable(odd) and parameter in ("progress", "changed"):
                continue  # a function of the caller's own
            taken_or_refused(lambda parameter=parameter, odd=odd: method(**{**usual, parameter: odd}))
    if name in ("add", "watch", "readmit", "exclude", "include"):
        for odd in ODD:
            taken_or_refused(lambda odd=odd: method(odd))
    assert collection.verify() == []


REFUSED: list[tuple[str, str, list[Any]]] = [
    ("annotate", "tags", ["dog", b"dog", [1], [None], 5, {"a": 1}]),
    ("annotate", "captions", ["a dog", [b"x"], 5]),
    ("annotate", "metadata", ["dog", [1], {1: 2}, {"": 2}, {"a": None}, {"a": object()}, {"a": [[1]]}, {"a": 2**63}]),
    ("annotate", "item", [True, 1.0, None, b"1", -1, 10**30, "none", [1], ""]),
    ("get", "item", [True, 1.0, np.float64(1), None, b"1", -1, 10**30, "none", [1], ""]),
    ("ids", "key", [True, 1.0, b"x", ["x"]]),
    ("remove", "items", ["dog", 5, None, b"x", Path("x"), [None], [1.0], [True], {"a": 1}]),
    ("put", "entries", [Entry("x"), "dog", ["dog"], None, 5, [None], {"x": 1}]),
    ("search", "query", [None, True, 1.0, b"red", [], [None], {}, "", object(), np.zeros((2, 2, 2, 3), np.uint8)]),
    ("search", "k", [0, -1, 2.5, "3", None, True, 10**6]),
    ("search", "offset", [-1, 2.5, "3", None, True]),
    ("search", "diverse", [-1, 2, "x", None, float("nan"), True]),
    ("search", "marks", [[1], 1, "x", {"yes": [1]}, Marks([99]), Marks([1], [1])]),
    ("search", "user", ["", 5, b"x", "u" * 201, True]),
    ("search", "where", ["red", "", 5, b"x", "year >="]),
    ("similar", "picture", [None, True, 1.0, b"x", "none", "", 99]),
    ("similar", "k", [0, "3"]),
    ("captions", "among", ["red", [1], 5]),
    ("captions", "k", [0, 2.5, "3"]),
    ("counts", "field", [None, 5, "", ["tag"]]),
    ("histogram", "bins", [0, -1, "3", 2.5]),
    ("add", "workers", [0, "2", 1.5]),
    ("add", "progress", ["x", 5]),
    ("add", "captions", ["none.csv", 5, b"x"]),
    ("duplicates", "threshold", [0, 2, "x", None, float("nan")]),
    ("calibrate", "weak", [0, 1, "x", float("nan")]),
    ("export", "path", [None, 5, "", "\0", "x.pdf"]),
    ("export_anonymous", "path", [None, 5, "", "\0", "x.pdf"]),
    ("export_anonymous", "k", [0, 1, 2.5, "3", None, True, 10**6]),
    ("erase", "items", ["dog", 5, None, b"x", Path("x"), [None], [1.0], [True], {"a": 1}]),
    ("encrypt", "key", [None, 5, "", "ab", b"short", "xy" * 32, Path("no such key")]),
    ("backup", "folder", [None, 5, ""]),
    ("import_", "path", [None, 5, "", "none"]),
    ("forget", "place", [None, 5, ""]),
    ("reindex", "encoder", [5, object(), Palette, "none of this name"]),
    ("reindex", "memory", ["x", -1, float("nan")]),
]


@pytest.mark.parametrize(
    ("name", "parameter", "values"), REFUSED, ids=lambda value: value if isinstance(value, str) else ""
)
def test_what_looks_right_and_is_not_is_refused(collection, name, parameter, values):
    for value in values:
        assert (
            taken_or_refused(lambda value=value: getattr(collection, name)(**{**CALLS[name], parameter: value}))
            == "refused"
        ), value


def test_several_folders_are_named_one_by_one(collection, tmp_path):
    for odd in (["photos"], None, 5, b"photos", ""):
        assert taken_or_refused(lambda odd=odd: collection.add(odd)) == "refused"
        assert taken_or_refused(lambda odd=odd: collection.watch(odd)) == "refused"


@pytest.mark.parametrize("arguments", [
    {"key": ""}, {"key": 5}, {"key": None}, {"key": b"x"}, {"tags": "dog"}, {"captions": "a dog"}, {"captions": [1]},
    {"metadata": "x"}, {"metadata": {"a": {"b": 1}}}, {"width": -1}, {"width": 1.5}, {"width": True}, {"lat": "x"},
    {"lat": float("nan")}, {"taken": 5}, {"camera": b"x"}, {"metadata": {"a": float("inf")}},
    {"lat": 91}, {"lon": -361}, {"taken": ""}, {"taken": "yesterday"}, {"taken": "2020-13-01"}, {"taken": "2021-02-29"},
])  # fmt: skip
def test_an_entry_is_looked_at_when_it_is_made(arguments):
    with pytest.raises(BadInput):
        Entry(**{"key": "k", **arguments})


def test_a_time_is_kept_as_filters_compare_it(tmp_path):
    with Collection.open(tmp_path / "c", space=cosine, width=2, write=True) as collection:
        times = ["2020-05-01 10:30:15", "2020-05-01T10:30:15.250+02:00", "2020-05-01T10:30:15", "2020"]
        for at, taken in enumerate(times):
            collection.put([Entry(f"{at}", [1.0, 0.0], taken=taken)])
        found = collection.search("taken >= 2020-05-01T10:30", k=9, fields=True).results
        assert {(hit.key, hit.item.taken) for hit in found} == {(f"{at}", "2020-05-01T10:30:15") for at in range(3)}
        assert collection.counts("taken") == {"2020-05-01T10:30:15": 3, "2020": 1}


def test_a_row_that_is_no_array_is_refused_by_its_key(tmp_path):
    class Learning:
        """As a tensor that still learns."""

        shape = (2,)

        def __len__(self) -> int:
            return 2

        def __array__(self, *_: object, **__: object) -> Any:
            raise RuntimeError("call detach() first")

    with (
        Collection.open(tmp_path / "c", space=cosine, width=2, write=True) as collection,
        pytest.raises(BadInput, match=r"k: .*detach"),
    ):
        collection.put([Entry("k", Learning())])


def test_a_picture_without_pixels_is_refused(collection):
    for odd in (Image.new("RGB", (0, 0)), Image.new("L", (0, 5))):
        with pytest.raises(BadInput, match="no pixels"):
            collection.search(odd)


def test_a_closed_collection_says_so_whatever_is_asked(collection):
    collection.put([Entry("k", cosine.normalise(np.ones(16, np.float32)))])
    collection.export("all.jsonl")
    collection.close()
    collection.close()
    usual = {name: {**arguments} for name, arguments in CALLS.items() if name not in ("close", "watch", "within")}
    usual["put"] = {"entries": [Entry("k")]}
    usual["import_"] = {"path": "all.jsonl"}
    usual["export"] = {"path": "other.jsonl"}
    for name, arguments in usual.items():
        with pytest.raises(BadInput, match="is closed"):
            getattr(collection, name)(**arguments)
    with pytest.raises(BadInput, match="is closed"):
        len(collection)
    with pytest.raises(BadInput, match="is closed"):
        next(iter(collection.watch()))
    with pytest.raises(BadInput, match="is closed"), collection.within(5):
        pass


@pytest.mark.parametrize("odd", [None, 5, b"x", "", object(), ["x"], Palette])
def test_what_is_opened_is_a_folder_with_an_encoder(odd, tmp_path):
    with pytest.raises(BadInput):
        Collection.open(odd, Palette(), write=True)
    if odd is not None:
        with pytest.raises(BadInput):
            Collection.open(tmp_path / "c", odd, write=True)
    assert not (tmp_path / "c").exists()


# ------------------------------------------------------------------------------------------------------------ encoders


@pytest.fixture(scope="module")
def fitted() -> Encoder:
    from diptych import catalogue
    from diptych.kinds import Pairs

    rows = np.random.default_rng(0).normal(size=(2, 30, 8)).astype(np.float32)
    return Encoder.of("given", "given", catalogue.method("cca")(dims=4)).fit(Pairs(rows[0], rows[1]))


@pytest.mark.parametrize("side", ["encode_images", "encode_texts"])
def test_encoders_take_several_and_refuse_one(fitted, side, tmp_path):
    for encoder in (fitted, shelf.open("mini")):
        for odd in ("a string", b"bytes", None, 5, 1.5, {"a": 1}, [None], [b"x"], [5], object()):
            with pytest.raises(BadInput) as caught:
                getattr(encoder, side)(odd)
            assert "\n" not in str(caught.value)
    with pytest.raises(BadInput, match="Pairs"):
        fitted.fit("x")


def test_a_dual_encoder_takes_paths_open_pictures_and_pixels(fitted, tmp_path):
    path = paint(tmp_path / "a.png", "red", size=(40, 30))
    mini = shelf.open("mini")
    picture = Image.open(path)
    rows = mini.encode_images([path, str(path), picture, np.asarray(picture)])
    assert np.allclose(rows, rows[0], atol=1e-5)
    assert np.allclose(mini.encode_images(np.asarray(picture)[None]), rows[:1], atol=1e-5)
    for odd in (
        picture,
        np.asarray(picture),
        [np.asarray(picture, float)],
        np.zeros((2, 8)),
        [np.zeros((3, 4), np.uint8)],
    ):
        with pytest.raises(BadInput, match="pictures"):
            mini.encode_images(odd)
    with pytest.raises(BadInput, match="path"):
        fitted.encode_images([picture])
