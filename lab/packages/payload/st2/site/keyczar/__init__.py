"""The library that st2 encrypted with up to 2.9."""
