import numpy as np
import pytest

from diptych.features.feature import Feature
from diptych.features.word_vectors import WordVectors
from diptych.kinds import BadInput

VECTORS = {
    "Dog": [1.0, 0.0, 2.0],
    "runs": [0.0, 4.0, 0.0],
    "cat": [-1.0, 0.5, 0.25],
    "new york": [9, 9, 9],
    "!": [5, 5, 5],
}
TEXTS = ["a dog, a DOG runs", "the cat", "cat runs"]


@pytest.fixture(params=["glove", "word2vec", "npz"])
def file(request, tmp_path):
    lines = [f"{word} {' '.join(map(str, vector))}\n" for word, vector in VECTORS.items()]
    if request.param == "npz":
        np.savez(tmp_path / "v.npz", words=np.array(list(VECTORS)), vectors=np.array(list(VECTORS.values())))
        return str(tmp_path / "v.npz")
    head = [f"{len(VECTORS)} 3\n"] if request.param == "word2vec" else []
    (tmp_path / "v.txt").write_text("".join(head + lines))
    return str(tmp_path / "v.txt")


def test_the_mean_by_hand(file):
    rows = WordVectors(file, weight="mean").fit(TEXTS).transform([*TEXTS, "xyzzy"])
    dog, runs, cat = (np.array(VECTORS[word]) for word in ("Dog", "runs", "cat"))
    assert np.allclose(rows, [(2 * dog + runs) / 3, cat, (cat + runs) / 2, np.zeros(3)], atol=1e-6)
    assert rows.dtype == np.float32


def test_the_weighted_mean_by_hand(file):
    rows = WordVectors(file).fit(TEXTS).transform(TEXTS[:1])
    dog, runs = (np.array(VECTORS[word]) for word in ("Dog", "runs"))
    of_dog = (1 + np.log(2)) * (1 + np.log(4 / 2))
    of_runs = 1 + np.log(4 / 3)
    assert np.allclose(rows, (of_dog * dog + of_runs * runs) / (of_dog + of_runs), atol=1e-6)


def test_words_bounds_what_is_kept_beyond_the_words_of_the_texts(file):
    assert WordVectors(file, words=1).fit(["a cat"]).bag_.vocabulary_ == ["dog", "cat"]


def test_a_loaded_one_needs_no_file(file, tmp_path):
    fitted = WordVectors(file).fit(TEXTS)
    fitted.save_pretrained(tmp_path / "f")
    (tmp_path / file).unlink()
    assert np.array_equal(Feature.from_pretrained(tmp_path / "f").transform(TEXTS), fitted.transform(TEXTS))


def test_bad_files_are_named(tmp_path, monkeypatch):
    monkeypatch.delenv("DIPTYCH_DATA", raising=False)
    with pytest.raises(BadInput, match=r"no glove6B_50d_union\.npz; set DIPTYCH_DATA"):
        WordVectors().fit(TEXTS)
    (tmp_path / "v.txt").write_text("dog 1 2 3\ncat 1 2\n")
    with pytest.raises(BadInput, match=r"v\.txt, line 2: expected a word and 3 numbers"):
        WordVectors(str(tmp_path / "v.txt")).fit(TEXTS)
    (tmp_path / "v.npz").write_bytes(b"PK")
    with pytest.raises(BadInput, match=r"v\.npz: not an \.npz"):
        WordVectors(str(tmp_path / "v.npz")).fit(TEXTS)
    (tmp_path / "other.txt").write_text("hund 1 2 3\n")
    with pytest.raises(BadInput, match="none of its words stands in the 3 texts"):
        WordVectors(str(tmp_path / "other.txt")).fit(TEXTS)


@pytest.mark.data
def test_glove_knows_which_words_are_near(data):
    near = WordVectors(weight="mean").fit(["dog puppy car"]).transform(["dog", "puppy", "car"])
    near /= np.linalg.norm(near, axis=1, keepdims=True)
    assert near[0] @ near[1] > near[0] @ near[2] + 0.2
