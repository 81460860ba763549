"""A synthetic marketplace with a planted answer: users, products, sellers, jobs, companies.

Everything here is made up, from a seed. Eight communities of four niches each are planted:
people buy, sell, apply and hire mostly inside their own, at their own level of prices. Numbers
are shaped like those of real shops (a few busy users and best-sellers, growth, one season per
community, tastes that spill into neighbouring niches), so that the demo meets what real data
brings.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from graphemb.checks import check_int, check_number
from graphemb.demo.niches import NAMES, NICHES, PER_COMMUNITY
from graphemb.types import BoolArray, IntArray

Floats: TypeAlias = npt.NDArray[np.float64]

HOME_SHARE = np.array([0.52, 0.28, 0.20])
"""Share of a user's interest in the own niche, the rest of the community, and elsewhere."""
LOYALTY = 0.85
"""Probability that a product is sold, and a job offered, inside its seller's community."""
START = np.datetime64("2024-01-01T00:00:00", "us")
DAYS = 730


@dataclass(frozen=True, kw_only=True)
class Marketplace:
    """The marketplace of a seed: `write` makes the same Parquet files on every machine.

    Attributes:
        seed: RNG seed.
        scale: 1.0 is 3,000 users, 2,000 products, 300 sellers, 800 jobs, 100 companies.

    Raises:
        ConfigError: a field out of its range.
    """

    seed: int = 7
    scale: float = 1.0

    def __post_init__(self) -> None:
        check_int("seed", self.seed, low=0)
        check_number("scale", self.scale, low=0.1, high=100.0)

    @cached_property
    def tables(self) -> dict[str, pa.Table]:
        """File name (without ending) -> table; `truth` is the planted answer."""
        return _Maker(self.seed, self.scale).tables()

    def write(self, folder: Path) -> list[Path]:
        """Write one Parquet file per table into `folder`, which is made when missing."""
        folder.mkdir(parents=True, exist_ok=True)
        paths = []
        for name, table in self.tables.items():
            path = folder / f"{name}.parquet"
            pq.write_table(table, path, write_page_checksum=True)
            paths.append(path)
        return paths


@dataclass(frozen=True, eq=False)
class _Kind:
    """The planted answer for each node of a type: int64 niche and level of prices."""

    niche: IntArray
    level: IntArray


