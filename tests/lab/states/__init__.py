"""Every state that a Mistral database can be in, made for real on a lab host and looked at by the program that hosts run."""
