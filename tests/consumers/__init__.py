"""Tests of the consumers' parts, without a broker."""
