"""The use cases: what the command line, notebooks and workflows call."""
