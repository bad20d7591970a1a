"""The few names of MongoEngine that show in tracebacks; the documents themselves live in PostgreSQL (st2lab.store)."""
