"""The index for many offers: global cells of compressed vectors in memory, exact scores from a file of fp16 vectors."""
