-- Posts in one language have feeds of their own.
CREATE INDEX post_language ON post (lang, unlisted, retired, first_seen, published, "key") WHERE lang IS NOT NULL;
