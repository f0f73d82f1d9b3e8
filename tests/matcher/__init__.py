"""Tests of `matcher`: events, decisions, the model bundle, settings; no broker needed."""
