"""Weaviate on this machine, one node or three, for those who want to try it and for the tests."""
