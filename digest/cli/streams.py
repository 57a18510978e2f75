"""What is printed, whoever wrote it: nothing in it acts on a terminal.

Titles, names of files and words of servers may hold controls and overrides of direction. Commands print them as they
are; here they become ``\\uXXXX``, which is what they are in JSON too. Line ends, tabs and the colours that this program
uses itself pass.
"""

from __future__ import annotations

import io
import re
import sys

_OURS = r"(\x1b\[(?:0|1|2|3[1-7])m)"
"""Bold, dim, the colours and their end (ECMA-48, 8.3.117)."""
_FOREIGN = "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]|\r(?!\n)"
_LOOKED_FOR = re.compile(f"{_OURS}|{_FOREIGN}")


class PrintableStream(io.TextIOWrapper):
    """A text stream that shows what would act."""

    def write(self, text: str, /) -> int:
        return super().write(text if text.isprintable() else shown(text))


def shown(text: str) -> str:
    """The text as it may be printed."""
    return _LOOKED_FOR.sub(lambda found: found[1] or f"\\u{ord(found[0]):04x}", text)


def make_printable() -> None:
    """Of standard output and error. What the terminal's encoding has no sign for is shown as an escape too."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if type(stream) is io.TextIOWrapper:  # a real one
            made = PrintableStream(
                stream.buffer,
                encoding=stream.encoding,
                errors="backslashreplace",
                line_buffering=stream.line_buffering,
                write_through=stream.write_through,
            )
            setattr(sys, name, made)
