"""How a seller writes an offer down: title, price, sizes and codes in the form in which feeds really arrive."""

from __future__ import annotations

import re

import msgspec

from producers.marketplace.catalogue import BAGS, SHOES, Product
from producers.marketplace.draws import Draws
from producers.marketplace.sellers import Market, Seller
from producers.marketplace.words import LANGUAGES

_SYMBOLS = {"GBP": "£", "USD": "$", "EUR": "€"}
_LETTER_SIZES = ("XXS", "XS", "S", "M", "L", "XL", "XXL", "3XL")


class RawPrice(msgspec.Struct, frozen=True, omit_defaults=True):
    """A price object of a feed; the amount may be text that only looks like a number."""

    amount: float | str
    currency: str | None = None


class RawOffer(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """An offer as it is sent, before any repair: the public JSON fields of the topic `offers`, absent when unknown."""

    offer_id: str
    seller_id: str
    title: str
    brand: str | None = None
    description: str | None = None
    price: RawPrice | str | None = None
    sizes: tuple[str, ...] | None = None
    n_sizes: int | None = None
    image_urls: tuple[str, ...] = ()
    url: str | None = None
    gtin: str | None = None
    mpn: str | None = None


def write_offer(offer_id: str, product: Product, seller: Seller, image_urls: tuple[str, ...], draws: Draws) -> RawOffer:
    """The offer of this seller for this product; everything random comes from `draws`."""
    language = LANGUAGES[seller.market.language]
    brand = _brand(product.style.brand, seller, draws)
    fields = {
        "brand": brand or "",
        "model": product.style.model,
        "kind": language.kind(product.style.kind),
        "colour": language.colour(product.colour),
        "pattern": "" if product.pattern == "plain" else language.pattern(product.pattern),
        "material": language.material(product.style.material),
        "code": product.mpn.partition("-")[0],
    }
    template = language.titles[draws.pick(seller.titles) % len(language.titles)]
    title = _tidy(template.format_map(fields))
    if seller.capitals == "upper":
        title = title.upper()
    elif seller.capitals == "lower":
        title = title.lower()
    elif seller.capitals == "title":
        title = " ".join(word[:1].upper() + word[1:] for word in title.split())
    if draws.chance(seller.flourish_rate):
        title = f"{draws.pick(language.flourishes)}! {title}"
    description = None
    if draws.chance(seller.description_rate):
        described = fields | {"brand": product.style.brand, "pattern": language.pattern(product.pattern)}
        sentences = [text.format_map(described) for text in language.sentences]
        chosen = [sentences[0], *draws.shuffled(sentences[1:])[: 1 + draws.below(3)]]
        description = " ".join(text[:1].upper() + text[1:] for text in chosen)
    sizes = _sizes(product, seller, draws) if seller.sizes_as != "none" else None
    if sizes is not None and product.style.kind in BAGS:
        sizes = (language.one_size,)
    return RawOffer(
        offer_id=offer_id,
        seller_id=seller.seller_id,
        title=title,
        brand=None if draws.chance(seller.brand_missing) else brand,
        description=description,
        price=write_price(_amount(product, seller, draws), seller.market, seller.price_form),
        sizes=sizes if seller.sizes_as == "list" else None,
        n_sizes=len(sizes) if sizes is not None and seller.sizes_as == "count" else None,
        image_urls=image_urls,
        url=f"https://{seller.domain}/{seller.market.language}/{offer_id.rpartition('-')[2]}",
        gtin=product.gtin if draws.chance(seller.code_rate) else None,
        mpn=product.mpn if draws.chance(seller.code_rate) else None,
    )


def write_price(amount: float, market: Market, form: str) -> RawPrice | str:
    """The amount (in the market's currency) in one of the forms that feeds use; unknown forms raise ValueError."""
    currency = market.currency
    comma = f"{amount:,.2f}".replace(",", " ").replace(".", ",").replace(" ", ".")
    match form:
        case "object":
            return RawPrice(amount, currency)
        case "text":
            return RawPrice(f"{amount:.2f}", currency)
        case "comma-text":
            return RawPrice(comma, currency)
        case "scientific":
            mantissa, _, exponent = f"{amount:.4E}".partition("E")
            return RawPrice(f"{mantissa}E{int(exponent)}", currency)
        case "symbol":
            return f"{_SYMBOLS[currency]}{amount:,.2f}"
        case "comma-symbol":
            return f"{comma} {_SYMBOLS[currency]}"
        case "code":
            return f"{amount:.2f} {currency}"
        case "comma-code":
            return f"{comma} {currency}"
        case "whole-code":
            return f"{round(amount)} {currency}"
    raise ValueError(f"unknown price form {form!r}")


def _amount(product: Product, seller: Seller, draws: Draws) -> float:
    amount = product.style.price_eur * seller.market.per_euro * seller.margin * draws.between(0.94, 1.06)
    if seller.price_form == "whole-code":
        return float(max(1, round(amount)))
    return max(1, round(amount)) - draws.pick((0.01, 0.05, 0.0))


def _brand(brand: str, seller: Seller, draws: Draws) -> str:
    if not draws.chance(seller.brand_misspelt):
        return brand
    at = 1 + draws.below(len(brand) - 2)
    return draws.pick(
        (
            brand.upper(),
            brand[:at] + brand[at + 1 :],
            brand[:at] + brand[at] + brand[at:],
            brand[:at] + brand[at + 1 : at + 2] + brand[at] + brand[at + 2 :],
            brand.replace(" ", ""),
        )
    )


def _sizes(product: Product, seller: Seller, draws: Draws) -> tuple[str, ...]:
    count = product.style.sizes
    names: tuple[str, ...] = _LETTER_SIZES
    if product.style.kind in SHOES:
        first, step = {"gb": (3, 1), "us": (5, 1)}.get(seller.market.country, (36, 1))
        names = tuple(str(first + step * place) for place in range(10))
    start = (len(names) - count) // 2
    kept = [name for name in names[start : start + count] if not draws.chance(0.12)]
    return tuple(kept) or names[start : start + 1]


def _tidy(title: str) -> str:
    return " ".join(re.sub(r"(\s*,)+", ",", title).split()).strip(" ,-–")
