"""nginx and Caddy with the shipped configurations, and digest serve, serving files that digest published: types,
encodings, caching."""

from __future__ import annotations

import gzip
import http.client
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import formatdate
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

import brotli
import pytest

from digest.publish.folder import FolderOutput
from tests.web.files_server import serving_files

DEPLOY = Path(__file__).parent.parent.parent / "deploy"
BROTLI_MODULE = Path("/usr/lib/nginx/modules/ngx_http_brotli_static_module.so")

ATOM = "application/atom+xml; charset=utf-8"
RSS = "application/rss+xml; charset=utf-8"
JSON = "application/feed+json; charset=utf-8"
HTML = "text/html; charset=utf-8"
TYPES = {
    "feed.xml": ATOM,
    "feed/news.xml": ATOM,
    "feed/数据 要素.xml": ATOM,
    "editions/daily.xml": ATOM,
    "archive/000001.xml": ATOM,
    "rss.xml": RSS,
    "rss/news.xml": RSS,
    "rss/数据 要素.xml": RSS,
    "feed.json": JSON,
    "feed/news.json": JSON,
    "feeds.opml": "text/x-opml; charset=utf-8",
    "feeds/index.html": HTML,
    "editions/daily/2026-11-23/index.html": HTML,
}
"""Every kind of file that digest publishes, and its type (feeds.md: always with a charset)."""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


@lru_cache(maxsize=1)
def pages_port() -> int:
    """Something in the place of digest serve: tells what it was asked, and that nobody may keep the answer."""

    class Pages(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told = f"{self.path} {self.headers['Host']} {self.headers['X-Forwarded-For']}".encode()
            self.send_response(200)
            self.send_header("Cache-Control", "no-store")
            self.send_header("Content-Length", str(len(told)))
            self.end_headers()
            self.wfile.write(told)

        def log_message(self, *_: object) -> None:
            pass

    backend = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    threading.Thread(target=backend.serve_forever, daemon=True).start()
    return int(backend.server_address[1])


@dataclass(frozen=True)
class Server:
    port: int
    encodings: tuple[str, ...]
    """Compressed files it can serve."""
    shows_pages: bool = False
    """It is digest serve, and passes nothing on."""

    def ask(self, path: str, method: str = "GET", **headers: str) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(
                method, "/" + quote(path), headers={name.replace("_", "-"): value for name, value in headers.items()}
            )
            answer = connection.getresponse()
            return Answer(answer.status, {key.lower(): value for key, value in answer.getheaders()}, answer.read())
        finally:
            connection.close()


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as digest publishes it: plain files with their compressed siblings."""
    root = tmp_path_factory.mktemp("web") / "public"
    output = FolderOutput(root)
    for path in TYPES:
        output.write(path, content(path))
    (root / "feed" / ".digest-half.tmp").write_text("half a file")
    return root


def content(path: str) -> bytes:
    root = "rss" if path.startswith("rss") else "feed"
    return f"<{root}>{path}: 摘要</{root}>\n".encode() * 50


@pytest.fixture(scope="module", params=["digest", "nginx", "nginx with brotli", "caddy"])
def server(request: pytest.FixtureRequest, public: Path) -> Iterator[Server]:
    if request.param == "digest":
        with serving_files(public) as own:
            yield Server(own.port, ("br", "gzip"), shows_pages=True)
        return
    start = caddy if request.param == "caddy" else nginx
    with start(public, brotli=request.param == "nginx with brotli") as running:
        yield running


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def nginx(public: Path, *, brotli: bool) -> Iterator[Server]:
    """The shipped site inside the smallest main configuration. Only port, root and places are replaced."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        pytest.skip("needs nginx")
    if brotli and not BROTLI_MODULE.exists():
        pytest.skip("needs nginx's brotli module (Debian: libnginx-mod-http-brotli-static)")
    port = free_port()
    folder = public.parent / ("nginx-brotli" if brotli else "nginx")
    folder.mkdir()
    if brotli:
        shutil.copy(DEPLOY / "nginx-brotli.conf", folder / "digest-brotli.conf")
    site = (DEPLOY / "nginx.conf").read_text(encoding="utf-8")
    for shipped, here in {
        "listen 80;": f"listen 127.0.0.1:{port};",
        "    listen [::]:80;\n": "",
        "root /srv/digest/public;": f'root "{public}";',
        "proxy_pass http://127.0.0.1:8000;": f"proxy_pass http://127.0.0.1:{pages_port()};",
        "    # ~\\.(xml|json)$": "    ~\\.(xml|json)$",
        "/etc/nginx/digest-brotli.con[f]": f"{folder}/digest-brotli.con[f]",
    }.items():
        assert shipped in site
        site = site.replace(shipped, here)
    places = "".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    main = (
        (f"load_module {BROTLI_MODULE};" if brotli else "")
        + ("user root;" if os.geteuid() == 0 else "")
        + f"daemon off; pid {folder}/pid; error_log {folder}/error.log; worker_processes 1; events {{}}\n"
        f"http {{ access_log off; {places}\n{site}\n}}\n"
    )
    (folder / "nginx.conf").write_text(main, encoding="utf-8")
    command = [program, "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf")]
    checked = subprocess.run([*command, "-t"], capture_output=True, text=True, timeout=60)
    assert checked.returncode == 0, checked.stderr
    assert "[warn]" not in checked.stderr
    with running(command, port, folder):
        yield Server(port, ("br", "gzip") if brotli else ("gzip",))


