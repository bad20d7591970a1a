"""The crash matrix: every step of an upgrade, cut off in every way at every moment, and then taken up again."""
