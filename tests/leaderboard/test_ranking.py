"""Ranks: shared where models cannot be told apart, never given where they must not be."""

import math
import random
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omicsbench.leaderboard.ranking import FEWEST_PAIRS, Standing, standings
from omicsbench.leaderboard.summary import groups
from omicsbench.records import Record

FOLDS = ("A", "B", "C")
ERRORS = st.one_of(st.none(), st.floats(0.05, 20))


def rows(records: list[Record], folds: tuple[str, ...] | None = None) -> dict[str, Standing]:
    (group,) = groups(records)
    return {row.entry.label: row for row in standings(group, folds)}


def cells(seeds: int, low: float, high: float, salt: int = 0) -> dict[tuple[str, int], float | None]:
    rng = random.Random(salt)
    return {(fold, seed): rng.uniform(low, high) for fold in FOLDS for seed in range(seeds)}


@given(st.lists(ERRORS, min_size=15, max_size=15), st.lists(ERRORS, min_size=15, max_size=15), st.randoms())
@settings(max_examples=15, deadline=None)
def test_the_order_of_records_changes_nothing(
    make: SimpleNamespace, one: list[float | None], other: list[float | None], shuffler: random.Random
) -> None:
    keys = [(fold, seed) for fold in FOLDS for seed in range(5)]
    records = [
        *make.trivial(FOLDS),
        *make.model("one", dict(zip(keys, one, strict=True))),
        *make.model("other", dict(zip(keys, other, strict=True))),
    ]
    before = rows(records)
    shuffler.shuffle(records)
    after = rows(records)
    for label, row in before.items():
        assert (row.rank, row.tied, row.skill_interval, row.nrmse) == (
            after[label].rank,
            after[label].tied,
            after[label].skill_interval,
            after[label].nrmse,
        )


@given(st.lists(ERRORS, min_size=15, max_size=15))
@settings(max_examples=15, deadline=None)
def test_a_model_that_errs_alike_shares_the_rank(make: SimpleNamespace, errors: list[float | None]) -> None:
    same = dict(zip([(fold, seed) for fold in FOLDS for seed in range(5)], errors, strict=True))
    found = rows([*make.trivial(FOLDS), *make.model("one", same), *make.model("twin", same)])
    assert found["one"].rank == found["twin"].rank
    assert "twin" in found["one"].tied


@given(st.integers(2, 6), st.integers(0, 50))
@settings(max_examples=15, deadline=None)
def test_a_model_better_in_every_pair_ranks_above(make: SimpleNamespace, seeds: int, salt: int) -> None:
    found = rows(
        [
            *make.trivial(FOLDS),
            *make.model("good", cells(seeds, 0.1, 0.4, salt)),
            *make.model("bad", cells(seeds, 0.5, 0.9, salt + 1)),
        ]
    )
    assert found["good"].rank == 1
    assert found["bad"].rank == 2
    assert found["persistence"].rank == 3


def test_too_few_pairs_tell_nothing_apart(make: SimpleNamespace) -> None:
    seeds = 1
    assert seeds * len(FOLDS) < FEWEST_PAIRS
    found = rows(
        [*make.trivial(FOLDS), *make.model("good", cells(seeds, 0.1, 0.2)), *make.model("bad", cells(seeds, 0.8, 0.9))]
    )
    assert found["good"].rank == found["bad"].rank == 1


def test_better_in_one_strain_and_worse_in_another_is_not_better(make: SimpleNamespace) -> None:
    errors = {(fold, seed): {"A": 0.1, "B": 0.9, "C": 0.45}[fold] for fold in FOLDS for seed in range(5)}
    even = dict.fromkeys(errors, 0.5)
    found = rows([*make.trivial(FOLDS), *make.model("uneven", errors), *make.model("even", even)])
    assert found["uneven"].rank == found["even"].rank


def test_a_failed_cell_is_worse_than_any_error_and_two_failures_are_equal(make: SimpleNamespace) -> None:
    every = {(fold, seed): None for fold in FOLDS for seed in range(5)}
    found = rows(
        [
            *make.trivial(FOLDS),
            *make.model("dead", every),
            *make.model("dead-too", every),
            *make.model("awful", cells(5, 1e6, 1e7)),
        ]
    )
    assert found["dead"].rank == found["dead-too"].rank
    assert found["awful"].rank < found["dead"].rank  # type: ignore[operator]
    assert found["dead"].skill == -math.inf
    assert found["dead"].skill_interval == (-math.inf, -math.inf)


def test_a_row_without_every_fold_is_not_ranked(make: SimpleNamespace) -> None:
    partial = {cell: error for cell, error in cells(5, 0.1, 0.2).items() if cell[0] != "C"}
    found = rows([*make.trivial(FOLDS), *make.model("partial", partial), *make.model("whole", cells(5, 0.5, 0.6))])
    assert found["partial"].rank is None
    assert found["partial"].unranked == "2 of 3 folds"
    assert found["whole"].rank == 1


