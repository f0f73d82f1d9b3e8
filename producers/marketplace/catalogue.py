"""What is sold: styles (models of a brand) and their products (the colours, logos or patterns of a style).

Products of one style are *siblings*: same brand, model name, shape and usually price; one visible thing differs.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b

from producers.marketplace.draws import Draws
from producers.marketplace.words import COLOURS, KINDS, PATTERNS

RGB = tuple[int, int, int]

LOGOS = (
    "none",
    "star",
    "ring",
    "bolt",
    "peak",
    "wave",
    "crown",
    "heart",
    "monogram",
    "bars",
    "diamond",
    "wordmark",
)
GARMENTS = frozenset(KINDS[:7])
SHOES = frozenset(KINDS[7:10])
BAGS = frozenset(KINDS[10:])

_BRANDS = (
    "Nordvik", "Palmera", "Urbanek", "Solvane", "Kestrel & Co", "Maison Lière", "Tundra", "Veloce", "Arden Row",
    "Fjällborg", "Okapi", "Bellwether", "Rivo", "Halcyon", "Monte Sera", "Quill", "Brambleton", "Zephyr", "Lumen",
    "Casa Ondina", "Drift Supply", "Eikon", "Grünwald", "Harlow", "Ivoire", "Juniper Lane", "Kobalt", "Larkspur",
    "Mistral", "Nimbus", "Otterly", "Pióro", "Redfern", "Santoro", "Tamarind", "Ulvang", "Vesper", "Wilder", "Yarrow",
    "Zola",
)  # fmt: skip
_MODELS = (
    "Aster", "Breeze", "Cobalt", "Dune", "Ember", "Fable", "Grove", "Haven", "Iris", "Jade", "Kite", "Lagoon", "Meadow",
    "Nova", "Orbit", "Pine", "Quartz", "Ridge", "Sierra", "Tide", "Unity", "Vista", "Willow", "Xenia", "Yonder",
    "Zenith", "Atlas", "Bolt", "Coast", "Delta", "Echo", "Flint", "Glacier", "Harbor", "Indigo", "Juno", "Karma",
    "Lunar", "Metro", "North",
)  # fmt: skip
_SUFFIXES = (
    "",
    "",
    "",
    " II",
    " 3",
    " Pro",
    " Lite",
    " Classic",
    " Mini",
    " X",
    " 74",
    " Air",
    " Studio",
    " Trail",
)
_PRICES: dict[str, tuple[int, int]] = {
    "t-shirt": (12, 45), "hoodie": (35, 95), "trousers": (30, 120), "shorts": (18, 60), "dress": (35, 190),
    "skirt": (25, 90), "jacket": (60, 420), "sneaker": (45, 180), "boot": (70, 1350), "sandal": (20, 90),
    "tote": (15, 120), "backpack": (35, 180), "handbag": (40, 1900),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Shape:
    """Proportions in [0, 1) that every kind reads in its own way, and a free choice of details (0 … 59)."""

    width: float
    length: float
    flare: float
    opening: float
    detail: int


@dataclass(frozen=True, slots=True)
class Style:
    """One model of a brand. `differs` is what tells its products apart: colour, logo or pattern."""

    key: str
    kind: str
    brand: str
    model: str
    shape: Shape
    pattern: str
    logo: str
    logo_size: float
    logo_side: float
    material: str
    price_eur: float
    sizes: int
    differs: str


@dataclass(frozen=True, slots=True)
class Product:
    """One thing that can be bought, and everything that its photos show."""

    product_id: str
    style: Style
    variant: int
    colour: str
    main: RGB
    accent: RGB
    ink: RGB
    pattern: str
    logo: str
    gtin: str
    mpn: str


@lru_cache(maxsize=4096)
def style_of(seed: int, key: str) -> Style:
    """The style with this key (see `layout.Place`)."""
    draws = Draws(seed, "style", key)
    kind = draws.pick(KINDS)
    low, high = _PRICES[kind]
    # Cubing the draw keeps most prices near the lower end, as in shops.
    price = low + (high - low) * draws.unit() ** 3
    if kind in GARMENTS:
        material = draws.weighted(("cotton", "polyester", "wool", "linen"), (5, 3, 1, 1))
    else:
        material = draws.pick(("leather", "canvas", "polyester"))
    fancy = draws.chance(0.3 if kind in SHOES else 0.55)
    return Style(
        key=key,
        kind=kind,
        brand=draws.pick(_BRANDS),
        model=draws.pick(_MODELS) + draws.pick(_SUFFIXES),
        shape=Shape(draws.unit(), draws.unit(), draws.unit(), draws.unit(), draws.below(60)),
        pattern=draws.pick(PATTERNS[1:]) if fancy else "plain",
        logo=draws.pick(LOGOS[1:]) if draws.chance(0.7) else "none",
        logo_size=draws.between(0.55, 1.25),
        logo_side=draws.pick((0.0, 0.0, 1.0)),
        material=material,
        price_eur=round(price),
        sizes=1 if kind in BAGS else 3 + draws.below(6),
        differs=draws.weighted(("colour", "logo", "pattern"), (8, 1, 1)),
    )


@lru_cache(maxsize=4096)
def product_of(seed: int, key: str, variant: int) -> Product:
    """The product number `variant` of the style with this key."""
    style = style_of(seed, key)
    colours = Draws(seed, "colours", key).shuffled(tuple(COLOURS))
    colour = colours[variant % len(colours) if style.differs == "colour" else 0]
    # The shade belongs to the product: two black shirts of two brands are not the same black.
    shade = Draws(seed, "shade", key, colour)
    main = _shifted(COLOURS[colour], shade)
    accent = _shifted(COLOURS[_contrasting(main, colours[8:], shade)], shade)
    number = int.from_bytes(blake2b(f"{seed}/{key}/{variant}".encode(), digest_size=8).digest(), "big")
    style_number = int.from_bytes(blake2b(f"{seed}/{key}".encode(), digest_size=8).digest(), "big")
    return Product(
        product_id=f"p-{number:016x}",
        style=style,
        variant=variant,
        colour=colour,
        main=main,
        accent=accent,
        ink=(245, 244, 240) if _luma(main) < 120 else (30, 30, 36),
        pattern=_variant(style.pattern, PATTERNS, variant if style.differs == "pattern" else 0),
        logo=_variant(style.logo, LOGOS, variant if style.differs == "logo" else 0),
        gtin=_gtin13(number),
        mpn=f"{style.brand[:2].upper()}{style_number % 100_000:05d}-{number % 1000:03d}",
    )


def _variant(first: str, names: tuple[str, ...], steps: int) -> str:
    return names[(names.index(first) + steps) % len(names)]


def _luma(rgb: RGB) -> float:
    return 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2]


def _contrasting(main: RGB, names: list[str], draws: Draws) -> str:
    far = [name for name in names if sum(abs(a - b) for a, b in zip(COLOURS[name], main, strict=True)) > 170]
    return draws.pick(far or ["white" if _luma(main) < 128 else "black"])


def _shifted(rgb: RGB, draws: Draws) -> RGB:
    red, green, blue = (min(250, max(8, round(part + draws.between(-12, 12)))) for part in rgb)
    return red, green, blue


def _gtin13(number: int) -> str:
    """A valid GTIN-13 in the range for use inside a company (GS1 prefix 2), so that no real product is meant."""
    digits = f"2{number % 10**11:011d}"
    total = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(digits))
    return f"{digits}{-total % 10}"
