"""What a mail server's refusal says, and about whom: one judge for replies in the dialogue and for reports by mail."""
