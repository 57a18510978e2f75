"""Posts from their folder into the store: read, compared, decided."""
