"""The indexes that are compared: ours and others, each behind the same few methods."""
