"""Fetching a picture by its address: from the public internet alone, whatever an address, a name or a redirect says."""

from __future__ import annotations

import io
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from diptych.kinds import BadInput
from diptych.sources import fetch
from diptych.sources.fetch import Fetcher, is_public

PUBLIC = "93.184.216.34"


def png() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (4, 4), (200, 20, 20)).save(out, "PNG")
    return out.getvalue()


class Site:
    """A server on this machine in the place of the public internet.

    names       what the resolver answers, one list after the other; the last for good
    answers     of each path: status, headers, body; or what to do with the handler
    connected   the addresses that a socket was asked for
    """

    def __init__(self) -> None:
        self.names: dict[str, list[list[str]]] = {}
        self.answers: dict[str, tuple[int, dict[str, str], bytes] | Callable[[BaseHTTPRequestHandler], None]] = {}
        self.connected: list[str] = []
        self.asked: list[dict[str, str]] = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.asked.append({"path": self.path, **{k.lower(): v for k, v in self.headers.items()}})
                answer = site.answers[self.path]
                if callable(answer):
                    answer(self)
                    return
                status, headers, body = answer
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    if value:
                        self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None  # type: ignore[method-assign]
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def resolve(self, name: str, port: int) -> list[str]:
        found = self.names.get(name, [])
        if not found:
            raise socket.gaierror(name)
        return found.pop(0) if len(found) > 1 else found[0]

    def connect(self, address: tuple[str, int], timeout: float) -> socket.socket:
        self.connected.append(address[0])
        return socket.create_connection(self.server.server_address[:2], timeout)

    def fetcher(self, **given: object) -> Fetcher:
        return Fetcher(**{"on": True, "resolve": self.resolve, "connect": self.connect, **given})  # type: ignore[arg-type]


@pytest.fixture
def site(monkeypatch) -> Iterator[Site]:
    """Every socket of the process is watched: none but the server's own is connected to."""
    site = Site()
    site.names["pictures.example"] = [[PUBLIC]]
    site.answers["/a.png"] = (200, {"Content-Type": "image/png"}, png())
    real = socket.socket.connect

    def watched(self: socket.socket, address) -> None:
        assert address == site.server.server_address, f"a socket was asked for {address}"
        real(self, address)

    monkeypatch.setattr(socket.socket, "connect", watched)
    yield site
    site.server.shutdown()
    site.server.server_close()


def refused(site: Site, url: str, why: str | None = None, **given: object) -> None:
    with pytest.raises(BadInput, match=why) as error:
        site.fetcher(**given).get(url)
    assert str(error.value).startswith("url") and "\n" not in str(error.value)


def test_a_picture_comes_as_it_is(site: Site) -> None:
    assert site.fetcher().get("http://pictures.example/a.png") == png()
    assert site.connected == [PUBLIC]
    assert site.asked[0]["host"] == "pictures.example" and site.asked[0]["accept"] == "image/*"


def test_it_is_off_unless_it_is_turned_on(site: Site) -> None:
    refused(site, "http://pictures.example/a.png", "not fetched", on=False)
    with pytest.raises(BadInput, match="not fetched"):
        Fetcher().get("http://pictures.example/a.png")
    assert site.connected == []


