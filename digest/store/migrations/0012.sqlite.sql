-- What the mail of an edition is made with, frozen with it.
CREATE TABLE look (
    hash TEXT NOT NULL,
    content TEXT NOT NULL,
    PRIMARY KEY (hash)
) WITHOUT ROWID;
ALTER TABLE edition ADD COLUMN look TEXT NOT NULL DEFAULT '';
-- The source that a post came from: for now there is one, posts.folder.
ALTER TABLE post ADD COLUMN source TEXT NOT NULL DEFAULT 'posts';
