"""A picture from an address of the web, for programs that strangers hand addresses to: off unless it is turned on.

An address that leads into the network of this machine is refused (server-side request forgery). What a name resolves to
is looked at once, all of it, and the connection goes to the very address that was looked at, so that a second answer of
the name server changes nothing. Each redirect is an address like the first.
"""

from __future__ import annotations

import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPResponse
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import SplitResult, urljoin, urlsplit

from diptych.kinds import BadInput, shown
from diptych.sources import magic

Resolve = Callable[[str, int], Sequence[str]]
"""The addresses of a name, for a port. Raises OSError where there is none."""
Connect = Callable[[tuple[str, int], float], socket.socket]
"""A connection to an address and port, within so many seconds."""

PORTS = {"http": 80, "https": 443}

# IANA's registries of special addresses, and what clouds use of public ones for themselves. Python's `is_global` takes
# multicast, 6to4 and NAT64 for global, and through the last two any IPv4 address can be reached.
_NOT_PUBLIC_4 = tuple(
    ip_network(block)
    for block in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24"),
        *("192.0.2.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24"),
        *("203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
        "168.63.129.16/32",  # Azure talks to its machines there
    )
)
_PUBLIC_6 = IPv6Network("2000::/3")  # all that is given out; everything else is special, NAT64 and ::ffff:0:0 with it
_NOT_PUBLIC_6 = tuple(
    IPv6Network(block)
    for block in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")  # Teredo and others, examples, 6to4, examples
)

_REDIRECTS = {301, 302, 303, 307, 308}
_PIECE = 1 << 16


def is_public(address: str) -> bool:
    """Whether an IP address can belong to a host of the public internet."""
    try:
        ip = ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, IPv4Address):
        return ip.is_global and not any(ip in block for block in _NOT_PUBLIC_4)
    return ip.is_global and not ip.scope_id and ip in _PUBLIC_6 and not any(ip in block for block in _NOT_PUBLIC_6)


def _resolved(name: str, port: int) -> Sequence[str]:
    return [str(found[4][0]) for found in socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)]


@dataclass(frozen=True)
class Fetcher:
    """Fetches pictures.

    on          whether it does so at all
    seconds     in all, redirects and the last byte included
    most        bytes of a picture
    redirects   that are followed
    tls         whose certificates are believed; None for those that the system believes
    """

    on: bool = False
    seconds: float = 10.0
    most: int = 20_000_000
    redirects: int = 3
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    resolve: Resolve = field(default=_resolved, repr=False)
    connect: Connect = field(default=socket.create_connection, repr=False)

    def get(self, url: str) -> bytes:
        """The bytes of the picture at an address, all of them.

        Raises BadInput for what is no public address of http or https, no picture, too large or too slow.
        """
        if not self.on:
            raise BadInput("url: pictures are not fetched by their address here; send the picture itself")
        until = time.monotonic() + self.seconds
        base = ""
        for _ in range(self.redirects + 1):
            target = _split(url, base)
            addresses = self._addresses(target, until)
            with _Connection(self, target, addresses, until) as connection:
                answer = connection.ask()
                if answer.status not in _REDIRECTS:
                    return self._picture(url, answer, connection)
                url, base = answer.headers.get("Location", ""), target.geturl()
        raise BadInput(f"url: more than {self.redirects} redirects; give the address of the picture itself")

    def _addresses(self, target: SplitResult, until: float) -> list[str]:
        """The addresses of a host, if each is public. A name that is not known is refused in the same words."""
        host, port = str(target.hostname), PORTS[target.scheme]
        try:
            addresses = [host] if _is_address(host) else _in_time(lambda: self.resolve(host, port), until)
        except TimeoutError:
            raise self.too_slow(host) from None
        if not addresses or not all(map(is_public, addresses)):
            raise BadInput(f"url: {shown(host)} is not known on the public internet, and nothing else is fetched from")
        return list(dict.fromkeys(addresses))

    def too_slow(self, host: str) -> BadInput:
        return BadInput(f"url: {host} took longer than {self.seconds:g} s; try again")

    def _picture(self, url: str, answer: HTTPResponse, connection: _Connection) -> bytes:
        from diptych.sources.pictures import FORMATS

        if answer.status != 200:
            raise BadInput(f"url: {shown(url)} answers {answer.status}, not 200")
        type = answer.headers.get_content_type()
        if not type.startswith("image/") or answer.headers.get("Content-Encoding", "identity") != "identity":
            raise BadInput(f"url: {shown(url)} is {shown(type)}, not a picture")
        content = connection.read(answer, self.most)
        found = magic.kind(content[: magic.ENOUGH])
        if found not in (*FORMATS, "HEIC"):
            raise BadInput(f"url: {shown(url)} is {found or 'nothing known'}, not a picture that can be read")
        return content


