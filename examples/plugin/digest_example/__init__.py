"""What an installed package can add to digest."""
