"""Ids of items that tell nothing: neither how many items there are, nor which came first, nor the id of a neighbour.

The number of an item and eight zero bytes are one block of AES-256, under a key of the collection's own. Whoever makes
an id up meets the zeros with a chance of 2^-64; an id of another collection is such a one. There is no table to keep,
and an id stays good for as long as the secret of the server does.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence

from diptych.app.server.access import files

LENGTH = 22
"""Letters of an id: 16 bytes in the letters of base64url."""

_BLOCK, _NUMBER = 16, 8


class OpaqueIds:
    """The ids of one collection. of: what tells it from all others, such as tenant and place, or a link to it."""

    def __init__(self, secret: bytes, *of: str) -> None:
        from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

        # ECB of blocks that are looked at one by one is the cipher itself: a permutation of numbers, which is wanted.
        self._cipher = Cipher(algorithms.AES256(files.derived(secret, "items", *of)), modes.ECB())

    def hide(self, ids: Sequence[int]) -> list[str]:
        """The opaque ids of items, in their order."""
        blocks = b"".join(id.to_bytes(_NUMBER, "big") + bytes(_BLOCK - _NUMBER) for id in ids)
        encryptor = self._cipher.encryptor()
        hidden = encryptor.update(blocks) + encryptor.finalize()
        return [
            base64.urlsafe_b64encode(hidden[at : at + _BLOCK]).decode().rstrip("=")
            for at in range(0, len(hidden), _BLOCK)
        ]

    def find(self, text: str) -> int | None:
        """The id of the item; None for everything that `hide` did not give, after the same work."""
        decryptor = self._cipher.decryptor()
        number = decryptor.update(_block(text)) + decryptor.finalize()
        right = number[_NUMBER:] == bytes(_BLOCK - _NUMBER)
        return int.from_bytes(number[:_NUMBER], "big") if right else None


def _block(text: str) -> bytes:
    """The block that is written so; zeros, which are as good as any wrong block, where there is none.

    Of several spellings of the same bytes one is right: else an item had several ids.
    """
    try:
        block = base64.b64decode(text.encode("ascii") + b"==", altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError):
        return bytes(_BLOCK)
    right = len(text) == LENGTH and base64.urlsafe_b64encode(block).decode() == f"{text}=="
    return block if right else bytes(_BLOCK)
