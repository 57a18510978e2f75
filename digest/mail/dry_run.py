"""The channel of a dry run: takes everything and sends nothing."""

from __future__ import annotations

from digest.models import Receipt, Target
from digest.ports import Commit


class DryRunChannel:
    """Satisfies ``ports.Channel``, whatever is sent."""

    atomic = True

    def send(self, edition: object, target: Target, before_commit: Commit) -> Receipt:
        before_commit()
        return Receipt(text="not sent: this is a dry run")

    def close(self) -> None:
        """There is nothing to let go of."""
