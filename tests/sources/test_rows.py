from pathlib import Path

import pytest

from diptych.kinds import BadInput
from diptych.sources import rows


def test_one_text_and_a_list_of_texts_read_alike():
    one = rows.row({"image": "a.jpg", "caption": " a dog "}, "here")
    several = rows.row({"image": "a.jpg", "captions": ["a dog", "", "a cat"]}, "here")
    assert one.texts == ("a dog",)
    assert several.texts == ("a dog", "a cat")
    assert rows.row({"image": "a.jpg", "text": "a dog"}, "here").texts == ("a dog",)


def test_the_mark_separates_captions_and_labels_but_not_a_caption():
    fields = {"image": "a.jpg", "captions": "one|two", "labels": "dog | cat"}
    assert rows.row(fields, "here", "|").texts == ("one", "two")
    assert rows.row(fields, "here", "|").labels == ("dog", "cat")
    assert rows.row({"image": "a.jpg", "caption": "either|or"}, "here", "|").texts == ("either|or",)


def test_no_labels_is_not_the_same_as_no_word_on_labels():
    assert rows.row({"image": "a.jpg", "caption": "x", "labels": []}, "here").labels == ()
    assert rows.row({"image": "a.jpg", "caption": "x"}, "here").labels is None
    assert rows.classes([rows.Row("a.jpg", ())]) is None
    assert rows.classes([rows.Row("a.jpg", (), ("b", "a")), rows.Row("b.jpg", (), ("a",))]) == ("a", "b")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"imgae": "a.jpg", "caption": "x"}, "did you mean 'imgae'"),
        ({"image": 7, "caption": "x"}, "must be the path of a picture, found 7"),
        ({"image": "a.jpg", "captoin": "x"}, "did you mean 'captoin'"),
        ({"image": "a.jpg", "captions": [1, 2]}, "a string or a list of strings"),
        ({"image": "a.jpg", "caption": "x", "labels": {"dog": 1}}, "`labels` must be"),
    ],
)
def test_bad_fields_name_the_place_and_the_field(fields, said):
    with pytest.raises(BadInput, match=r"^file, line 3: .*") as error:
        rows.row(fields, "file, line 3")
    assert said in str(error.value)


def test_rows_of_one_picture_become_one_picture():
    merged = rows.merged(
        [
            rows.Row("a.jpg", ("1",), ("x",), "train"),
            rows.Row("b.jpg", ("2",), None, "train"),
            rows.Row("a.jpg", ("3",), ("x", "y"), "train"),
        ]
    )
    assert [(row.image, row.texts, row.labels) for row in merged] == [
        ("a.jpg", ("1", "3"), ("x", "y")),
        ("b.jpg", ("2",), None),
    ]


def test_one_picture_in_two_splits_is_bad_input():
    with pytest.raises(BadInput, match=r"line 2: a.jpg is in split 'test' here and in 'train' at .*line 1"):
        rows.merged(
            [rows.Row("a.jpg", (), None, "train", "f, line 1"), rows.Row("a.jpg", (), None, "test", "f, line 2")]
        )


def test_pairs_keep_owners_labels_and_ids():
    first, second = rows.Row("a.jpg", ("1", "2"), ("y",)), rows.Row("s/b.jpg", (), None)
    found = [first, second, rows.Row("c.jpg", ("3",), ("x", "y"))]
    pairs = rows.pairs(found, Path("pictures"), ("x", "y"))
    assert pairs.images == [str(Path("pictures") / name) for name in ("a.jpg", "s/b.jpg", "c.jpg")]
    assert pairs.texts == ["1", "2", "3"]
    assert pairs.owner.tolist() == [0, 0, 2]
    assert pairs.labels.tolist() == [[False, True], [False, False], [True, True]]
    assert pairs.image_ids == ("a.jpg", "s/b.jpg", "c.jpg")
    assert pairs.text_ids == ("a.jpg#0", "a.jpg#1", "c.jpg#0")
    assert rows.pairs(found, Path("pictures")).labels is None


def test_what_is_empty_or_missing_is_told_from_what_is_there():
    row = rows.row({"image": "a.jpg", "caption": None, "labels": None, "split": None}, "here")
    assert row == rows.Row("a.jpg", (), (), "", "here")
    assert rows.row({"image": "a.jpg", "text": "b", "caption": "a", "captions": "c"}, "here").texts == ("c",)
    assert rows.row({"image": "a.jpg", "caption": "a", "split": 3}, "here").split == "3"
    for fields, said in (
        ({}, "found None"),
        ({"image": ""}, "found ''"),
        ({"image": None, "imag": "a"}, "found None"),
        (
            {"image": "a.jpg", "labels": ["x"]},
            "no texts; give `captions`, `caption` or `text`; there are: image, labels",
        ),
        ({"image": "a.jpg", "caption": 3}, "`caption` must be a string or a list of strings, found '3'"),
    ):
        with pytest.raises(BadInput) as error:
            rows.row(fields, "here")
        assert str(error.value).startswith("here: ") and str(error.value).endswith(said)


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        (None, None, None),
        (("x",), None, ("x",)),
        (None, ("x",), ("x",)),
        ((), None, ()),
        (None, (), ()),
        (("y", "x"), ("z", "x"), ("y", "x", "z")),
    ],
)
def test_labels_of_one_picture_are_together_and_no_word_on_them_says_nothing(one, other, both):
    (row,) = rows.merged([rows.Row("a.jpg", (), one), rows.Row("a.jpg", (), other)])
    assert row.labels == both
