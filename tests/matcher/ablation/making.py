"""Tables and rows that an ablation goes through quickly."""

import msgspec

from matcher.ablation.kept import Kept
from matcher.ablation.models import Projected, Row
from matcher.ablation.questions import by_halves
from matcher.ablation.run import ablate
from matcher.training.options import ProjectionOptions
from tests.matcher.verifier.making import a_market

QUICK = ProjectionOptions(modalities=("text", "numbers"), dim=4, least_steps=10, epochs=1)


def a_row(name="base", section="Projection", against=None, **more) -> Row:
    return Row(section=section, name=name, model=Projected(projection=QUICK), against=against, **more)


def a_shop(products=12, **more):
    """A small market whose sibling groups are the families of two products."""
    market = a_market(products=products, **more)
    each = len(market) // products
    return msgspec.structs.replace(market, styles=[f"f{row // each // 2}" for row in range(len(market))])


def run(folder, pattern, *, table=None, splits=("group",), seeds=1, asked=("text", "numbers"), **more):
    """An ablation of a small market (or `table`), with what it told on the way."""
    tables = [table or a_shop()]
    told = []
    subjects = [by_halves(tables, 0, splits, seeds)]
    more.setdefault("on_progress", told.append)
    found = ablate(lambda view: tables, subjects, Kept(folder), asked=asked, pattern=pattern, base=QUICK, **more)
    return found, told
