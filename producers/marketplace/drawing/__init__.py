"""Drawing products and photographing them, with Pillow alone."""
