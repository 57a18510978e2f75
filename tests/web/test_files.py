"""What readers get: types, encodings, validators, and nothing that is not published."""

from __future__ import annotations

import gzip
import os
import threading
import time
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path
from urllib.parse import quote

import brotli
import pytest

from digest.publish.folder import FolderOutput
from digest.publish.media import content_type
from digest.web.files import Files, Options
from tests.web.files_server import OPTIONS, FileServer, page, rest, serving_files

ATOM = b'<?xml version="1.0"?>\n<feed xmlns="http://www.w3.org/2005/Atom">' + "摘要 ".encode() * 400 + b"</feed>\n"
RSS = b'<?xml version="1.0"?>\n<rss version="2.0"><channel>' + b"news " * 400 + b"</channel></rss>\n"
STYLE, SCRIPT = "body { color: red }", "let x = 1;"
HTML = f"<!doctype html><style>{STYLE}</style><p>页面</p><script>{SCRIPT}</script>".encode()
FILES = {
    "feed.xml": (ATOM, "application/atom+xml; charset=utf-8", 300),
    "feed/数据 要素.xml": (ATOM, "application/atom+xml; charset=utf-8", 300),
    "feed/50%.xml": (ATOM, "application/atom+xml; charset=utf-8", 300),
    "rss.xml": (RSS, "application/rss+xml; charset=utf-8", 300),
    "rss/news.xml": (RSS, "application/rss+xml; charset=utf-8", 300),
    "archive/000001.xml": (ATOM, "application/atom+xml; charset=utf-8", 86400),
    "feed.json": (b'{"items": []}', "application/feed+json; charset=utf-8", 300),
    "feeds.opml": (b"<opml/>", "text/x-opml; charset=utf-8", 300),
    "feeds/index.html": (HTML, "text/html; charset=utf-8", 300),
    "logo.png": (b"\x89PNG" * 10, "image/png", 300),
}
UNPACK = {"": bytes, "br": brotli.decompress, "gzip": gzip.decompress}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return publish(tmp_path_factory.mktemp("files") / "public")


def publish(root: Path) -> Path:
    output = FolderOutput(root)
    for path, (content, _, _) in FILES.items():
        output.write(path, content)
    return root


@pytest.fixture(scope="module")
def server(shared: Path) -> Iterator[FileServer]:
    with serving_files(shared, is_gone=lambda path: path == "feed/old.xml") as running:
        yield running


@pytest.fixture
def public(tmp_path: Path) -> Path:
    return publish(tmp_path / "public")


# -------------------------------------------------------------------- whole


@pytest.mark.parametrize("turn", ["cold", "warm"])
@pytest.mark.parametrize("encoding", ["", "br", "gzip"])
@pytest.mark.parametrize("path", FILES)
def test_files_are_served_with_their_headers(server: FileServer, path: str, encoding: str, turn: str) -> None:
    """The very bytes, type with charset, lifetime, and what caches and scripts need; read from disk or from memory."""
    content, kind, lifetime = FILES[path]
    answer = server.ask(f"/{quote(path)}", Accept_Encoding=encoding or "identity")
    assert answer.status == 200
    assert UNPACK[answer.headers.get("content-encoding", "")](answer.body) == content
    if not path.endswith(".png") and (path.partition("/")[0], encoding) != ("archive", "br"):  # archives have no .br
        assert answer.headers.get("content-encoding", "") == encoding
    assert answer.headers["content-type"] == kind
    assert answer.headers["content-length"] == str(len(answer.body))
    assert answer.headers["cache-control"] == f"max-age={lifetime}"
    assert answer.headers["vary"] == "Accept-Encoding"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["accept-ranges"] == "none"
    assert "set-cookie" not in answer.headers
    assert "date" in answer.headers
    assert "server" not in answer.headers


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("", ""),
        ("gzip", "gzip"),
        ("x-gzip", "gzip"),
        ("GZIP, deflate, BR", "br"),
        ("gzip;q=1.0, br;q=0.5", "gzip"),
        ("br;q=0, gzip", "gzip"),
        ("br;q=0.000, gzip ; q=0", ""),
        ("*", "br"),
        ("*;q=0.5, br;q=0", "gzip"),
        ("*;q=0", ""),
        ("identity;q=0", ""),
        ("identity, gzip;q=0.5", ""),
        ("identity;q=0.5, gzip;q=0.5", "gzip"),
        ("deflate, zstd", ""),
        ("gzip;q=high", ""),
        ("gzip;level=9", "gzip"),
        (",,;q=1,", ""),
    ],
)
def test_encoding_is_as_asked_for(server: FileServer, accepted: str, encoding: str) -> None:
    """By weight, brotli first where they are equal; the plain file when nothing fits; never 406."""
    answer = server.ask("/feed.xml", Accept_Encoding=accepted)
    assert (answer.status, answer.headers.get("content-encoding", "")) == (200, encoding)


