"""What is asked, and of which rows: never about what was learned from, nor about what the tables do not have."""

import numpy as np
import pytest

from matcher.ablation.models import Projected, Raw, Verified, repeated
from matcher.ablation.questions import by_halves, present_in, unseen
from matcher.ablation.rows import BASE, chosen, rows_for
from matcher.training.splits import dataset_groups, product_labels
from tests.matcher.training.making import a_dataset

ALL = ("image", "text", "numbers")


def test_each_half_is_asked_once_after_learning_from_the_other() -> None:
    table = a_dataset(products=30)
    subject = by_halves([table], 0, ["group", "product"], 2)
    for question in subject.questions:
        assert len(question.lessons) == 4
        for one, other in zip(question.lessons[::2], question.lessons[1::2], strict=True):
            asked = np.concatenate([one.ask.rows, other.ask.rows])
            assert sorted(asked.tolist()) == list(range(len(table)))
            assert one.learn[0].rows.tolist() == other.ask.rows.tolist()
    first, _, second, _ = subject.questions[0].lessons
    assert first.ask.rows.tolist() != second.ask.rows.tolist()
    assert (first.repetition, second.repetition) == (0, 1)


@pytest.mark.parametrize(("split", "number"), [("group", 0), ("product", 1)])
def test_what_must_stay_together_is_never_learned_from_and_asked_about(split, number) -> None:
    table = a_dataset(products=40, siblings=4)
    products = product_labels(table)
    units = dataset_groups(table, products) if split == "group" else products
    for lesson in by_halves([table], 0, ["group", "product"], 1).questions[number].lessons:
        assert not set(units[lesson.learn[0].rows]) & set(units[lesson.ask.rows])


def test_an_unseen_shop_is_asked_whole_and_taught_by_all_others() -> None:
    tables = [a_dataset(), a_dataset(seed=1), a_dataset(products=5, seed=2)]
    subject = unseen(tables, [0, 1], 2, 1)
    (lesson,) = subject.questions[0].lessons
    assert [part.table for part in lesson.learn] == [0, 1]
    assert lesson.ask.table == 2
    assert len(lesson.ask.rows) == len(tables[2])


def test_modalities_count_where_every_table_has_them() -> None:
    assert present_in([a_dataset(images=True, numbers=True)]) == ALL
    assert present_in([a_dataset(images=True), a_dataset(numbers=True)]) == ("text",)


def test_rows_have_names_of_their_own_and_are_compared_with_rows_that_are_there() -> None:
    rows, left_out = rows_for(ALL, ALL)
    names = [row.name for row in rows]
    assert names[0] == BASE
    assert len(set(names)) == len(names)
    assert {row.against for row in rows} - {None} <= set(names)
    assert not left_out


def test_a_row_about_what_the_tables_do_not_have_is_left_out_and_says_why() -> None:
    rows, left_out = rows_for(("text", "numbers"), ALL)
    reasons = {row.name: row.reason for row in left_out}
    assert reasons["Modalities: image + text"] == "the tables have no image"
    for row in rows:
        model = row.model.embedding if isinstance(row.model, Verified) else row.model
        used = model.modalities if isinstance(model, Raw) else model.projection.modalities
        assert "image" not in used


def test_where_text_is_not_asked_for_no_row_reads_it() -> None:
    rows, left_out = rows_for(ALL, ("image",))
    for row in rows:
        assert isinstance(row.model, Raw | Projected)
        used = row.model.modalities if isinstance(row.model, Raw) else row.model.projection.modalities
        assert used == ("image",)
        assert row.text == "brand_title"
    assert any("verifier reads titles" in row.reason for row in left_out)
    with pytest.raises(ValueError, match="expected image or text"):
        rows_for(ALL, ("numbers",))


def test_a_pattern_brings_the_rows_that_its_own_are_compared_with() -> None:
    rows, _ = rows_for(ALL, ALL)
    assert [row.name for row in chosen(rows, "hidden layer")] == [BASE, "one hidden layer of 512"]
    assert {row.name for row in chosen(rows, "^verifier: without price")} >= {BASE, "on the projection"} - {BASE}
    assert chosen(rows, None) == rows
    for pattern in ("[", "no such row"):
        with pytest.raises(ValueError, match="expected a"):
            chosen(rows, pattern)


def test_repetitions_differ_in_every_seed_and_the_first_has_its_own() -> None:
    rows, _ = rows_for(ALL, ALL)
    for row in rows:
        assert repeated(row.model, 0) == row.model
        if isinstance(row.model, Verified) and isinstance(row.model.embedding, Projected):
            again = repeated(row.model, 1)
            assert again.verifier.seed != row.model.verifier.seed
            assert again.verifier.boosting.seed != row.model.verifier.boosting.seed
            assert not set(again.embedding.projection.seeds) & set(row.model.embedding.projection.seeds)
