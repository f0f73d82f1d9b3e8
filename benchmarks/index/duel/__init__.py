"""Ours against one other index at a time: each in a process of its own, on the same course, taking turns."""