PRIVATE = [
    *("127.0.0.1", "127.255.255.254", "0.0.0.0", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1"),
    *("169.254.169.254", "100.64.0.1", "100.127.255.255", "198.18.0.1", "198.19.255.255", "192.0.0.192", "192.0.2.1"),
    *("198.51.100.1", "203.0.113.1", "192.88.99.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255"),
    *("168.63.129.16", "100.100.100.200"),
    *("::1", "::", "fc00::1", "fdff::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1"),
    *("::ffff:127.0.0.1", "::ffff:7f00:1", "::ffff:93.184.216.34", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::1"),
    *("2002:7f00:1::", "2001::1", "2001:0:7f00:1::", "2001:db8::1", "2001:10::1", "3fff::1", "5f00::1", "100::1"),
    *("2606:4700::1111%eth0", "", "nonsense", "127.1", "1.1.1"),
]


@pytest.mark.parametrize("address", PRIVATE)
def test_no_address_of_another_network_is_public(address: str) -> None:
    assert not is_public(address)


SPECIAL = [  # of the registries of IANA
    *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24"),
    *("192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24"),
    *("224.0.0.0/4", "240.0.0.0/4", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"),
]


@pytest.mark.parametrize("block", SPECIAL)
def test_a_network_that_is_special_is_so_from_its_first_address_to_its_last(block: str) -> None:
    network = ip_network(block)
    assert not is_public(str(network[0])) and not is_public(str(network[-1]))
    around = [int(network[0]) - 1, int(network[-1]) + 1]
    known = [ip_network(other) for other in SPECIAL]
    for number in around:
        if 0 <= number < 2**network.max_prefixlen:
            beside = type(network[0])(number)
            special = any(beside in other for other in known) or not beside.is_global or beside.is_reserved
            assert is_public(str(beside)) == (not special), beside


@pytest.mark.parametrize(
    "address",
    [
        PUBLIC,
        "1.1.1.1",
        "192.0.1.1",
        "100.128.0.1",
        "168.63.129.15",
        "168.63.129.17",
        "2606:4700::1111",
        "2a00:1450::1",
    ],
)
def test_addresses_of_the_internet_are_public(address: str) -> None:
    assert is_public(address)


@given(st.ip_addresses())
def test_nothing_is_public_that_python_knows_to_be_special(ip) -> None:
    if not ip.is_global or ip.is_multicast or ip.is_private or ip.is_reserved or ip.is_loopback or ip.is_link_local:
        assert not is_public(str(ip))


@pytest.mark.parametrize("address", [address for address in PRIVATE if address])
def test_a_name_that_leads_inside_is_refused(site: Site, address: str) -> None:
    site.names["evil.example"] = [[address]]
    refused(site, "http://evil.example/a.png", "not known on the public internet")
    assert site.connected == []


@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1"])
def test_an_address_inside_is_refused_as_it_stands(site: Site, address: str) -> None:
    host = f"[{address}]" if ":" in address else address
    refused(site, f"http://{host}/a.png", "not known on the public internet")
    assert site.connected == []


@pytest.mark.parametrize("others", [["10.0.0.1"], ["::1"], [PUBLIC, "2606:4700::1111", "169.254.169.254"]])
def test_one_address_inside_among_public_ones_is_enough(site: Site, others: list[str]) -> None:
    for answer in ([PUBLIC, *others], [*others, PUBLIC]):
        site.names["mixed.example"] = [answer]
        refused(site, "http://mixed.example/a.png", "not known on the public internet")
    assert site.connected == []


@pytest.mark.parametrize("host", ["localhost", "localhost.", "LOCALHOST", "127.0.0.1.", "router", "internal.example."])
def test_names_of_this_machine_are_refused_as_the_system_knows_them(site: Site, host: str) -> None:
    site.names |= {"localhost": [["127.0.0.1"]], "localhost.": [["127.0.0.1", "::1"]]}
    refused(site, f"http://{host}/a.png")
    assert site.connected == []


def test_the_resolver_of_the_system_is_asked_by_default(monkeypatch) -> None:
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("a socket was opened"))
    for host in ("localhost", "localhost."):
        with pytest.raises(BadInput, match="not known on the public internet"):
            Fetcher(on=True).get(f"http://{host}/a.png")


@pytest.mark.parametrize(
    "host",
    [
        *("2130706433", "0x7f000001", "0x7f.1", "017700000001", "0177.0.0.1", "127.1", "127.0.1", "0", "134744072"),
        *("0x8080808", "8.8.8.010", "1.1.1.1.", "0x7f.0.0.0x1"),
    ],
)
def test_addresses_in_other_ways_of_writing_are_refused_public_or_not(site: Site, host: str) -> None:
    site.names[host] = [[PUBLIC]]
    refused(site, f"http://{host}/a.png", "a way of writing that hides it")
    assert site.connected == []


@pytest.mark.parametrize(
    "url",
    [
        *(
            "file:///etc/passwd",
            "ftp://pictures.example/a.png",
            "gopher://pictures.example/_x",
            "data:image/png;base64,AA",
        ),
        *("//pictures.example/a.png", "pictures.example/a.png", "", "http://", "http:///a.png", "javascript:alert(1)"),
        *(
            "http://user@pictures.example/a.png",
            "http://user:pw@pictures.example/a.png",
            "http://@pictures.example/a.png",
        ),
        *(
            "http://pictures.example@127.0.0.1/a.png",
            "http://127.0.0.1\\@pictures.example/a.png",
            "http:\\\\127.0.0.1/",
        ),
        *("http://pictures.example:22/a.png", "http://pictures.example:443/a.png", "https://pictures.example:80/a.png"),
        *("http://pictures.example:99999/a.png", "http://pictures.example:x/a.png", "http://[::1/a.png", "http://[x]/"),
        *("http://pictures.example/a.png\r\nHost: x", "http://pictures.example/a b.png", "\thttp://pictures.example/"),
        *("http://pictures.example\0.evil/a.png", "http://ⓛocalhost/a.png", "http://pictures。example/a.png"),
        "http://pictures.example/" + "a" * 4_000,
    ],
)
def test_what_is_no_plain_address_of_the_web_is_refused(site: Site, url: str) -> None:
    refused(site, url)
    assert site.connected == [] and site.asked == []


@pytest.mark.parametrize("url", ["http://pictures.example/é.png", "http://ⓛocalhost/", "http://pictures。example/"])
def test_letters_that_may_look_like_others_are_refused(site: Site, url: str) -> None:
    refused(site, url, "write it in ASCII")


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("ftp://pictures.example/a", "'ftp://pictures.example/a' is no address of http or https"),
        ("http://", "is no address of http or https"),
        ("http://[x]/", "'http://[x]/' is no address of the web"),
        ("http://pictures.example:x/", "is no address of the web"),
        ("http://a b/", "is no address of the web; write it in ASCII, without blanks"),
        ("http://a\x7f/", "is no address of the web; write it in ASCII, without blanks"),
        ("http://pictures.example/" + "a" * 3_977, "write it in ASCII"),
        ("http://u:p@pictures.example/", "url: it holds a user name or password; leave it out"),
        ("http://pictures.example:443/", "url: port 443; http is fetched from port 80 alone"),
        ("https://pictures.example:80/", "url: port 80; https is fetched from port 443 alone"),
        ("http://nobody.example/", "'nobody.example' is not known on the public internet, and nothing else is fetched"),
    ],
)
def test_what_is_wrong_with_an_address_is_told(site: Site, url: str, why: str) -> None:
    refused(site, url, re.escape(why))
    assert site.connected == []