def test_every_encoding_has_its_own_strong_etag(server: FileServer) -> None:
    """One content, three tags that differ in what stands behind the hash."""
    tags = [server.ask("/feed.xml", Accept_Encoding=one or "identity").headers["etag"] for one in UNPACK]
    plain = tags[0].strip('"')
    assert tags == [f'"{plain}"', f'"{plain}-br"', f'"{plain}-gzip"']


def test_etag_is_of_the_content(public: Path) -> None:
    """A file written anew with equal bytes keeps its tag; with others it gets a new one, at once."""
    with serving_files(public) as server:
        first = server.ask("/feed.xml").headers["etag"]
        (public / "new").write_bytes(ATOM)
        (public / "new").replace(public / "feed.xml")
        assert server.ask("/feed.xml").headers["etag"] == first
        FolderOutput(public).write("feed.xml", ATOM + b"<!-- new -->")
        answer = server.ask("/feed.xml")
        assert answer.headers["etag"] != first
        assert answer.body == ATOM + b"<!-- new -->"


@pytest.mark.parametrize("encoding", ["br", "gzip"])
def test_stale_sibling_is_never_served(public: Path, encoding: str) -> None:
    """A plain file that somebody else wrote, or a sibling of another time: the plain file goes out."""
    suffix = {"br": ".br", "gzip": ".gz"}[encoding]
    with serving_files(public) as server:
        assert server.ask("/feed.xml", Accept_Encoding=encoding).headers["content-encoding"] == encoding
        (public / "feed.xml").write_bytes(b"<feed>by hand</feed>")
        answer = server.ask("/feed.xml", Accept_Encoding=encoding)
        assert (answer.body, answer.headers.get("content-encoding")) == (b"<feed>by hand</feed>", None)
        os.utime(public / f"rss.xml{suffix}", (1, 1))
        answer = server.ask("/rss.xml", Accept_Encoding=encoding)
        assert (answer.body, answer.headers.get("content-encoding")) == (RSS, None)


def test_missing_siblings_are_done_without(public: Path) -> None:
    """Also when they vanish after the file was known."""
    with serving_files(public, Options(max_age=300, cache_bytes=0)) as server:
        assert "content-encoding" in server.ask("/feed.xml", Accept_Encoding="br").headers
        (public / "feed.xml.br").unlink()
        answer = server.ask("/feed.xml", Accept_Encoding="br")
        assert (answer.status, answer.body) == (200, ATOM)


@pytest.mark.parametrize("options", [OPTIONS, Options(max_age=300, large=100), Options(max_age=300, cache_bytes=0)])
def test_large_files_and_small_caches(public: Path, options: Options) -> None:
    """What is too large for memory is read piece by piece, from the beginning each time."""
    content = os.urandom(700_000)
    (public / "data.bin").write_bytes(content)
    with serving_files(public, options) as server:
        for _ in range(3):
            assert server.ask("/data.bin").body == content
            assert server.ask("/feed.xml").body == ATOM
            assert server.ask("/data.bin", "HEAD").headers["content-length"] == "700000"


@pytest.mark.parametrize(("options", "large"), [(OPTIONS, 2 * 1024 * 1024), (Options(max_age=300, large=100), 100)])
def test_what_is_large_is_never_kept_in_memory(public: Path, options: Options, large: int) -> None:
    """Up to the limit a file is kept, one byte more and it is not; readers see no difference."""
    for name, size in (("small.bin", large), ("large.bin", large + 1)):
        (public / name).write_bytes(b"x" * size)
    with serving_files(public, options) as server:
        for name, size in (("small.bin", large), ("large.bin", large + 1)):
            assert server.ask(f"/{name}").body == b"x" * size
        assert [Path(name).name for name in server.files._bodies._kept] == ["small.bin"]


