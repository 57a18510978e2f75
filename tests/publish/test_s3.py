"""Files become objects with the right headers, only those that changed, and faults are told in one line.

The service is moto's server on this machine, spoken to over HTTP; a small server of our own gives the answers that
moto cannot be made to give."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import logging
import re
import shutil
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote

import feedparser
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digest.config import load
from digest.errors import ConfigError, OutputError
from digest.jobs.belonging import MARK
from digest.publish import s3
from digest.publish.folder import DryOutput, FolderOutput
from digest.publish.media import content_type
from digest.publish.s3 import S3Output
from tests.run.site_folder import CONFIG, Result, Site

ATOM = '<?xml version="1.0" encoding="utf-8"?>\n<feed xmlns="http://www.w3.org/2005/Atom">晨报</feed>'.encode() * 9
RSS = b'<?xml version="1.0" encoding="utf-8"?>\n<rss version="2.0"><channel/></rss>'
JSON = b'{"version": "https://jsonfeed.org/version/1.1"}'
HTML = "<!doctype html><p>晨报</p>".encode()
SECRET = "wJalrXUtnFEMI-geheim"


class Requests(logging.Handler):
    """What the server was asked, in the order of its answers: ``PUT feed.xml``, ``LIST feed/``."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        match = re.search(
            r'"(?:\x1b\[[0-9;]*m)*([A-Z]+) /([^/? ]+)(?:/([^? ]*))?(?:\?(\S*))? HTTP', record.getMessage()
        )
        if match is None:
            return
        method, _bucket, key, query = match.groups()
        if query and "list-type" in query:
            method, key = "LIST", "".join(re.findall(r"prefix=([^&]*)", query))
        self.lines.append(unquote(f"{method} {key or ''}"))

    def of(self, method: str) -> list[str]:
        return [line.partition(" ")[2] for line in self.lines if line.startswith(f"{method} ")]


@pytest.fixture(scope="module")
def service() -> Iterator[tuple[str, Requests]]:
    """The address of a service, and what it is asked."""
    from moto.moto_server.threaded_moto_server import ThreadedMotoServer  # late: a second in each worker

    requests = Requests()
    log = logging.getLogger("werkzeug")
    log.addHandler(requests)
    log.setLevel(logging.INFO)
    log.propagate = False
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}", requests
    server.stop()
    log.removeHandler(requests)
    log.propagate = True


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Made up ones, and none of this machine's."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIATEST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    for name in ("AWS_PROFILE", "AWS_DEFAULT_REGION", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)


_numbers = count(1)


@cache
def client_of(endpoint: str) -> Any:
    """Making one takes a third of a second."""
    return s3._client(endpoint, "us-east-1", "path")


class Bucket:
    """A bucket of its own, and what is in it."""

    def __init__(self, endpoint: str, requests: Requests) -> None:
        self.endpoint, self.requests = endpoint, requests
        self.name = f"bucket-{next(_numbers)}"
        self.client = client_of(endpoint)
        self.client.create_bucket(Bucket=self.name)
        self.requests.lines.clear()

    def output(self, **options: Any) -> S3Output:
        """A new one, which knows nothing yet."""
        self.requests.lines.clear()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(s3, "_client", lambda *_: self.client)
            return S3Output(bucket=self.name, **options)

    def head(self, key: str) -> dict[str, Any]:
        answer: dict[str, Any] = self.client.head_object(Bucket=self.name, Key=key)
        return answer

    def bytes_of(self, key: str) -> bytes:
        data: bytes = self.client.get_object(Bucket=self.name, Key=key)["Body"].read()
        return data

    def names(self) -> set[str]:
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name)
        return {entry["Key"] for page in pages for entry in page.get("Contents", ())}


@pytest.fixture
def bucket(service: tuple[str, Requests]) -> Bucket:
    return Bucket(*service)


# ------------------------------------------------------------------- headers


