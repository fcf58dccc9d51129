import numpy as np
from sklearn.decomposition import LatentDirichletAllocation
from sklearn.feature_extraction.text import CountVectorizer

from diptych.features.feature import Feature
from diptych.features.lda import LDA


def test_it_is_the_online_lda_of_sklearn(captions):
    ours = LDA(topics=3, passes=4, seed=5).fit(captions)
    words = CountVectorizer(min_df=2).fit(captions)
    theirs = LatentDirichletAllocation(3, learning_method="online", max_iter=4, random_state=5, evaluate_every=-1)
    theirs.fit(words.transform(captions).astype(np.float32))
    new = ["the red bicycle", "beach and sea"]
    assert np.allclose(ours.transform(new), theirs.transform(words.transform(new).astype(np.float32)), atol=1e-6)


def test_a_loaded_one_gives_identical_shares(captions, tmp_path):
    fitted = LDA(topics=4, passes=2).fit(captions)
    fitted.save_pretrained(tmp_path)
    loaded = Feature.from_pretrained(tmp_path)
    assert np.array_equal(loaded.transform(captions), fitted.transform(captions))
    assert np.array_equal(LDA(topics=4, passes=2).fit(captions).transform(captions), fitted.transform(captions))


def test_two_themes_are_told_apart():
    sea, car = "wave beach sand sea swim", "motor wheel road drive car"
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice((sea, car)[i % 2].split(), 8)) for i in range(60)]
    shares = LDA(topics=2, passes=20).fit(texts).transform([sea, car, "xyzzy"])
    assert shares[:2].max(axis=1).min() > 0.85 and shares[0].argmax() != shares[1].argmax()
    assert np.allclose(shares.sum(axis=1), 1) and np.allclose(shares[2], 0.5)


def test_progress_counts_passes(captions):
    told = []
    LDA(topics=2, passes=3).fit(captions, lambda *said: told.append(said))
    assert told == [("lda: passes", i, 3) for i in (1, 2, 3)]
