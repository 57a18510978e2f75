"""Files that a command writes for its user: mails, with addresses and links in them, so nobody else may read them."""

from __future__ import annotations

import os
from pathlib import Path

from digest.disk import reason
from digest.errors import OutputError


def write_file(path: Path, data: bytes, remedy: str) -> None:
    """Write a file, in a folder that is made if need be; an older one of its name goes. Raises OutputError."""
    try:
        path.parent.mkdir(0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, 0o600)  # an older one may have been for everybody
            file.write(data)
    except OSError as error:
        raise OutputError(str(path), f"cannot be written: {reason(error)}", remedy) from error