@pytest.mark.parametrize(
    ("path", "data", "expected", "max_age"),
    [
        ("feed.xml", ATOM, "application/atom+xml; charset=utf-8", 300),
        ("feed/能源.xml", ATOM, "application/atom+xml; charset=utf-8", 300),
        ("rss/能源.xml", RSS, "application/rss+xml; charset=utf-8", 300),
        ("feed.json", JSON, "application/feed+json; charset=utf-8", 300),
        ("editions/daily.xml", ATOM, "application/atom+xml; charset=utf-8", 300),
        ("archive/000001.xml", ATOM, "application/atom+xml; charset=utf-8", 86400),
        ("archive/000002.xml", RSS, "application/rss+xml; charset=utf-8", 86400),
        ("archive/000001.json", JSON, "application/feed+json; charset=utf-8", 86400),
        ("feeds.opml", b'<?xml version="1.0"?><opml/>', "text/x-opml; charset=utf-8", 300),
        ("feeds/能源.html", HTML, "text/html; charset=utf-8", 300),
        ("editions/daily/2026-11-24/index.html", HTML, "text/html; charset=utf-8", 300),
        ("style.css", b"p {}", "text/css; charset=utf-8", 300),
        ("icon.png", b"\x89PNG", "image/png", 300),
        ("thing", b"?", "application/octet-stream", 300),
    ],
)
def test_each_object_has_its_headers(bucket: Bucket, path: str, data: bytes, expected: str, max_age: int) -> None:
    """Type with charset, lifetime, and no encoding, since nothing is compressed."""
    assert bucket.output().write(path, data)
    head = bucket.head(path)
    assert head["ContentType"] == expected
    assert head["CacheControl"] == f"max-age={max_age}"
    assert "ContentEncoding" not in head
    assert bucket.bytes_of(path) == data
    assert bucket.names() == {path}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\xef\xbb\xbf<?xml version='1.0'?><!-- a <feed> --><rss/>", "application/rss+xml; charset=utf-8"),
        (b"<?xml version='1.0'?><?xml-stylesheet href='x'?>\n<feed/>", "application/atom+xml; charset=utf-8"),
        (b"<urlset/>", "application/xml; charset=utf-8"),
        (b"", "application/xml; charset=utf-8"),
    ],
)
def test_the_root_element_says_what_xml_is(data: bytes, expected: str) -> None:
    assert content_type("x.xml", data) == expected


def test_compressed_texts_say_so(bucket: Bucket) -> None:
    """Under their plain names; what does not compress stays as it is, and reading gives what was written."""
    output = bucket.output(compress=True, max_age=60)
    assert output.write("feed.xml", ATOM)
    assert output.write("icon.png", b"\x89PNG")
    head = bucket.head("feed.xml")
    assert (head["ContentEncoding"], head["ContentType"]) == ("gzip", "application/atom+xml; charset=utf-8")
    assert head["CacheControl"] == "max-age=60"
    assert gzip.decompress(bucket.bytes_of("feed.xml")) == ATOM
    assert "ContentEncoding" not in bucket.head("icon.png")
    again = bucket.output(compress=True, max_age=60)
    assert again.read("feed.xml") == ATOM
    assert not again.write("feed.xml", ATOM)
    assert again.holds("feed.xml", ATOM)
    assert bucket.requests.of("PUT") == []


def test_what_only_says_that_it_is_gzip_is_named(bucket: Bucket) -> None:
    bucket.client.put_object(Bucket=bucket.name, Key="feed.xml", Body=b"plain", ContentEncoding="gzip")
    with pytest.raises(OutputError, match=f"^s3://{bucket.name}/feed.xml: is not the gzip that it says it is; delete"):
        bucket.output().read("feed.xml")


# -------------------------------------------------------------- what changed


def test_equal_bytes_are_not_uploaded(bucket: Bucket) -> None:
    """A listing tells, and one look at the headers of the object."""
    assert bucket.output(prefix="a/b").write("feed/能源.xml", ATOM)
    output = bucket.output(prefix="a/b")
    assert not output.write("feed/能源.xml", ATOM)
    assert bucket.requests.lines == ["LIST a/b/feed/", "HEAD a/b/feed/能源.xml"]
    assert not output.write("feed/能源.xml", ATOM)
    assert len(bucket.requests.lines) == 2
    assert bucket.names() == {"a/b/feed/能源.xml"}


def test_what_this_run_stored_is_not_asked_for_again(bucket: Bucket) -> None:
    output = bucket.output()
    output.write("feed/a.xml", ATOM)
    assert not output.write("feed/a.xml", ATOM)
    assert bucket.requests.lines == ["LIST feed/", "PUT feed/a.xml"]


@pytest.mark.parametrize("data", [RSS + b" ", RSS.replace(b"2.0", b"0.9")], ids=["other length", "same length"])
def test_other_bytes_are_uploaded(bucket: Bucket, data: bytes) -> None:
    bucket.output().write("rss.xml", RSS)
    output = bucket.output()
    assert not output.holds("rss.xml", data)
    assert output.write("rss.xml", data)
    assert bucket.bytes_of("rss.xml") == data


