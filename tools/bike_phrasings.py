"""For authors: how people ask notebook 09's questions, by type and by who may see it.

Text only. `bike_questions.py` deals it out; types nobody teaches stand in `bike_held_out.py`.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """A type of question: its query, and how people ask, apart for pool, validation and exam."""

    query: str
    pool: tuple[str, ...] = ()
    validation: tuple[str, ...] = ()
    exam: tuple[str, ...] = ()

    @property
    def slots(self) -> list[str]:
        """The names in braces, in order."""
        return sorted(set(re.findall(r"\{(\w+)\}", " ".join((*self.pool, *self.exam)))))


TAUGHT = {
    "bikes of a kind": Kind(
        "SELECT count(*) FROM bike WHERE kind = '{kind}' AND maker = '{maker}'",
        (
            "How many {kind} bikes by {maker} do we have?",
            "Count the {kind} bikes made by {maker}.",
            "What is the number of {maker} {kind} bikes?",
            "How many of our {kind} bikes come from {maker}?",
        ),
        ("Number of {kind} bikes that {maker} built?",),
        (
            "{maker} {kind} bikes: how many are there?",
            "Tell me how many {kind} bikes {maker} made.",
        ),
    ),
    "stations in a city": Kind(
        "SELECT station.name FROM station JOIN city ON city.id = station.city_id"
        " WHERE city.name = '{city}'",
        (
            "Which stations are in {city}?",
            "List the stations of {city}.",
            "Show me all stations in {city}.",
            "What are the names of the stations in {city}?",
        ),
        ("Where can I hire a bike in {city}? Name the stations.",),
        ("Give me every station that lies in {city}.", "{city}: which stations does it have?"),
    ),
    "docks of a station": Kind(
        "SELECT docks FROM station WHERE name = '{station}'",
        (
            "How many docks does {station} have?",
            "What is the number of docks at {station}?",
            "How many docks are there at {station}?",
            "Tell me the docks of {station}.",
        ),
        ("{station} station: how many docks?",),
        ("How big is {station}, in docks?", "For how many bikes does {station} have docks?"),
    ),
    "riders of a year": Kind(
        "SELECT count(*) FROM rider WHERE joined LIKE '{joined}%'",
        (
            "How many riders joined in {joined}?",
            "Count the riders who joined in {joined}.",
            "How many new riders came in {joined}?",
            "What is the number of riders that joined in {joined}?",
        ),
        ("Number of people who became riders in {joined}?",),
        (
            "In {joined}, how many riders signed up?",
            "How many riders signed up in the course of {joined}?",
        ),
    ),
    "length by kind": Kind(
        "SELECT avg(trip.minutes) FROM trip JOIN bike ON bike.id = trip.bike_id"
        " WHERE bike.kind = '{kind}' AND trip.started LIKE '{year}%'",
        (
            "How long was the average trip on a {kind} bike in {year}?",
            "What is the average length of {kind} bike trips in {year}?",
            "Give the mean minutes of a trip by {kind} bike in {year}.",
            "In {year}, how many minutes did a {kind} bike trip take on average?",
        ),
        ("On average, how long did people ride {kind} bikes in {year}?",),
        (
            "Average duration of a ride with a {kind} bike, {year}?",
            "How many minutes did a typical {kind} bike ride last in {year}?",
        ),
    ),
    "riders without mail": Kind(
        "SELECT rider.name FROM rider JOIN city ON city.id = rider.city_id"
        " WHERE city.name = '{city}' AND rider.email IS NULL",
        (
            "Which riders from {city} have no email?",
            "List the riders in {city} without an email.",
            "Who in {city} has not given an email?",
            "Name the riders of {city} whose email is missing.",
        ),
        ("Riders living in {city} with no email, please.",),
        ("Of which {city} riders do we lack the email?", "Whose email do we not know in {city}?"),
    ),
    "open repairs": Kind(
        "SELECT count(*) FROM repair WHERE mechanic = '{mechanic}' AND finished IS NULL",
        (
            "How many repairs of {mechanic} are not finished?",
            "How many open repairs does {mechanic} have?",
            "Count the repairs that {mechanic} has not finished.",
            "What is the number of unfinished repairs of {mechanic}?",
        ),
        ("How many repairs is {mechanic} still working on?",),
        (
            "{mechanic}: how many repairs are still open?",
            "How many repairs has {mechanic} left to finish?",
        ),
    ),
    "cost of a problem": Kind(
        "SELECT sum(cost) FROM repair WHERE problem = '{problem}' AND mechanic = '{mechanic}'",
        (
            "What did {mechanic}'s repairs of {problem} cost in total?",
            "How much have we spent on {problem} repairs by {mechanic}?",
            "What is the total cost of {problem} repairs by {mechanic}?",
            "Sum the cost of all {problem} repairs that {mechanic} did.",
        ),
        ("How much money went into {problem} work by {mechanic}?",),
        (
            "Total we paid for {problem} repaired by {mechanic}?",
            "What did {problem} cost us with {mechanic}, all in all?",
        ),
    ),
    "price of a plan": Kind(
        "SELECT monthly_price FROM plan WHERE name = '{plan}'",
        (
            "What does the {plan} plan cost a month?",
            "How much is the {plan} plan?",
            "What is the monthly price of the {plan} plan?",
            "Price of the {plan} plan per month?",
            "Tell me what {plan} costs each month.",
        ),
        ("How much do people pay every month for {plan}?",),
        (
            "What would I pay a month with the {plan} plan?",
            "The {plan} plan: at what monthly price?",
        ),
    ),
    "people on a plan": Kind(
        "SELECT count(*) FROM subscription JOIN plan ON plan.id = subscription.plan_id"
        " WHERE plan.name = '{plan}' AND subscription.ended IS NULL",
        (
            "How many {plan} subscriptions are running?",
            "Count the {plan} subscriptions that have not ended.",
            "How many subscriptions to the {plan} plan are active?",
            "What is the number of current {plan} subscriptions?",
            "How many subscriptions of {plan} still run?",
        ),
        ("Number of {plan} subscriptions without an end?",),
        (
            "How many people are on the {plan} plan now?",
            "{plan} plan: how many subscriptions go on?",
        ),
    ),
    "trips of a rider": Kind(
        "SELECT count(*) FROM trip JOIN rider ON rider.id = trip.rider_id"
        " WHERE rider.name = '{rider}'",
        (
            "How many trips did {rider} make?",
            "How often did {rider} ride?",
            "Count the trips of {rider}.",
            "What is the number of trips by {rider}?",
        ),
        ("How many times has {rider} taken a bike?",),
        ("{rider} has been on how many trips?", "How many rides has {rider} had with us?"),
    ),
    "trips from a station": Kind(
        "SELECT count(*) FROM trip JOIN station ON station.id = trip.station_id"
        " WHERE station.name = '{station}'",
        (
            "How many trips started at {station}?",
            "Count the trips from {station}.",
            "What is the number of trips that began at {station}?",
            "How many trips set out from {station}?",
        ),
        ("From {station}, how many trips were there?",),
        (
            "How many times did somebody set off at {station}?",
            "{station}: how many rides began there?",
        ),
    ),
    "bikes at a station": Kind(
        "SELECT bike.id FROM bike JOIN station ON station.id = bike.station_id"
        " WHERE station.name = '{station}'",
        (
            "Which bikes stand at {station}?",
            "List the bikes at {station}.",
            "What bikes are at {station} now?",
            "Show the numbers of the bikes at {station}.",
        ),
        ("Bikes parked at {station}, please.",),
        ("Which bikes could I take at {station}?", "Name each bike that is waiting at {station}."),
    ),
    "trips of a month": Kind(
        "SELECT count(*) FROM trip WHERE started LIKE '{year}-{number}%'",
        (
            "How many trips were there in {month} {year}?",
            "Count the trips of {month} {year}.",
            "How many trips started in {month} {year}?",
            "What is the number of trips in {month} {year}?",
        ),
        ("Number of trips during {month} {year}?",),
        ("How busy was {month} {year}, in trips?", "How many rides did we have in {month} {year}?"),
    ),
    "large stations": Kind(
        "SELECT name FROM station WHERE docks > {docks}",
        (
            "Which stations have more than {docks} docks?",
            "List the stations with over {docks} docks.",
            "Name all stations that have more than {docks} docks.",
            "At which stations are there more than {docks} docks?",
            "Show stations above {docks} docks.",
        ),
        ("Stations with docks for more than {docks} bikes?",),
        ("What stations exceed {docks} docks?", "Where do we have more than {docks} docks?"),
    ),
    "bikes out of use": Kind(
        "SELECT id FROM bike WHERE kind = '{kind}' AND maker = '{maker}' AND retired IS NOT NULL",
        (
            "Which {kind} bikes by {maker} are retired?",
            "List the retired {maker} {kind} bikes.",
            "Which of the {kind} bikes from {maker} have been retired?",
            "Show all {kind} bikes made by {maker} that are retired.",
        ),
        ("Retired {kind} bikes of {maker}, please.",),
        (
            "Which {maker} {kind} bikes are out of use?",
            "What {kind} bikes by {maker} did we retire?",
        ),
    ),
    "last repair": Kind(
        "SELECT max(reported) FROM repair WHERE bike_id = {bike}",
        (
            "When was the last repair of bike {bike} reported?",
            "What is the date of the latest repair of bike {bike}?",
            "When did bike {bike} last need a repair?",
            "Give the day of the most recent repair of bike {bike}.",
        ),
        ("Bike {bike}: when was it last reported for repair?",),
        (
            "On which day was bike {bike} last reported broken?",
            "Latest repair of bike {bike}, what date?",
        ),
    ),
    "income of a city": Kind(
        "SELECT sum(trip.price) FROM trip JOIN station ON station.id = trip.station_id"
        " JOIN city ON city.id = station.city_id"
        " WHERE city.name = '{city}' AND trip.started LIKE '{year}%'",
        (
            "What did we earn with trips in {city} in {year}?",
            "How much did trips from {city} bring in {year}?",
            "What is the total price of all trips in {city} in {year}?",
            "Sum the prices of the trips from {city} in {year}.",
        ),
        ("How much money came from {city} in {year}?",),
        (
            "What was the income from {city}'s trips in {year}?",
            "{city}, {year}: how much did trips earn us?",
        ),
    ),
    "dearest plans": Kind(
        "SELECT name FROM plan ORDER BY monthly_price DESC LIMIT {few}",
        (
            "Which {few} plans cost the most?",
            "What are the {few} dearest plans?",
            "List the {few} most expensive plans.",
            "Name the top {few} plans by price.",
            "Show the {few} plans with the highest price.",
        ),
        ("The {few} plans that cost more than the others?",),
        ("Which are our {few} priciest plans?", "Of all plans, which {few} are the most costly?"),
    ),
    "bikes by maker": Kind(
        "SELECT maker, count(*) FROM bike WHERE kind = '{kind}' GROUP BY maker",
        (
            "How many {kind} bikes do we have of each maker?",
            "Count the {kind} bikes by maker.",
            "For each maker, how many {kind} bikes are there?",
            "Give the number of {kind} bikes per maker.",
            "Show {kind} bikes counted by maker.",
        ),
        ("{kind} bikes per maker: how many?",),
        (
            "How do the {kind} bikes split up by maker?",
            "Each maker built how many of our {kind} bikes?",
        ),
    ),
}
