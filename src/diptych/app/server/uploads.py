"""Pictures that people ask with: read by a worker process, kept in memory for a while, and nowhere else."""

from __future__ import annotations

import secrets
import tempfile
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import BinaryIO

from diptych.app.server.problems import Problem
from diptych.kinds import Array
from diptych.sources.decoders import Decoders

SIDE = 768
"""Pixels of a side that are kept: more than encoders look at."""


@dataclass(frozen=True)
class Upload:
    """pixels: (height, width, 3) uint8. width, height: of the picture as it was sent. owner: who may ask with it."""

    pixels: Array
    width: int
    height: int
    owner: tuple[str, str]
    until: float


class Uploads:
    """The last of them. most: how many; seconds: for how long each."""

    def __init__(self, most: int, seconds: float) -> None:
        self._most, self._seconds = most, seconds
        self._kept: OrderedDict[str, Upload] = OrderedDict()
        self._lock = threading.Lock()
        self._decoders = Decoders(1)

    def take(self, file: BinaryIO, owner: tuple[str, str]) -> tuple[str, Upload]:
        """Its name, which nobody can guess. Raises Problem for what is no picture."""
        with tempfile.NamedTemporaryFile(prefix="diptych-") as copy:
            while block := file.read(1 << 20):
                copy.write(block)
            copy.flush()
            look = self._decoders.small(copy.name, SIDE)
        if look.pixels is None:
            raise Problem(415, f"the upload: {look.reason}")
        upload = Upload(look.pixels, look.width, look.height, owner, time.monotonic() + self._seconds)
        name = secrets.token_urlsafe(16)
        with self._lock:
            self._kept[name] = upload
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return name, upload

    def get(self, name: str, owner: tuple[str, str]) -> Upload:
        """Raises Problem where it is not there, is another's, or was kept for long enough."""
        with self._lock:
            upload = self._kept.get(name)
        if upload is None or upload.owner != owner or upload.until < time.monotonic():
            raise Problem(404, "this uploaded picture is not kept any more; upload it again")
        return upload

    def close(self) -> None:
        self._decoders.__exit__()
