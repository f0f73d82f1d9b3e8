"""Numbers with units in a text (256GB, 15", 42 mm, 2.5l, 3-pack), brought to one unit for each dimension."""

import re

#: dimension, base units in one of these, their spellings in several languages.
_TABLE: tuple[tuple[str, float, str], ...] = (
    ("storage", 1, "mb mo"),
    ("storage", 1e3, "gb go gig gigabyte gigabytes"),
    ("storage", 1e6, "tb to terabyte terabytes"),
    ("length", 1, "mm millimeter millimetre"),
    ("length", 10, "cm centimeter centimetre"),
    ("length", 1e3, "m meter metre meters metres mtr"),
    ("inch", 1, '" in inch inches zoll pouces pulgadas pollici tum inci cali'),
    ("inch", 12, "ft feet foot"),
    ("volume", 1, "ml"),
    ("volume", 10, "cl"),
    ("volume", 1e3, "l lt ltr litre liter litres liters litri litros"),
    ("mass", 1e-3, "mg"),
    ("mass", 1, "g gr gram grams gramm grammes"),
    ("mass", 1e3, "kg kgs kilo"),
    ("pound", 1, "lb lbs pound pounds"),
    ("ounce", 1, "oz ounce ounces"),
    ("power", 1, "w watt watts"),
    ("power", 1e3, "kw"),
    ("apparent power", 1, "va"),
    ("apparent power", 1e3, "kva"),
    ("voltage", 1, "v volt volts"),
    ("current", 1, "a amp amps"),
    ("charge", 1, "mah"),
    ("charge", 1e3, "ah"),
    ("frequency", 1, "mhz"),
    ("frequency", 1e3, "ghz"),
    ("refresh", 1, "hz"),
    ("refresh", 1e3, "khz"),
    ("rotation", 1, "rpm"),
    ("rate", 1, "mb/s mbs mbps"),
    ("rate", 1e3, "gb/s gbps gbs"),
    ("resolution", 1, "p"),
    ("pixels", 1, "mp mpx mpix megapixel megapixels"),
    ("bits", 1, "bit bits"),
    ("count", 1, "x pcs pc pce pack pk piece pieces stuck stk szt ks set sets pair pairs pezzi piezas ct count"),
    ("speeds", 1, "sp spd speed speeds fach vitesses"),
    ("teeth", 1, "t"),
    ("ports", 1, "port ports porte"),
    ("channels", 1, "ch channel channels"),
    ("cores", 1, "core cores"),
    ("pages", 1, "pages seiten sayfa stran pagina paginas sivua sidor"),
    ("months", 1, "month months"),
    ("months", 12, "year years yr yrs jahre ans"),
    ("generation", 1, "gen generation nd rd th st"),
)
UNITS = {unit: (dimension, scale) for dimension, scale, units in _TABLE for unit in units.split()}
#: Their places are part of what is stored with a verifier's evidence: append, never reorder.
DIMENSIONS = tuple(dict.fromkeys(dimension for dimension, _, _ in _TABLE))
#: More of one thing than this is a dimension or a resolution (1920 x 1080).
MAX_COUNT = 500

_SPELLINGS = "|".join(re.escape(unit) for unit in sorted(UNITS, key=len, reverse=True))
_QUANTITY = re.compile(rf"(?<![\d.])(\d{{1,7}}(?:\.\d{{1,3}})?)[\s-]?({_SPELLINGS})(?![^\W\d_])")
_PACK_OF = re.compile(r"\b(?:pack|set|box|case|lot|bundle)\s+of\s+(\d{1,4})\b")
#: Units that are also how models are named: 570x, 8t.
_AMBIGUOUS = frozenset("xtp")
_WHOLE = re.compile(rf"\d{{1,7}}(?:\.\d{{1,3}})?({_SPELLINGS})")


def is_quantity(text: str) -> bool:
    """Whether the text is one number with a unit and nothing else, and no model either."""
    whole = _WHOLE.fullmatch(text)
    return whole is not None and whole.group(1) not in _AMBIGUOUS


def quantities_of(plain: str) -> set[tuple[str, str]]:
    """(dimension, value in base units to three digits) of every quantity in a text that `plain_text` has cleaned."""
    found = set()
    for number, unit in _QUANTITY.findall(plain):
        dimension, scale = UNITS[unit]
        value = float(number) * scale
        if value > 0 and not (dimension == "count" and value > MAX_COUNT):
            found.add((dimension, f"{value:.3g}"))
    found.update(("count", f"{float(number):.3g}") for number in _PACK_OF.findall(plain))
    return found
