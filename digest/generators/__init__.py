"""What a site generator's own configuration says about a site, and the ``config.yaml`` that follows from it.

One module reads each generator's keys (``jekyll``, ``hugo``, ``hexo``), ``draft`` writes the text. Pure: mappings and
counts go in, a ``Site`` and a text come out; who reads the files is ``digest.app.starting``.
"""

from __future__ import annotations

from digest.generators.site import PresentFeed, Site

__all__ = ["PresentFeed", "Site"]
"""Importing them costs nothing; the readers and ``draft`` are imported where they are needed."""
