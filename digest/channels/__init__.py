"""Ways for editions to leave that are no mail, a module for each kind; ``digest.config.channels`` names them."""
