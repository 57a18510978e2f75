"""Bytes from values, purely: feeds, pages, mails."""
