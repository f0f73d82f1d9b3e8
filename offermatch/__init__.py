"""The command line, and nothing else: it wires the other packages together."""
