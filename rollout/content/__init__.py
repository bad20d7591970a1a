"""What moves from one instance of st2 to another: read, rewritten for the other release, compared. Pure."""
