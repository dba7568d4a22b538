"""For authors: the database of notebook 09, a made-up firm that hires out bikes in eight cities.

    python -m tools.bike_database     write data/bike_hire.sql anew

Knows tables and how their rows are drawn: always the same ones. Nothing in it is about anybody.
"""

import random
import sqlite3
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from workbook import files, paths

FILE = "bike_hire.sql"
SEED = 9
LAST_DAY = date(2025, 6, 30)  # what is open on that day has no end yet

SCHEMA = """\
CREATE TABLE city (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, country TEXT NOT NULL, population INTEGER NOT NULL);
CREATE TABLE station (id INTEGER PRIMARY KEY, city_id INTEGER NOT NULL REFERENCES city, name TEXT NOT NULL UNIQUE, docks INTEGER NOT NULL, opened DATE NOT NULL);
CREATE TABLE bike (id INTEGER PRIMARY KEY, station_id INTEGER REFERENCES station, kind TEXT NOT NULL, maker TEXT NOT NULL, bought DATE NOT NULL, retired DATE);
CREATE TABLE rider (id INTEGER PRIMARY KEY, city_id INTEGER NOT NULL REFERENCES city, name TEXT NOT NULL UNIQUE, email TEXT, joined DATE NOT NULL);
CREATE TABLE plan (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, monthly_price REAL NOT NULL);
CREATE TABLE subscription (id INTEGER PRIMARY KEY, rider_id INTEGER NOT NULL REFERENCES rider, plan_id INTEGER NOT NULL REFERENCES plan, started DATE NOT NULL, ended DATE);
CREATE TABLE trip (id INTEGER PRIMARY KEY, rider_id INTEGER NOT NULL REFERENCES rider, bike_id INTEGER NOT NULL REFERENCES bike, station_id INTEGER NOT NULL REFERENCES station, started DATETIME NOT NULL, minutes INTEGER, price REAL);
CREATE TABLE repair (id INTEGER PRIMARY KEY, bike_id INTEGER NOT NULL REFERENCES bike, mechanic TEXT NOT NULL, problem TEXT NOT NULL, reported DATE NOT NULL, finished DATE, cost REAL);
"""  # noqa: E501 - one table a line, as prompts have it

CITIES = {  # name → country, inhabitants; rounded, as the firm's own table might have them
    "Ghent": ("Belgium", 265000),
    "Bruges": ("Belgium", 119000),
    "Porto": ("Portugal", 232000),
    "Braga": ("Portugal", 193000),
    "Lyon": ("France", 522000),
    "Nantes": ("France", 323000),
    "Graz": ("Austria", 292000),
    "Linz": ("Austria", 210000),
}
STATIONS = [
    "Old Harbour",
    "Mill Lane",
    "Castle Gate",
    "North Bridge",
    "Fish Market",
    "Botanic Garden",
    "Opera",
    "Town Hall",
    "Museum Square",
    "River Walk",
    "Central Station",
    "Long Street",
    "Corn Market",
    "Lighthouse",
    "Glass Works",
    "Rose Hill",
    "University",
    "Clock Tower",
    "Ferry Pier",
    "Brewery",
    "Saint Anne",
    "Vineyard",
    "Tram Depot",
    "Stone Steps",
    "Green Park",
    "Library",
    "Swan Pond",
    "Harbour View",
    "East Gate",
    "Chapel Row",
    "Windmill",
    "Quarry",
]
KINDS = {"touring": 0.55, "electric": 0.3, "cargo": 0.15}
MAKERS = ("Velora", "Tandemo", "Kettenwerk")
FIRST = [
    "Ana",
    "Bruno",
    "Clara",
    "David",
    "Elena",
    "Felix",
    "Greta",
    "Hugo",
    "Ines",
    "Jonas",
    "Karin",
    "Louis",
    "Marta",
    "Nils",
    "Olga",
    "Pedro",
    "Rosa",
    "Simon",
    "Tania",
    "Ulla",
    "Victor",
    "Wanda",
    "Yann",
    "Zoe",
]
LAST = [
    "Almeida",
    "Berger",
    "Costa",
    "Dubois",
    "Ertl",
    "Ferreira",
    "Gruber",
    "Hofer",
    "Janssens",
    "Klein",
    "Lambert",
    "Moreau",
    "Nunes",
    "Peeters",
    "Rocha",
    "Steiner",
    "Teixeira",
    "Vermeulen",
    "Wagner",
    "Zimmer",
]
PLANS = {"Student": 9.5, "Basic": 14.0, "Family": 32.0, "Business": 45.0, "Night": 6.5}
MECHANICS = ("Ida Brandt", "Omar Said", "Paul Weiss", "Sofia Reis")
PROBLEMS = ("flat tyre", "brakes", "chain", "lights", "battery", "saddle")

Row = tuple[Any, ...]


