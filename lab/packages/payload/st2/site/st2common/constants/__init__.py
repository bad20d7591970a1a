"""Constants of st2."""
