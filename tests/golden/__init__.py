"""The formats of all versions so far, frozen: `v1/` and its successors, never changed once written."""
