"""The model bundle: what a matcher loads, and what projects features and turns scores into probabilities."""

from matcher.model.bundle import Bundle, BundleUnusable, load_bundle, save_bundle

__all__ = ["Bundle", "BundleUnusable", "load_bundle", "save_bundle"]