def rows(seed: int = SEED) -> dict[str, list[Row]]:
    """All rows by table, in the order of the columns."""
    dice = random.Random(seed)
    names = [f"{first} {last}" for first in FIRST for last in LAST]
    dice.shuffle(names)
    cities = [(i, name, *more) for i, (name, more) in enumerate(CITIES.items(), 1)]
    stations = [
        (i, (i - 1) % len(cities) + 1, name, dice.randrange(8, 41), _day(dice, 2017, 2021))
        for i, name in enumerate(STATIONS, 1)
    ]
    bikes = [(i, *_bike(dice, len(stations))) for i in range(1, 131)]
    riders = [(i, *_rider(dice, name, len(cities))) for i, name in enumerate(names[:160], 1)]
    plans = [(i, *one) for i, one in enumerate(PLANS.items(), 1)]
    trips = sorted((_trip(dice, riders, bikes, stations) for _ in range(900)), key=lambda t: t[3])
    return {
        "city": cities,
        "station": stations,
        "bike": bikes,
        "rider": riders,
        "plan": plans,
        "subscription": [(i, *_subscription(dice, riders)) for i in range(1, 141)],
        "trip": [(i, *trip) for i, trip in enumerate(trips, 1)],
        "repair": [(i, *_repair(dice)) for i in range(1, 171)],
    }


def _day(dice: random.Random, first: int, last: int) -> str:
    """A day from the beginning of one year to the end of another, or to the last day there is."""
    begin = date(first, 1, 1)
    end = min(date(last, 12, 31), LAST_DAY)
    return (begin + timedelta(dice.randrange((end - begin).days + 1))).isoformat()


def _later(dice: random.Random, day: str, most: int) -> str | None:
    """A day soon after another; None where it has not come yet."""
    later = date.fromisoformat(day) + timedelta(dice.randrange(1, most + 1))
    return later.isoformat() if later <= LAST_DAY else None


def _bike(dice: random.Random, stations: int) -> Row:
    kind = dice.choices(list(KINDS), list(KINDS.values()))[0]
    bought = _day(dice, 2018, 2024)
    retired = _later(dice, bought, 900) if dice.random() < 0.25 else None
    out = retired is not None or dice.random() < 0.1  # retired, or on the road: at no station
    return (
        None if out else dice.randrange(1, stations + 1),
        kind,
        dice.choice(MAKERS),
        bought,
        retired,
    )


def _rider(dice: random.Random, name: str, cities: int) -> Row:
    email = f"{name.lower().replace(' ', '.')}@example.org" if dice.random() < 0.8 else None
    return dice.randrange(1, cities + 1), name, email, _day(dice, 2019, 2025)


def _subscription(dice: random.Random, riders: list[Row]) -> Row:
    rider = dice.choice(riders)
    began = _later(dice, rider[4], 200) or rider[4]
    ended = _later(dice, began, 700) if dice.random() < 0.5 else None
    return rider[0], dice.randrange(1, len(PLANS) + 1), began, ended


def _trip(dice: random.Random, riders: list[Row], bikes: list[Row], stations: list[Row]) -> Row:
    rider = riders[min(int(dice.expovariate(0.02)), len(riders) - 1)]  # a few ride often
    day = max(_day(dice, 2023, 2025), rider[4])
    bike = dice.choice([one for one in bikes if one[4] <= day and not (one[5] and one[5] < day)])
    clock = dice.randrange(360, 1380)
    started = f"{day} {clock // 60:02}:{clock % 60:02}"
    station = dice.choice(stations)
    if dice.random() < 0.03:  # not brought back yet, or never
        return rider[0], bike[0], station[0], started, None, None
    minutes = 3 + int(dice.expovariate(1 / 25))
    cents = 100 + minutes * {"touring": 8, "electric": 15, "cargo": 20}[bike[2]]
    return rider[0], bike[0], station[0], started, minutes, cents / 100


def _repair(dice: random.Random) -> Row:
    reported = _day(dice, 2022, 2025)
    finished = _later(dice, reported, 20) if dice.random() < 0.85 else None
    cost = None if finished is None else dice.randrange(500, 16000, 25) / 100
    bike = dice.randrange(1, 131)
    return bike, dice.choice(MECHANICS), dice.choice(PROBLEMS), reported, finished, cost


def script(tables: dict[str, list[Row]]) -> str:
    """The SQL that makes the database: tables, then rows."""
    inserts = []
    for table, content in tables.items():
        lines = ",\n".join(f"({', '.join(map(_literal, row))})" for row in content)
        inserts.append(f"INSERT INTO {table} VALUES\n{lines};")
    return SCHEMA + "\n".join(inserts) + "\n"


def _literal(value: Any) -> str:
    if value is None:
        return "NULL"
    return repr(value) if isinstance(value, int | float) else f"'{value}'"


def create(path: Path, text: str) -> Path:
    """A database file from the script. Writes over what is there."""
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.executescript(text)
    return path


if __name__ == "__main__":
    files.replace_text(paths.ROOT / "data" / FILE, script(rows()))
