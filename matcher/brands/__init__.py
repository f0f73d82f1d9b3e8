"""Brands as soft blocks: which offers a search may leave out because their brand is another one.

What a query sees is a rule of the two offers alone: its brand and title, and the other's brand. The table of brands
only finds quickly for which blocks the rule holds. So neither the order of arrival nor a rebuild changes what is seen.
"""

from matcher.brands.compatibility import compatible
from matcher.brands.names import READING, Brand, read_brand
from matcher.brands.rule import BrandRule, block_name, searched_blocks
from matcher.brands.table import BRANDLESS, BrandTable

__all__ = [
    "BRANDLESS", "READING", "Brand", "BrandRule", "BrandTable", "block_name", "compatible", "read_brand",
    "searched_blocks",
]  # fmt: skip
