"""Fuzz targets under test."""
