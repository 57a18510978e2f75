"""Published files as objects in a bucket of S3, or of anything that speaks its protocol.

    offered -> compared with one listing of their folder -> what differs is uploaded, feeds last

- An object replaces its predecessor whole (S3 has no half-written ones), with the type, lifetime and encoding that
  readers must see: a bucket sends what it was given and negotiates nothing.
- Each object is stored once, under its plain name. Compressed siblings would never be served, since a bucket does not
  look at ``Accept-Encoding``; a CDN before it compresses by itself. ``compress`` stores texts gzipped under their
  plain names instead, for buckets that are read directly: less traffic, but unreadable for the few who know no gzip.
- What is the same is not uploaded. A listing tells size and ETag, which is the MD5 of the content; where a bucket
  encrypts with keys of its own it is not, and the fingerprint that is kept with each object decides.
- A fault that every further request would meet (no credentials, no such bucket, nobody answers) is met once.

Credentials are found by boto3 alone, in the environment, its files or the machine's role; none is ever shown.
"""

from __future__ import annotations

import gzip
import hashlib
import zlib
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import PurePosixPath
from typing import Any, Literal
from urllib.parse import urlsplit

from msgspec import Struct
from msgspec.structs import replace

from digest.errors import ConfigError, OutputError
from digest.publish.folder import COMPRESSED, compress
from digest.publish.media import cache_control, content_type, is_feed
from digest.text import hiding

Addressing = Literal["auto", "path", "virtual"]

THREADS = 8
"""Requests side by side at the end of a batch."""
CONNECT_TIMEOUT = 5.0
READ_TIMEOUT = 20.0
"""Seconds without a sign of life."""
TRIES = 3

_FINGERPRINT = "digest"
"""Name of the metadata that holds an object's fingerprint (``x-amz-meta-digest``)."""
_HELD_BYTES = 32 * 1024 * 1024
"""A batch that holds more uploads what it has."""

_RIGHTS = "allow s3:ListBucket on the bucket, and s3:GetObject, s3:PutObject and s3:DeleteObject on its objects"
_KEYS = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give this machine a role"
_RENEW = "renew the credentials"
_REGION = ("the bucket is in another region", "set s3.region to the bucket's")
_UNREACHED = "correct s3.endpoint or s3.region, or look at the network"
_BUSY = ("the service is overloaded", "the next run makes up for it")
_BY_CODE = {
    **dict.fromkeys(("NoSuchBucket", "404"), ("there is no such bucket", "create it, or correct 'output'")),
    **dict.fromkeys(("AccessDenied", "AllAccessDisabled", "403"), ("access denied", _RIGHTS)),
    "InvalidAccessKeyId": ("the access key is not known there", "correct AWS_ACCESS_KEY_ID, or s3.endpoint"),
    "SignatureDoesNotMatch": ("the secret key does not fit the access key", "correct AWS_SECRET_ACCESS_KEY"),
    **dict.fromkeys(("ExpiredToken", "TokenRefreshRequired"), ("the credentials are out of date", _RENEW)),
    "InvalidToken": ("the session token is not valid", _RENEW),
    "RequestTimeTooSkewed": ("this machine's clock is wrong", "set the clock"),
    **dict.fromkeys(
        ("PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"), _REGION
    ),
    "301": _REGION,
    **dict.fromkeys(("SlowDown", "RequestLimitExceeded", "ServiceUnavailable", "503"), _BUSY),
    "InternalError": ("the service failed", "the next run makes up for it"),
    "InvalidBucketName": ("that is no name of a bucket", "correct 'output'"),
    "KeyTooLongError": ("the name is too long", "use a shorter name"),
}
"""Cause and remedy by the code of an answer (for HEAD, which has no body, the status)."""
_ONE_OBJECT_ONLY = frozenset(
    {"KeyTooLongError", "InvalidObjectName", "XMinioInvalidObjectName", "EntityTooLarge", "BadDigest"}
)
"""Codes that say nothing about the next object."""
_NO_RIGHT = frozenset({"AccessDenied", "AllAccessDisabled", "403"})
"""Codes that say that the same operation would be refused for the next object too, and nothing about others."""
_BY_EXCEPTION = {
    "NoCredentialsError": ("no credentials were found", _KEYS),
    "PartialCredentialsError": ("the credentials are incomplete", _KEYS),
    "CredentialRetrievalError": ("the credentials cannot be had", _KEYS),
    "TokenRetrievalError": ("the credentials are out of date", _RENEW),
    "UnauthorizedSSOTokenError": ("the credentials are out of date", _RENEW),
    "SSOTokenLoadError": ("the credentials are out of date", _RENEW),
    "ProfileNotFound": ("there is no such profile of credentials", "correct AWS_PROFILE"),
    "EndpointConnectionError": ("{host} cannot be reached", _UNREACHED),
    "ConnectionClosedError": ("{host} broke the connection", "the next run makes up for it"),
    "ConnectTimeoutError": ("{host} cannot be reached in time", _UNREACHED),
    "ReadTimeoutError": ("{host} did not answer in time", "the next run makes up for it"),
    "SSLError": ("the certificate of {host} cannot be trusted", "correct s3.endpoint, or name the CA in AWS_CA_BUNDLE"),
    "ProxyConnectionError": ("the proxy cannot be reached", "correct HTTPS_PROXY"),
    "InvalidRegionError": ("that is no name of a region", "correct s3.region"),
}
"""Cause and remedy by the name of a botocore exception, or of a base of it."""