@pytest.mark.parametrize("batch", [True, False])
def test_new_headers_are_stored_without_being_news(bucket: Bucket, batch: bool) -> None:
    """The bytes are the same, so nobody is told of a change."""
    bucket.output(max_age=300).write("feed.xml", ATOM)
    output = bucket.output(max_age=600)
    with output.batch() if batch else contextlib.nullcontext():
        assert not output.write("feed.xml", ATOM)
    assert bucket.head("feed.xml")["CacheControl"] == "max-age=600"
    assert bucket.requests.of("PUT") == ["feed.xml"]


def test_an_etag_that_is_no_hash_is_not_believed(bucket: Bucket) -> None:
    """As where the bucket encrypts with keys of its own: the kept fingerprint decides."""
    bucket.output().write("feed.xml", ATOM)
    metadata = bucket.head("feed.xml")["Metadata"]
    for kept, uploaded in ((metadata, []), ({}, ["feed.xml"])):
        where = {"Bucket": bucket.name, "Key": "feed.xml"}
        upload = {**where, "UploadId": bucket.client.create_multipart_upload(**where, Metadata=kept)["UploadId"]}
        part = bucket.client.upload_part(**upload, PartNumber=1, Body=ATOM)
        done = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
        bucket.client.complete_multipart_upload(**upload, MultipartUpload=done)
        assert bucket.head("feed.xml")["ETag"].endswith('-1"')
        assert bucket.output().write("feed.xml", ATOM) is bool(uploaded)
        assert bucket.requests.of("PUT") == uploaded


def test_long_listings_come_in_pages(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "3")
    filled = bucket.output(prefix="x")
    paths = [f"feed/{number:02}.xml" for number in range(10)]
    with filled.batch():
        for path in paths:
            filled.write(path, ATOM)
    output = bucket.output(prefix="x")
    assert output.listing("feed") == {path.partition("/")[2] for path in paths}
    assert bucket.requests.of("LIST") == ["x/feed/"] * 4


# --------------------------------------------------------- reading, removing


def test_reading_removing_listing(bucket: Bucket) -> None:
    """As with a folder; the marker that a console makes for an empty folder is no file."""
    output = bucket.output(prefix="site")
    bucket.client.put_object(Bucket=bucket.name, Key="site/feed/", Body=b"")
    bucket.client.put_object(Bucket=bucket.name, Key="other/feed.xml", Body=b"not ours")
    assert output.read("feed.xml") is None
    assert not output.exists("feed.xml")
    with output.batch():
        for path in ("feed.xml", "feed/a.xml", "feed/by_tag/b.xml", "feeds/all/index.html"):
            assert output.write(path, ATOM)
            assert output.exists(path)
            assert output.read(path) == ATOM
            assert output.holds(path, ATOM)
            assert not output.holds(path, RSS)
            assert not output.write(path, ATOM)
    for one in (output, bucket.output(prefix="site")):
        assert one.listing("") == {"feed.xml"}
        assert one.listing("feed") == {"a.xml"}
        assert one.listing("feed/by_tag") == {"b.xml"}
        assert one.listing("feeds/all") == {"index.html"}
        assert one.listing("rss") == set()
        assert one.read("feed/a.xml") == ATOM
        assert one.read("feed/c.xml") is None
        assert one.exists("feed/a.xml")
        assert not one.exists("archive/000001.xml")
    assert output.remove("feed/a.xml")
    assert not output.remove("feed/a.xml")
    assert not output.exists("feed/a.xml")
    assert output.listing("feed") == set()
    assert output.write("feed/a.xml", ATOM)
    assert "other/feed.xml" in bucket.names()


def test_removing_needs_no_listing(bucket: Bucket) -> None:
    bucket.output().write("archive/000001.xml", ATOM)
    output = bucket.output()
    assert output.exists("archive/000001.xml")
    assert output.remove("archive/000001.xml")
    assert bucket.requests.lines == ["HEAD archive/000001.xml", "DELETE archive/000001.xml"]
    assert not output.exists("archive/000001.xml")
    assert bucket.names() == set()


def test_a_folder_that_is_not_there_is_not_asked_for(bucket: Bucket) -> None:
    output = bucket.output()
    assert output.listing("") == set()
    for folder in ("feed", "rss", "feeds", "feeds/all", "feed/by_tag"):
        assert output.listing(folder) == set()
    assert output.read("editions/daily/index.html") is None
    assert bucket.requests.lines == ["LIST "]


