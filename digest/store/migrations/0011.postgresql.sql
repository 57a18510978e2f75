-- What a reader chose of an edition stands with their delivery. Editions that were frozen for some categories become part
-- of the edition of everything, and what is still to be sent of them is sent as it was frozen.
CREATE TABLE mail (
    edition_key BIGINT NOT NULL,
    selection TEXT COLLATE "C" NOT NULL,
    subject TEXT NOT NULL,
    html TEXT NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (edition_key, selection),
    FOREIGN KEY (edition_key) REFERENCES edition (key)
);
ALTER TABLE delivery ADD COLUMN selection TEXT COLLATE "C" NOT NULL DEFAULT '';
UPDATE edition SET category = '{"categories":["' ||
    replace(replace(replace(replace(replace(replace(category, '"', '\"'), '\\', chr(1)), '\,', chr(2)),
        ', ', '","'), chr(2), ','), chr(1), '\\') || '"]}' WHERE category <> '';
INSERT INTO mail (edition_key, selection, subject, html, text)
    SELECT e.key, v.category, v.subject, v.html, v.text
    FROM edition v JOIN edition e ON e.digest = v.digest AND e.period = v.period AND e.category = ''
    WHERE v.category <> '' AND (v.state IN ('frozen', 'sending', 'paused') OR EXISTS (
        SELECT 1 FROM delivery d WHERE d.edition_key = v.key AND d.state = 'in_doubt'));
UPDATE edition SET state = 'paused', reason = (
        SELECT max(v.reason) FROM edition v
        WHERE v.digest = edition.digest AND v.period = edition.period AND v.state = 'paused')
    WHERE category = '' AND state IN ('frozen', 'sending', 'finished', 'expired') AND EXISTS (
        SELECT 1 FROM edition v WHERE v.digest = edition.digest AND v.period = edition.period
            AND v.category <> '' AND v.state = 'paused');
UPDATE edition SET state = 'sending'
    WHERE category = '' AND state IN ('finished', 'expired') AND EXISTS (
        SELECT 1 FROM edition v WHERE v.digest = edition.digest AND v.period = edition.period
            AND v.category <> '' AND v.state IN ('frozen', 'sending'));
-- Nobody has mail of both: who does all the same keeps the one of everything.
DELETE FROM delivery WHERE EXISTS (
    SELECT 1 FROM edition v JOIN edition e ON e.digest = v.digest AND e.period = v.period AND e.category = ''
        JOIN delivery d ON d.edition_key = e.key
    WHERE v.key = delivery.edition_key AND v.category <> '' AND d.address = delivery.address);
UPDATE delivery SET
    selection = (SELECT v.category FROM edition v WHERE v.key = delivery.edition_key),
    edition_key = (
        SELECT e.key FROM edition v JOIN edition e ON e.digest = v.digest AND e.period = v.period AND e.category = ''
        WHERE v.key = delivery.edition_key)
    WHERE edition_key IN (
        SELECT v.key FROM edition v JOIN edition e ON e.digest = v.digest AND e.period = v.period AND e.category = ''
        WHERE v.category <> '');
DELETE FROM edition_member WHERE edition_key IN (SELECT key FROM edition WHERE category <> '');
DELETE FROM edition WHERE category <> '' AND NOT EXISTS (SELECT 1 FROM delivery d WHERE d.edition_key = edition.key);
ALTER TABLE edition RENAME COLUMN category TO kind;
UPDATE edition SET kind = 'digest';
UPDATE edition SET kind = 'notice' WHERE digest = '@notice';
ALTER TABLE edition ADD COLUMN sums_up TEXT COLLATE "C" NOT NULL DEFAULT '';
UPDATE edition SET kind = 'weekly', sums_up = substr(digest, 1, length(digest) - 8) WHERE digest LIKE '%--weekly';
ALTER TABLE subscription RENAME COLUMN label TO selection;
UPDATE subscription SET selection = '{"categories":["' ||
    replace(replace(replace(replace(replace(replace(selection, '"', '\"'), '\\', chr(1)), '\,', chr(2)),
        ', ', '","'), chr(2), ','), chr(1), '\\') || '"]}' WHERE selection <> '';
