"""Programs that run on the hosts that are measured."""
