"""Where offers are searched and remembered: the index stores and the SQLite state of a matcher."""
