"""The library that every part of st2 is built on, by the interface that scripts and operators use."""

__version__ = "@RELEASE@"
