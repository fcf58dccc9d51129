import numpy as np
import pytest
from scipy.io import savemat

from diptych.datasets import wikipedia
from diptych.kinds import BadInput


@pytest.mark.data
def test_the_published_features_and_lists(data):
    test = wikipedia.read("test", data / "wikipedia")
    assert test.images.shape == (693, 128)
    assert test.texts.shape == (693, 10)
    np.testing.assert_allclose(test.images.sum(axis=1), 1.0, atol=1e-6)
    np.testing.assert_allclose(test.texts.sum(axis=1), 1.0, atol=1e-6)
    assert (test.labels.sum(axis=1) == 1).all()
    # Two pairs share their class with probability .111: the precision of a ranking that knows nothing.
    shared = test.labels.mean(axis=0)
    assert np.square(shared).sum() == pytest.approx(0.111, abs=0.01)
    everything = wikipedia.read("all", data / "wikipedia")
    assert everything.image_ids[2173:] == test.image_ids
    np.testing.assert_array_equal(everything.images[2173:], test.images)


@pytest.fixture
def copy(tmp_path, write, with_counts):
    rng = np.random.default_rng(0)
    n, width = {"tr": 6, "te": 3}, {"I": 4, "T": 2}
    arrays = {f"{side}_{part}": rng.random((n[part], width[side])) for part in n for side in width}
    savemat(tmp_path / "raw_features.mat", arrays)
    write("categories.list", "art\nbiology\n")
    for part, n in (("train", 6), ("test", 3)):
        write(f"{part}set_txt_img_cat.list", "".join(f"t{part}{i}\ti{part}{i}\t{i % 2 + 1}\n" for i in range(n)))
    with_counts(wikipedia, train=6, test=3, all=9)
    return arrays


def test_rows_of_the_lists_name_rows_of_the_arrays(tmp_path, copy):
    train = wikipedia.read("train", tmp_path)
    np.testing.assert_array_equal(train.images, copy["I_tr"])
    np.testing.assert_array_equal(train.texts, copy["T_tr"])
    assert train.labels.argmax(axis=1).tolist() == [0, 1, 0, 1, 0, 1]
    assert (train.image_ids[2], train.text_ids[2]) == ("itrain2", "ttrain2")


def test_seen_classes_train_and_the_others_ask(tmp_path, copy, with_counts):
    with_counts(wikipedia, seen_train=3, unseen_test=1)
    seen, unseen = (wikipedia.read(split, tmp_path) for split in ("seen_train", "unseen_test"))
    assert seen.image_ids == ("itrain0", "itrain2", "itrain4") and unseen.image_ids == ("itest1",)
    assert seen.labels.argmax(axis=1).tolist() == [0, 0, 0] and unseen.labels.argmax(axis=1).tolist() == [1]
    np.testing.assert_array_equal(unseen.texts, copy["T_te"][1:2])


def test_another_number_of_rows_is_bad_input(tmp_path, copy, with_counts):
    with_counts(wikipedia, test=4)
    with pytest.raises(BadInput, match="split test: found 3 images, expected 4"):
        wikipedia.read("test", tmp_path)


def test_a_broken_list_names_its_line(tmp_path, copy, write):
    write("testset_txt_img_cat.list", "t0\ti0\t1\nt1 i1\nt2 i2 1\n")
    with pytest.raises(BadInput, match=r"testset_txt_img_cat\.list, line 2"):
        wikipedia.read("test", tmp_path)


@pytest.mark.parametrize("named", ["0", "3", "-1", "art", "1.0", "²"])
def test_a_class_that_is_none_names_its_line(tmp_path, copy, write, named):
    # 0 would otherwise pass for the last class.
    write("testset_txt_img_cat.list", f"t0 i0 1\nt1 i1 {named}\nt2 i2 2\n")
    with pytest.raises(BadInput, match=rf"list, line 2: class '{named}' is none of 1 to 2"):
        wikipedia.read("test", tmp_path)


def test_arrays_that_do_not_fit_the_list(tmp_path, copy, write):
    savemat(tmp_path / "raw_features.mat", copy | {"T_te": copy["T_te"][:2]})
    with pytest.raises(BadInput, match=r"testset_txt_img_cat\.list: 3 lines for 3 pictures and 2 texts in raw_feat"):
        wikipedia.read("test", tmp_path)
    savemat(tmp_path / "raw_features.mat", {name: rows for name, rows in copy.items() if name != "T_te"})
    with pytest.raises(BadInput, match=r"raw_features\.mat: no array T_te"):
        wikipedia.read("test", tmp_path)
    savemat(tmp_path / "raw_features.mat", copy | {"I_te": copy["I_te"] * np.nan})
    with pytest.raises(BadInput, match=r"raw_features\.mat: I_te holds NaN or infinity in row 0"):
        wikipedia.read("test", tmp_path)
    savemat(tmp_path / "raw_features.mat", copy | {"I_te": np.array(["a", "b", "c"])})
    with pytest.raises(BadInput, match=r"raw_features\.mat: I_te must be rows of numbers"):
        wikipedia.read("test", tmp_path)


def test_a_file_that_is_none_of_matlab_s(tmp_path, copy, write):
    whole = (tmp_path / "raw_features.mat").read_bytes()
    for content in (b"", b"<html>404</html>" * 40, whole[:200], whole[:-30]):
        write("raw_features.mat", content)
        with pytest.raises(BadInput, match=r"raw_features\.mat: (not a \.mat file|no array)") as error:
            wikipedia.read("all", tmp_path)
        assert "\n" not in str(error.value)
