"""The demo: the whole pipeline on one machine, fed by the simulated marketplace, and shown at work."""
