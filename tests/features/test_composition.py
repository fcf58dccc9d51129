import dataclasses
import subprocess
import sys
import typing

import numpy as np
import pytest
from scipy import sparse

from diptych.features.bag_of_words import BagOfWords
from diptych.features.composition import Composition, named, names, read
from diptych.features.feature import Feature
from diptych.features.network import Network
from diptych.features.power import Power
from diptych.features.standard import Standard
from diptych.features.tfidf import TfIdf
from diptych.kinds import BadInput
from diptych.parts.fitted import Above, AtLeast, Regex, Triple

ROWS = np.random.default_rng(0).normal(size=(20, 5)).astype(np.float32)


def test_the_file_names_are_the_names_and_each_holds_one_feature():
    assert {"given", "tfidf", "power", "mobilenetv2", "efficientnetv2", "colour", "sift_words"} <= set(names())
    for name in names():
        assert issubclass(named(name), Feature) and named(name).paper_name() == name
        assert named(name)().settings() == named(name).configured().settings()


def test_one_name_is_that_feature(captions):
    composed = read("tfidf", "text").fit(captions).transform(captions)
    assert (composed != TfIdf().fit(captions).transform(captions)).nnz == 0


def test_steps_apply_from_left_to_right():
    expected = Standard().fit(Power().transform(ROWS)).transform(Power().transform(ROWS))
    assert np.array_equal(read("given:power:standard").fit(ROWS).transform(ROWS), expected)
    other = Power().transform(Standard().fit(ROWS).transform(ROWS))
    assert np.array_equal(read("given:standard:power").fit(ROWS).transform(ROWS), other)


def test_plus_puts_blocks_side_by_side(captions):
    both = read("tfidf+bag_of_words", "text").fit(captions).transform(captions)
    tfidf, bag = TfIdf().fit(captions).transform(captions), BagOfWords().fit(captions).transform(captions)
    assert sparse.issparse(both) and both.format == "csr" and both.dtype == np.float32
    assert np.array_equal(both.toarray(), np.hstack([tfidf.toarray(), bag.toarray()]))
    dense = read("given+given:power").fit(ROWS).transform(ROWS)
    assert dense.shape == (20, 10) and np.array_equal(dense[:, 5:], Power().transform(ROWS))


def test_dense_beside_sparse(captions):
    both = read("lda@topics=3@min_documents=1+bag_of_words", "text").fit(captions).transform(captions)
    bag = BagOfWords().fit(captions).transform(captions)
    assert both.shape[1] == 3 + bag.shape[1] and np.array_equal(both[:, 3:].toarray(), bag.toarray())


def test_sequences_stand_alone(captions, tmp_path):
    (tmp_path / "vectors.txt").write_text("dog 1 2 3\nred 4 5 6\n")
    both = read(f"word_sequence@file={tmp_path}/vectors.txt+tfidf", "text").fit(captions)
    with pytest.raises(BadInput, match="tfidf: sequences and grids can not stand beside others"):
        both.transform(captions)


def test_settings_follow_an_at(captions):
    extractor, step = read("tfidf@words=3@min_documents=1:power@power=0.25").chains()[0]
    assert (extractor.words, extractor.min_documents, step.power) == (3, 1, 0.25)
    assert read("tfidf@words=3").fit(captions).transform(captions).shape == (8, 3)


def test_power_follows_an_extractor_of_pictures_unless_another_step_is_named():
    steps = {text: [type(part).__name__ for part in read(text).chains()[0][1:]] for text in (
        "mobilenetv2", "mobilenetv2:raw", "mobilenetv2:standard", "tfidf", "given",
    )}  # fmt: skip
    assert list(steps.values()) == [["Power"], [], ["Standard"], [], []]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("tfidg", "no feature 'tfidg'; did you mean 'tfidf'"),
        ("mobilenetv2+", "no feature ''"),
        ("tfidf@wods=3", "no setting 'wods'; did you mean 'words'"),
        ("tfidf@words=three", "'three' does not read as int"),
        ("tfidf@words", "'words' has no ="),
        ("tfidf:bag_of_words", "bag_of_words is no step"),
        ("power", "power' is a step over rows; put it after an extractor"),
    ],
)
def test_what_does_not_read_is_told_with_the_way_out(text, says):
    with pytest.raises(BadInput, match=says):
        read(text)


def test_the_wrong_side_is_told():
    with pytest.raises(BadInput, match=r"tfidf does not read images; there are: .*mobilenetv2"):
        read("mobilenetv2+tfidf", "image")
    with pytest.raises(BadInput, match=r"colour does not read texts; there are: .*tfidf"):
        read("colour", "text")


def test_saved_and_loaded_gives_the_same_rows(captions, tmp_path):
    fitted = read("tfidf@min_documents=1:standard+bag_of_words:power+lda@topics=2", "text").fit(captions)
    fitted.save_pretrained(tmp_path / "f")
    loaded = Feature.from_pretrained(tmp_path / "f")
    assert isinstance(loaded, Composition)
    new = ["a dog on a red bicycle", "xyzzy"]
    assert np.array_equal(loaded.transform(new).toarray(), fitted.transform(new).toarray())


def test_reading_names_imports_nothing_heavy():
    code = (
        "import sys; from diptych.features.composition import read, named, names; [named(n) for n in names()];"
        "read('mobilenetv2+colour'); read('tfidf+lda+word_vectors');"
        "assert not {'torch', 'sklearn', 'scipy', 'cv2', 'onnxruntime'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", names())
def test_a_setting_out_of_its_bounds_is_told(name):
    kind = named(name)
    wrong = {
        AtLeast: lambda bound: str(bound.least - 1),
        Above: lambda bound: str(bound.limit),
        Triple: lambda bound: "1,2",
        Regex: lambda bound: "[",
    }
    for field, hint in typing.get_type_hints(kind, include_extras=True).items():
        for bound in getattr(hint, "__metadata__", ()):
            with pytest.raises(BadInput, match=f"{name}: {field} is .*; it has to be ") as error:
                kind.configured({field: wrong[type(bound)](bound)})
            assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", names())
def test_no_items_give_no_rows_as_wide_as_others(name, captions, pictures, tmp_path):
    """Networks are tested with their files, in test_network."""
    kind = named(name)
    if issubclass(kind, Network):
        pytest.skip("see test_network")
    if name == "regions":
        pytest.skip("see test_regions")
    (tmp_path / "vectors.txt").write_text("dog 1 2 3\nred 4 5 6\n")
    quick = {"words": "4", "topics": "3", "passes": "1"} | (
        {"file": str(tmp_path / "vectors.txt")} if name in ("word_vectors", "word_sequence") else {}
    )
    known = {field.name for field in dataclasses.fields(kind)} - ({"file"} if kind.side == "any" else set())
    fitted = kind.configured({key: value for key, value in quick.items() if key in known})
    items, nothing = {"image": (pictures, []), "text": (captions, []), "any": (ROWS, ROWS[:0])}[kind.side]
    some = fitted.fit(items).transform(items)
    none = fitted.transform(nothing)
    assert none.shape == (0, *some.shape[1:])
    assert none.dtype == np.float32
    if kind.side == "any":
        assert fitted.transform(sparse.csr_matrix(ROWS[:0])).shape == (0, 5)


def test_what_stands_side_by_side_is_told_by_its_widths():
    rows = np.arange(12.0).reshape(4, 3)
    both = read("given:raw+given:standard").fit(rows)
    seen, widths = both.viewed(rows)
    assert widths == (3, 3)
    np.testing.assert_array_equal(seen, both.transform(rows))
    assert read("given").fit(rows).viewed(rows)[1] == ()
