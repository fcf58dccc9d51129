import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer

from diptych.features.feature import Feature
from diptych.features.tfidf import TfIdf


@pytest.mark.parametrize("options", [{}, {"words": 6}, {"grams": 2, "min_documents": 1}])
def test_it_is_the_sublinear_tfidf_of_sklearn(captions, options):
    ours = TfIdf(**options).fit(captions[:6])
    theirs = TfidfVectorizer(
        sublinear_tf=True,
        min_df=options.get("min_documents", 2),
        max_features=options.get("words", 5000),
        ngram_range=(1, options.get("grams", 1)),
    ).fit(captions[:6])
    assert ours.vocabulary_ == theirs.get_feature_names_out().tolist()
    assert np.allclose(ours.transform(captions).toarray(), theirs.transform(captions).toarray(), atol=1e-6)
    assert ours.transform(captions).dtype == np.float32 and ours.transform(captions).format == "csr"


def test_unknown_words_alone_are_a_row_of_zeros(captions):
    assert TfIdf().fit(captions).transform(["xyzzy plugh", "grass"]).getnnz(axis=1).tolist() == [0, 1]


def test_saved_and_loaded_gives_the_same_rows(captions, tmp_path):
    fitted = TfIdf().fit(captions)
    fitted.save_pretrained(tmp_path)
    assert (Feature.from_pretrained(tmp_path).transform(captions) != fitted.transform(captions)).nnz == 0
