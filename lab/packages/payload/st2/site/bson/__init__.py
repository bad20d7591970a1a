"""Of BSON: what an id is."""