def test_memory_is_bounded(public: Path) -> None:
    """The files least asked for leave first."""
    options = Options(max_age=300, cache_bytes=2_500)
    with serving_files(public, options) as server:
        for path in FILES:
            server.ask(f"/{quote(path)}")
        kept = server.files._bodies
        assert kept._held == sum(len(body) for _, body in kept._kept.values()) <= 2_500
        assert any(name.endswith("logo.png") for name in kept._kept)


# --------------------------------------------------------------- validators

REPEATED = ("etag", "last-modified", "cache-control", "vary", "access-control-allow-origin")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("encoding", ["identity", "br", "gzip"])
@pytest.mark.parametrize(
    ("known", "status"),
    [
        ({"If-None-Match": "{etag}"}, 304),
        ({"If-None-Match": "W/{etag}"}, 304),
        ({"If-None-Match": '"a", "b,c" ,{etag},"d"'}, 304),
        ({"If-None-Match": "*"}, 304),
        ({"If-None-Match": "{etag}", "If-Modified-Since": "{old}"}, 304),
        ({"If-None-Match": '"other"'}, 200),
        ({"If-None-Match": '"other"', "If-Modified-Since": "{date}"}, 200),
        ({"If-None-Match": "rubbish, {etag}"}, 200),
        ({"If-None-Match": ""}, 200),
        ({"If-Modified-Since": "{date}"}, 304),
        ({"If-Modified-Since": "{later}"}, 304),
        ({"If-Modified-Since": "{old}"}, 200),
        ({"If-Modified-Since": "yesterday"}, 200),
        ({"If-Modified-Since": "Mon, 99 Foo 2026 99:99:99 GMT"}, 200),
        ({"If-Match": "{etag}"}, 200),
        ({"If-Match": "*"}, 200),
        ({"If-Match": '"other"'}, 412),
        ({"If-Match": "W/{etag}"}, 412),
        ({"If-Unmodified-Since": "{date}"}, 200),
        ({"If-Unmodified-Since": "{later}"}, 200),
        ({"If-Unmodified-Since": "{old}"}, 412),
        ({"If-Unmodified-Since": "yesterday"}, 200),
        ({"If-Match": "{etag}", "If-Unmodified-Since": "{old}"}, 200),
        ({"If-None-Match": ", {etag}"}, 304),
        ({"If-None-Match": ',, "other",, {etag},'}, 304),
    ],
)
def test_validators(
    server: FileServer, shared: Path, known: dict[str, str], status: int, encoding: str, method: str
) -> None:
    """If-None-Match before If-Modified-Since, each alone; a 304 repeats what caches need and has no body."""
    first = server.ask("/feed.xml", Accept_Encoding=encoding)
    modified = (shared / "feed.xml").stat().st_mtime
    values = {
        "etag": first.headers["etag"],
        "date": first.headers["last-modified"],
        "old": formatdate(modified - 100, usegmt=True),
        "later": formatdate(modified + 100, usegmt=True),
    }
    assert values["date"] == formatdate(modified, usegmt=True)
    sent = {name: value.format(**values) for name, value in known.items()}
    again = server.ask("/feed.xml", method, Accept_Encoding=encoding, **sent)
    assert again.status == status
    assert again.body == (first.body if status == 200 and method == "GET" else b"")
    if status != 412:
        assert {name: again.headers[name] for name in REPEATED} == {name: first.headers[name] for name in REPEATED}


def test_tags_in_several_headers(server: FileServer) -> None:
    """Two fields of one name are one list."""
    etag = server.ask("/feed.xml").headers["etag"]
    for _ in range(2):
        with server.connect(
            f'GET /feed.xml HTTP/1.1\r\nHost: x\r\nIf-None-Match: "a"\r\nIf-None-Match: {etag}\r\n'
            "Connection: close\r\n\r\n".encode()
        ) as connection:
            assert rest(connection)[:12] == b"HTTP/1.1 304"


