"""The use cases. They see the world only through the objects handed in (``ports``)."""
