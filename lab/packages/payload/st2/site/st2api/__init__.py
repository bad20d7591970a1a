"""The API server: keys, actions, executions."""
