"""For authors: what only notebook 09's exam has: types of questions nobody teaches, and free ones.

Text only. Knows nothing of how it is dealt out; `bike_questions.py` does that.
"""

from tools.bike_phrasings import Kind

# Types that only the exam has. The first six put known parts together anew; the last two need words
# of SQL that no example of the pool has.
HELD_OUT = {
    "number of stations": Kind(
        "SELECT count(*) FROM station JOIN city ON city.id = station.city_id"
        " WHERE city.name = '{city}'",
        exam=("How many stations are there in {city}?", "Count the stations of {city}."),
    ),
    "average cost": Kind(
        "SELECT avg(cost) FROM repair WHERE problem = '{problem}'",
        exam=(
            "What does a repair of {problem} cost on average?",
            "Average cost of {problem} repairs?",
        ),
    ),
    "riders of a city and year": Kind(
        "SELECT rider.name FROM rider JOIN city ON city.id = rider.city_id"
        " WHERE city.name = '{city}' AND rider.joined LIKE '{joined}%'",
        exam=("Which riders from {city} joined in {joined}?", "Who in {city} joined in {joined}?"),
    ),
    "minutes of a rider": Kind(
        "SELECT sum(trip.minutes) FROM trip JOIN rider ON rider.id = trip.rider_id"
        " WHERE rider.name = '{rider}'",
        exam=(
            "How many minutes did {rider} ride in total?",
            "Total minutes of all trips by {rider}?",
        ),
    ),
    "mechanics by problem": Kind(
        "SELECT mechanic, count(*) FROM repair WHERE problem = '{problem}' GROUP BY mechanic",
        exam=(
            "For each mechanic, how many repairs of {problem} are there?",
            "Count the {problem} repairs by mechanic.",
        ),
    ),
    "large cities": Kind(
        "SELECT name FROM city WHERE population > {people}",
        exam=(
            "Which cities have more than {people} people?",
            "List the cities with over {people} inhabitants.",
        ),
    ),
    "frequent riders": Kind(
        "SELECT rider.name FROM trip JOIN rider ON rider.id = trip.rider_id"
        " GROUP BY rider.name HAVING count(*) > {trips}",
        exam=("Which riders made more than {trips} trips?", "Who has been on over {trips} trips?"),
    ),
    "never repaired": Kind(
        "SELECT id FROM bike WHERE kind = '{kind}' AND id NOT IN (SELECT bike_id FROM repair)",
        exam=(
            "Which {kind} bikes were never repaired?",
            "List the {kind} bikes without any repair.",
        ),
    ),
}

