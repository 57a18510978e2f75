"""Handing over mail: one message at a time, to a folder or to a server. What becomes of a message is decided
elsewhere (``outbox``) and written down elsewhere (``store``)."""
