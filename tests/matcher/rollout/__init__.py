"""Roll-out: the comparison of two bundles on one log."""
