"""Errors of st2."""
