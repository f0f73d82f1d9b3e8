"""Roll-out of a new bundle: the topics read in the shadow of the running matcher, and the result for people."""
