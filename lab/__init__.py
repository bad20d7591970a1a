"""A fleet of systemd hosts in containers, with real apt, yum, PostgreSQL and Mistral, to upgrade for real."""
