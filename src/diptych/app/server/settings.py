"""Every limit of the server in one place: a field, its meaning, and the variable of the environment that sets it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Self

from diptych.app.server.access import files
from diptych.kinds import BadInput

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True)
class Settings:
    """`Settings.of(os.environ)` reads each from `DIPTYCH_` and its name in capitals, such as DIPTYCH_MAX_UPLOAD.

    host, port        where to listen; anything but this machine itself demands keys
    hosts             names under which browsers may call the server, besides those of this machine, with commas between
    home              where keys, secrets, the audit log and collections that the server makes are kept
    reports           a folder of reports of `diptych evaluate --out`, to be shown on a page of their own
    keys              whether callers need a key, on this machine as well
    proxies           hops in front of the server whose X-Forwarded-For is believed
    fetch             whether pictures may be fetched by their addresses
    readers           searches that are answered at a time in each collection
    max_request       bytes of a request's body that holds no file
    max_upload        bytes of one upload, all of its files together
    max_files         files of one upload
    max_export        pictures that are taken along at a time
    max_export_bytes  bytes of their files
    max_k             answers on a page
    max_offset        answers before a page
    max_batch         texts, rows or documents of one call
    feedback          whether marks, clicks and how long a picture was looked at are kept
    max_feedback      of them that are kept of one user in a collection
    seconds           that a request may wait for its answer
    rate              requests a minute of one key, and of one address; a screen of pictures is some forty
    uploads_kept      uploaded pictures that can be asked with
    upload_seconds    that each of them is kept
    session_seconds   that a browser stays signed in without a request
    audit_days        files of the audit log, one a day
    audit_strict      whether calls are refused while the audit log cannot be written
    """

    host: str = "127.0.0.1"
    port: int = 8642
    hosts: str = ""
    home: Path = field(default_factory=files.home)
    reports: str = ""
    keys: bool = False
    proxies: int = 0
    fetch: bool = False
    readers: int = field(default_factory=lambda: max(2, os.cpu_count() or 1))
    max_request: int = 1_000_000
    max_upload: int = 50_000_000
    max_files: int = 1_000
    max_export: int = 2_000
    max_export_bytes: int = 4_000_000_000
    max_k: int = 1_000
    max_offset: int = 10_000
    max_batch: int = 2_048
    feedback: bool = True
    max_feedback: int = 100_000
    seconds: float = 30.0
    rate: int = 6_000
    uploads_kept: int = 256
    upload_seconds: float = 3_600.0
    session_seconds: float = 7 * 86_400.0
    audit_days: int = 7
    audit_strict: bool = False

    @classmethod
    def of(cls, environment: Mapping[str, str], **given: object) -> Self:
        """Those of the environment, and before them those that are given and not None.

        Raises BadInput naming the variable that holds no such value.
        """
        defaults = cls()
        found = {}
        for one in fields(cls):
            name = f"DIPTYCH_{one.name.upper()}"
            if (text := environment.get(name)) is not None:
                found[one.name] = _read(name, text, getattr(defaults, one.name))
        return cls(**{**found, **{k: v for k, v in given.items() if v is not None}})  # type: ignore[arg-type]

    @property
    def local(self) -> bool:
        """Whether only programs of this machine reach the server, and none of them for others."""
        return self.host in LOOPBACK and not self.proxies


def _read(name: str, text: str, default: object) -> object:
    """A text as a value of the kind of the default."""
    try:
        if isinstance(default, bool):
            return {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}[text.lower()]
        return Path(text) if isinstance(default, Path) else type(default)(text)  # type: ignore[call-arg]
    except (KeyError, ValueError):
        kind = {bool: "true or false", int: "a whole number", float: "a number"}.get(type(default), "a text")
        raise BadInput(f"{name}: {text!r}; give {kind}") from None
