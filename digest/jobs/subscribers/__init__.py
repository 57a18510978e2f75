"""What subscribers ask for, and what operators do for them."""
