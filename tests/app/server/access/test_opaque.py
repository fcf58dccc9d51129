"""Ids that tell nothing and cannot be made up."""

import base64
import string
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diptych.app.server.access.opaque import LENGTH, OpaqueIds

SECRET = bytes(range(32))
PICTURES, LETTERS = OpaqueIds(SECRET, "anna", "pictures"), OpaqueIds(SECRET, "anna", "letters")
ids = st.integers(0, 2**63 - 1)


@given(st.lists(ids))
def test_what_is_hidden_is_found(items: list[int]) -> None:
    hidden = PICTURES.hide(items)
    assert [PICTURES.find(text) for text in hidden] == items
    assert hidden == PICTURES.hide(items)
    assert all(len(text) == LENGTH and set(text) <= set(string.ascii_letters + string.digits + "-_") for text in hidden)


@given(ids)
def test_an_id_means_nothing_elsewhere(item: int) -> None:
    (hidden,) = PICTURES.hide([item])
    others = [LETTERS, OpaqueIds(SECRET, "ben", "pictures"), OpaqueIds(bytes(32), "anna", "pictures")]
    others += [OpaqueIds(SECRET, "annap", "ictures"), OpaqueIds(SECRET, "anna", "pictures", "share")]
    assert [other.find(hidden) for other in others] == [None] * len(others)


@given(ids, st.integers(0, LENGTH - 1), st.sampled_from(string.ascii_letters + string.digits + "-_"))
def test_an_id_with_another_letter_is_none(item: int, at: int, letter: str) -> None:
    (hidden,) = PICTURES.hide([item])
    changed = hidden[:at] + letter + hidden[at + 1 :]
    assert PICTURES.find(changed) == (item if changed == hidden else None)


@given(st.text() | st.binary(min_size=16, max_size=16).map(lambda b: base64.urlsafe_b64encode(b).decode().rstrip("=")))
def test_what_was_made_up_is_none(text: str) -> None:
    assert PICTURES.find(text) is None


@pytest.mark.parametrize(
    "change", ["{}=", "{}==", " {}", "{}\n", "{}A", "{}{}", "{}AAAAAAAAAAAAAAAg", "{}\ud800", "+{}", "", "\0", "é" * 22]
)
def test_an_item_has_one_id(change: str) -> None:
    assert PICTURES.find(change.replace("{}", PICTURES.hide([7])[0])) is None


def test_the_unused_bits_of_the_last_letter_are_looked_at() -> None:
    letters = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
    (hidden,) = PICTURES.hide([7])
    same_bytes = [hidden[:-1] + letters[letters.index(hidden[-1]) ^ bit] for bit in (1, 2, 4, 8)]
    assert all(base64.urlsafe_b64decode(text + "==") == base64.urlsafe_b64decode(hidden + "==") for text in same_bytes)
    assert [PICTURES.find(text) for text in same_bytes] == [None] * 4


def test_neighbours_do_not_look_alike() -> None:
    hidden = PICTURES.hide(range(1000))
    bits = [int.from_bytes(base64.urlsafe_b64decode(text + "=="), "big") for text in hidden]
    differing = [(a ^ b).bit_count() for a, b in pairwise(bits)]
    assert len(set(hidden)) == 1000 and 60 < sum(differing) / len(differing) < 68


def test_a_wrong_id_costs_the_same_work(monkeypatch) -> None:
    done: list[int] = []

    class Counted:
        def __init__(self, cipher) -> None:
            self._cipher = cipher

        def decryptor(self):
            done.append(1)
            return self._cipher.decryptor()

    ids = OpaqueIds(SECRET, "x")
    monkeypatch.setattr(ids, "_cipher", Counted(ids._cipher))
    for text in ("", "é", "A" * 21, "A" * 22, "A" * 23, PICTURES.hide([3])[0]):
        assert ids.find(text) is None
    assert len(done) == 6
