"""The key of an encrypted collection: 64 hexadecimal digits, in the environment, a file, or the system's keyring."""

from __future__ import annotations

import os
import re
import secrets
import stat
from pathlib import Path
from typing import Any

from diptych.kinds import BadInput

VARIABLE, FILE_VARIABLE = "DIPTYCH_KEY", "DIPTYCH_KEY_FILE"

_SERVICE = "diptych"
_DIGITS = re.compile(r"[0-9a-fA-F]{64}", re.ASCII)
_NOT_A_KEY = "no key: one is 64 hexadecimal digits"


def new() -> bytes:
    return secrets.token_bytes(32)


def read(text: str, where: str) -> bytes:
    """A key of its digits. Raises BadInput naming where they stand, and never what."""
    if not _DIGITS.fullmatch(text.strip()):
        raise BadInput(f"{where} holds {_NOT_A_KEY}")
    return bytes.fromhex(text.strip())


def given(key: bytes | str | Path | None) -> bytes | None:
    """A key as callers hand it over: 32 bytes, 64 hexadecimal digits, or the path of a file with them."""
    if key is None or (isinstance(key, bytes) and len(key) == 32):
        return key
    if isinstance(key, Path):
        return of_file(key)
    if isinstance(key, str):
        return read(key, "key")
    raise BadInput("key: give 32 bytes, 64 hexadecimal digits, or the Path of a file with them")


def of_file(file: Path) -> bytes:
    """The key in a file that its owner alone may read."""
    try:
        mode, text = file.stat().st_mode, file.read_text(encoding="ascii")
    except (OSError, UnicodeError) as error:
        raise BadInput(f"{file}: not readable as a key ({getattr(error, 'strerror', None) or 'no text'})") from None
    if os.name != "nt" and stat.S_IMODE(mode) & 0o077:
        raise BadInput(f"{file} may be read by others: chmod 600 {file}")
    return read(text, str(file))


def in_file(file: Path) -> bytes:
    """The key in a file, which is made where it is not there."""
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return of_file(file)
    except OSError as error:
        raise BadInput(f"{file}: not writable ({error.strerror}); name another file") from None
    key = new()
    with os.fdopen(descriptor, "w") as out:
        out.write(key.hex() + "\n")
        out.flush()
        os.fsync(out.fileno())
    return key


def found(folder: Path) -> bytes | None:
    """The key of the collection in a folder: $DIPTYCH_KEY, the file that $DIPTYCH_KEY_FILE names, or the keyring's."""
    if text := os.environ.get(VARIABLE):
        return read(text, VARIABLE)
    if name := os.environ.get(FILE_VARIABLE):
        return of_file(Path(name))
    ring = _keyring()
    text = ring.get_password(_SERVICE, _entry(folder)) if ring else None
    return read(text, "the keyring") if text else None


def in_keyring(folder: Path) -> bytes:
    """A new key for a collection, in the system's keyring. Raises BadInput where there is none."""
    ring = _keyring()
    if ring is None:
        raise BadInput(
            "there is no keyring here to keep the key in; name a file for it with --key-file, away from the pictures"
        )
    key = new()
    ring.set_password(_SERVICE, _entry(folder), key.hex())
    return key


def _entry(folder: Path) -> str:
    return os.path.realpath(folder)


def _keyring() -> Any:
    """The system's, where there is one that works."""
    try:
        import keyring
        from keyring.backends.fail import Keyring
    except ImportError:
        return None
    return None if isinstance(keyring.get_keyring(), Keyring) else keyring
