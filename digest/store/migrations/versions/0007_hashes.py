"""Hashes: those of files are of another kind now, and no longer named after the old one.

Every file is read again by the next run, which renews them all.
"""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE file RENAME COLUMN sha256 TO hash")