class _Object(Struct, frozen=True, kw_only=True):
    """A file as it is to be stored."""

    path: str
    data: bytes
    body: bytes
    """What is stored: ``data``, or ``data`` compressed."""
    md5: bytes
    headers: dict[str, str]
    fingerprint: str
    """Of body and headers."""
    is_feed: bool
    same_bytes: bool = False
    """The bytes are there already; only the headers are still to be compared."""


class _Known(Struct, frozen=True, kw_only=True):
    """An object as the bucket has it."""

    size: int
    etag: str
    """In lower case, without quotes."""
    ours: bool = False
    """This very process stored it, with the headers it should have."""


class S3Output:
    """Satisfies ``ports.Output`` and ``folder.Comparable``. Every fault becomes an ``OutputError`` that names the
    object. It remembers what it was told, faults included, so each run takes a new one.

    ``endpoint`` is the address of a service other than Amazon's. ``max_age`` in seconds is how long readers and CDNs
    may keep what is not an archive. Raises ConfigError if boto3 is not installed or cannot be set up.
    """

    def __init__(
        self,
        *,
        bucket: str,
        prefix: str = "",
        endpoint: str | None = None,
        region: str | None = None,
        addressing: Addressing = "auto",
        compress: bool = False,
        max_age: int = 300,
    ) -> None:
        self._bucket = bucket
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._compress = compress
        self._max_age = max_age
        self._client = _client(endpoint, region, addressing)
        self._folders: dict[str, dict[str, _Known]] = {}
        """What lies directly in each folder, as far as it is known."""
        self._listed: set[str] = set()
        """Folders at the top of which everything below is known; ``""`` stands for the files beside them."""
        self._seen: set[str] = set()
        """Objects that were asked for one by one and are there."""
        self._tops: frozenset[str] | None = None
        """The folders at the top that there are."""
        self._batching = False
        self._pending: dict[str, _Object] = {}
        self._held = 0
        self._given_up: dict[str, OutputError] = {}
        """What no further request of an operation, or ("") no request at all, will get past."""

    def write(self, path: str, data: bytes) -> bool:
        """False also where the same bytes only get new headers."""
        offered = self._object(path, data)
        if (pending := self._pending.get(path)) is not None:
            if pending.data == data:
                return False
            self._settle()
        known = self._known(path)
        changed = known is None or not self._is_same(offered, known)
        if changed or (known is not None and not known.ours):
            self._pending[path] = offered if changed else replace(offered, same_bytes=True)
            self._held += len(offered.body)
        if not self._batching or self._held > _HELD_BYTES:
            self._settle()
        return changed

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Within it files are held back; at its end all are uploaded, feeds after everything else."""
        if self._batching:
            yield
            return
        self._batching = True
        try:
            yield
        except Exception:
            with suppress(OutputError):  # the first error is the one to tell
                self._settle()
            raise
        except BaseException:  # somebody wants it to stop
            self._pending.clear()
            self._held = 0
            raise
        finally:
            self._batching = False
        self._settle()

    def remove(self, path: str) -> bool:
        self._settle()
        if not self.exists(path):
            return False
        self._ask("delete_object", path, {"Key": self._key(path)})
        folder, name = _split(path)
        self._folders.get(folder, {}).pop(name, None)
        self._seen.discard(path)
        return True

    def leave(self, path: str) -> None:
        """Nothing stands beside objects."""

    def read(self, path: str) -> bytes | None:
        if path in self._pending:
            return self._pending[path].data
        if self._is_absent(path):
            return None
        answer = self._ask("get_object", path, {"Key": self._key(path)}, missing=True)
        if answer is None:
            return None
        with self._explained("get_object", path), answer["Body"] as stream:
            body: bytes = stream.read()
        return self._unpacked(path, body) if answer.get("ContentEncoding") == "gzip" else body

    def exists(self, path: str) -> bool:
        if path in self._pending:
            return True
        if self._is_settled(_top(path)):
            return self._known(path) is not None
        if path not in self._seen and self._head(path) is not None:
            self._seen.add(path)
        return path in self._seen

    def holds(self, path: str, data: bytes) -> bool:
        """Whether the file is there with these very bytes; without fetching them."""
        if path in self._pending:
            return self._pending[path].data == data
        known = self._known(path)
        return known is not None and self._is_same(self._object(path, data), known)

    def listing(self, folder: str) -> set[str]:
        self._settle()
        path = f"{folder}/x" if folder else "x"
        self._key(path)
        self._list(_top(path))
        return set(self._folders.get(folder, ()))

    # -------------------------------------------------------------- one file

    def _key(self, path: str) -> str:
        parts = PurePosixPath(path).parts
        if not parts or path.startswith("/") or ".." in parts or "\0" in path or str(PurePosixPath(path)) != path:
            raise OutputError(path or "output", "not a path below the output folder")
        return self._prefix + path

    def _object(self, path: str, data: bytes) -> _Object:
        kind = content_type(path, data)
        headers = {"ContentType": kind, "CacheControl": cache_control(path, self._max_age)}
        body = data
        if self._compress and PurePosixPath(path).suffix in COMPRESSED:
            body = compress(data)[".gz"]
            headers["ContentEncoding"] = "gzip"
        return _Object(
            path=path,
            data=data,
            body=body,
            md5=hashlib.md5(body, usedforsecurity=False).digest(),
            headers=headers,
            fingerprint=hashlib.sha256("\n".join((*headers.values(), "")).encode() + body).hexdigest(),
            is_feed=is_feed(path, kind),
        )

    def _is_same(self, offered: _Object, known: _Known) -> bool:
        """Whether the bucket has these bytes."""
        if known.size != len(offered.body):
            return False
        if known.etag == offered.md5.hex():
            return True
        head = self._head(offered.path)  # no MD5, or other bytes of the same length
        return head is not None and _fingerprint(head) == offered.fingerprint

    def _head(self, path: str) -> dict[str, Any] | None:
        return self._ask("head_object", path, {"Key": self._key(path)}, missing=True)

    def _unpacked(self, path: str, body: bytes) -> bytes:
        try:
            return gzip.decompress(body)
        except (OSError, EOFError, zlib.error) as error:
            raise OutputError(self._place(path), "is not the gzip that it says it is", "delete it") from error

    # --------------------------------------------------------- what is there

    def _known(self, path: str) -> _Known | None:
        """The object as the last listing of its folder, or this process since, has it."""
        self._key(path)
        self._list(_top(path))
        folder, name = _split(path)
        return self._folders.get(folder, {}).get(name)

    def _is_absent(self, path: str) -> bool:
        """Known not to be there, without asking."""
        return self._is_settled(_top(path)) and self._known(path) is None

    def _is_settled(self, top: str) -> bool:
        """Whether what is in that folder at the top is known already."""
        return top in self._listed or bool(top and self._tops is not None and top not in self._tops)

    def _list(self, top: str) -> None:
        """Learn what is in a folder at the top and in all folders below it; ``""`` is the files beside these folders.
        One request for each thousand objects, once."""
        if self._is_settled(top):
            return
        tops: list[str] = []
        for answer in self._pages(top):
            for entry in answer.get("Contents", ()):
                etag = entry["ETag"].strip('"').lower()
                self._learn(entry["Key"].removeprefix(self._prefix), _Known(size=entry["Size"], etag=etag))
            tops += [entry["Prefix"].removeprefix(self._prefix) for entry in answer.get("CommonPrefixes", ())]
        self._listed.add(top)
        if not top:
            self._tops = frozenset(name.rstrip("/") for name in tops)

    def _pages(self, top: str) -> Iterator[dict[str, Any]]:
        values = {"Prefix": f"{self._prefix}{top}/"} if top else {"Prefix": self._prefix, "Delimiter": "/"}
        while True:
            answer = self._ask("list_objects_v2", "", values) or {}
            yield answer
            if not answer.get("IsTruncated"):
                return
            values["ContinuationToken"] = answer["NextContinuationToken"]

    def _learn(self, path: str, known: _Known) -> None:
        folder, name = _split(path)
        if name:  # the marker that a console leaves for an empty folder has none
            self._folders.setdefault(folder, {})[name] = known

    # ----------------------------------------------------------- all pending

    def _settle(self) -> None:
        """Upload all that was held back. Raises the first error, after having done what could be done."""
        pending, self._pending, self._held = list(self._pending.values()), {}, 0
        failures: list[OutputError] = []
        for feeds in (False, True):  # a feed leads to pages, so these are there first
            failures += self._upload([one for one in pending if one.is_feed is feeds])
        if failures:
            raise failures[0]

    def _upload(self, objects: Sequence[_Object]) -> list[OutputError]:
        outcomes = _side_by_side(self._store, objects)
        for one, failure in zip(objects, outcomes, strict=True):
            if failure is None:
                self._learn(one.path, _Known(size=len(one.body), etag=one.md5.hex(), ours=True))
        return [failure for failure in outcomes if failure is not None]

    def _store(self, one: _Object) -> OutputError | None:
        """Runs in a thread of its own and touches nothing that others touch."""
        try:
            if one.same_bytes and (head := self._head(one.path)) and _fingerprint(head) == one.fingerprint:
                return None
            values = {
                "Key": self._key(one.path),
                "Body": one.body,
                "ContentMD5": b64encode(one.md5).decode(),
                "Metadata": {_FINGERPRINT: one.fingerprint},
                **one.headers,
            }
            self._ask("put_object", one.path, values)
        except OutputError as error:
            return error
        return None

    # ------------------------------------------------------------- the service

    def _ask(
        self, operation: str, path: str, values: Mapping[str, object], *, missing: bool = False
    ) -> dict[str, Any] | None:
        """One request, with its retries. ``missing``: an object that is not there gives None."""
        from botocore.exceptions import ClientError

        with self._explained(operation, path):
            try:
                answer: dict[str, Any] = getattr(self._client, operation)(Bucket=self._bucket, **values)
            except ClientError as error:
                if missing and _code(error.response) in ("404", "NoSuchKey", "NotFound"):
                    return None
                raise
            return answer

    @contextmanager
    def _explained(self, operation: str, path: str) -> Iterator[None]:
        from botocore.exceptions import BotoCoreError, ClientError

        for scope in ("", operation):
            if (earlier := self._given_up.get(scope)) is not None:
                raise OutputError(earlier.subject, earlier.cause, earlier.remedy)
        try:
            yield
        except ClientError as error:
            code = _code(error.response)
            raise self._fault(_scope(operation, code), path, *_told(code, error.response)) from error
        except BotoCoreError as error:
            raise self._fault("", path, *_why(error, self._host())) from error

    def _fault(self, scope: str | None, path: str, cause: str, remedy: str) -> OutputError:
        """The error to raise, remembered for all that would meet it again."""
        fault = OutputError(self._place("" if scope == "" else path), cause, remedy)
        return fault if scope is None else self._given_up.setdefault(scope, fault)

    def _place(self, path: str) -> str:
        return f"s3://{self._bucket}/{self._prefix}{path}".rstrip("/")

    def _host(self) -> str:
        return urlsplit(str(self._client.meta.endpoint_url)).netloc.rpartition("@")[2]


def _side_by_side(act: Callable[[_Object], OutputError | None], objects: Sequence[_Object]) -> list[OutputError | None]:
    if len(objects) < 2:
        return [act(one) for one in objects]
    threads = ThreadPoolExecutor(min(THREADS, len(objects)))
    try:
        return list(threads.map(act, objects))
    finally:
        threads.shutdown(cancel_futures=True)


def _client(endpoint: str | None, region: str | None, addressing: Addressing) -> Any:
    try:
        from boto3.session import Session
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError
    except ImportError as error:
        raise ConfigError(
            "output",
            "publishing to a bucket needs boto3",
            'install it, for example: pip install "digest-publisher[s3]"',
        ) from error
    config = Config(
        retries={"mode": "standard", "total_max_attempts": TRIES},
        connect_timeout=CONNECT_TIMEOUT,
        read_timeout=READ_TIMEOUT,
        max_pool_connections=THREADS,
        s3={"addressing_style": addressing},
        # The MD5 that is sent with each object is understood everywhere, the newer checksums by Amazon.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    try:
        return Session().client("s3", endpoint_url=endpoint, region_name=region, config=config)
    except (BotoCoreError, ValueError) as error:
        raise ConfigError("output", *_why(error, "the service")) from error


def _scope(operation: str, code: str) -> str | None:
    """What else a refusal stands for: this operation, everything (""), or nothing."""
    if code in _ONE_OBJECT_ONLY:
        return None
    return operation if code in _NO_RIGHT else ""


def _told(code: str, response: Mapping[str, Any]) -> tuple[str, str]:
    """Cause and remedy of an answer."""
    if code in _BY_CODE:
        return _BY_CODE[code]
    message = _quoted(response.get("Error", {}).get("Message", ""))
    return f"the service answered {code}" + (f" ({message})" if message else ""), ""


def _why(error: Exception, host: str) -> tuple[str, str]:
    """Cause and remedy of an exception."""
    for kind in type(error).__mro__:
        if kind.__name__ in _BY_EXCEPTION:
            cause, remedy = _BY_EXCEPTION[kind.__name__]
            return cause.format(host=host), remedy
    return f"{type(error).__name__}: {_quoted(str(error))}", ""


def _quoted(text: object) -> str:
    """What others say, in one line; there are services that repeat a whole request."""
    return hiding(_secrets())(" ".join(str(text).split())[:2000])[:200]


def _secrets() -> tuple[str, ...]:
    """The credentials, as far as they can be had."""
    from boto3.session import Session

    with suppress(Exception):  # a machine's role that cannot be asked: then there is nothing to hide
        held = Session().get_credentials().get_frozen_credentials()
        return tuple(each for each in (held.secret_key, held.token) if each)
    return ()


def _code(response: Mapping[str, Any]) -> str:
    error = response.get("Error", {})
    return str(error.get("Code") or response.get("ResponseMetadata", {}).get("HTTPStatusCode", "nothing"))


def _fingerprint(head: Mapping[str, Any]) -> str | None:
    found: str | None = head.get("Metadata", {}).get(_FINGERPRINT)
    return found


def _split(path: str) -> tuple[str, str]:
    """Folder and name."""
    folder, _, name = path.rpartition("/")
    return folder, name


def _top(path: str) -> str:
    """The folder at the top that a file is in or below; empty if in none."""
    return path.partition("/")[0] if "/" in path else ""
