"""Flickr8k, COCO val2017, emoji and fashion as they are on disk."""

import csv
import hashlib
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from diptych.datasets import coco_val2017, emoji, fashion, flickr8k
from diptych.kinds import BadInput, SharedLabels


@pytest.mark.data
@pytest.mark.parametrize(("dataset", "split", "n"), [(flickr8k, "dev", 1000), (coco_val2017, "dev", 500)])
def test_pictures_and_captions_are_those_of_the_file(data, dataset, split, n):
    home = data / dataset.CARD.folder
    pairs = dataset.read(split, home)
    lines = [json.loads(line) for line in (home / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()]
    assert (pairs.n_images, pairs.n_texts) == (n, 5 * n)
    assert pairs.owner.tolist() == [i // 5 for i in range(5 * n)]
    assert pairs.texts[5:10] == [caption.strip() for caption in lines[1]["captions"]]
    assert all(Path(path).is_file() for path in pairs.images)


@pytest.mark.data
def test_few_pictures_of_flickr8k_are_those_whose_names_come_first_when_hashed(data):
    train, few = (flickr8k.read(split, data / "flickr8k") for split in ("train", "few"))
    digest = {name: hashlib.sha256(name.encode()).hexdigest() for name in train.image_ids}
    assert few.n_images == 2000 and few.n_texts == 10000
    assert set(few.image_ids) == set(sorted(digest, key=digest.__getitem__)[:2000])
    assert [name for name in train.image_ids if name in set(few.image_ids)] == list(few.image_ids)


@pytest.mark.data
def test_coco_has_the_chance_level_of_its_labels(data):
    train, dev = (coco_val2017.read(split, data / "coco_val2017") for split in ("train", "dev"))
    assert train.labels.shape == (3000, 80)
    assert dev.labels.shape == (500, 80)
    chance = SharedLabels(dev.labels, train.labels).relevant(0, 500).mean()
    assert chance == pytest.approx(0.353, abs=0.03)


@pytest.mark.data
def test_an_emoji_has_its_name_and_its_keywords(data):
    test = emoji.read("test", data / "noto_emoji")
    text = (data / "noto_emoji" / "emoji.jsonl").read_text(encoding="utf-8")
    lines = {row["image"]: row for row in map(json.loads, text.splitlines())}
    assert test.n_texts == 660
    for i, name in enumerate(test.image_ids):
        assert test.texts[2 * i : 2 * i + 2] == [lines[name]["name"], ", ".join(lines[name]["keywords"])]
        assert Path(test.images[i]).is_file()
    digests = {name: hashlib.sha256(name.encode()).hexdigest() for name in lines}
    assert max(digests[name] for name in lines if name not in test.image_ids) < min(digests[n] for n in test.image_ids)


@pytest.mark.data
def test_fashion_is_the_documented_draw(data):
    home = data / "fashion"
    with open(home / "products.csv", encoding="utf-8", newline="") as file:
        products = {f"{row['id']}.jpg": row for row in csv.DictReader(file)}
    read = {split: fashion.read(split, home) for split in fashion.CARD.splits}
    n_items = Counter(row["productDisplayName"] for row in products.values())
    digest = {name: hashlib.sha256(name.encode()).hexdigest() for name in n_items}
    cut = {}
    for split in ("query", "train"):
        names = {products[name]["productDisplayName"] for name in read[split].image_ids}
        assert sum(n_items[name] for name in names) == read[split].n_images
        last = max(names, key=digest.__getitem__)
        assert read[split].n_images - n_items[last] < {"query": 1000, "train": 5000}[split]
        cut[split] = (min(map(digest.__getitem__, names)), digest[last])
    assert cut["query"][1] < cut["train"][0]
    assert set(read["train"].image_ids) < set(read["database"].image_ids)
    assert set(read["query"].image_ids) == set(products) - set(read["database"].image_ids)
    labels = read["all"].labels
    assert labels.shape == (9583, 119)
    assert (labels.sum(axis=1) == 2).all()
    chance = SharedLabels(read["query"].labels, read["database"].labels).relevant(0, 1000).mean()
    assert chance == pytest.approx(0.163, abs=0.01)


def test_dev_numbers_the_classes_as_train_does(tmp_path, write, with_counts):
    write("train.jsonl", '{"image": "a.jpg", "captions": ["x"], "labels": ["cat", "ape"]}\n')
    write("dev.jsonl", '{"image": "b.jpg", "captions": ["y"], "labels": ["cat"]}\n')
    with_counts(coco_val2017, train=1, dev=1, all=2)
    assert coco_val2017.read("dev", tmp_path).labels.tolist() == [[False, True]]
    assert coco_val2017.read("train", tmp_path).labels.tolist() == [[True, True]]


def test_a_copy_of_another_size_is_bad_input(tmp_path, write):
    write("dev.jsonl", '{"image": "a.jpg", "captions": ["x"]}\n')
    with pytest.raises(BadInput, match="flickr8k, split dev: found 1 images, expected 1000"):
        flickr8k.read("dev", tmp_path)


def test_fashion_keeps_a_name_on_one_side():
    names = Counter({f"name {i}": 1 + i % 3 for i in range(100)})
    side = fashion._sides(names, n_query=20, n_train=50)
    drawn = Counter()
    for name, n in names.items():
        drawn[side[name]] += n
    assert 20 <= drawn["query"] < 23
    assert 50 <= drawn["train"] < 53
    assert drawn.total() == names.total()


def test_fashion_and_emoji_name_what_is_missing(tmp_path, write):
    write("products.csv", "id,productDisplayName\n1,shirt\n")
    with pytest.raises(BadInput, match=r"products\.csv: no column articleType, baseColour"):
        fashion.read("all", tmp_path)
    write("emoji.jsonl", '{"image": "a.png", "name": "a", "keywords": []}\n{"image": "b.png", "name": "b"}\n')
    with pytest.raises(BadInput, match=r"emoji\.jsonl, line 2: no field 'keywords'"):
        emoji.read("all", tmp_path)


def test_a_colour_never_passes_for_an_article_type(tmp_path, write, with_counts):
    write("products.csv", "id,productDisplayName,articleType,baseColour\n1,a,Rose,Red\n2,b,Shirt,Rose\n")
    with_counts(fashion, all=2)
    labels = fashion.read("all", tmp_path).labels.astype(int)
    np.testing.assert_array_equal(labels @ labels.T, [[2, 0], [0, 2]])
