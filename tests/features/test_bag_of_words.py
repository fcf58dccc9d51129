import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer

from diptych.features.bag_of_words import BagOfWords
from diptych.features.feature import Feature
from diptych.kinds import BadInput


@pytest.mark.parametrize("options", [{}, {"words": 5}, {"grams": 2, "min_documents": 1}, {"pattern": r"[a-z]+"}])
def test_it_is_the_count_vectorizer_of_sklearn(captions, options):
    ours = BagOfWords(**options).fit(captions[:6])
    theirs = CountVectorizer(
        min_df=options.get("min_documents", 2),
        max_features=options.get("words", 5000),
        ngram_range=(1, options.get("grams", 1)),
        token_pattern=options.get("pattern", r"(?u)\b\w\w+\b"),
    ).fit(captions[:6])
    assert ours.vocabulary_ == theirs.get_feature_names_out().tolist()
    assert np.array_equal(ours.transform(captions).toarray(), theirs.transform(captions).toarray())
    assert ours.transform(captions).dtype == np.float32 and ours.transform(captions).format == "csr"


def test_unknown_words_alone_are_a_row_of_zeros(captions):
    rows = BagOfWords().fit(captions).transform(["xyzzy plugh", "grass"])
    assert np.ravel(rows.sum(axis=1)).tolist() == [0.0, 1.0]


def test_a_text_without_any_word_is_refused(captions):
    with pytest.raises(BadInput, match=r"text 1 .* holds no word"):
        BagOfWords().fit(captions).transform(["grass", "!!!"])


def test_texts_that_share_no_word_are_told_what_to_do():
    with pytest.raises(BadInput, match="no word stands in 2 of 2 texts; lower min_documents"):
        BagOfWords().fit(["one", "other"])


def test_saved_and_loaded_gives_the_same_counts(captions, tmp_path):
    fitted = BagOfWords(words=7).fit(captions)
    fitted.save_pretrained(tmp_path)
    assert (Feature.from_pretrained(tmp_path).transform(captions) != fitted.transform(captions)).nnz == 0
