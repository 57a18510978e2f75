"""A channel that writes each edition's headlines to a file of its own."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import msgspec

from digest.errors import TemporaryFailure
from digest.models import ChannelEdition, Receipt, Target


class Diary:
    atomic = True  # writing a file once more changes nothing, so nothing is ever in doubt

    class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        folder: Annotated[Path, msgspec.Meta(description="Where the files go.", examples=["diary"])]

    def __init__(self, settings: Settings, url: str) -> None:
        self._folder = settings.folder

    def send(self, edition: ChannelEdition, target: Target, before_commit: Callable[[], bool]) -> Receipt:
        lines = [edition.subject, edition.url, *(f"- {item.title} {item.url}" for item in edition.items)]
        file = self._folder / f"{edition.period}.txt"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            file.with_suffix(".tmp").write_text("\n".join(lines), encoding="utf-8")
            if not before_commit():
                raise TemporaryFailure(str(file), "another worker has it", step="body")
            os.replace(file.with_suffix(".tmp"), file)
        except OSError as error:
            raise TemporaryFailure(str(file), "cannot be written", step="connect") from error
        return Receipt(text=file.name)

    def close(self) -> None:
        """There is nothing to let go of."""
