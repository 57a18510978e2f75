-- What the mail of an edition is made with, frozen with it.
CREATE TABLE look (
    hash TEXT NOT NULL,
    content TEXT NOT NULL,
    PRIMARY KEY (hash)
) WITHOUT ROWID;
ALTER TABLE edition ADD COLUMN look TEXT NOT NULL DEFAULT '';