@pytest.mark.parametrize("path", ["/a.png?size=3&x=%20", "/?x", "/" + "a" * 3_976])
def test_what_stands_behind_the_host_is_asked_for_as_it_stands(site: Site, path: str) -> None:
    site.answers[path] = site.answers["/a.png"]
    asked = path.removeprefix("/") if path.startswith("/?") else path
    assert site.fetcher().get(f"http://pictures.example{asked}") == png()
    assert site.fetcher().get(f"http://pictures.example:80{path}") == png() if len(path) < 3_000 else True
    assert [one["path"] for one in site.asked] == [path] * len(site.asked)


def test_addresses_that_all_do_not_answer_are_each_tried_once_and_told(site: Site) -> None:
    site.names["dead.example"] = [["1.1.1.1", PUBLIC, "1.1.1.1"]]

    def connect(address: tuple[str, int], timeout: float) -> socket.socket:
        site.connected.append(address[0])
        raise ConnectionRefusedError

    why = r"nothing came from dead\.example \(ConnectionRefusedError\); try again"
    refused(site, "http://dead.example/a.png", why, connect=connect)
    assert site.connected == ["1.1.1.1", PUBLIC]


def test_a_heic_comes_through_whoever_can_read_it(site: Site) -> None:
    body = b"\0\0\0\x18ftypheic" + bytes(40)
    site.answers["/x"] = (200, {"Content-Type": "image/heic; charset=x"}, body)
    assert site.fetcher().get("http://pictures.example/x") == body


def test_the_connection_goes_to_the_address_that_was_looked_at(site: Site) -> None:
    """A name server that answers otherwise the second time, as it does in DNS rebinding."""
    site.names["rebind.example"] = [[PUBLIC], ["127.0.0.1"], ["127.0.0.1"]]
    assert site.fetcher().get("http://rebind.example/a.png") == png()
    assert site.connected == [PUBLIC], "one answer of the name server was looked at and used"
    refused(site, "http://rebind.example/a.png", "not known on the public internet")
    assert site.connected == [PUBLIC]


def test_the_next_address_is_tried_where_one_does_not_answer(site: Site) -> None:
    site.names["two.example"] = [["1.1.1.1", PUBLIC]]
    real = site.connect

    def connect(address: tuple[str, int], timeout: float) -> socket.socket:
        connection = real(address, timeout)
        if address[0] == "1.1.1.1":
            connection.close()
            raise ConnectionRefusedError
        return connection

    assert site.fetcher(connect=connect).get("http://two.example/a.png") == png()
    assert site.connected == ["1.1.1.1", PUBLIC]


