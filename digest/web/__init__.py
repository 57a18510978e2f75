"""The pages on which people subscribe, choose and leave. ``create_app`` gives an ASGI application (Starlette)."""

from __future__ import annotations

from digest.web.pages import Site, create_app

__all__ = ["Site", "create_app"]
