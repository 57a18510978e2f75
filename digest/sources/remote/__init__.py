"""Feeds of other sites: asked for with care (``fetching``, ``connecting``, ``addresses``), when it is time
(``memory``), and read (``documents``, ``xml_feed``, ``json_feed``). ``sources.feed`` puts it together."""
