"""The synthetic marketplace: whole, skewed, seasonal, and the same for the same seed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pytest

from graphemb.demo.market import Marketplace
from graphemb.demo.niches import NAMES
from graphemb.errors import ConfigError

SMALL = Marketplace(seed=3, scale=0.2)


def test_the_same_seed_writes_the_same_files(tmp_path: Path) -> None:
    first = SMALL.write(tmp_path / "a")
    again = Marketplace(seed=3, scale=0.2).write(tmp_path / "b")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in again]
    other = Marketplace(seed=4, scale=0.2).tables["purchases"]
    assert not other.equals(SMALL.tables["purchases"])


def test_the_full_size_is_the_one_promised() -> None:
    counts = {name: table.num_rows for name, table in Marketplace().tables.items()}
    assert counts["users"] == 3000
    assert counts["products"] == 2000
    assert counts["sellers"] == 300
    assert counts["jobs"] == 800
    assert counts["companies"] == 100
    assert counts["truth"] == 6200
    assert 30_000 < counts["purchases"] < 60_000


@pytest.mark.parametrize("seed", range(8))
def test_every_reference_leads_somewhere(seed: int) -> None:
    tables = Marketplace(seed=seed, scale=0.1).tables
    for table, column, target in (
        ("purchases", "user", "users"),
        ("purchases", "product", "products"),
        ("products", "seller", "sellers"),
        ("applications", "user", "users"),
        ("applications", "job", "jobs"),
        ("jobs", "company", "companies"),
    ):
        assert pc.all(pc.is_in(tables[table][column], tables[target]["id"])).as_py()
    for table in ("users", "products", "sellers", "jobs", "companies"):
        assert len(set(tables[table]["id"].to_pylist())) == tables[table].num_rows


@pytest.mark.parametrize("seed", range(8))
def test_every_seller_and_company_has_members(seed: int) -> None:
    tables = Marketplace(seed=seed, scale=0.1).tables
    assert len(tables["products"]["seller"].unique()) == tables["sellers"].num_rows
    assert len(tables["jobs"]["company"].unique()) == tables["companies"].num_rows


def test_a_pair_is_bought_once() -> None:
    bought = SMALL.tables["purchases"].select(["user", "product"]).to_pylist()
    assert len({(row["user"], row["product"]) for row in bought}) == len(bought)


def test_degrees_are_skewed_as_in_real_shops() -> None:
    purchases = Marketplace().tables["purchases"]
    for column in ("user", "product"):
        counts = np.sort(purchases[column].value_counts().field("counts").to_numpy())[::-1]
        top_tenth = counts[: len(counts) // 10].sum() / counts.sum()
        assert top_tenth > 0.2, column
        assert counts[0] > 5 * np.median(counts)


def test_most_purchases_stay_in_the_community_and_each_has_its_season() -> None:
    tables = Marketplace().tables
    truth = tables["truth"].to_pylist()
    home = {row["id"]: row["community"] for row in truth}
    purchases = tables["purchases"]
    users = np.array([home[one] for one in purchases["user"].to_pylist()])
    products = np.array([home[one] for one in purchases["product"].to_pylist()])
    assert 0.75 < (users == products).mean() < 0.9
    month = purchases["at"].to_numpy().astype("datetime64[M]").astype(int) % 12
    for number, name in enumerate(NAMES):
        peak = round(number * 12 / len(NAMES))
        by_month = np.bincount(month[products == name], minlength=12)
        half_year_on = (peak + 6) % 12
        assert by_month[peak] > 1.5 * by_month[half_year_on], name


def test_a_scale_out_of_range_is_refused() -> None:
    with pytest.raises(ConfigError, match="scale"):
        Marketplace(scale=0.01)