# As people ask who don't know the tables: one by one, and not by any template.
WRITTEN = (
    (
        "Which of our cities has the most inhabitants?",
        "SELECT name FROM city ORDER BY population DESC LIMIT 1",
    ),
    ("How many riders do we have altogether?", "SELECT count(*) FROM rider"),
    ("What's the cheapest plan?", "SELECT name FROM plan ORDER BY monthly_price LIMIT 1"),
    (
        "Is anybody in Porto still without an e-mail address? Names, please.",
        "SELECT rider.name FROM rider JOIN city ON city.id = rider.city_id"
        " WHERE city.name = 'Porto' AND rider.email IS NULL",
    ),
    (
        "How many bikes are out of use for good?",
        "SELECT count(*) FROM bike WHERE retired IS NOT NULL",
    ),
    (
        "Which mechanic has had the most repairs?",
        "SELECT mechanic FROM repair GROUP BY mechanic ORDER BY count(*) DESC LIMIT 1",
    ),
    (
        "How many trips have not been brought to an end?",
        "SELECT count(*) FROM trip WHERE minutes IS NULL",
    ),
    ("What was the longest ride ever, in minutes?", "SELECT max(minutes) FROM trip"),
    ("Which stations opened in 2018?", "SELECT name FROM station WHERE opened LIKE '2018%'"),
    (
        "How many docks are there in the whole of Lyon?",
        "SELECT sum(station.docks) FROM station JOIN city ON city.id = station.city_id"
        " WHERE city.name = 'Lyon'",
    ),
    (
        "In which city is the Swan Pond station?",
        "SELECT city.name FROM station JOIN city ON city.id = station.city_id"
        " WHERE station.name = 'Swan Pond'",
    ),
    (
        "How many people use the Night plan today?",
        "SELECT count(*) FROM subscription JOIN plan ON plan.id = subscription.plan_id"
        " WHERE plan.name = 'Night' AND subscription.ended IS NULL",
    ),
    ("List the names of all plans.", "SELECT name FROM plan"),
    ("What is the dearest single repair we ever paid for?", "SELECT max(cost) FROM repair"),
    ("Which countries are we active in?", "SELECT DISTINCT country FROM city"),
    ("How many electric bikes are there?", "SELECT count(*) FROM bike WHERE kind = 'electric'"),
    (
        "How many bikes stand at the Windmill right now?",
        "SELECT count(*) FROM bike JOIN station ON station.id = bike.station_id"
        " WHERE station.name = 'Windmill'",
    ),
    (
        "How much did all trips of 2024 bring in?",
        "SELECT sum(price) FROM trip WHERE started LIKE '2024%'",
    ),
    (
        "Which cargo bikes were bought in 2022?",
        "SELECT id FROM bike WHERE kind = 'cargo' AND bought LIKE '2022%'",
    ),
    (
        "How many battery repairs are still open?",
        "SELECT count(*) FROM repair WHERE problem = 'battery' AND finished IS NULL",
    ),
    ("When did our newest station open?", "SELECT max(opened) FROM station"),
    ("Number of bikes of each kind?", "SELECT kind, count(*) FROM bike GROUP BY kind"),
    (
        "How many of the riders live in Graz?",
        "SELECT count(*) FROM rider JOIN city ON city.id = rider.city_id WHERE city.name = 'Graz'",
    ),
    ("What problems did bike 12 have?", "SELECT problem FROM repair WHERE bike_id = 12"),
    ("How long is the average ride?", "SELECT avg(minutes) FROM trip"),
    ("How many bikes did we get from Velora?", "SELECT count(*) FROM bike WHERE maker = 'Velora'"),
    (
        "What has Omar Said cost us so far in repairs?",
        "SELECT sum(cost) FROM repair WHERE mechanic = 'Omar Said'",
    ),
    (
        "How many subscriptions have been cancelled?",
        "SELECT count(*) FROM subscription WHERE ended IS NOT NULL",
    ),
    (
        "Which stations are in Austria?",
        "SELECT station.name FROM station JOIN city ON city.id = station.city_id"
        " WHERE city.country = 'Austria'",
    ),
    (
        "How many trips were made with cargo bikes?",
        "SELECT count(*) FROM trip JOIN bike ON bike.id = trip.bike_id WHERE bike.kind = 'cargo'",
    ),
    ("What is the population of Nantes?", "SELECT population FROM city WHERE name = 'Nantes'"),
    (
        "Which bikes are neither retired nor at a station?",
        "SELECT id FROM bike WHERE retired IS NULL AND station_id IS NULL",
    ),
    (
        "How many riders have given us an email?",
        "SELECT count(*) FROM rider WHERE email IS NOT NULL",
    ),
    (
        "What did we earn per year from trips?",
        "SELECT substr(started, 1, 4), sum(price) FROM trip GROUP BY substr(started, 1, 4)",
    ),
    (
        "Which plan do most people have at the moment?",
        "SELECT plan.name FROM subscription JOIN plan ON plan.id = subscription.plan_id"
        " WHERE subscription.ended IS NULL"
        " GROUP BY plan.name ORDER BY count(*) DESC LIMIT 1",
    ),
    (
        "Show me the small stations, those with fewer than 12 docks.",
        "SELECT name FROM station WHERE docks < 12",
    ),
)
