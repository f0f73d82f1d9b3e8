"""`offermatch bench index`: our index against plain ones, on the same vectors and the same load, in one run."""
