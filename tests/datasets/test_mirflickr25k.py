from collections import Counter

import pytest

from diptych.datasets import mirflickr25k
from diptych.kinds import BadInput

TAGS = {i: ["sky"] * (i % 2) + ["rare"] * (i == 3) + ["sea"] * (i % 3 == 0) for i in range(1, 46)}
SKY, DOG = range(1, 31), range(20, 41)


@pytest.fixture(autouse=True)
def copy(write):
    """45 pictures; `sky` has 23, `sea` 15 and `rare` one; 40 have a label; nothing is a label for 41 to 45."""
    for i, tags in TAGS.items():
        write(f"mirflickr/im{i}.jpg")
        write(f"mirflickr/meta/tags/tags{i}.txt", "\r\n".join([*tags, *tags[:1], ""]))
    folder = "mirflickr25k_annotations_v080"
    write(f"{folder}/README.txt", "The numbers are those of the pictures.")
    write(f"{folder}/sky.txt", "\n".join(map(str, SKY)))
    write(f"{folder}/dog.txt", "\n".join(map(str, DOG)))
    write(f"{folder}/dog_r1.txt", "20\n41\n")


def kept(vocabulary):
    return [i for i in TAGS if (i in SKY or i in DOG) and vocabulary & set(TAGS[i])]


def test_dcmh_keeps_frequent_tags_and_labelled_pictures(tmp_path, with_counts):
    expected = kept({"sky"})
    n = len(expected)
    with_counts(mirflickr25k, all=n, query=4, train=8, database=n - 4)
    pairs = mirflickr25k.read("all", tmp_path)
    assert sorted(pairs.image_ids) == sorted(f"im{i}.jpg" for i in expected)
    assert set(pairs.texts) == {"sky"}
    dog, sky = pairs.labels.T
    number = [int(name[2:-4]) for name in pairs.image_ids]
    assert dog.tolist() == [i in DOG for i in number]
    assert sky.tolist() == [i in SKY for i in number]
    assert mirflickr25k.read("query", tmp_path).n_images == 4
    train, database = mirflickr25k.read("train", tmp_path), mirflickr25k.read("database", tmp_path)
    assert set(train.image_ids) < set(database.image_ids)


def test_twenty_pictures_make_a_tag_frequent(tmp_path, with_counts, monkeypatch):
    n_pictures = Counter(tag for tags in TAGS.values() for tag in set(tags))
    assert n_pictures == {"sky": 23, "sea": 15, "rare": 1}
    monkeypatch.setattr(mirflickr25k, "MIN_PICTURES", 15)
    n = len(kept({"sky", "sea"}))
    with_counts(mirflickr25k, all=n)
    pairs = mirflickr25k.read("all", tmp_path)
    assert set(pairs.texts) == {"sky", "sea", "sky sea"}


def test_the_other_version_keeps_every_labelled_picture(tmp_path, with_counts):
    with_counts(mirflickr25k, labelled_all=40, labelled_query=5, labelled_train=10, labelled_database=35)
    pairs = mirflickr25k.read("labelled_all", tmp_path)
    assert set(pairs.image_ids) == {f"im{i}.jpg" for i in range(1, 41)}
    assert pairs.n_texts == sum(bool(TAGS[i]) for i in range(1, 41))
    text = dict(zip((pairs.image_ids[i] for i in pairs.owner), pairs.texts, strict=True))
    assert text["im3.jpg"] == "sky rare sea"
    assert "im2.jpg" not in text
    assert mirflickr25k.read("labelled_query", tmp_path).n_images == 5


def test_another_number_of_pictures_is_bad_input(tmp_path):
    with pytest.raises(BadInput, match="split all: found 20 images, expected 20015"):
        mirflickr25k.read("query", tmp_path)


def test_a_broken_annotation_names_its_line(tmp_path, write):
    write("mirflickr25k_annotations_v080/dog.txt", "1\nim2\n")
    with pytest.raises(BadInput, match=r"dog\.txt, line 2"):
        mirflickr25k.read("query", tmp_path)
