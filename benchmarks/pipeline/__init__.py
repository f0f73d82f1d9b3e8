"""`offermatch bench pipeline`: what the guarantees cost, from end to end."""
