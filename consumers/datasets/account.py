"""What became of a table's rows, texts and photos, counted while it is loaded."""

from typing import Literal

from msgspec import Struct, field

#: Examples of malformed rows that are kept; all are counted.
EXAMPLES = 5


class PairCount(Struct, frozen=True, kw_only=True):
    """One file of labelled pairs. `unknown`: pairs with an offer that the table has not; `malformed`: no two ids and a
    label of 0 or 1, or an offer paired with itself."""

    pairs: int
    positive: int
    unknown: int
    malformed: int


class Account(Struct, kw_only=True):
    """Counts of one table, in offers unless said otherwise; they grow while it is loaded.

    `malformed` rows are no offer (`examples` shows the first). `prices_unread`: a price is given but stands for no
    single amount (NaN, a range, "on request"); `prices_unconverted`: a price without a currency that has a rate. Both
    count as missing prices. `empty` offers have neither text nor photo. `photos` are those listed, `photos_failed`
    those that could not be had, by reason. `failed`: texts and sets of photos that the encoder refused. Texts and
    images are `cached` where an earlier run left them, else `encoded`.
    """

    offers: int = 0
    malformed: int = 0
    examples: list[str] = field(default_factory=list)
    products: int = 0
    prices_unread: int = 0
    prices_unconverted: int = 0
    empty: int = 0
    texts_encoded: int = 0
    texts_cached: int = 0
    images_encoded: int = 0
    images_cached: int = 0
    photos: int = 0
    photos_failed: dict[str, int] = field(default_factory=dict)
    failed: int = 0
    pairs: dict[str, PairCount] = field(default_factory=dict)

    def note_malformed(self, line: int, reason: str) -> None:
        self.malformed += 1
        if len(self.examples) < EXAMPLES:
            self.examples.append(f"line {line}: {reason}")

    def note_photo(self, reason: str, offers: int = 1) -> None:
        self.photos_failed[reason] = self.photos_failed.get(reason, 0) + offers

    def forget_encoding(self) -> None:
        """Back to what is known when the table was read: its offers are about to be encoded, perhaps once more."""
        self.empty = self.photos = self.failed = 0
        self.texts_encoded = self.texts_cached = self.images_encoded = self.images_cached = 0
        self.photos_failed = {}

    @property
    def photos_lost(self) -> int:
        return sum(self.photos_failed.values())


class Progress(Struct, frozen=True, kw_only=True):
    """How far one table is. `done` of `total` is a fraction of 1 while reading, and counts offers afterwards."""

    table: str
    stage: Literal["reading", "texts", "photos", "done"]
    done: float
    total: float
    account: Account
