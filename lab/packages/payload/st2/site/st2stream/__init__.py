"""The event stream server."""
