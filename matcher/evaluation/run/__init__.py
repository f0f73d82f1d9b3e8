"""How a run of the matcher went: what its log says against known product ids."""
