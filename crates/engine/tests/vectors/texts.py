"""Texts and dates, by Python's `str` and `datetime`."""

from datetime import datetime, timedelta

from encoding import fails, gives, instant, labeled, vector, write

MISSING, INVALID, UNDECLARED = "ProcessParameterRequired", "ProcessParameterInvalid", "ProcessParameterUnsupported"
POSITIONS = [("open EO", "EO"), ("open EO", "op"), ("open EO", ""), ("", ""), ("", "a"), ("äöü€x", "€x"), ("aXaX", "aX"), ("a.c", ".")]


def searching():
    for data, pattern in POSITIONS:
        gives("text_begins", data.startswith(pattern), data=data, pattern=pattern)
        gives("text_ends", data.endswith(pattern), data=data, pattern=pattern)
        gives("text_contains", pattern in data, data=data, pattern=pattern)
        # The position is counted in characters, not in bytes.
        found = data.find(pattern)
        gives("text_find", None if found < 0 else found, data=data, pattern=pattern)
    for name in ("text_begins", "text_ends", "text_contains", "text_find"):
        for data, pattern in [("ÄÖÜ", "äöü"), ("Test", "test"), ("Test", "TEST")]:
            gives(name, 0 if name == "text_find" else True, data=data, pattern=pattern, case_sensitive=False)
            gives(name, None if name == "text_find" else False, data=data, pattern=pattern)
        gives(name, None, data=None, pattern="a")
        fails(name, MISSING, data="a")
        fails(name, INVALID, data=1, pattern="1")
        gives(name, None, data="a", pattern=None)
        fails(name, UNDECLARED, data="a", pattern="a", regex=True)


def joining():
    def text(item):
        return "null" if item is None else str(item).lower() if isinstance(item, bool) else str(item)

    for data, separator in [(["a", "b"], "-"), ([1, 2.5, -3], " "), ([True, False, None], "/"), ([], ","), (["ß"], 7), ([None, None], None), ([1, 2], True)]:
        gives("text_concat", text(separator).join(map(text, data)), data=data, separator=separator)
    gives("text_concat", "ab1", data=["a", "b", 1])
    vector("text_concat", {"data": labeled(["x", None], ["a", "b"])}, "xnull")
    fails("text_concat", MISSING, separator=",")
    fails("text_concat", INVALID, data="ab")
    fails("text_concat", INVALID, data=[["a"]])


def differences():
    units = {"millisecond": 1e-3, "second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 7 * 86400}
    pairs = [("2020-02-28", "2020-03-01"), ("2020-01-01T12:00:00Z", "2020-01-01T10:30:00+02:00"), ("2000-01-01T00:00:00.250Z", "1999-12-31")]

    def seconds(text):
        moment = datetime.fromisoformat(text if "T" in text else f"{text}T00:00:00Z")
        return (moment - datetime.fromisoformat("1970-01-01T00:00:00Z")).total_seconds()

    for one, other in pairs:
        gives("date_difference", seconds(other) - seconds(one), date1=one, date2=other)
        for unit, length in units.items():
            gives("date_difference", (seconds(other) - seconds(one)) / length, date1=one, date2=other, unit=unit)
    fails("date_difference", MISSING, date1="2020-01-01")
    fails("date_difference", INVALID, date1="2020-01-01", date2="yesterday")
    fails("date_difference", INVALID, date1="2020-01-01", date2="2020-01-02", unit="fortnight")
    # No-data, as a callback may pass it, stays no-data.
    gives("date_difference", None, date1=None, date2="2020-01-02")
    gives("date_difference", None, date1="2020-01-02", date2=None)


def ranges():
    dates = ["2020-01-01", "2020-01-01T00:00:00Z", "2020-01-01T01:00:00+02:00", "2020-06-30T23:59:59Z", "2020-07-01"]
    low, high = "2020-01-01", "2020-07-01T00:00:00Z"

    def moment(text):
        return datetime.fromisoformat(text if "T" in text else f"{text}T00:00:00Z")

    for x in dates:
        gives("date_between", moment(low) <= moment(x) <= moment(high), x=x, min=low, max=high)
        gives("date_between", moment(low) <= moment(x) < moment(high), x=x, min=low, max=high, exclude_max=True)
        gives("date_between", False, x=x, min=high, max=low)
    fails("date_between", MISSING, x="2020-01-01", min="2020-01-01")
    fails("date_between", INVALID, x="2020-13-01", min=low, max=high)
    fails("date_between", INVALID, x=1, min=low, max=high)
    gives("date_between", None, x=None, min=low, max=high)


def shifts():
    def shifted(date, value, unit, returns):
        result = instant(returns) if "T" in returns else returns
        vector("date_shift", {"date": date, "value": value, "unit": unit}, result)

    moment = datetime(2019, 12, 31, 22, 30, 15)
    for unit, step in [("second", timedelta(seconds=1)), ("minute", timedelta(minutes=1)), ("hour", timedelta(hours=1)), ("day", timedelta(1)), ("week", timedelta(7))]:
        for value in (-100, -1, 0, 1, 59):
            shifted(f"{moment.isoformat()}Z", value, unit, f"{(moment + value * step).isoformat()}Z")
    shifted("2020-01-31", 1, "month", "2020-02-29")
    shifted("2019-01-31", 1, "month", "2019-02-28")
    shifted("2019-03-31", -1, "month", "2019-02-28")
    shifted("2019-12-15", 13, "month", "2021-01-15")
    shifted("2020-02-29", 4, "year", "2024-02-29")
    shifted("2020-02-29", -1, "year", "2019-02-28")
    shifted("2020-02-29T10:00:00+05:30", 1, "year", "2021-02-28T10:00:00+05:30")
    shifted("2020-01-01T00:00:00+02:00", -1, "hour", "2019-12-31T23:00:00+02:00")
    shifted("2020-01-01T00:00:00Z", -1, "millisecond", "2019-12-31T23:59:59.999Z")
    shifted("2018-01-01", 23, "hour", "2018-01-01")
    shifted("2018-01-01", -25, "hour", "2017-12-30")
    fails("date_shift", MISSING, date="2020-01-01", value=1)
    fails("date_shift", INVALID, date="2020-01-01", value=1.5, unit="day")
    fails("date_shift", INVALID, date="2020-01-01", value=1, unit="quarter")
    fails("date_shift", INVALID, date="2020-02-30", value=1, unit="day")
    gives("date_shift", None, date=None, value=1, unit="day")


searching()
joining()
differences()
ranges()
shifts()
write(__file__)
