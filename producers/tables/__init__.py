"""Offer tables (CSV, JSON lines, Parquet), read row by row and made into events of the topic `offers`."""

from producers.tables.rows import BadRow, Cells, Row, TableRow, TableUnusable
from producers.tables.table import Table, open_table

__all__ = ["BadRow", "Cells", "Row", "Table", "TableRow", "TableUnusable", "open_table"]
