"""The two databases: connections, transactions, locks, statements as text."""
