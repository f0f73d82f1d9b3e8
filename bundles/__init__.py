"""Model bundles that come with offermatch, one folder each; `bundle.json` in it says what it is."""
