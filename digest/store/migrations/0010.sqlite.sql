-- By which way each message leaves, and to which domain; smaller indexes of what is still open.
ALTER TABLE delivery ADD COLUMN channel TEXT NOT NULL DEFAULT 'mail';
ALTER TABLE delivery ADD COLUMN domain TEXT NOT NULL DEFAULT '';
UPDATE delivery SET domain = lower(substr(address, instr(address, '@') + 1)) WHERE address LIKE '%@%';
DROP INDEX delivery_due;
CREATE INDEX delivery_doubt ON delivery (state, edition_key, "key") WHERE state = 'in_doubt';
CREATE INDEX delivery_due ON delivery (state, not_before, "key") WHERE state = 'queued';
CREATE INDEX delivery_leased ON delivery (state, lease_until) WHERE state = 'leased';
CREATE INDEX delivery_transmitting ON delivery (state, lease_until) WHERE state = 'transmitting';
DROP INDEX edition_page;
CREATE INDEX edition_page ON edition (page_published, "key") WHERE page_published = false;
