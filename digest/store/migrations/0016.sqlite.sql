-- Posts that are worded otherwise since their files were read by other rules, and how: no edit of anybody's.
CREATE TABLE reread (
    post_key INTEGER NOT NULL,
    text_hash TEXT NOT NULL,
    PRIMARY KEY (post_key),
    FOREIGN KEY (post_key) REFERENCES post ("key")
) WITHOUT ROWID;
