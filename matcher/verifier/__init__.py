"""The pair verifier: a small model on interpretable evidence of two offers, behind the retrieval."""
