"""Mail on its way: handed over, in doubt, come back."""
