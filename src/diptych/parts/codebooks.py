"""Composite quantisation: a row as a sum of words, one of each book (Zhang, Du & Wang, ICML 2014).

    z ~ sum_m c_m,k_m      ||z - sum_m c_m,k_m||² = sum_m t_m,k_m  +  sum_{i != j} c_i,k_i'c_j,k_j
    t_m,k = ||c_m,k||² - 2 z'c_m,k + ||z||² / m

Where the products of different books are the same for all items, the tables t alone rank them: m numbers an item.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Codebooks(nn.Module):
    """m books of K words of d numbers, (m, K, d). Rows (n, d) become what words give them, -t (n, m, K)."""

    def __init__(self, books: int, words: int, dims: int) -> None:
        super().__init__()
        self.words = nn.Parameter(torch.randn(books, words, dims) / (books * dims) ** 0.5)

    def forward(self, rows: Tensor) -> Tensor:
        told = 2 * torch.einsum("nd,mkd->nmk", rows, self.words) - self.words.square().sum(dim=2)
        return told - rows.square().sum(dim=1)[:, None, None] / len(self.words)

    @torch.no_grad()
    def codes(self, told: Tensor, turns: int = 3) -> Tensor:
        """(n, m) the word that an item takes of each book, of what words give it (n, m, K).

        Iterated conditional modes: each book in turn, the others held; the first time, those before it alone.
        """
        across = torch.einsum("mkd,ned->mkne", self.words, self.words)  # (m, K, m, K)
        books = range(len(self.words))
        taken = torch.zeros(told.shape[:2], dtype=torch.int64, device=told.device)
        for turn in range(turns):
            for book in books:
                others = [other for other in (books if turn else range(book)) if other != book]
                given = told[:, book]
                for other in others:
                    given = given - 2 * across[other, taken[:, other], book]
                taken[:, book] = given.argmax(dim=1)
        return taken

    def sums(self, taken: Tensor) -> Tensor:
        """(n, d) the words of codes (n, m), added up."""
        return self._chosen(taken).sum(dim=1)

    def across(self, taken: Tensor) -> Tensor:
        """(n,) sum_{i != j} c_i'c_j of the words of codes (n, m)."""
        chosen = self._chosen(taken)
        return chosen.sum(dim=1).square().sum(dim=1) - chosen.square().sum(dim=(1, 2))

    def _chosen(self, taken: Tensor) -> Tensor:
        return self.words[torch.arange(taken.shape[1], device=taken.device), taken]

    @torch.no_grad()
    def start(self, rows: Tensor, turns: int = 5) -> None:
        """Words that are the means of what the books before left of rows (n, d): k-means on the rest, book by book."""
        rest = rows.clone()
        for words in self.words:
            drawn = torch.randint(len(rest), (len(words),), device=rest.device)
            words.copy_(rest[drawn])
            for _ in range(turns):
                near = (2 * rest @ words.T - words.square().sum(dim=1)).argmax(dim=1)
                sums = torch.zeros_like(words).index_add_(0, near, rest)
                number = torch.bincount(near, minlength=len(words))[:, None]
                words.copy_(torch.where(number > 0, sums / number.clamp(min=1), words))
            near = (2 * rest @ words.T - words.square().sum(dim=1)).argmax(dim=1)
            rest -= words[near]
