"""The index store for more offers than one machine's memory holds: a Weaviate cluster searches, this side judges."""
