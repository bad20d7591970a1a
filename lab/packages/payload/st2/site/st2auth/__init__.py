"""The authentication server."""
