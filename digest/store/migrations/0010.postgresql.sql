-- By which way each message leaves, and to which domain; smaller indexes of what is still open.
ALTER TABLE delivery ADD COLUMN channel TEXT COLLATE "C" NOT NULL DEFAULT 'mail';
ALTER TABLE delivery ADD COLUMN domain TEXT COLLATE "C" NOT NULL DEFAULT '';
UPDATE delivery SET domain = lower(substr(address, strpos(address, '@') + 1)) WHERE address LIKE '%@%';
DROP INDEX delivery_due;
CREATE INDEX delivery_doubt ON delivery (state, edition_key, key) WHERE state = 'in_doubt';
CREATE INDEX delivery_due ON delivery (state, not_before, key) WHERE state = 'queued';
CREATE INDEX delivery_leased ON delivery (state, lease_until) WHERE state = 'leased';
CREATE INDEX delivery_transmitting ON delivery (state, lease_until) WHERE state = 'transmitting';
DROP INDEX edition_page;
CREATE INDEX edition_page ON edition (page_published, key) WHERE page_published = false;
