"""Dead letters, for the operator: look at them, and send them back where they came from."""