@pytest.mark.parametrize("path", ["/feed.xml", "/feeds/", "/feeds", "/nothing"])
@pytest.mark.parametrize("encoding", ["identity", "br"])
def test_head_equals_get(server: FileServer, path: str, encoding: str) -> None:
    """The same headers without a body, cold and warm."""
    for _ in range(2):
        get, head = (server.ask(path, method, Accept_Encoding=encoding) for method in ("GET", "HEAD"))
        assert head.body == b""
        assert get.status == head.status
        assert {**get.headers, "date": ""} == {**head.headers, "date": ""}


# ------------------------------------------------------------------- places


@pytest.mark.parametrize("target", ["/feeds", "/feeds?utm=1"])
def test_folder_is_sent_to_its_slash(server: FileServer, target: str) -> None:
    """For good, with a target that holds behind any prefix; its page is behind it."""
    answer = server.ask(target)
    assert answer.status == 308
    assert answer.headers["location"] == target.replace("/feeds", "./feeds/")
    assert server.ask("/feeds/").body == HTML


def test_a_root_without_a_page_leads_to_the_feeds(server: FileServer, tmp_path: Path) -> None:
    """For now only: the site's own page may come, and is then shown. Without a list of feeds there is nothing."""
    answer = server.ask("/")
    assert (answer.status, answer.headers["location"], answer.body) == (307, "./feeds/", b"")
    FolderOutput(tmp_path / "other").write("feed.xml", b"<feed/>")
    with serving_files(tmp_path / "other") as other:
        assert other.ask("/").status == 404
        FolderOutput(tmp_path / "other").write("index.html", b"home")
        assert other.ask("/").body == b"home"


def test_queries_do_not_matter(server: FileServer) -> None:
    """Readers and campaigns add some."""
    assert server.ask("/feed.xml?utm_source=x").body == ATOM


@pytest.mark.parametrize(
    "target",
    [
        "/../secret",
        "/feed/../../secret",
        "/feed/..%2f..%2fsecret",
        "/%2e%2e/secret",
        "/..%5csecret",
        "/feed%2fnews.xml",
        "//feed.xml",
        "/feed//news.xml",
        "/./feed.xml",
        "/feed.xml/",
        "/feed.xml%00",
        "/feed.xml%0a",
        "/%ff%fe.xml",
        "/%c0%ae%c0%ae/secret",
        "/feed.xml.gz",
        "/feed.xml.br",
        "/.digest-half.tmp",
        "/.git/config",
        "/half.tmp",
        "/link.txt",
        "/linked/secret",
        "/pipe",
        "/" + "a" * 5000,
        "/feed/",
    ],
)
def test_what_is_not_published_is_not_there(server: FileServer, shared: Path, target: str) -> None:
    """Ways out, odd spellings, hidden, half-written and compressed files, links, and what is no file."""
    (shared.parent / "secret").write_text("secret")
    (shared / "half.tmp").write_text("half")
    (shared / ".digest-half.tmp").write_text("half")
    for name, place in (("link.txt", shared.parent / "secret"), ("linked", shared.parent)):
        if not (shared / name).is_symlink():
            (shared / name).symlink_to(place)
    if not (shared / "pipe").exists():
        os.mkfifo(shared / "pipe")
    answer = server.ask(target)
    assert (answer.status, answer.body) == (404, b"page 404")
    assert answer.headers["access-control-allow-origin"] == "*"


def test_root_may_be_a_link(public: Path, tmp_path: Path) -> None:
    """Releases are often switched so; the next request gets the other one."""
    other = tmp_path / "other"
    FolderOutput(other).write("feed.xml", b"<feed>other</feed>")
    link = tmp_path / "current"
    link.symlink_to(public)
    with serving_files(link) as server:
        assert server.ask("/feed.xml").body == ATOM
        link.unlink()
        link.symlink_to(other)
        assert server.ask("/feed.xml").body == b"<feed>other</feed>"


def test_ended_feed_is_gone(server: FileServer) -> None:
    """410 tells readers to stop asking."""
    answer = server.ask("/feed/old.xml")
    assert (answer.status, answer.body) == (410, b"page 410")