@contextmanager
def caddy(public: Path, *, brotli: bool) -> Iterator[Server]:
    """The shipped file; the site's name is replaced by a port, the root by the folder."""
    program = shutil.which("caddy")
    if program is None:
        pytest.skip("needs caddy")
    port = free_port()
    folder = public.parent / "caddy"
    folder.mkdir()
    site = (DEPLOY / "Caddyfile").read_text(encoding="utf-8")
    assert site.count("news.example.com {") == site.count("root * /srv/digest/public") == 1
    site = site.replace("news.example.com {", f"http://127.0.0.1:{port} {{")
    site = site.replace("root * /srv/digest/public", f'root * "{public}"')
    assert site.count("127.0.0.1:8000") == 1
    site = site.replace("127.0.0.1:8000", f"127.0.0.1:{pages_port()}")
    assert "\t# header @json Link" in site
    site = site.replace("\t# header @json Link", "\theader @json Link")
    (folder / "Caddyfile").write_text("{\n\tadmin off\n\tauto_https off\n}\n" + site, encoding="utf-8")
    command = [program, "run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile")]
    with running(command, port, folder):
        yield Server(port, ("br", "gzip"))


@contextmanager
def running(command: list[str], port: int, folder: Path) -> Iterator[None]:
    log = folder / "output"
    with log.open("wb") as out:
        home = {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
        process = subprocess.Popen(command, stdout=out, stderr=out, env={**os.environ, **home})
    try:
        for _ in range(1_200):
            assert process.poll() is None, log.read_text()
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(timeout=60)


# ------------------------------------------------------------------- types


@pytest.mark.parametrize("path", TYPES)
def test_type_names_format_and_charset(server: Server, path: str) -> None:
    """The same for the plain file and for each compressed one."""
    for encoding in ("identity", *server.encodings):
        answer = server.ask(path, Accept_Encoding=encoding)
        assert answer.status == 200
        assert answer.headers["content-type"].lower() == TYPES[path]


def test_folder_shows_its_page(server: Server) -> None:
    """``feeds/`` and an edition's folder are their index.html; without the slash the browser is sent there."""
    assert server.ask("feeds/").body == content("feeds/index.html")
    edition = server.ask("editions/daily/2026-11-23/")
    assert (edition.headers["content-type"].lower(), edition.body) == (
        HTML,
        content("editions/daily/2026-11-23/index.html"),
    )


@pytest.mark.parametrize("path", ["mail/", "mail/a.gz", "mail/.x"])
def test_subscription_pages_are_passed_on_as_they_are(server: Server, path: str) -> None:
    """With the reader's address, and without the headers of files: nobody may keep them, or read them across sites."""
    if server.shows_pages:
        return
    answer = server.ask(path, X_Forwarded_For="203.0.113.9")
    asked, host, reader = answer.body.decode().split(" ")
    assert (answer.status, asked) == (200, f"/{path}")
    assert host.startswith("127.0.0.1")
    assert reader == "127.0.0.1"
    assert answer.headers["cache-control"] == "no-store"
    assert "access-control-allow-origin" not in answer.headers


# --------------------------------------------------------------- encodings


def test_compressed_files_are_served_as_they_lie(server: Server, public: Path) -> None:
    """Byte for byte the siblings that digest wrote, and they unpack to the plain file."""
    unpack = {"gzip": gzip.decompress, "br": brotli.decompress}
    for encoding in server.encodings:
        answer = server.ask("feed.xml", Accept_Encoding=encoding)
        assert answer.headers["content-encoding"] == encoding
        sibling = public / f"feed.xml.{'gz' if encoding == 'gzip' else encoding}"
        assert answer.body == sibling.read_bytes()
        assert unpack[encoding](answer.body) == content("feed.xml")


@pytest.mark.parametrize("accepted", ["identity", "", "deflate", "zstd"])
def test_plain_file_for_those_who_want_no_other(server: Server, accepted: str) -> None:
    """Never 406, never an encoding that was not asked for."""
    answer = server.ask("feed.xml", Accept_Encoding=accepted)
    assert answer.status == 200
    assert "content-encoding" not in answer.headers
    assert answer.body == content("feed.xml")


def test_every_encoding_has_its_own_etag(server: Server) -> None:
    """Strong ETags differ where bytes differ (RFC 9110, 8.8.3)."""
    tags = [server.ask("feed.xml", Accept_Encoding=encoding).headers["etag"] for encoding in ("identity", "gzip")]
    assert not any(tag.startswith("W/") for tag in tags)
    assert len(set(tags)) == len(tags)


# ------------------------------------------------------------------ headers


@pytest.mark.parametrize(
    ("path", "lifetime"), [("feed.xml", 300), ("rss/news.xml", 300), ("feeds/", 300), ("archive/000001.xml", 86400)]
)
def test_lifetimes(server: Server, path: str, lifetime: int) -> None:
    """As long as the interval of runs; closed archives a day."""
    assert server.ask(path).headers["cache-control"] == f"max-age={lifetime}"


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_caches_and_scripts_are_told_what_they_need(server: Server, encoding: str) -> None:
    """Vary on every answer, any origin may read, no cookie, no sniffing."""
    headers = server.ask("feed.json", Accept_Encoding=encoding).headers
    assert headers["vary"] == "Accept-Encoding"
    assert headers["access-control-allow-origin"] == "*"
    assert headers["x-content-type-options"] == "nosniff"
    assert "set-cookie" not in headers


def test_json_feeds_name_their_hub(server: Server) -> None:
    """The line that an operator with a hub switches on (WebSub 4): hub and the feed's own address."""
    link = server.ask("feed.json").headers["link"]
    assert '<https://hub.example.com/>; rel="hub"' in link
    assert '<https://news.example.com/feed.json>; rel="self"' in link
    assert "link" not in server.ask("feeds/").headers


def test_scripts_may_ask_with_an_etag(server: Server) -> None:
    """The browser's question before a request with If-None-Match is answered with yes."""
    answer = server.ask(
        "feed.json",
        "OPTIONS",
        Origin="https://reader.example.net",
        Access_Control_Request_Method="GET",
        Access_Control_Request_Headers="if-none-match",
    )
    assert answer.status == 204
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "if-none-match" in answer.headers["access-control-allow-headers"].lower()
    assert "access-control-allow-headers" not in server.ask("feed.json").headers, "only an answer to that question"


# -------------------------------------------------------------- validators

NOT_CHANGED_HEADERS = ("etag", "cache-control", "vary", "access-control-allow-origin")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("encoding", ["identity", "gzip"])
@pytest.mark.parametrize("shape", ["{0}", "W/{0}", '"other", {0}', "*"])
def test_known_etag_gives_not_modified(server: Server, method: str, encoding: str, shape: str) -> None:
    """One, weak, in a list, or any; the 304 repeats what caches need."""
    first = server.ask("feed.xml", Accept_Encoding=encoding)
    asked = shape.format(first.headers["etag"])
    again = server.ask("feed.xml", method, Accept_Encoding=encoding, If_None_Match=asked)
    assert (again.status, again.body) == (304, b"")
    for name in NOT_CHANGED_HEADERS:
        assert again.headers[name] == first.headers[name]


@pytest.mark.parametrize("later", [0, 3600])
def test_known_date_gives_not_modified(server: Server, public: Path, later: int) -> None:
    """The file's own date, or a later one that the reader made up."""
    date = formatdate((public / "feed.xml").stat().st_mtime + later, usegmt=True)
    assert server.ask("feed.xml", If_Modified_Since=date).status == 304


def test_other_etag_or_older_date_gives_the_file(server: Server, public: Path) -> None:
    """An ETag that does not match wins over a date that does (RFC 9110, 13.1.3)."""
    date = formatdate((public / "feed.xml").stat().st_mtime, usegmt=True)
    for headers in (
        {"If_None_Match": '"other"'},
        {"If_Modified_Since": formatdate(0, usegmt=True)},
        {"If_None_Match": '"other"', "If_Modified_Since": date},
    ):
        assert server.ask("feed.xml", **headers).status == 200


def test_matching_etag_and_date_give_not_modified(server: Server) -> None:
    """What readers send back: both validators of the last answer."""
    first = server.ask("feed.xml").headers
    again = server.ask("feed.xml", If_None_Match=first["etag"], If_Modified_Since=first["last-modified"])
    assert again.status == 304


def test_head_equals_get(server: Server) -> None:
    """The same headers, no body. The length may be left out (RFC 9110, 9.3.2)."""
    for encoding in ("identity", "gzip"):
        get, head = (server.ask("feed.xml", method, Accept_Encoding=encoding) for method in ("GET", "HEAD"))
        assert head.body == b""
        names = (get.headers.keys() | head.headers.keys()) - {"date"}
        assert {name for name in names if get.headers.get(name) != head.headers.get(name)} <= {"content-length"}
        assert head.headers.get("content-length") in (None, get.headers.get("content-length"))


# ------------------------------------------------------------------ refusals


@pytest.mark.parametrize("path", ["nothing.xml", "feed/.digest-half.tmp", "feed.xml.gz", "feed.xml.br", ".git/config"])
def test_what_is_not_published_is_not_there(server: Server, path: str) -> None:
    """Unfinished files, compressed ones by name, and what does not exist."""
    assert server.ask(path).status == 404


def test_nothing_can_be_sent(server: Server) -> None:
    """A folder of files takes no POST."""
    assert server.ask("feed.xml", "POST").status == 405
