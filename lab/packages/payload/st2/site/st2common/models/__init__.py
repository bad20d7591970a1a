"""Models of st2."""
