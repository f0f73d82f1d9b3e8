"""The matcher process: raw features in, decisions out."""
