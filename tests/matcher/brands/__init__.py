"""Tests of `matcher.brands`."""
