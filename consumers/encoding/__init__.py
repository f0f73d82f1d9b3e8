"""The encoder process: offers in, raw features out."""
