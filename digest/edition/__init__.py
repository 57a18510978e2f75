"""An edition: which posts it has, in which order, what tells the same story, what was said before."""