@pytest.mark.parametrize("path", ["", "/etc/passwd", "../x", "a/../x", "a//b", "./a", "a/", "a\0b"])
def test_paths_out_of_the_place_are_refused(bucket: Bucket, path: str) -> None:
    output = bucket.output(prefix="site")
    for act in (lambda: output.write(path, b"x"), lambda: output.read(path), lambda: output.exists(path)):
        with pytest.raises(OutputError, match="not a path below the output folder"):
            act()
    with pytest.raises(OutputError):
        output.remove(path)
    assert bucket.requests.lines == []


# ------------------------------------------------------------------- batches


def test_feeds_are_uploaded_last(bucket: Bucket) -> None:
    """What they lead to is there first: pages, lists and archives."""
    output = bucket.output()
    paths = [name.format(number) for number in range(12) for name in ("feed/{}.xml", "feeds/{}.html", "archive/{}.xml")]
    with output.batch():
        for path in paths:
            output.write(path, HTML if path.endswith("html") else ATOM)
        assert bucket.requests.of("PUT") == []
    put = bucket.requests.of("PUT")
    assert sorted(put) == sorted(paths)
    assert all(path.startswith("feed/") for path in put[-12:])


def test_the_last_word_in_a_batch_counts(bucket: Bucket) -> None:
    output = bucket.output()
    with output.batch(), output.batch():
        output.write("feed.xml", ATOM)
        output.write("feed.xml", RSS)
        output.write("rss.xml", RSS)
        assert output.remove("rss.xml")
    assert bucket.names() == {"feed.xml"}
    assert bucket.bytes_of("feed.xml") == RSS


def test_a_large_batch_is_not_held_in_memory(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3, "_HELD_BYTES", 2 * len(ATOM))
    output = bucket.output()
    with output.batch():
        for number in range(3):
            output.write(f"feed/{number}.xml", ATOM)
        assert len(bucket.requests.of("PUT")) == 3


def fill(output: S3Output, error: BaseException) -> None:
    """A batch that ends so."""
    with output.batch():
        output.write("feed.xml", ATOM)
        raise error


def test_a_batch_that_breaks_keeps_what_was_written(bucket: Bucket) -> None:
    output = bucket.output()
    with pytest.raises(ZeroDivisionError):
        fill(output, ZeroDivisionError())
    assert bucket.names() == {"feed.xml"}


def test_a_batch_that_is_stopped_uploads_nothing_more(bucket: Bucket) -> None:
    output = bucket.output()
    with pytest.raises(KeyboardInterrupt):
        fill(output, KeyboardInterrupt())
    assert output.read("feed.xml") is None
    assert bucket.names() == set()


def test_a_dry_run_only_compares(bucket: Bucket) -> None:
    """No object is fetched or stored; what would be there is what is read."""
    kept = bucket.output()
    for path in ("feed.xml", "feed/a.xml"):
        kept.write(path, ATOM)
    output = DryOutput(bucket.output())
    with output.batch():
        assert not output.write("feed.xml", ATOM)
        assert output.write("feed.xml", RSS)
        assert not output.write("feed.xml", RSS)
        assert output.write("feed/b.xml", ATOM)
        assert output.remove("feed/a.xml")
        assert not output.remove("feed/c.xml")
    assert output.listing("feed") == {"b.xml"}
    assert (output.read("feed.xml"), output.read("feed/a.xml")) == (RSS, None)
    assert output.exists("feed/b.xml")
    assert (output.tally.written, output.tally.removed) == (["feed.xml", "feed/b.xml"], ["feed/a.xml"])
    assert not {"PUT", "GET", "DELETE"} & {line.partition(" ")[0] for line in bucket.requests.lines}
    assert bucket.bytes_of("feed.xml") == ATOM


PATHS = st.sampled_from(
    ["feed.xml", "feed/a.xml", "feed/by_tag/b.xml", "feeds/all/index.html", "archive/1.json", "x.png"]
)
ACTS = st.one_of(
    st.tuples(st.just("write"), PATHS, st.sampled_from([ATOM, RSS, RSS.replace(b"2", b"3"), b""])),
    st.tuples(st.sampled_from(["read", "exists", "remove"]), PATHS),
    st.tuples(st.just("listing"), st.sampled_from(["", "feed", "feed/by_tag", "feeds", "feeds/all", "archive", "rss"])),
    st.just(("renew",)),
)


