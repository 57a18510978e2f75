"""A second process for work that is plentiful and pure: ``spreading`` is our side of it, ``helper`` its own."""
