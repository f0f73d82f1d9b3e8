"""The rows of the ablation table: the questions of the paper's tables, and every further idea that was tried."""

import re
from collections.abc import Callable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from matcher.ablation.models import Judge, Projected, Raw, Row, TextView, Verified
from matcher.training.options import DrawnBy, Modality, ProjectionOptions
from matcher.verifier.evidence import KINDS
from matcher.verifier.training import VerifierOptions

BASE = "linear projection (base)"
VERIFIED = "on the projection"
MODALITIES: tuple[Modality, ...] = ("image", "text", "numbers")
MIXES: tuple[tuple[Modality, ...], ...] = (
    ("image",),
    ("text",),
    ("image", "text"),
    ("image", "numbers"),
    ("text", "numbers"),
    ("image", "text", "numbers"),
)
#: More offers than any batch has.
_ALL = 10**6
#: Embeddings kept of earlier batches.
_MEMORY = 1024


class LeftOut(Struct, frozen=True):
    """A row that says nothing about a table, and why."""

    name: str
    reason: str


def rows_for(
    present: Sequence[Modality], asked: Sequence[Modality], base: ProjectionOptions | None = None
) -> tuple[list[Row], list[LeftOut]]:
    """The rows for tables that hold the modalities `present`, of which those in `asked` may be used; the base first.

    Each differs in one thing from the `base`, by default that of training. ValueError where neither image nor text is.
    """
    used = tuple(each for each in MODALITIES if each in present and each in asked)
    if not {"image", "text"} & set(used):
        raise ValueError(f"expected image or text among the modalities, got {', '.join(used) or 'none'}")
    base = replace(base or ProjectionOptions(), modalities=used)
    rows = [
        Row(section="Projection", name=BASE, model=Projected(projection=base), against=None),
        *_projections(base),
        *_training(base),
    ]
    mixed, left_out = _modalities(base, present, asked)
    rows += mixed
    if "text" in used:
        rows += _texts(base)
        rows += _verifiers(base)
    else:
        left_out.append(LeftOut("Text and Verifier", "texts are not used, and a verifier reads titles"))
    return rows, left_out


def chosen(rows: Sequence[Row], pattern: str | None) -> list[Row]:
    """The rows whose section or name the pattern (a regular expression, letter case aside) is found in, and those that
    they are compared with. ValueError for a pattern that is none, or found nowhere."""
    if pattern is None:
        return list(rows)
    try:
        wanted = re.compile(pattern, re.IGNORECASE)
    except re.error as error:
        raise ValueError(f"expected a regular expression for the rows, got {pattern!r}: {error}") from None
    names = {row.name for row in rows if wanted.search(row.label)}
    if not names:
        raise ValueError(f"expected a pattern that some row has, got {pattern!r}; rows: {_listed(rows)}")
    names |= {row.against for row in rows if row.name in names and row.against}
    return [row for row in rows if row.name in names]


def _listed(rows: Sequence[Row]) -> str:
    return "; ".join(row.label for row in rows)


def _varied(section: str, base: ProjectionOptions) -> Callable[..., Row]:
    """Makes rows of a section that differ from the base in some options."""

    def vary(name: str, **changes: object) -> Row:
        return Row(section=section, name=name, model=Projected(projection=replace(base, **changes)), against=BASE)

    return vary


def _projections(base: ProjectionOptions) -> list[Row]:
    vary = _varied("Projection", base)
    blocks = tuple(each for each in ("image", "text") if each in base.modalities)
    return [
        Row(section="Projection", name="raw vectors side by side", model=Raw(modalities=blocks), against=BASE),
        vary("one hidden layer of 512", kind="perceptron"),
        vary("64 dimensions", dim=64),
        vary("384 dimensions", dim=384),
    ]