class _Maker:
    """Draws the tables one after the other from one generator."""

    def __init__(self, seed: int, scale: float) -> None:
        self.rng = np.random.default_rng(seed)
        self.users, self.products, self.sellers, self.jobs, self.companies = (
            max(round(scale * full), least)
            for full, least in ((3000, 200), (2000, 128), (300, 24), (800, 64), (100, 16))
        )

    def tables(self) -> dict[str, pa.Table]:
        user_niche = self._niches(self.users)
        product_niche = self._niches(self.products)
        job_niche = self._niches(self.jobs)
        seller_home, seller_of = self._owners(self.sellers, product_niche)
        company_home, company_of = self._owners(self.companies, job_niche)
        product_level, job_level = self._levels(self.products), self._levels(self.jobs)
        price: Floats = self._money(product_level, 3.2, 0.7)
        users = _Kind(user_niche, self._levels(self.users))
        truth = {
            "user": ("u", user_niche // PER_COMMUNITY, user_niche),
            "product": ("p", product_niche // PER_COMMUNITY, product_niche),
            "seller": ("s", seller_home, None),
            "job": ("j", job_niche // PER_COMMUNITY, job_niche),
            "company": ("c", company_home, None),
        }
        return {
            "users": pa.table({"id": _ids("u", self.users), "joined": self._days(self.users)}),
            "products": pa.table(
                {
                    "id": _ids("p", self.products),
                    "title": _titles(product_niche, 0),
                    "price": price,
                    "seller": _ids("s", self.sellers).take(pa.array(seller_of)),
                }
            ),
            "sellers": _named("s", seller_home, "& Sons"),
            "jobs": pa.table(
                {
                    "id": _ids("j", self.jobs),
                    "title": _titles(job_niche, 1),
                    "salary": np.round(self._money(job_level, 10.3, 0.3), -2),
                    "company": _ids("c", self.companies).take(pa.array(company_of)),
                }
            ),
            "companies": _named("c", company_home, "Ltd"),
            "purchases": self._purchases(users, _Kind(product_niche, product_level), price),
            "applications": self._applications(users, _Kind(job_niche, job_level)),
            "truth": _truth(truth),
        }

    def _niches(self, count: int) -> IntArray:
        """A niche per node; communities and niches differ in size, none is empty."""
        share = 1.0 / (3.0 + np.arange(len(NICHES)) % len(NAMES))
        share = share.reshape(PER_COMMUNITY, -1).T.ravel()
        drawn = self.rng.choice(len(NICHES), count, p=share / share.sum())
        drawn[: len(NICHES)] = np.arange(len(NICHES))
        return self.rng.permutation(drawn)

    def _owners(self, count: int, niche: IntArray) -> tuple[IntArray, IntArray]:
        """Homes (communities) of `count` owners, and the owner of each of the niches' things.

        Few owners have many things and many have few; each has at least one.
        """
        home = self.rng.permutation(np.arange(count) % len(NAMES))
        size = (1.0 + self.rng.permutation(count)) ** -0.7
        wanted = niche // PER_COMMUNITY
        stray = self.rng.random(len(niche)) > LOYALTY
        wanted = np.where(stray, self.rng.integers(0, len(NAMES), len(niche)), wanted)
        owner = np.empty(len(niche), np.int64)
        for community in range(len(NAMES)):
            things = np.flatnonzero(wanted == community)
            mine = np.flatnonzero(home == community)
            owner[things] = self.rng.choice(mine, len(things), p=size[mine] / size[mine].sum())
        idle = np.setdiff1d(np.arange(count), owner)
        spare = self._at_home(home, idle, wanted, owner)
        owner[spare] = idle[: len(spare)]
        return home, owner

    def _at_home(
        self, home: IntArray, idle: IntArray, wanted: IntArray, owner: IntArray
    ) -> IntArray:
        """One thing of the own community for each idle owner, taken from busy ones."""
        busy = np.bincount(owner, minlength=len(home))
        taken: list[int] = []
        for one in idle:
            mine = np.flatnonzero((wanted == home[one]) & (busy[owner] > 1))
            thing = mine[np.argmax(busy[owner[mine]])]
            busy[owner[thing]] -= 1
            owner[thing] = one
            busy[one] += 1
            taken.append(int(thing))
        return np.array(taken, np.int64)

    def _levels(self, count: int) -> IntArray:
        """Low, middle or high prices (0, 1, 2) for each node."""
        return self.rng.choice(3, count, p=[0.4, 0.4, 0.2])

    def _money(self, level: IntArray, middle: float, step: float) -> Floats:
        """Prices or salaries: log-normal around their level's."""
        amount: Floats = np.exp(self.rng.normal(middle + step * level, step / 3))
        return np.round(amount, 2)

    def _affordable(self, own: IntArray, asked: IntArray) -> BoolArray:
        """Whether an event happens: most at the own level, few at the next, hardly any beyond."""
        chance = np.array([1.0, 0.2, 0.03])[np.abs(own - asked)]
        return np.asarray(self.rng.random(len(own)) < chance)

    def _interest(self, home: IntArray) -> IntArray:
        """The niche of one event each, from the person's home niche."""
        kind = self.rng.choice(3, len(home), p=HOME_SHARE)
        near = home // PER_COMMUNITY * PER_COMMUNITY
        near = near + self.rng.integers(0, PER_COMMUNITY, len(home))
        far = self.rng.integers(0, len(NICHES), len(home))
        return np.choose(kind, [home, near, far])

    def _in_season(self, niche: IntArray, at: pa.Array) -> BoolArray:
        """Whether an event happens: every community has its month, and half a year later few."""
        month = np.asarray(at).astype("datetime64[M]").astype(np.int64) % 12
        peak = niche // PER_COMMUNITY * 12 / len(NAMES)
        chance = 0.65 + 0.35 * np.cos(2 * np.pi * (month - peak) / 12)
        return self.rng.random(len(niche)) < chance

    def _pick(self, niche: IntArray, of_thing: IntArray, exponent: float) -> IntArray:
        """A thing of each wanted niche; popularity inside a niche is Zipf's."""
        picked = np.empty(len(niche), np.int64)
        for one in range(len(NICHES)):
            things = np.flatnonzero(of_thing == one)
            weight = (1.0 + np.arange(len(things))) ** -exponent
            events = np.flatnonzero(niche == one)
            picked[events] = self.rng.choice(things, len(events), p=weight / weight.sum())
        return picked

    def _days(self, count: int) -> pa.Array:
        """Moments in the two years, more of them later on."""
        day = np.sqrt(self.rng.random(count)) * DAYS
        return pa.array(START + (day * 86_400).astype("timedelta64[s]"))

    def _purchases(self, users: _Kind, products: _Kind, price: Floats) -> pa.Table:
        activity = np.clip(self.rng.lognormal(3.6, 0.9, self.users), 6, 400).astype(np.int64)
        kept = self._events(np.repeat(np.arange(self.users), activity), users, products, 0.6)
        qty = 1 + self.rng.poisson(0.3, len(kept["at"]))
        return pa.table(
            {
                "user": _ids("u", self.users).take(pa.array(kept["who"])),
                "product": _ids("p", self.products).take(pa.array(kept["what"])),
                "qty": qty.astype(np.float64),
                "price": price[kept["what"]],
                "at": kept["at"],
            }
        )

    def _applications(self, users: _Kind, jobs: _Kind) -> pa.Table:
        seeking = np.flatnonzero(self.rng.random(self.users) < 0.5)
        count = np.minimum(3 + self.rng.geometric(0.1, len(seeking)), 60)
        kept = self._events(np.repeat(seeking, count), users, jobs, 0.4)
        return pa.table(
            {
                "user": _ids("u", self.users).take(pa.array(kept["who"])),
                "job": _ids("j", self.jobs).take(pa.array(kept["what"])),
                "at": kept["at"],
            }
        )

    def _events(
        self, who: IntArray, users: _Kind, things: _Kind, exponent: float
    ) -> dict[str, npt.NDArray[Any]]:
        """One try per entry of `who` to find a thing; those that succeed, each pair once."""
        at = self._days(len(who))
        niche = self._interest(users.niche[who])
        what = self._pick(niche, things.niche, exponent)
        keep = self._in_season(niche, at) & self._affordable(users.level[who], things.level[what])
        columns = {"who": who[keep], "what": what[keep], "at": np.asarray(at)[keep]}
        return _first_of_pair(columns)


def _ids(letter: str, count: int) -> pa.Array:
    width = max(4, len(str(count)))
    return pa.array([f"{letter}{number:0{width}d}" for number in range(1, count + 1)])


def _titles(niche: IntArray, word: int) -> list[str]:
    """`Tent 3`: the niche's word and a running number within it."""
    seen = dict.fromkeys(range(len(NICHES)), 0)
    titles = []
    for one in niche.tolist():
        seen[one] += 1
        titles.append(f"{NICHES[one][word]} {seen[one]}")
    return titles


def _named(letter: str, home: IntArray, ending: str) -> pa.Table:
    ids = _ids(letter, len(home))
    names = [
        f"{NAMES[community]} {ending} {number}"
        for number, community in enumerate(home.tolist(), start=1)
    ]
    return pa.table({"id": ids, "name": names})


def _first_of_pair(columns: dict[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
    """The earliest row of each pair of the first two columns, all in order of time."""
    order = np.argsort(columns["at"], kind="stable")
    one, other = (column[order] for column in list(columns.values())[:2])
    _, first = np.unique(np.stack([one, other], axis=1), axis=0, return_index=True)
    rows = order[np.sort(first)]
    return {name: column[rows] for name, column in columns.items()}


def _truth(parts: dict[str, tuple[str, IntArray, IntArray | None]]) -> pa.Table:
    """`node_type, id, community, niche`; sellers and companies have no niche."""
    tables = []
    for node_type, (letter, community, niche) in parts.items():
        count = len(community)
        names = [None] * count if niche is None else [NICHES[one][0] for one in niche.tolist()]
        tables.append(
            pa.table(
                {
                    "node_type": [node_type] * count,
                    "id": _ids(letter, count),
                    "community": [NAMES[one] for one in community.tolist()],
                    "niche": pa.array(names, pa.string()),
                }
            )
        )
    return pa.concat_tables(tables)
