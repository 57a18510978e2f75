"""Files, posts and feeds."""
