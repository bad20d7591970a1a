"""Registration of content."""
