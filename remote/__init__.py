"""The only place that touches a machine; fabric, paramiko and tenacity live here alone."""
