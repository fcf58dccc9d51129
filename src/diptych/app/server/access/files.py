"""The server's own folder: its secret, and what derives from it; nobody else on the machine may read it."""

from __future__ import annotations

import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

from diptych.kinds import BadInput

SECRET = "server.secret"
_BYTES = 32


def home() -> Path:
    """`$DIPTYCH_HOME`, else the folder in which programs keep their data."""
    if at := os.environ.get("DIPTYCH_HOME"):
        return Path(at)
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "diptych"


def made(folder: Path) -> Path:
    """The folder, there and writable; a new one is this user's alone."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise BadInput(f"{folder}: not writable ({error.strerror}); name another folder") from None
    return folder


def private(file: Path) -> Path:
    """A file that this user alone may read: made if it is not there, refused if others may read it."""
    try:
        os.close(os.open(file, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600))
    except OSError as error:
        raise BadInput(f"{file}: not writable ({error.strerror}); name another folder for the server") from None
    check_private(file)
    return file


def check_private(file: Path) -> None:
    """Raises BadInput for a file that others on this machine may read or write."""
    if os.name != "nt" and stat.S_IMODE(file.stat().st_mode) & 0o077:
        raise BadInput(f"{file} may be read by others; delete it and make what was in it anew, or chmod 600 {file}")


OWN = "_own"
"""The folder of collections without a tenant; no name of a tenant begins so."""


def collection(home: Path, tenant: str, name: str) -> Path:
    """Where the server makes a collection of this name."""
    return home / "collections" / (tenant or OWN) / name


def secret(folder: Path) -> bytes:
    """The 256 random bits of a server, made on the first call. Whoever has them can sign in as anybody."""
    file = made(folder) / SECRET
    if not file.exists():
        draft = folder / f"{SECRET}.{secrets.token_hex(8)}"
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as out:
            out.write(secrets.token_bytes(_BYTES))
            out.flush()
            os.fsync(out.fileno())
        with suppress(FileExistsError):  # another process was first, and its secret is the one
            os.link(draft, file)
        draft.unlink()
    check_private(file)
    kept = file.read_bytes()
    if len(kept) != _BYTES:
        raise BadInput(f"{file} does not hold {_BYTES} bytes; delete it, which signs everybody out")
    return kept


def derived(secret: bytes, purpose: str, *of: str) -> bytes:
    """A key of 256 bits for one purpose, by HKDF (RFC 5869): it tells nothing of the secret, nor of its other keys.

    of   what the key is for besides: no two lists of texts give the same key
    """
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    parts = [part.encode() for part in (purpose, *of)]
    info = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=b"diptych" + info).derive(secret)