@pytest.mark.parametrize(
    "to",
    [
        *(
            "http://127.0.0.1/a.png",
            "http://inside.example/a.png",
            "file:///etc/passwd",
            "http://[::1]/",
            "//localhost/x",
        ),
        *("http://u@pictures.example/a.png", "http://pictures.example:22/", "http://2130706433/", "gopher://x/"),
        *("http://[::1", "http://[x]/", "\\\\127.0.0.1\\x", "http://pictures.example:x/", "é"),
    ],
)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_looked_at_like_the_first_address(site: Site, status: int, to: str) -> None:
    site.names |= {"inside.example": [["10.1.2.3"]], "localhost": [["127.0.0.1"]]}
    site.answers["/go"] = (status, {"Location": to}, b"")
    refused(site, "http://pictures.example/go")
    assert site.connected == [PUBLIC] and [asked["path"] for asked in site.asked] == ["/go"]


def test_three_redirects_are_followed_and_no_more(site: Site) -> None:
    for n in range(4):
        site.answers[f"/{n}"] = (302, {"Location": f"/{n - 1}" if n else "a.png"}, b"")
    assert site.fetcher().get("http://pictures.example/2") == png()
    refused(site, "http://pictures.example/3", "more than 3 redirects")
    site.answers["/round"] = (302, {}, b"")
    refused(site, "http://pictures.example/round", "more than 3 redirects")


@pytest.mark.parametrize(
    ("headers", "body", "why"),
    [
        ({"Content-Type": "text/html"}, png(), "'text/html', not a picture"),
        ({"Content-Type": ""}, png(), "not a picture"),
        ({"Content-Type": "application/image/png"}, png(), "not a picture"),
        ({"Content-Type": "image/png", "Content-Encoding": "gzip"}, png(), "not a picture"),
        ({"Content-Type": "image/png"}, b"<html>hello", "a web page"),
        ({"Content-Type": "image/svg+xml"}, b"<svg xmlns='x'/>", "an SVG drawing"),
        ({"Content-Type": "image/png"}, b"%PDF-1.4", "a PDF document"),
        ({"Content-Type": "image/png"}, b"", "an empty file"),
        ({"Content-Type": "image/png"}, b"root:x:0:0", "text"),
        ({"Content-Type": "image/png"}, b"\1\2\3\4", "nothing known"),
    ],
)
def test_only_pictures_come_through_by_their_type_and_by_their_first_bytes(site: Site, headers, body, why: str) -> None:
    site.answers["/x"] = (200, headers, body)
    refused(site, "http://pictures.example/x", re.escape(why))


@pytest.mark.parametrize("status", [204, 206, 304, 401, 404, 500])
def test_an_answer_without_the_picture_is_told(site: Site, status: int) -> None:
    site.answers["/x"] = (status, {"Content-Type": "image/png"}, png())
    refused(site, "http://pictures.example/x", f"answers {status}")


def test_a_picture_that_is_too_large_is_refused_and_not_cut(site: Site) -> None:
    body = png() + bytes(1000)
    site.answers["/stated"] = (200, {"Content-Type": "image/png"}, body)
    site.answers["/unstated"] = (200, {"Content-Type": "image/png", "Content-Length": ""}, body)
    site.answers["/lied"] = (200, {"Content-Type": "image/png", "Content-Length": "99999999999"}, body)
    for path in ("/stated", "/unstated", "/lied"):
        refused(site, f"http://pictures.example{path}", f"larger than {len(body) - 1:,} bytes", most=len(body) - 1)
    for path in ("/stated", "/unstated"):
        assert site.fetcher(most=len(body)).get(f"http://pictures.example{path}") == body