def test_without_a_root_there_is_nothing() -> None:
    """The output is a bucket."""
    with serving_files(None) as server:
        assert server.ask("/feed.xml").status == 404
        assert not server.files.holds("/feed.xml")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_nothing_can_be_sent(server: FileServer, method: str) -> None:
    """405 says what can be done."""
    answer = server.ask("/feed.xml", method)
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD, OPTIONS")


def test_scripts_may_ask_with_an_etag(server: FileServer) -> None:
    """The browser's question beforehand is answered with yes."""
    answer = server.ask("/feed.json", "OPTIONS", Origin="https://reader.example.net")
    assert answer.status == 204
    assert "If-None-Match" in answer.headers["access-control-allow-headers"]


# ------------------------------------------------------------------- headers


def test_feeds_name_hub_and_themselves(server: FileServer) -> None:
    """WebSub 4; archives and pages do not."""
    link = server.ask("/" + quote("feed/数据 要素.xml")).headers["link"]
    own = quote("feed/数据 要素.xml")
    assert link == f'<https://hub.example.com/>; rel="hub", <https://news.example.com/{own}>; rel="self"'
    assert not any("link" in server.ask(path).headers for path in ("/archive/000001.xml", "/feeds/", "/feeds.opml"))


def test_pages_run_only_what_is_theirs(server: FileServer) -> None:
    """Inline styles and scripts by their hashes; no frames; no sniffing."""
    from base64 import b64encode
    from hashlib import sha256

    headers = server.ask("/feeds/").headers
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    for directive, text in (("style-src", STYLE), ("script-src", SCRIPT)):
        assert policy[directive] == f"'self' 'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "strict-origin-when-cross-origin"
    assert "content-security-policy" not in server.ask("/feed.xml").headers


# ------------------------------------------------------------------ replaced


def test_a_file_that_is_replaced_is_the_old_or_the_new_one(public: Path) -> None:
    """While a writer publishes versions as fast as it can, every answer is one of them as a whole, with its own
    length, in every encoding, and versions never go back."""
    output = FolderOutput(public)
    versions = 150
    done = threading.Event()

    def version(number: int) -> bytes:
        return b"<feed>" + f"{number:06} ".encode() * (500 + number % 7 * 300) + b"</feed>"

    def write() -> None:
        for number in range(1, versions):
            output.write("feed.xml", version(number))
        done.set()

    output.write("feed.xml", version(0))
    with serving_files(public, Options(max_age=300, large=5_000)) as server:
        writer = threading.Thread(target=write)
        writer.start()
        last = dict.fromkeys(UNPACK, 0)
        asked = 0
        while not done.is_set() or asked < 30:
            for encoding in UNPACK:
                answer = server.ask("/feed.xml", Accept_Encoding=encoding or "identity")
                body = UNPACK[answer.headers.get("content-encoding", "")](answer.body)
                number = int(body[6:12])
                assert body == version(number)
                assert number >= last[encoding]
                last[encoding] = number
                asked += 1
        writer.join()
        for encoding in UNPACK:
            answer = server.ask("/feed.xml", Accept_Encoding=encoding or "identity")
            assert UNPACK[answer.headers.get("content-encoding", "")](answer.body) == version(versions - 1)


def test_what_changes_all_the_time_is_served_as_it_was_read(public: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After some tries: the very bytes that were hashed, without siblings."""
    files = Files(root=public, options=OPTIONS, nothing=page)
    look = Files._look

    def look_and_change(self: Files, name: str, *, keep: bool = False):
        found = look(self, name, keep=keep)
        if not keep:
            FolderOutput(public).write("feed.xml", ATOM + str(time.perf_counter_ns()).encode())
        return found

    monkeypatch.setattr(Files, "_look", look_and_change)
    found = files._find(b"/feed.xml", "feed.xml", b"br")
    assert found.file is not None
    assert found.body == (public / "feed.xml").read_bytes()
    assert set(found.file.variants) == {""}


def test_a_file_of_comments_alone_is_soon_known() -> None:
    """Its type is looked for in one way only."""
    assert content_type("feed.xml", b"<!-- note -->\n" * 300) == "application/xml; charset=utf-8"
    assert (
        content_type("feed.xml", b"<?xml?>" + b"<!-- note -->\n" * 200 + b"<rss>")
        == "application/rss+xml; charset=utf-8"
    )
