-- The text of posts whose source shows it for some time only: HTML, packed by zlib.
CREATE TABLE body (
    path TEXT COLLATE "C" NOT NULL,
    kept_at BIGINT NOT NULL,
    html BYTEA NOT NULL,
    PRIMARY KEY (path)
);
CREATE INDEX body_kept ON body (kept_at);
-- Whether a post that comes is one that another source has brought already.
CREATE INDEX post_link ON post (url) WHERE source <> 'posts';
