"""Access to documents."""
