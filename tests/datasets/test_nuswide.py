import numpy as np
import pytest

from diptych.datasets import _nuswide, nuswide_tc10, nuswide_tc21
from diptych.kinds import BadInput

N, CONCEPTS, TAGS = 60, 25, 6


@pytest.fixture
def copy(write):
    """60 pictures, 25 concepts of falling frequency in no alphabetical order, 6 tags."""
    rng = np.random.default_rng(0)
    labels = rng.random((N, CONCEPTS)) < np.linspace(0.35, 0.001, CONCEPTS)
    labels[:4] = False
    names = [f"c{rank}" for rank in rng.permutation(CONCEPTS)]
    tags = rng.random((N, TAGS)) < 0.2
    write("ImageList/Imagelist.txt", "".join(f"actor\\{i:04d}_{i}.jpg\r\n" for i in range(N)))
    for c, name in enumerate(names):
        write(f"Groundtruth/AllLabels/Labels_{name}.txt", "".join(f"{int(said)}\r\n" for said in labels[:, c]))
    write("NUS_WID_Tags/TagList1k.txt", "\n".join("abcdef"))
    write("NUS_WID_Tags/AllTags1k.txt", "".join("\t".join(map(str, row.astype(int))) + "\t\r\n" for row in tags))
    return labels, names, tags


@pytest.mark.parametrize(("dataset", "k"), [(nuswide_tc10, 10), (nuswide_tc21, 21)])
def test_pictures_of_the_most_frequent_concepts(tmp_path, with_counts, copy, dataset, k):
    labels, names, tags = copy
    alphabetical = np.argsort(names)
    frequency = labels[:, alphabetical].sum(axis=0)
    top = sorted(sorted(range(CONCEPTS), key=lambda c: (-frequency[c], c))[:k])
    expected = labels[:, alphabetical[top]]
    rows = np.flatnonzero(expected.any(axis=1))
    assert len(rows) < N
    with_counts(dataset, all=len(rows), query=5, train=10, database=len(rows) - 5)
    pairs = dataset.read("all", tmp_path)
    assert pairs.images == [str(tmp_path / "Flickr" / "actor" / f"{i:04d}_{i}.jpg") for i in rows]
    np.testing.assert_array_equal(pairs.labels, expected[rows])
    written = ["".join("abcdef"[t] + " " for t in np.flatnonzero(tags[i])).strip() for i in rows]
    assert pairs.texts == [text for text in written if text]
    assert pairs.owner.tolist() == [i for i, text in enumerate(written) if text]
    assert {split: dataset.read(split, tmp_path).n_images for split in ("query", "train")} == {"query": 5, "train": 10}


def test_files_of_different_length_are_bad_input(tmp_path, write, copy):
    _, names, _ = copy
    write("NUS_WID_Tags/AllTags1k.txt", "0\t1\n")
    with pytest.raises(BadInput, match=r"AllTags1k\.txt, line 1: 2 values for 6 tags"):
        nuswide_tc10.read("all", tmp_path)
    write(f"Groundtruth/AllLabels/Labels_{names[0]}.txt", "0\n1\n")
    with pytest.raises(BadInput, match=rf"Labels_{names[0]}\.txt: 2 lines for 60 pictures"):
        nuswide_tc10.read("all", tmp_path)


def test_the_list_of_tags_may_be_with_the_concepts(tmp_path, with_counts, write, copy):
    (tmp_path / "NUS_WID_Tags/TagList1k.txt").unlink()
    write("ConceptsList/TagList1k.txt", "\n".join("uvwxyz"))
    assert set("".join(_nuswide._tags(nuswide_tc10.CARD, tmp_path, N)).replace(" ", "")) == set("uvwxyz")
