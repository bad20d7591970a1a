"""Decides: path, plan, order of work, journal format, events and report. Pure: no SSH, no terminal, no clock of its own."""
