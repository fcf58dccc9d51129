"""Composite quantisation: distances from tables against a naive loop, and codes against every code there is."""

from itertools import product

import numpy as np
import pytest

from diptych import parts
from diptych.kinds import tables

torch = pytest.importorskip("torch", reason="books of words need torch")


@pytest.fixture
def books():
    torch.manual_seed(0)
    return parts.codebooks.Codebooks(3, 4, 5).double()


def test_scores_and_products_across_books_are_squared_distances(books):
    rows, codes = torch.randn(6, 5).double(), torch.randint(4, (7, 3))
    scores = tables.score(books(rows).detach().numpy(), codes.numpy())
    across = books.across(codes).detach().numpy()
    words = books.words.detach().numpy()
    for q, row in enumerate(rows.numpy()):
        for i, code in enumerate(codes.tolist()):
            item = sum(words[book, word] for book, word in enumerate(code))
            assert across[i] - scores[q, i] == pytest.approx(np.square(row - item).sum(), abs=1e-5)


def test_a_code_is_the_nearest_sum_but_for_a_word(books):
    rows = torch.randn(20, 5).double()
    codes = books.codes(books(rows), turns=20)
    for row, code in zip(rows, codes, strict=True):
        found = (row - books.sums(code[None])[0]).square().sum()
        for book, word in product(range(3), range(4)):
            other = code.clone()
            other[book] = word
            assert found <= (row - books.sums(other[None])[0]).square().sum() + 1e-9


def test_more_turns_and_more_books_lose_less():
    torch.manual_seed(1)
    rows, lost = torch.randn(200, 6), []
    for number, turns in ((1, 1), (3, 1), (3, 4)):
        torch.manual_seed(2)
        books = parts.codebooks.Codebooks(number, 8, 6)
        books.start(rows)
        lost.append((rows - books.sums(books.codes(books(rows), turns))).square().mean().item())
    assert lost[2] < lost[1] < 0.7 * lost[0] < 0.7


def test_a_start_of_as_many_words_as_there_are_places_loses_nothing():
    torch.manual_seed(0)
    places = torch.randn(4, 5)
    books = parts.codebooks.Codebooks(1, 64, 5)
    books.start(places[torch.arange(40) % 4])
    np.testing.assert_allclose(books.sums(books.codes(books(places))).detach(), places, atol=1e-6)
