"""Why a post or a mail is where it is."""
