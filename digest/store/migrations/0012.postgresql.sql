-- What the mail of an edition is made with, frozen with it.
CREATE TABLE look (
    hash TEXT COLLATE "C" NOT NULL,
    content TEXT NOT NULL,
    PRIMARY KEY (hash)
);
ALTER TABLE edition ADD COLUMN look TEXT COLLATE "C" NOT NULL DEFAULT '';
