"""Files that a command writes for its user."""

from __future__ import annotations

from pathlib import Path

from digest.errors import OutputError


def write_file(path: Path, data: bytes, remedy: str) -> None:
    """Write a file, in a folder that is made if need be; an older one of its name goes. Raises OutputError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    except OSError as error:
        cause = f"cannot be written: {(error.strerror or str(error)).lower()}"
        raise OutputError(str(path), cause, remedy) from error
