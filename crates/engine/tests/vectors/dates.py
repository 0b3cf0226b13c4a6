"""Parts of dates: `date_get_component`, `date_replace_component`. Values by Python's calendar."""

from datetime import date, datetime

from encoding import NODATA, vector, write

WRONG = "ProcessParameterInvalid"


def read():
    def call(text, component):
        return {"date": text, "component": component}

    for text in ("2023-02-01T17:22:45.678Z", "2024-12-31T23:59:59-05:00", "2021-01-03", "2020-02-29T00:00:00+02:00"):
        own = datetime.fromisoformat(text.replace("Z", "+00:00"))
        parts = {
            "millisecond": own.microsecond // 1000,
            "second": own.second,
            "minute": own.minute,
            "hour": own.hour,
            "day": own.day,
            "day of week": own.isoweekday(),
            "day of year": own.timetuple().tm_yday,
            "week": (own.timetuple().tm_yday - 1) // 7 + 1,
            "week number": own.isocalendar().week,
            "month": own.month,
            "year": own.year,
        }
        for component, value in parts.items():
            vector("date_get_component", call(text, component), value)
    vector("date_get_component", call(None, "year"), NODATA)
    vector("date_get_component", call("2023-02-30", "day"), throws=WRONG)
    vector("date_get_component", call("2023-02-01", "century"), throws=WRONG)


def replaced():
    def call(text, component, value):
        return {"date": text, "component": component, "value": value}

    stamp = "2020-02-01T17:22:45Z"
    own = datetime(2020, 2, 1, 17, 22, 45)
    for component, value in [("second", 7), ("minute", 0), ("hour", 23), ("day", 29), ("month", 6), ("year", 1999)]:
        expected = own.replace(**{component: value}).isoformat() + "Z"
        vector("date_replace_component", call(stamp, component, value), {"@": "datetime", "value": expected})
    at = lambda text: {"@": "datetime", "value": text}
    vector("date_replace_component", call(stamp, "millisecond", 50), at("2020-02-01T17:22:45.050Z"))
    vector("date_replace_component", call("2020-02-01T17:22:45.150Z", "millisecond", 0), at(stamp))
    # The offset stays, a date stays a date.
    vector("date_replace_component", call("2021-03-31T00:00:00+02:00", "day", 7), at("2021-03-07T00:00:00+02:00"))
    vector("date_replace_component", call("2018-01-01", "year", 2023), date(2018, 1, 1).replace(year=2023).isoformat())
    vector("date_replace_component", call("2018-01-01", "month", 5), "2018-05-01")
    vector("date_replace_component", call("2018-01-01", "hour", 5), at("2018-01-01T05:00:00Z"))
    # Beyond the bounds it is the bound; the 31st of a shorter month is its last day.
    for component, value, expected in [
        ("day", -40, "2023-01-01"),
        ("day", 40, "2023-01-31"),
        ("month", 13, "2023-12-30"),
        ("month", 2, "2023-02-28"),
        ("year", 12345, "9999-01-30"),
    ]:
        vector("date_replace_component", call("2023-01-30", component, value), expected)
    vector("date_replace_component", call("2020-02-29", "year", 2021), "2021-02-28")
    vector("date_replace_component", call(stamp, "hour", 27), at("2020-02-01T23:22:45Z"))
    vector("date_replace_component", call(stamp, "second", -1), at("2020-02-01T17:22:00Z"))
    vector("date_replace_component", call(None, "year", 2000), NODATA)
    vector("date_replace_component", call(stamp, "week", 2), throws=WRONG)
    vector("date_replace_component", call(stamp, "day", 1.5), throws=WRONG)
    vector("date_replace_component", call("soon", "day", 1), throws=WRONG)


read()
replaced()
write(__file__)
