-- The headline that leads an edition, for lists of editions; NULL until it was looked up in its document.
ALTER TABLE edition ADD COLUMN lead TEXT;
