"""MS COCO and Flickr30K."""

import json

import pytest

from diptych.datasets import flickr30k, mscoco
from diptych.kinds import BadInput

SPLITS = ["train", "restval", "val", "test", "restval", "test"]


@pytest.fixture
def coco(write, with_counts):
    images = [
        {
            "filepath": f"{'train' if i == 0 else 'val'}2014",
            "filename": f"COCO_{i}.jpg",
            "split": split,
            "sentences": [{"raw": f"caption {k} of {i}"} for k in range(5 + i % 2)],
        }
        for i, split in enumerate(SPLITS)
    ]
    write("dataset_coco.json", json.dumps({"images": images}))
    categories = [{"id": 3, "name": "dog"}, {"id": 90, "name": "cat"}]
    for part, objects in (("train", [(0, 3), (0, 3)]), ("val", [(1, 90), (1, 3), (4, 90), (5, 3)])):
        file = {
            "images": [{"id": 100 + i, "file_name": f"COCO_{i}.jpg"} for i in range(6)],
            "annotations": [{"image_id": 100 + i, "category_id": category} for i, category in objects],
            "categories": categories,
        }
        write(f"annotations/instances_{part}2014.json", json.dumps(file))
    with_counts(mscoco, train=3, val=1, test=2, all=6)


def test_coco_trains_on_restval_too(tmp_path, coco):
    train, test = mscoco.read("train", tmp_path), mscoco.read("test", tmp_path)
    assert train.image_ids == ("train2014/COCO_0.jpg", "val2014/COCO_1.jpg", "val2014/COCO_4.jpg")
    assert train.images[0] == str(tmp_path / "train2014" / "COCO_0.jpg")
    assert test.texts == [f"caption {k} of {i}" for i in (3, 5) for k in range(5)]
    assert test.labels is None
    assert mscoco.read("all", tmp_path).n_images == 6


def test_coco_with_labels_keeps_pictures_with_an_object(tmp_path, coco, with_counts):
    with_counts(mscoco, labelled_all=4, labelled_query=1, labelled_train=2, labelled_database=3)
    pairs = mscoco.read("labelled_all", tmp_path)
    assert [int(name[-5]) for name in pairs.image_ids] == [0, 1, 4, 5]
    assert pairs.labels.astype(int).tolist() == [[0, 1], [1, 1], [1, 0], [0, 1]]
    assert mscoco.read("labelled_database", tmp_path).n_images == 3


def test_a_broken_file_of_objects_is_named(tmp_path, coco, write):
    write("annotations/instances_val2014.json", "{}")
    with pytest.raises(BadInput, match=r"instances_val2014\.json: not a file of COCO instances"):
        mscoco.read("labelled_all", tmp_path)


def test_the_1k_protocol_has_five_folds():
    assert mscoco.CARD.protocol().folds == 1
    assert mscoco.CARD.protocol("1k").folds == 5
    assert mscoco.CARD.splits["test"] == 5 * 1000


def test_flickr30k(tmp_path, write, with_counts):
    sentences = [{"raw": f"caption {k}"} for k in range(5)]
    images = [{"filename": f"{i}.jpg", "split": split, "sentences": sentences} for i, split in enumerate(SPLITS)]
    write("dataset_flickr30k.json", json.dumps({"images": [image for image in images if image["split"] != "restval"]}))
    with_counts(flickr30k, train=1, val=1, test=2, all=4)
    test = flickr30k.read("test", tmp_path)
    assert test.images == [str(tmp_path / "flickr30k-images" / name) for name in ("3.jpg", "5.jpg")]
    assert test.n_texts == 10
    assert flickr30k.read("all", tmp_path).n_images == 4
