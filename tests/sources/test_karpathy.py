import json

import pytest

from diptych.kinds import BadInput
from diptych.sources import karpathy


def test_first_five_captions_and_restval_is_train(tmp_path):
    path = tmp_path / "dataset_coco.json"
    sentences = [{"raw": f" caption\n {i}", "tokens": []} for i in range(7)]
    images = [
        {"filepath": "val2014", "filename": "a.jpg", "split": "restval", "sentences": sentences},
        {"filename": "b.jpg", "split": "test", "sentences": sentences[:2]},
    ]
    path.write_text(json.dumps({"images": images, "dataset": "coco"}))
    first, second = karpathy.rows(path)
    assert (first.image, first.split) == ("val2014/a.jpg", "train")
    assert first.texts == tuple(f"caption {i}" for i in range(5))
    assert (second.image, second.split, len(second.texts)) == ("b.jpg", "test", 2)


@pytest.mark.parametrize("text", ["{", "[]", '{"images": [{"filename": "a.jpg"}]}'])
def test_another_file_is_bad_input(tmp_path, text):
    path = tmp_path / "dataset_coco.json"
    path.write_text(text)
    with pytest.raises(BadInput, match=r"dataset_coco\.json"):
        karpathy.rows(path)


def test_where_a_picture_stands_and_where_a_file_breaks_is_told(tmp_path):
    path = tmp_path / "dataset_coco.json"
    image = {"filepath": "", "filename": "a.jpg", "split": "val", "sentences": []}
    path.write_text(json.dumps({"images": [image, image]}))
    assert [(row.image, row.split, row.texts, row.where) for row in karpathy.rows(path)] == [
        ("a.jpg", "val", (), f"{path}, image {number}") for number in (0, 1)
    ]
    path.write_bytes(b'{"images": ["\xff"]}')
    with pytest.raises(BadInput, match=r"json: not UTF-8; fetch the file again"):
        karpathy.rows(path)
    for odd in (
        '{"images": ["a"]}',
        '{"images": 5}',
        "[]",
        '{"images": [{"filename": "a", "split": "val", "sentences": [5]}]}',
    ):
        path.write_text(odd)
        with pytest.raises(BadInput, match="not one of Karpathy's files"):
            karpathy.rows(path)
    path.write_text("\n\n[")
    with pytest.raises(BadInput, match=r"json, line 3: not JSON \(.*\); fetch the file again"):
        karpathy.rows(path)
    path.write_text('{"images": [{"filename": "a.jpg"}]}')
    with pytest.raises(BadInput, match=r"not one of Karpathy's files \(KeyError\('sentences'\) in `images`\)"):
        karpathy.rows(path)
