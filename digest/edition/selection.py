"""Which posts of an edition somebody wants.

Pure. A selection has one spelling, which is what the store keeps: of a subscription, and of each delivery as it was
when its edition was frozen.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

from msgspec import Struct


class Selection(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Nothing chosen means everything. What a later version can choose besides is refused rather than passed over."""

    categories: tuple[str, ...] = ()
    """Sorted, each once."""

    @classmethod
    def of(cls, categories: Iterable[str]) -> Selection:
        return cls(categories=tuple(sorted(set(categories))))

    def __str__(self) -> str:
        """The same for the same selection, and different for different ones; empty for everything."""
        import msgspec

        return msgspec.json.encode(self).decode() if self.categories else ""

    def matches(self, categories: Iterable[str]) -> bool:
        """Whether a post of these categories is wanted."""
        return not self.categories or not set(self.categories).isdisjoint(categories)

    def in_order(self, known: Sequence[str]) -> tuple[str, ...] | None:
        """Its categories for the sections of an edition: those that are known in their order, then the others. None if
        there is no choice between them."""
        first = tuple(name for name in known if name in self.categories)
        return first + tuple(name for name in self.categories if name not in first) or None

    @property
    def label(self) -> str:
        """For people; empty for everything."""
        return ", ".join(self.categories)


@lru_cache(maxsize=256)
def read_selection(text: str) -> Selection:
    """What ``str`` made of it. Raises ValueError for anything else."""
    import msgspec

    return msgspec.json.decode(text, type=Selection) if text else Selection()
