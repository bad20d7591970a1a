"""Builds the stand-in StackStorm packages: wheels in, .deb and .rpm repositories out."""
