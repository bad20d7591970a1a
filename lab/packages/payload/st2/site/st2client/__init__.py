"""The command line client."""

__version__ = "@RELEASE@"