def _modalities(
    base: ProjectionOptions, present: Sequence[Modality], asked: Sequence[Modality]
) -> tuple[list[Row], list[LeftOut]]:
    rows: list[Row] = []
    left_out: list[LeftOut] = []
    vary = _varied("Modalities", base)

    def add(row: Row, needed: Sequence[Modality]) -> None:
        absent = [each for each in needed if each not in present]
        unasked = [each for each in needed if each not in asked]
        if absent:
            left_out.append(LeftOut(row.label, f"the tables have no {' and no '.join(absent)}"))
        elif unasked:
            left_out.append(LeftOut(row.label, f"{' and '.join(unasked)} not asked for"))
        else:
            rows.append(row)

    for block in ("image", "text"):
        if {block} != {"image", "text"} & set(base.modalities):
            raw = Raw(modalities=(block,))
            add(Row(section="Modalities", name=f"raw {block} alone", model=raw, against=BASE), (block,))
    for mix in MIXES:
        if mix != base.modalities:
            add(vary(" + ".join(mix), modalities=mix), mix)
    if "numbers" in base.modalities:
        rows.append(replace(vary("without the price"), price=False))
        rows.append(vary("numbers weighed three times as much", number_weight=3 * base.number_weight))
    return rows, left_out


def _training(base: ProjectionOptions) -> list[Row]:
    batches, negatives = _varied("Batches", base), _varied("Negatives", base)
    loss, start, average = _varied("Loss", base), _varied("Start and missing parts", base), _varied("Averages", base)

    def batch(size: int, by: DrawnBy, said: str) -> Row:
        return batches(f"{size:,} offers, {said}" if size < _ALL else f"all offers, {said}", batch=size, drawn_by=by)

    return [
        *(batch(size, "products", "products drawn one by one") for size in (64, 256, 1024, _ALL)),
        *(batch(size, "siblings", "siblings drawn together") for size in (64, 256, 1024)),
        batches("drawn by brand and price", drawn_by="brand_price"),
        batches(f"memory of {_MEMORY:,} (XBM)", memory=_MEMORY),
        batches(f"memory of {_MEMORY:,} (XBM), products drawn one by one", memory=_MEMORY, drawn_by="products"),
        negatives("lone negatives kept", lone_negatives=True),
        loss("temperature 0.05", temperature=0.05),
        loss("temperature 0.2", temperature=0.2),
        loss("temperature learned", learn_temperature=True),
        start("whitened start", start="whitened"),
        start("whitened start without shrinkage", start="whitened", shrinkage=0.0),
        start("whitened start, shrinkage 0.6", start="whitened", shrinkage=0.6),
        start("whitened start, pulled back to it", start="whitened", pull=0.003),
        start("nothing dropped out", drop=0.0),
        start("drop-out of 0.3", drop=0.3),
        start("zeros for what is missing", missing="zero"),
        average("three seeds", seeds=(0, 1, 2)),
        average("moving average (EMA 0.95)", ema=0.95),
        average("early stopping on 15 % of the products", validation=0.15),
    ]


def _texts(base: ProjectionOptions) -> list[Row]:
    views: list[tuple[str, TextView]] = [
        ("title alone", "title"),
        ("brand, title and description", "brand_title_description"),
    ]
    return [
        Row(section="Text", name=name, model=Projected(projection=base), against=BASE, text=view)
        for name, view in views
    ]


def _verifiers(base: ProjectionOptions) -> list[Row]:
    projected, options = Projected(projection=base), VerifierOptions()
    groups = tuple(dict.fromkeys(kind.group for kind in KINDS))

    def judged(
        name: str,
        verifier: VerifierOptions = options,
        embedding: Raw | Projected = projected,
        against: str = VERIFIED,
        judge: Judge = "trees",
    ) -> Row:
        model = Verified(embedding=embedding, verifier=verifier, judge=judge)
        return Row(section="Verifier", name=name, model=model, against=against)

    raw = Raw(modalities=tuple(each for each in ("image", "text") if each in base.modalities))
    blocks = tuple(f"{each}_cosine" for each in raw.modalities)
    return [
        judged(VERIFIED, against=BASE),
        judged("on raw vectors", embedding=raw),
        judged("the cosines of raw vectors beside", replace(options, cosines=(*options.cosines, *blocks))),
        judged("logistic regression instead of trees", judge="logistic"),
        judged("trees free to bend", replace(options, boosting=replace(options.boosting, monotone=False))),
        judged("labelled pairs not learned from", replace(options, labelled=False)),
        *(
            judged(f"without {group}", replace(options, groups=tuple(each for each in groups if each != group)))
            for group in groups
        ),
    ]
