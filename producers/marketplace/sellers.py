"""Who sells: every seller has a market, habits of writing and a way of showing things."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from producers.marketplace.draws import Draws

BACKDROPS = ("white", "grey", "tint", "studio", "wood", "wall", "fabric", "tiles")


@dataclass(frozen=True, slots=True)
class Market:
    """A country to sell in: its language, its currency, and how many of that currency a euro buys."""

    country: str
    language: str
    currency: str
    per_euro: float
    price_forms: tuple[str, ...]


MARKETS = (
    Market("gb", "en", "GBP", 0.86, ("object", "text", "symbol")),
    Market("de", "de", "EUR", 1.0, ("object", "comma-symbol", "comma-text")),
    Market("fr", "fr", "EUR", 1.0, ("object", "comma-symbol", "code")),
    Market("es", "es", "EUR", 1.0, ("object", "comma-symbol", "text")),
    Market("it", "it", "EUR", 1.0, ("object", "comma-symbol", "scientific")),
    Market("nl", "nl", "EUR", 1.0, ("object", "comma-symbol", "text")),
    Market("pl", "pl", "PLN", 4.3, ("object", "comma-code", "code")),
    Market("se", "sv", "SEK", 11.3, ("object", "comma-code", "whole-code")),
    Market("us", "en", "USD", 1.08, ("object", "symbol", "scientific")),
    Market("ph", "en", "PHP", 61.0, ("whole-code", "code")),
    Market("ch", "de", "CHF", 0.95, ("object", "code")),
)


@dataclass(frozen=True, slots=True)
class Seller:
    """One shop. Rates are probabilities per offer; `light` and `warmth` are factors around 1 and 0."""

    seller_id: str
    domain: str
    market: Market
    price_form: str
    margin: float
    # writing
    titles: tuple[int, ...]
    capitals: str
    flourish_rate: float
    description_rate: float
    brand_missing: float
    brand_misspelt: float
    sizes_as: str
    code_rate: float
    # showing
    backdrop: str
    tint: tuple[int, int, int]
    width: int
    height: int
    quality: int
    light: float
    warmth: float
    fill: float
    tilt: float
    mirrored: bool
    photos: tuple[int, int]
    stock_rate: float
    props: bool
    watermark: str


@lru_cache(maxsize=4096)
def seller_of(seed: int, number: int) -> Seller:
    """Seller number `number` (0-based) of the market with this seed."""
    draws = Draws(seed, "seller", number)
    market = MARKETS[(number + Draws(seed, "markets").below(len(MARKETS))) % len(MARKETS)]
    # Sellers take markets and price forms in turn, so that a few dozen of them cover all.
    forms = Draws(seed, "price forms", market.country).below(len(market.price_forms))
    name = draws.pick(
        ("mode", "shop", "style", "wear", "kauf", "moda", "look", "outlet", "trend", "closet")
    ) + draws.pick(("haus", "ly", "24", "nova", "plaza", "direct", "box", "lane", "co", "mix"))
    domain = f"{name}{number}.example"
    most = draws.pick((1, 2, 3, 4, 5))
    width = draws.pick((320, 360, 384, 400, 420, 480))
    return Seller(
        seller_id=f"m{seed}s{number:04d}",
        domain=domain,
        market=market,
        price_form=market.price_forms[(number // len(MARKETS) + forms) % len(market.price_forms)],
        margin=draws.between(0.85, 1.25),
        titles=tuple(draws.below(60) for _ in range(2)),
        capitals=draws.weighted(("as-is", "lower", "upper", "title"), (6, 1, 1, 2)),
        flourish_rate=draws.pick((0.0, 0.0, 0.1, 0.4)),
        description_rate=draws.pick((0.0, 0.5, 0.9, 1.0)),
        brand_missing=draws.pick((0.02, 0.1, 0.3, 0.9)),
        brand_misspelt=draws.pick((0.0, 0.02, 0.1)),
        sizes_as=draws.pick(("list", "list", "count", "none")),
        code_rate=draws.pick((0.0, 0.0, 0.05, 0.4)),
        backdrop=draws.pick(BACKDROPS),
        tint=(170 + draws.below(70), 170 + draws.below(70), 170 + draws.below(70)),
        width=width,
        height=round(width * draws.pick((1.0, 1.0, 1.25, 1.33)) / 2) * 2,
        quality=draws.pick((45, 60, 72, 80, 88, 92)),
        light=draws.between(0.86, 1.1),
        warmth=draws.between(-0.07, 0.07),
        fill=draws.between(0.76, 0.98),
        tilt=draws.pick((0.0, 0.0, 3.0, 6.0)),
        mirrored=draws.chance(0.3),
        photos=(max(1, most - draws.below(3)), most),
        stock_rate=draws.pick((0.0, 0.0, 0.3, 0.8)),
        props=draws.chance(0.35),
        watermark=draws.weighted(("none", "corner", "band", "diagonal"), (6, 2, 1, 1)),
    )
