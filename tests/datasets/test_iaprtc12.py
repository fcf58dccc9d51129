import pytest

from diptych.datasets import iaprtc12
from diptych.kinds import BadInput

REGIONS = "saiaprtc12ok/benchmark/saiapr_tc-12"


@pytest.fixture(autouse=True)
def copy(write, with_counts):
    """Six pictures in two folders, two labels; the last has no description."""
    for i in range(6):
        part = f"{i // 3:02d}"
        if i < 5:
            text = f"<DOC>\n<DOCNO>annotations/{part}/{i}.eng</DOCNO>\n<TITLE>Caf\xe9 &</TITLE>\n"
            text += f"<DESCRIPTION>a yellow caf\xe9 &amp; {i} trees;\na dog;</DESCRIPTION>\n<NOTES></NOTES>\n</DOC>\n"
            write(f"iaprtc12/annotations_complete_eng/{part}/{i}.eng", text.encode("cp1252"))
    write(f"{REGIONS}/00/labels.txt", "0\t1\t257\n0\t2\t257\n1\t1\t12\n2\t1\t12\n2\t2\t257\n")
    write(f"{REGIONS}/01/labels.txt", "3 1 257\n4 1 12\n5 1 12\n")
    with_counts(iaprtc12, all=6, query=1, train=2, database=5)


def test_pictures_descriptions_and_labels(tmp_path):
    pairs = iaprtc12.read("all", tmp_path)
    assert pairs.images[3] == str(tmp_path / "iaprtc12" / "images" / "01" / "3.jpg")
    assert pairs.texts == [f"a yellow café & {i} trees; a dog;" for i in range(5)]
    assert pairs.owner.tolist() == [0, 1, 2, 3, 4]
    labels = [{"257"}, {"12"}, {"12", "257"}, {"257"}, {"12"}, {"12"}]
    assert pairs.labels.tolist() == [["12" in said, "257" in said] for said in labels]
    assert iaprtc12.read("train", tmp_path).n_images == 2


def test_a_broken_line_is_named(tmp_path, write):
    write(f"{REGIONS}/01/labels.txt", "3 1 257\n4 dog\n")
    with pytest.raises(BadInput, match=r"labels\.txt, line 2: expected `picture region label`"):
        iaprtc12.read("all", tmp_path)
