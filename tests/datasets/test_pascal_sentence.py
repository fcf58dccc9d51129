from collections import Counter

import pytest

from diptych.datasets import pascal_sentence
from diptych.kinds import BadInput


@pytest.fixture(autouse=True)
def copy(write, with_counts):
    """Three classes of ten."""
    for label in ("cat", "aeroplane", "dog"):
        for i in range(10):
            write(f"dataset/{label}/2008_{i}.jpg")
            write(f"sentence/{label}/2008_{i}.txt", "".join(f"{label} {i}, sentence {k}.\n" for k in range(5)))
    with_counts(pascal_sentence, train=24, val=3, test=3, all=30)


def test_every_class_gives_eight_one_and_one(tmp_path):
    read = {split: pascal_sentence.read(split, tmp_path) for split in ("train", "val", "test", "all")}
    for split, n in {"train": 8, "val": 1, "test": 1}.items():
        assert Counter(name.split("/")[0] for name in read[split].image_ids) == {"aeroplane": n, "cat": n, "dog": n}
        assert read[split].labels.sum(axis=0).tolist() == [n, n, n]
    parts = [name for split in ("train", "val", "test") for name in read[split].image_ids]
    assert sorted(parts) == sorted(read["all"].image_ids)


def test_sentences_belong_to_their_picture(tmp_path):
    test = pascal_sentence.read("test", tmp_path)
    for text, owner in zip(test.texts, test.owner, strict=True):
        label, name = test.image_ids[owner].split("/")
        assert text.startswith(f"{label} {name[5]}, ")
    assert test.images[0] == str(tmp_path / "dataset" / test.image_ids[0])
    assert test.joined().texts[0].count(".") == 5


def test_a_picture_without_sentences_is_bad_input(tmp_path):
    (tmp_path / "sentence/dog/2008_3.txt").unlink()
    with pytest.raises(BadInput, match=r"2008_3\.txt is missing"):
        pascal_sentence.read("test", tmp_path)