def test_no_more_is_read_than_is_taken(site: Site) -> None:
    def endless(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n\r\n")
        while True:
            handler.wfile.write(bytes(1 << 16))

    site.answers["/endless"] = endless
    refused(site, "http://pictures.example/endless", "larger than 100,000 bytes", most=100_000, seconds=5)


def test_the_limits_are_those_that_are_promised() -> None:
    assert (Fetcher().seconds, Fetcher().most, Fetcher().redirects) == (10.0, 20_000_000, 3)


def test_a_picture_that_breaks_off_is_refused(site: Site) -> None:
    site.answers["/short"] = (200, {"Content-Type": "image/png", "Content-Length": "5000"}, png())
    refused(site, "http://pictures.example/short", "broke off")

    def chunked(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n")
        handler.wfile.write(b"%x\r\n" % len(png()) + png() + b"\r\n")

    site.answers["/chunked"] = chunked
    refused(site, "http://pictures.example/chunked", "nothing came|broke off")


def trickle(before: bytes, drop: bytes) -> Callable[[BaseHTTPRequestHandler], None]:
    def write(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(before)
        while True:
            handler.wfile.write(drop)
            handler.wfile.flush()
            time.sleep(0.02)

    return write


@pytest.mark.parametrize(
    ("before", "drop"),
    [
        (b"HTTP/1.1 200 OK\r\nX-Slow: ", b"a"),
        (b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n\r\n" + png(), b"a"),
        (b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n", b"0"),
    ],
)
def test_one_that_trickles_is_cut_off_at_its_time(site: Site, before: bytes, drop: bytes) -> None:
    """Each byte comes in time for the socket; all of them together do not."""
    site.answers["/slow"] = trickle(before, drop)
    refused(site, "http://pictures.example/slow", "took longer than 0.3 s", seconds=0.3)


def test_one_that_says_nothing_is_cut_off_at_its_time(site: Site) -> None:
    gone = threading.Event()
    site.answers["/silent"] = lambda _: gone.wait(60)  # type: ignore[return-value]
    refused(site, "http://pictures.example/silent", "took longer than 0.3 s", seconds=0.3)
    gone.set()
    ours, theirs = socket.socketpair()
    refused(site, "https://pictures.example/", "took longer than 0.3 s", seconds=0.3, connect=lambda *_: ours)
    theirs.close()


def test_no_time_at_all_is_none_to_begin_in(site: Site) -> None:
    for host in ("pictures.example", PUBLIC):
        refused(site, f"http://{host}/a.png", f"{re.escape(host)} took longer than 0 s; try again", seconds=0)
    assert site.asked == []


def test_a_name_server_that_says_nothing_is_not_waited_for(site: Site) -> None:
    gone = threading.Event()

    def resolve(name: str, port: int) -> list[str]:
        gone.wait(60)
        return [PUBLIC]

    refused(site, "http://pictures.example/a.png", "took longer", seconds=0.2, resolve=resolve)
    gone.set()
    assert site.connected == []


def test_redirects_share_one_time(site: Site) -> None:
    def late(handler: BaseHTTPRequestHandler) -> None:
        time.sleep(0.25)
        handler.send_response(302)
        handler.send_header("Location", "/late")
        handler.end_headers()

    site.answers["/late"] = late
    refused(site, "http://pictures.example/late", "took longer than 0.6 s", seconds=0.6)
    assert len(site.asked) <= 3


@pytest.fixture
def tls(site: Site, tmp_path: Path) -> Callable[[str], ssl.SSLContext]:
    """Puts the server behind a certificate for a name; whoever has the context believes it."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    def certified(name: str) -> ssl.SSLContext:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder(subject, subject, key.public_key(), 1, now, now + timedelta(days=1))
        try:
            names: x509.GeneralName = x509.IPAddress(ip_address(name))
        except ValueError:
            names = x509.DNSName(name)
        builder = builder.add_extension(x509.SubjectAlternativeName([names]), critical=False)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        certificate = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        secret = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        (tmp_path / "server.pem").write_bytes(secret + certificate)
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(tmp_path / "server.pem")
        site.server.socket = server.wrap_socket(site.server.socket, server_side=True)
        return ssl.create_default_context(cadata=certificate.decode())

    return certified


def test_https_is_asked_under_the_name_and_not_the_address(site: Site, tls) -> None:
    context = tls("pictures.example")
    assert site.fetcher(tls=context).get("https://pictures.example/a.png") == png()
    assert site.connected == [PUBLIC] and site.asked[0]["host"] == "pictures.example"


def test_a_certificate_for_another_name_is_refused(site: Site, tls) -> None:
    refused(
        site, "https://pictures.example/a.png", "certificate of pictures.example is not valid", tls=tls("x.example")
    )
    assert site.asked == []


def test_a_certificate_that_nobody_vouches_for_is_refused(site: Site, tls) -> None:
    tls("pictures.example")
    refused(site, "https://pictures.example/a.png", "certificate of pictures.example is not valid")
    assert site.asked == []


def test_what_the_environment_says_of_proxies_is_not_heeded(site: Site, monkeypatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert site.fetcher().get("http://pictures.example/a.png") == png()


def test_an_address_of_the_new_kind_is_connected_to_as_it_stands(site: Site) -> None:
    assert site.fetcher().get("http://[2606:4700::1111]/a.png") == png()
    assert site.connected == ["2606:4700::1111"] and site.asked[0]["host"] == "[2606:4700::1111]"


def test_all_that_python_takes_for_global_and_is_not_is_known() -> None:
    for address in ("64:ff9b::7f00:1", "2002:7f00:1::", "224.0.0.1"):
        assert not is_public(address)
    assert fetch.PORTS == {"http": 80, "https": 443}
