"""Everything that can go wrong and that a user can mend, in one tree.

    DigestError
    ├── ConfigError         the configuration cannot be used; nothing was touched (exit code 2)
    ├── Refused             something is not as it should be, and nothing was touched (exit code 2)
    ├── SourceError         the posts cannot be listed or read
    ├── StoreError          the database cannot be opened, read or written
    │   ├── StoreTooNew     it was written by a newer version of this program
    │   ├── StoreBusy       another program holds it
    │   └── AlreadyRunning  another process has the right to do it; harmless for a run (exit code 0)
    ├── TemplateError       a template is missing, broken, or asks for a name it is not given
    ├── OutputError         a file or page cannot be written
    ├── ProbeError          something outside gives no answer, or none that can be understood (digest check)
    └── TransportError      an edition cannot be handed over; says at which step and for how long
        ├── TemporaryFailure   certainly not sent, trying again may help
        ├── PermanentFailure   certainly not sent, trying again will not help
        └── Doubtful           nobody can know whether it was sent

A message says where, what, and what to try: ``subject: cause; remedy``, in lower case and without a full
stop. Foreign exceptions are wrapped at the edge where they appear (``raise ... from``), so that nobody above
sees those of a driver or a socket. Secrets never enter a message.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from digest.text import printable


class DigestError(Exception):
    """Base of all errors that are shown to the user as one line and never as a traceback.

    ``subject`` says where (a file, a key, a host), ``cause`` what is wrong, ``remedy`` what to do about it.
    """

    def __init__(self, subject: str, cause: str, remedy: str = "") -> None:
        self.subject = subject
        self.cause = cause
        self.remedy = remedy
        super().__init__(printable(f"{subject}: {cause}" + (f"; {remedy}" if remedy else "")))

    def __reduce__(self) -> tuple[object, ...]:
        """Errors travel between processes as they are; Python would call the constructor with the whole line."""
        return _restored, (type(self), self.args, self.__dict__)


def _restored(kind: type[DigestError], arguments: tuple[object, ...], state: dict[str, object]) -> DigestError:
    error = kind.__new__(kind, *arguments)
    error.__dict__.update(state)
    return error


class ConfigError(DigestError):
    """The configuration cannot be used. ``problems`` holds one ready line for each fault."""

    def __init__(self, subject: str, cause: str, remedy: str = "", problems: tuple[str, ...] = ()) -> None:
        super().__init__(subject, cause, remedy)
        self.problems = problems


class Refused(DigestError):
    """What is there does not fit together, and to go on would do harm; nothing was touched."""


class SourceError(DigestError):
    """The folder of posts cannot be listed, or a file in it cannot be read."""


class PluginError(DigestError):
    """What another package adds does not work."""


class StoreError(DigestError):
    """The database cannot be opened, read or written."""


class StoreTooNew(StoreError):
    """The database was written by a newer version of this program."""


class StoreBusy(StoreError):
    """Another program holds the database."""


class StoreCrossed(StoreBusy):
    """Two who wrote waited for each other, and this one was undone: it may do all of it again at once."""


class AlreadyRunning(StoreError):
    """Another process of this program has the right to do it. For a run that is harmless: the other one does what this
    one would have done. ``holder`` is what is known of that process, ``since`` when it began, if it says so."""

    def __init__(
        self, subject: str, cause: str, remedy: str = "", *, holder: str = "", since: datetime | None = None
    ) -> None:
        super().__init__(subject, cause, remedy)
        self.holder = holder
        self.since = since


class TemplateError(DigestError):
    """A template is missing or broken, or asks for a name that it is not given."""


class OutputError(DigestError):
    """A page or feed cannot be written."""


class ProbeError(DigestError):
    """A server that is only asked something gives no answer, or none that can be understood."""


class TransportError(DigestError):
    """Mail, or an edition by another channel, could not be handed over.

    ``step`` is where it broke: ``connect``, ``greeting``, ``ehlo``, ``tls``, ``login``, ``mail``, ``rcpt``,
    ``data``, ``body``, ``dot``, or ``write`` for a folder. ``code``, ``enhanced`` and ``text`` are the server's
    words (RFC 5321, RFC 3463) if it said any; without a code we refused by ourselves. Channels that are no mail say
    ``connect``, ``body`` or ``answer``, and no code. ``retry_after`` is for how long the server wants to be left alone.
    """

    def __init__(
        self,
        subject: str,
        cause: str,
        remedy: str = "",
        *,
        step: str = "connect",
        code: int | None = None,
        enhanced: str = "",
        text: str = "",
        retry_after: timedelta | None = None,
    ) -> None:
        super().__init__(subject, cause, remedy)
        self.retry_after = retry_after
        self.step = step
        self.code = code
        self.enhanced = enhanced
        self.text = text


class TemporaryFailure(TransportError):
    """Certainly not sent; trying again later may help."""


class PermanentFailure(TransportError):
    """Certainly not sent; trying again will not help."""


class Doubtful(TransportError):
    """The message was out and no answer came back: nobody can know whether it was accepted."""
