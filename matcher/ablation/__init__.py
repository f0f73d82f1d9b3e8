"""Ablations: one idea a row, each trained on one half of the products and asked with the other."""
