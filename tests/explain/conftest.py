"""A site with subscribers, as the tests of subscribers have it."""

from tests.subscribers.conftest import quick, world

__all__ = ["quick", "world"]