def test_folds_that_are_not_asked_for_do_not_count(make: SimpleNamespace) -> None:
    extra = {**cells(5, 0.5, 0.6), ("D", 0): 0.01}
    found = rows(
        [*make.trivial((*FOLDS, "D")), *make.model("extra", extra), *make.model("plain", cells(5, 0.1, 0.2))], FOLDS
    )
    assert found["plain"].rank == 1
    assert found["extra"].rank == 2
    assert found["extra"].folds == 3


def test_seeds_are_the_fewest_of_any_fold(make: SimpleNamespace) -> None:
    uneven = {cell: error for cell, error in cells(5, 0.1, 0.2).items() if cell != ("B", 3)}
    assert rows([*make.trivial(FOLDS), *make.model("uneven", uneven)])["uneven"].seeds == 4


@pytest.mark.parametrize(
    ("seeds", "deterministic", "provisional"), [(4, False, True), (5, False, False), (1, True, False)]
)
def test_provisional(make: SimpleNamespace, seeds: int, deterministic: bool, provisional: bool) -> None:
    found = rows([*make.trivial(FOLDS), *make.model("m", cells(seeds, 0.1, 0.2), deterministic=deterministic)])
    assert found["m"].provisional is provisional


def test_an_oracle_is_shown_and_never_ranked(make: SimpleNamespace) -> None:
    found = rows(
        [
            *make.trivial(FOLDS),
            *make.model("oracle", cells(1, 0.01, 0.02), role="oracle"),
            *make.model("m", cells(5, 0.2, 0.3)),
        ]
    )
    assert found["oracle"].rank is None
    assert found["m"].rank == 1


def test_the_leaky_protocol_is_never_ranked(make: SimpleNamespace) -> None:
    leaky = [make.record("m", fold, seed, 0.1, protocol="published-leaky") for fold in FOLDS for seed in range(5)]
    zero = [
        make.record("persistence", f, 0, 1.0, role="trivial", protocol="published-leaky", deterministic=True)
        for f in FOLDS
    ]
    found = rows([*zero, *leaky])
    assert {row.rank for row in found.values()} == {None}
    assert math.isnan(found["m"].skill)
    assert (found["m"].nrmse, found["m"].seeds, found["m"].folds) == (0.1, 5, 3)
    assert list(found) == ["m", "persistence"]


def test_without_a_trivial_baseline_there_is_no_rank(make: SimpleNamespace) -> None:
    found = rows([*make.trivial(FOLDS[:2]), *make.model("m", cells(5, 0.1, 0.2))])
    assert found["m"].unranked == "no trivial baseline that errs on some fold"


def test_protocols_are_never_mixed(make: SimpleNamespace) -> None:
    records = [
        *make.trivial(FOLDS),
        *make.model("m", cells(5, 0.1, 0.2)),
        *make.model("m", cells(5, 0.1, 0.2), protocol="published"),
    ]
    assert [(group.task, group.protocol) for group in groups(records)] == [("toy", "measured"), ("toy", "published")]


def test_each_gpu_and_the_cpu_have_a_ranking_of_their_own(make: SimpleNamespace) -> None:
    records = [
        *make.trivial(FOLDS),
        *make.model("m", cells(5, 0.5, 0.6)),
        *make.model("m", cells(5, 0.1, 0.2), gpu="GPU X"),
        *make.model("n", cells(5, 0.3, 0.4), gpu="GPU Y"),
    ]
    (group,) = groups(records)
    found = {(row.place, row.entry.label): row.rank for row in standings(group)}
    assert found[("cpu", "m (CPU)")] == found[("GPU X", "m (GPU X)")] == found[("GPU Y", "n")] == 1
    assert {place for place, label in found if label == "persistence"} == {"cpu", "GPU X", "GPU Y"}


def test_a_cell_that_failed_before_it_saw_its_gpu_belongs_to_that_gpu(make: SimpleNamespace) -> None:
    from msgspec.structs import replace

    failed = make.record("m", "C", 0, None, gpu="GPU X")
    assert failed.environment is not None
    failed = replace(failed, environment=replace(failed.environment, gpu=""))
    records = [*make.trivial(FOLDS), *make.model("m", {("A", 0): 0.1, ("B", 0): 0.2}, gpu="GPU X"), failed]
    (group,) = groups(records)
    assert {entry.label: entry.folds for entry in group.entries}["m"] == ("A", "B", "C")


def test_versions_and_parameters_are_rows_of_their_own(make: SimpleNamespace) -> None:
    records = [
        *make.trivial(FOLDS),
        *make.model("m", cells(1, 0.1, 0.2)),
        *make.model("m", cells(1, 0.1, 0.2), version="2"),
        *make.model("n", cells(1, 0.1, 0.2), parameters={"width": 8}),
        *make.model("n", cells(1, 0.1, 0.2), parameters={"width": 16}),
    ]
    assert set(rows(records)) == {"persistence", "m (1)", "m (2)", "n (width=8)", "n (width=16)"}
