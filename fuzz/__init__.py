"""Fuzzing: what is thrown at every reader of bytes that others wrote, and the coverage-guided fuzzer that throws it."""