@settings(max_examples=30)
@given(acts=st.lists(ACTS, min_size=1, max_size=12), batch=st.booleans(), compress=st.booleans())
def test_a_bucket_and_a_folder_say_the_same(
    service: tuple[str, Requests], acts: list[tuple[Any, ...]], batch: bool, compress: bool
) -> None:
    """Whatever is done in which order, in a batch or not, by one output or several in turn."""
    bucket = Bucket(*service)
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as batches:
        outputs: list[Any] = []
        for name, *values in [("renew",), *acts]:
            if name == "renew":
                batches.close()
                outputs = [FolderOutput(Path(folder)), bucket.output(prefix="早报", compress=compress)]
                for output in outputs if batch else ():
                    batches.enter_context(output.batch())
                continue
            expected, found = (getattr(output, name)(*values) for output in outputs)
            if name == "listing":
                expected = {each for each in expected if not each.endswith((".gz", ".br"))}
            assert found == expected


# -------------------------------------------------------------------- faults

Answer = tuple[int, str]


@contextlib.contextmanager
def answering(answer: Callable[[str, str], Answer]) -> Iterator[tuple[str, list[str]]]:
    """A service that answers as told by method and path; its address, and what it was asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def _do(self) -> None:
            asked.append(f"{self.command} {self.path.partition('?')[0]}")
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, body = answer(self.command, self.path)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body.encode())))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body.encode())

        do_GET = do_PUT = do_HEAD = do_DELETE = _do  # noqa: N815

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def error(code: str, message: str = "No.") -> str:
    return f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message></Error>"


def listed(*entries: tuple[str, int, str]) -> str:
    found = "".join(
        f"<Contents><Key>{key}</Key><Size>{size}</Size><ETag>&quot;{etag}&quot;</ETag></Contents>"
        for key, size, etag in entries
    )
    return f"<?xml version='1.0'?><ListBucketResult><IsTruncated>false</IsTruncated>{found}</ListBucketResult>"


def output_at(endpoint: str, **options: Any) -> S3Output:
    return S3Output(bucket="news", prefix="site", endpoint=endpoint, addressing="path", **options)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits."""
    monkeypatch.setattr(s3, "TRIES", 1)
    monkeypatch.setattr(s3, "CONNECT_TIMEOUT", 0.3)
    monkeypatch.setattr(s3, "READ_TIMEOUT", 0.3)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("status", "code", "line"),
    [
        (404, "NoSuchBucket", "there is no such bucket; create it, or correct 'output'"),
        (403, "AccessDenied", f"access denied; {s3._RIGHTS}"),
        (403, "InvalidAccessKeyId", "the access key is not known there; correct AWS_ACCESS_KEY_ID, or s3.endpoint"),
        (403, "SignatureDoesNotMatch", "the secret key does not fit the access key; correct AWS_SECRET_ACCESS_KEY"),
        (400, "ExpiredToken", "the credentials are out of date; renew the credentials"),
        (403, "RequestTimeTooSkewed", "this machine's clock is wrong; set the clock"),
        (400, "AuthorizationHeaderMalformed", "the bucket is in another region; set s3.region to the bucket's"),
        (503, "SlowDown", "the service is overloaded; the next run makes up for it"),
        (500, "InternalError", "the service failed; the next run makes up for it"),
        (409, "Strange", "the service answered Strange (Two lines.)"),
    ],
)
def test_an_answer_is_told_in_one_line(status: int, code: str, line: str) -> None:
    answer = status, error(code, "Two\n  lines.")
    with answering(lambda method, path: answer) as (endpoint, _), pytest.raises(OutputError) as caught:
        output_at(endpoint).listing("feed")
    assert str(caught.value) == f"s3://news/site: {line}"
    assert SECRET not in repr(caught.value)


