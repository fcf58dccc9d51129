"""A method is an estimator as scikit-learn's checks know one: shown, copied, pickled, fitted again, and of one width.

What is asked of every method beyond that stands in `test_contract.py`; that CCA is the closed form, in
`subspace/test_cca.py`; that Hamming distances are those of Faiss, in `tests/index/test_hamming.py`.
"""

from __future__ import annotations

import dataclasses
import pickle
from typing import Any

import numpy as np
import pytest

from diptych import catalogue
from diptych.kinds import BadInput, Pairs
from diptych.method import Method

FITTED = ("cca", "kcca", "ml_cca", "cmfh", "scm_hash")
"""Methods that are fitted here, a few of each kind; all others are only made."""


def made() -> list[str]:
    return sorted(catalogue.methods())


@pytest.fixture(scope="module")
def pairs() -> Pairs:
    rng = np.random.default_rng(4)
    latent = rng.normal(size=(60, 5))
    images, texts = (latent @ rng.normal(size=(5, width)) + 0.1 * rng.normal(size=(60, width)) for width in (9, 7))
    return Pairs(images, texts, np.arange(60), (latent[:, :3] > 0))


def rows(method: Method, pairs: Pairs) -> tuple[Any, Any]:
    return method.encode_images(pairs.images), method.encode_texts(pairs.texts)


@pytest.mark.parametrize("name", made())
def test_it_is_shown_copied_and_pickled_with_its_settings(name):
    kind = catalogue.method(name)
    method = kind()
    settings = method.settings()
    assert set(settings) == {field.name for field in dataclasses.fields(method)}
    assert repr(method) == f"{kind.__name__}({', '.join(f'{key}={value!r}' for key, value in settings.items())})"
    copy = dataclasses.replace(method)
    assert copy == method and copy is not method and copy.settings() == settings
    assert pickle.loads(pickle.dumps(method)) == method


@pytest.mark.parametrize("name", FITTED)
def test_what_is_fitted_is_pickled_with_what_it_learned_and_a_copy_has_learned_nothing(name, pairs):
    method = catalogue.method(name)()
    assert method.fit(pairs) is method
    again = pickle.loads(pickle.dumps(method))
    for one, other in zip(rows(method, pairs), rows(again, pairs), strict=True):
        np.testing.assert_array_equal(one, other)
    assert not dataclasses.replace(method).learned() and method.learned()


@pytest.mark.parametrize("name", FITTED)
def test_to_fit_again_is_to_fit_anew(name, pairs):
    twice = catalogue.method(name)().fit(pairs.select(np.arange(30))).fit(pairs)
    once = catalogue.method(name)().fit(pairs)
    for one, other in zip(rows(once, pairs), rows(twice, pairs), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", FITTED)
def test_features_of_another_width_are_refused_with_the_width_that_was_learned(name, pairs):
    method = catalogue.method(name)().fit(pairs)
    for encode, width in ((method.encode_images, 9), (method.encode_texts, 7)):
        with pytest.raises(BadInput, match=f"{width}"):
            encode(np.zeros((2, width + 1)))
