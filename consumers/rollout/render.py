"""A rehearsal for people at a terminal: the same figures as the JSON, and in words what they cannot know."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from matcher.rollout.result import Example, Glimpse, Outcomes, Rollout, Voice
from matcher.rollout.words import KINDS, limits, notes


def rollout_view(rollout: Rollout) -> RenderableType:
    """What `rich.console.Console.print` shows of a rehearsal."""
    parts: list[RenderableType] = [_heading(rollout), Text()]
    if rollout.compared:
        parts += [_outcomes(rollout.before, rollout.after), Text(), _flips(rollout), Text(), _products(rollout), Text()]
    parts += [_example(example) for example in rollout.examples]
    parts += [Text(note, style="yellow") for note in notes(rollout)]
    parts += [Text(limit, style="dim") for limit in limits()]
    return Group(*parts)


def _heading(rollout: Rollout) -> Text:
    text = Text(f"{rollout.bundle_name} ({rollout.bundle})", style="bold")
    by = ", ".join(entry.name for entry in rollout.decided_by) or "nobody"
    text.append(
        f"  against what {by} published: {rollout.compared:,} decisions of {rollout.offers:,} live offers compared",
        style="not bold dim",
    )
    return text


def _outcomes(before: Outcomes, after: Outcomes) -> Table:
    table = Table(title="Decisions", title_justify="left", box=None)
    table.add_column("", style="bold")
    for name in ("published", "new bundle", "change"):
        table.add_column(name, justify="right")
    for label, was, becomes in (
        ("matched", before.matched, after.matched),
        ("new products", before.new_product, after.new_product),
        ("needs review", before.needs_review, after.needs_review),
        ("without a person", before.automatic, after.automatic),
    ):
        table.add_row(label, f"{was:,}", f"{becomes:,}", f"{becomes - was:+,}")
    was_load, load = before.reviews_per_1000 or 0.0, after.reviews_per_1000 or 0.0
    table.add_row("reviews per 1,000 offers", f"{was_load:.1f}", f"{load:.1f}", f"{load - was_load:+.1f}")
    return table


def _flips(rollout: Rollout) -> Table:
    table = Table(title="What would change", title_justify="left", box=None, show_header=False)
    table.add_column(style="bold")
    table.add_column(justify="right")
    table.add_column(justify="right", style="dim")
    table.add_column(style="dim")
    table.add_row("agree", f"{rollout.agreeing:,}", _percent(rollout.agreement), "")
    for flip in rollout.flips:
        absent = f"{flip.partner_absent:,} of them may be the log's doing" if flip.partner_absent else ""
        share = _percent(flip.count / rollout.compared)
        table.add_row(f"{KINDS[flip.before]} → {KINDS[flip.after]}", f"{flip.count:,}", share, absent)
    return table


def _products(rollout: Rollout) -> Table:
    found = rollout.products
    table = Table(title="Products", title_justify="left", box=None, show_header=False)
    table.add_column(style="bold")
    table.add_column(justify="right")
    table.add_column(style="dim")
    table.add_row("products", f"{found.products_before:,} → {found.products_after:,}", "")
    pairs = f"{found.pairs_both:,} pairs stay together"
    table.add_row("pairs in one product", f"{found.pairs_before:,} → {found.pairs_after:,}", pairs)
    table.add_row("unchanged for", _percent(found.same_mates), "of the offers: they stand with exactly the same others")
    b3 = f"{_percent(found.b3_precision)} / {_percent(found.b3_recall)}"
    table.add_row("B³ precision / recall", b3, "the published products taken for the truth")
    return table


def _example(example: Example) -> Text:
    text = Text(f"{KINDS[example.before.outcome]} → {KINDS[example.after_kind]}  ", style="bold")
    text.append(_offer(example.offer), style="not bold")
    if example.partner_absent:
        text.append("  (may be the log's doing)", style="not bold dim")
    for label, voice in (("was", example.before), ("now", example.after)):
        text.append(f"\n  {label}  {_said(voice)}", style="not bold")
        if voice.evidence:
            told = ", ".join(f"{item.name} {item.value:.3g}" for item in voice.evidence)
            text.append(f"\n       {told}", style="not bold dim")
    text.append("\n")
    return text


def _said(voice: Voice) -> str:
    what = KINDS[voice.outcome] + (f" ({voice.review_reason})" if voice.review_reason else "")
    if voice.candidate is None:
        return f"{what}; there was no candidate"
    figures = [
        f"{name} {value:.3f}" for name, value in (("score", voice.score), ("p", voice.probability)) if value is not None
    ]
    return f"{what}; best: {_offer(voice.candidate)}{': ' if figures else ''}{', '.join(figures)}"


def _offer(offer: Glimpse) -> str:
    price = "" if offer.price is None else f"{offer.price.amount:,.2f} {offer.price.currency or ''}".strip()
    parts = [part for part in (offer.title, offer.brand, price, offer.seller_id) if part]
    return f"{' · '.join(parts) if parts else '(no longer in the log)'} [{offer.offer_id}]"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f} %"
