"""What the stand-in has and the real st2 has not: a store in PostgreSQL, fault switches, a log of scripts."""
