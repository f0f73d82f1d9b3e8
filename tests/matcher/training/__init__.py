"""Tests of `matcher.training`: loss, batches, splits, projection."""
