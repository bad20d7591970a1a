"""Settings of gunicorn; the stand-in reads the name of this folder only."""