class _Connection(HTTPConnection):
    """A connection to one of the addresses that were looked at, under the name that was asked for."""

    def __init__(self, fetcher: Fetcher, target: SplitResult, addresses: list[str], until: float) -> None:
        super().__init__(str(target.hostname), PORTS[target.scheme])
        self.default_port = self.port  # it goes without saying in the Host header
        self._fetcher, self._target, self._addresses, self._until = fetcher, target, addresses, until
        self._wire: socket.socket | None = None  # `sock` is let go of before the answer is read
        self._answer: HTTPResponse | None = None
        self._late = False
        self._watch = threading.Timer(until - time.monotonic(), self._cut)
        self._watch.daemon = True

    def __enter__(self) -> _Connection:
        self._watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._watch.cancel()
        if self._answer is not None:
            self._answer.close()
        self.close()

    def connect(self) -> None:
        """Called by `request`."""
        for address in self._addresses:
            try:
                self.sock = self._wire = self._fetcher.connect((address, self.port), self._left())
                break
            except OSError as error:
                failure = error
        else:
            raise failure
        if self._target.scheme == "https":
            tls = self._fetcher.tls or ssl.create_default_context()
            self.sock = self._wire = tls.wrap_socket(
                self.sock, server_hostname=self.host, do_handshake_on_connect=False
            )
            self._left()
            self._wire.do_handshake()

    def ask(self) -> HTTPResponse:
        """The head of the answer."""
        query = f"?{self._target.query}" if self._target.query else ""
        headers = {"Accept": "image/*", "Accept-Encoding": "identity", "User-Agent": "diptych", "Connection": "close"}
        with self._told():
            self.request("GET", (self._target.path or "/") + query, headers=headers)
            self._answer = self.getresponse()
        return self._answer

    def read(self, answer: HTTPResponse, most: int) -> bytes:
        """The body; BadInput where it is longer than `most`, or shorter than it says."""
        stated = answer.length
        content = bytearray()
        with self._told():
            while len(content) <= most and (stated is None or stated <= most):
                if not (piece := answer.read(_PIECE)):
                    break
                content += piece
        if max(len(content), stated or 0) > most:
            raise BadInput(f"url: the picture is larger than {most:,} bytes")
        if stated is not None and len(content) < stated:
            raise BadInput(f"url: the picture broke off after {len(content):,} bytes; try again")
        return bytes(content)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What goes wrong in the network is told in one line."""
        try:
            yield
            if self._late:  # the end that was read is not that of the answer
                raise TimeoutError
        except ssl.SSLCertVerificationError as error:
            raise BadInput(f"url: the certificate of {self.host} is not valid ({error.verify_message})") from None
        except (OSError, HTTPException, ValueError) as error:
            if self._late or isinstance(error, TimeoutError):
                raise self._fetcher.too_slow(self.host) from None
            raise BadInput(f"url: nothing came from {self.host} ({type(error).__name__}); try again") from None

    def _left(self) -> float:
        """Seconds that are left; raises TimeoutError where there are none."""
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def _cut(self) -> None:
        """Time is over: whoever waits for the socket wakes up, even where bytes still trickle in."""
        self._late = True
        if self._wire is not None:
            with suppress(OSError):
                socket.socket.shutdown(self._wire, socket.SHUT_RDWR)  # an SSL socket would say goodbye first


def _split(url: str, base: str) -> SplitResult:
    """The parts of an address, seen from `base`; BadInput for what is none that may be fetched."""
    if not isinstance(url, str) or len(url) > 4_000 or not url.isascii() or any(c <= " " or c in "\\\x7f" for c in url):
        raise BadInput(f"url: {shown(url)} is no address of the web; write it in ASCII, without blanks")
    try:
        target = urlsplit(urljoin(base, url))
        port = target.port
    except ValueError:
        raise BadInput(f"url: {shown(url)} is no address of the web") from None
    if target.scheme not in PORTS or not target.hostname:
        raise BadInput(f"url: {shown(url)} is no address of http or https")
    if "@" in target.netloc:
        raise BadInput("url: it holds a user name or password; leave it out")
    if port not in (None, PORTS[target.scheme]):
        raise BadInput(f"url: port {port}; {target.scheme} is fetched from port {PORTS[target.scheme]} alone")
    last = target.hostname.rstrip(".").rpartition(".")[2]
    if not _is_address(target.hostname) and (last.isdigit() or last.startswith("0x")):
        raise BadInput(f"url: {shown(target.hostname)} is an address in a way of writing that hides it")
    return target


def _is_address(host: str) -> bool:
    try:
        return isinstance(ip_address(host), IPv4Address | IPv6Address)
    except ValueError:
        return False


def _in_time(work: Callable[[], Sequence[str]], until: float) -> list[str]:
    """What work finds, nothing where it fails. Raises TimeoutError at that time: a resolver cannot be interrupted."""
    found: queue.SimpleQueue[Sequence[str]] = queue.SimpleQueue()

    def run() -> None:
        try:
            found.put(work())
        except (OSError, UnicodeError):
            found.put([])

    threading.Thread(target=run, daemon=True).start()
    try:
        return list(found.get(timeout=max(0.0, until - time.monotonic())))
    except queue.Empty:
        raise TimeoutError from None
