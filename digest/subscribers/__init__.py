"""Those who get mail: what they may choose, how their links are made, what a mail that comes back says of them."""