@pytest.mark.usefixtures("quick")
def test_a_service_that_quotes_the_request_tells_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some repeat what they got, credentials and all."""
    monkeypatch.setenv("AWS_SESSION_TOKEN", "FwoGZXIvYXdzEJr-a-session")
    answer = 400, error("Strange", f"you sent {SECRET.upper()} and token=FwoGZXIvYXdzEJr-a-session, cut: {SECRET[:12]}")
    with answering(lambda method, path: answer) as (endpoint, _), pytest.raises(OutputError) as caught:
        output_at(endpoint).listing("feed")
    assert str(caught.value).endswith("the service answered Strange (you sent *** and token=***, cut: ***)")


@pytest.mark.usefixtures("quick")
def test_a_fault_of_all_requests_is_met_once() -> None:
    """The others get the same line at once, whatever they would have asked for."""
    with answering(lambda method, path: (503, error("SlowDown"))) as (endpoint, asked):
        output = output_at(endpoint)
        lines = set()
        for act in (lambda: output.listing("feed"), lambda: output.read("a/b"), lambda: output.write("a.xml", ATOM)):
            with pytest.raises(OutputError) as caught:
                act()
            lines.add(str(caught.value))
    assert lines == {"s3://news/site: the service is overloaded; the next run makes up for it"}
    assert len(asked) == 1


def test_what_is_refused_for_one_object_is_refused_for_all() -> None:
    """Reading goes on."""
    answers = {"GET": (200, listed(("site/feed/a.xml", 1, "x"))), "PUT": (403, error("AccessDenied"))}
    with answering(lambda method, path: answers[method]) as (endpoint, asked):
        output = output_at(endpoint)
        lines = set()
        for number in range(5):
            with pytest.raises(OutputError) as caught:
                output.write(f"feed/{number}.xml", ATOM)
            lines.add(str(caught.value))
        assert output.listing("feed") == {"a.xml"}
    assert [line.split("; ")[0] for line in lines] == ["s3://news/site/feed/0.xml: access denied"]
    assert [line.split()[0] for line in asked] == ["GET", "PUT"]


def test_one_refused_object_does_not_stop_the_others() -> None:
    """The first error is told at the end."""

    def answer(method: str, path: str) -> Answer:
        if method == "PUT" and "long" in path:
            return 400, error("KeyTooLongError")
        return 200, listed()

    def write_all(output: S3Output) -> None:
        with output.batch():
            for path in ("feeds/a.html", "feeds/long.html", "feeds/longer.html", "feed.xml"):
                output.write(path, ATOM)

    with answering(answer) as (endpoint, asked), pytest.raises(OutputError) as caught:
        write_all(output_at(endpoint))
    assert str(caught.value) == "s3://news/site/feeds/long.html: the name is too long; use a shorter name"
    assert sorted(line for line in asked if line.startswith("PUT"))[:2] == [
        "PUT /news/site/feed.xml",
        "PUT /news/site/feeds/a.html",
    ]


def test_a_busy_service_is_asked_again() -> None:
    answers = iter([(503, error("SlowDown")), (200, listed(("site/feed/a.xml", 1, "x")))])
    with answering(lambda method, path: next(answers)) as (endpoint, asked):
        assert output_at(endpoint).listing("feed") == {"a.xml"}
    assert len(asked) == 2


def test_etags_of_any_spelling_are_understood() -> None:
    """Some services write them in capitals."""
    etag = hashlib.md5(ATOM).hexdigest().upper()
    with answering(lambda method, path: (200, listed(("site/feed.xml", len(ATOM), etag)))) as (endpoint, asked):
        assert output_at(endpoint).holds("feed.xml", ATOM)
    assert len(asked) == 1


@pytest.mark.usefixtures("quick")
def test_nobody_there() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(OutputError) as caught:
            output_at(f"http://127.0.0.1:{port}").listing("")
    line = (
        f"s3://news/site: 127.0.0.1:{port} cannot be reached; correct s3.endpoint or s3.region, or look at the network"
    )
    assert str(caught.value) == line


@pytest.mark.usefixtures("quick")
def test_nobody_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(OutputError) as caught:
            output_at(f"http://127.0.0.1:{port}").listing("")
    assert str(caught.value) == f"s3://news/site: 127.0.0.1:{port} did not answer in time; the next run makes up for it"


@pytest.mark.usefixtures("quick")
def test_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(OutputError) as caught:
        output_at("http://127.0.0.1:9").listing("")
    assert str(caught.value) == (
        "s3://news/site: no credentials were found; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give this "
        "machine a role"
    )


def test_no_such_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    """Known before anything is asked: the configuration is at fault."""
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(ConfigError, match="no such profile of credentials; correct AWS_PROFILE"):
        output_at("http://127.0.0.1:9")


def test_no_boto3(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3.session", None)
    with pytest.raises(ConfigError) as caught:
        output_at("http://127.0.0.1:9")
    assert str(caught.value) == (
        'output: publishing to a bucket needs boto3; install it, for example: pip install "digest-publisher[s3]"'
    )


# ------------------------------------------------------------- documentation


def test_documented_policies_are_taken(bucket: Bucket) -> None:
    """What docs/deploy/bucket.md tells to set up is what the service understands, and enough."""
    page = (Path(__file__).parents[2] / "docs/deploy/bucket.md").read_text(encoding="utf-8")
    blocks = [json.loads(text) for text in re.findall(r"^ *```json\n(.*?)```", page, re.DOTALL | re.MULTILINE)]
    rights, reading, cors = (json.loads(json.dumps(block).replace("news-site", bucket.name)) for block in blocks)
    bucket.client.put_bucket_policy(Bucket=bucket.name, Policy=json.dumps(reading))
    bucket.client.put_bucket_cors(Bucket=bucket.name, CORSConfiguration=cors)
    asked = re.findall(r"s3:\w+", s3._RIGHTS)
    assert re.findall(r"s3:\w+", json.dumps(rights)) == asked


# ---------------------------------------------------------------- whole runs


def configured(bucket: Bucket, extra: str = "") -> str:
    return (
        f"{CONFIG}output: s3://{bucket.name}/site\n"
        f"s3:\n  endpoint: {bucket.endpoint}\n  addressing: path\n  region: us-east-1\n{extra}"
    )


@pytest.fixture
def remote(bucket: Bucket, tmp_path: Path) -> Site:
    """A site with some posts that publishes into the bucket."""
    site = Site(tmp_path / "remote", configured(bucket))
    site.some_posts()
    bucket.requests.lines.clear()
    return site


def published(result: Result) -> set[str]:
    return {f"site/{path}" for path in result.written}


def test_a_run_publishes_everything(bucket: Bucket, remote: Site, tmp_path: Path) -> None:
    """The very bytes that a folder would get, without the compressed files beside; edition pages too."""
    result = remote.run_json()
    assert result.code == 0, result.err
    local = Site(tmp_path / "local", CONFIG)
    local.some_posts()
    assert local.run().code == 0
    expected = {
        f"site/{path.removeprefix('public/')}": data
        for path, data in local.bytes_of("public").items()
        if not path.endswith((".gz", ".br"))
    }
    assert {key: bucket.bytes_of(key) for key in bucket.names()} == expected
    assert published(result) == expected.keys() - {f"site/{MARK}"}
    assert "site/editions/daily/2026-11-24/index.html" in expected
    for key in expected:
        head = bucket.head(key)
        assert head["ContentType"] == content_type(key.removeprefix("site/"), expected[key])
        assert head["CacheControl"] == "max-age=300"
    assert not (remote.folder / "public").exists()


def test_readers_get_the_sample_site_from_a_bucket(bucket: Bucket, tmp_path: Path) -> None:
    """The sample configuration with another output; every feed is fetched over HTTP as it was put there."""
    root = Path(__file__).parents[2]
    site = Site(tmp_path / "sample", "")
    shutil.copytree(root / "examples", site.folder / "examples")
    place = f"output: s3://{bucket.name}\ns3: {{endpoint: '{bucket.endpoint}', addressing: path, region: us-east-1}}"
    sample = (root / "config.yaml").read_text(encoding="utf-8")
    site.configure(re.sub("^output: .*$", place, sample, flags=re.MULTILINE))
    result = site.run_json(as_of=None)
    assert result.report["failures"] == []
    assert set(result.written) == bucket.names() - {MARK}
    feeds = [name for name in bucket.names() if name.endswith(".xml")]
    assert len(feeds) > 20
    for name in feeds:
        where = {"Bucket": bucket.name, "Key": name}
        feed = feedparser.parse(bucket.client.generate_presigned_url("get_object", Params=where))
        assert not feed.bozo
        assert feed.headers["content-type"] == content_type(name, bucket.bytes_of(name))
        assert feed.entries


def test_a_run_without_news_uploads_nothing(bucket: Bucket, remote: Site) -> None:
    """It lists what is there in a few requests, whatever the number of feeds."""
    remote.run_json()
    bucket.requests.lines.clear()
    result = remote.run_json()
    assert (result.code, result.written) == (0, [])
    methods = [line.partition(" ")[0] for line in bucket.requests.lines]
    assert methods.count("LIST") <= 4
    assert set(methods) <= {"LIST", "HEAD", "GET"}
    assert len(methods) <= 8


def test_a_new_post_uploads_its_own_objects_only(bucket: Bucket, remote: Site) -> None:
    remote.run_json()
    remote.post("2026-11-24-third.md", title="午评", date="2026-11-24 08:50:00 +0800", link="http://x.example.com/3")
    bucket.requests.lines.clear()
    result = remote.run_json()
    put = bucket.requests.of("PUT")
    assert published(result) == set(put)
    assert "site/feed/macro.xml" in put
    assert not [key for key in put if "stocks" in key]
    assert put.index("site/feeds/macro.html") < put.index("site/feed/macro.xml")


def test_a_deleted_object_comes_back(bucket: Bucket, remote: Site) -> None:
    remote.run_json()
    for key in ("site/feed/macro.xml", "site/editions/daily/index.html"):
        bucket.client.delete_object(Bucket=bucket.name, Key=key)
    result = remote.run_json()
    assert {"feed/macro.xml", "editions/daily/index.html"} <= set(result.written)
    assert {"site/feed/macro.xml", "site/editions/daily/index.html"} <= bucket.names()


def test_a_dry_run_puts_nothing(bucket: Bucket, remote: Site) -> None:
    """And names the very files that a run then writes."""
    dry = remote.run_json("--dry-run")
    assert {line.partition(" ")[0] for line in bucket.requests.lines} <= {"LIST", "HEAD"}
    assert (dry.code, bucket.names()) == (0, set())
    assert sorted(dry.report["feeds"]["written"]) == sorted(remote.run_json().report["feeds"]["written"])


def test_another_lifetime_reaches_every_feed(bucket: Bucket, remote: Site) -> None:
    """Without any of them counting as changed."""
    remote.run_json()
    remote.configure(configured(bucket, "  max_age: 2 min\n"))
    assert remote.run_json().report["feeds"]["written"] == []
    feeds = [key for key in bucket.names() if not key.startswith(("site/editions/", "site/."))]
    assert {bucket.head(key)["CacheControl"] for key in feeds} == {"max-age=120"}


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"bucket": "no-such-bucket"}, "s3://no-such-bucket/site: there is no such bucket; create it"),
        ({"endpoint": "http://127.0.0.1:9"}, "127.0.0.1:9 cannot be reached; correct s3.endpoint"),
    ],
)
def test_a_fault_is_one_line_of_the_report(bucket: Bucket, remote: Site, change: dict[str, str], line: str) -> None:
    """The rest of the run is done but the mail, which waits for its page; the next run makes up for it."""
    assert remote.run().code == 0
    mails = len(remote.mails())
    remote.post("2026-11-24-third.md", title="午评", date="2026-11-24 08:50:00 +0800", link="http://x.example.com/3")
    text = configured(bucket).replace(bucket.name, change.get("bucket", bucket.name))
    remote.configure(text.replace(bucket.endpoint, change.get("endpoint", bucket.endpoint)))
    result = remote.run("--verbose")
    assert result.code == 1
    failed = [each for each in result.err.splitlines() if each.startswith("failed: ")]
    assert [line in each for each in failed] == [True]
    assert len(remote.mails()) == mails
    assert SECRET not in result.err + result.out
    remote.configure(configured(bucket))
    assert remote.run().code == 0
    assert "午评".encode() in bucket.bytes_of("site/feed.xml")


def test_the_mark_is_looked_for_before_a_first_run(bucket: Bucket, remote: Site) -> None:
    """A lost store is told from a new one by the bucket; if it cannot be asked, nothing is done."""
    remote.configure(configured(bucket).replace(bucket.endpoint, "http://127.0.0.1:9"))
    unreachable = remote.run()
    assert (unreachable.code, unreachable.err.count("\n")) == (2, 1)
    assert "127.0.0.1:9 cannot be reached; correct s3.endpoint" in unreachable.err
    assert not (remote.folder / "var").exists()
    remote.configure(configured(bucket))
    assert remote.run().code == 0
    shutil.rmtree(remote.folder / "var")
    lost = remote.run()
    assert lost.code == 2
    assert f"s3://{bucket.name}/site: holds what digest has published" in lost.err
    assert remote.run("--start-afresh").code == 0


def test_without_boto3_nothing_is_touched(bucket: Bucket, remote: Site) -> None:
    """The configuration asks for what is not installed: exit code 2, and no post is collected."""
    hidden = remote.folder / "hidden"
    (hidden / "boto3").mkdir(parents=True)
    (hidden / "boto3" / "__init__.py").write_text("raise ImportError\n", encoding="utf-8")
    result = remote.run(prefix=("env", f"PYTHONPATH={hidden}"))
    assert result.code == 2
    assert result.err.strip() == (
        "digest: output: publishing to a bucket needs boto3; "
        'install it, for example: pip install "digest-publisher[s3]"'
    )
    assert remote.run_json().report["collected"]["arrived"] == 3


def test_a_bucket_is_not_served_from_here(bucket: Bucket, remote: Site) -> None:
    """Whoever serves the bucket does that; a folder is served."""
    from digest.web.site import site_app

    def root(config: str) -> Path | None:
        remote.configure(f"{config}subscriptions:\n  enabled: false\n")
        running: Any = SimpleNamespace(settings=load(remote.folder / "config.yaml", {}))
        return site_app(running, local=True).files.root

    assert root(configured(bucket)) is None
    assert root(CONFIG) == remote.folder / "public"
