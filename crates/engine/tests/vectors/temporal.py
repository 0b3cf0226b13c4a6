"""Time aggregated: intervals and calendar periods, by numpy masks over Python's dates."""

from datetime import datetime, timedelta

import numpy as np

from encoding import axis, cube, instant, parameter, reducer, times, vector, write

INVALID, MISSING = "ProcessParameterInvalid", "ProcessParameterRequired"
X = axis(500005.0, 10.0, 2, "x")


def moment(text):
    return datetime.fromisoformat(text if "T" in text else f"{text}T00:00:00Z").replace(tzinfo=None)


class Series:
    """Two pixels at some dates; what is divisible by 7 is no-data."""

    def __init__(self, *dates):
        self.dates = [moment(date) for date in dates]
        self.values = (np.arange(2 * len(dates)).reshape(-1, 2) * 5 + 1) % 24
        self.gone = self.values % 7 == 0
        self.cube = cube(self.values, {"t": times(*[f"{d.isoformat()}Z" for d in self.dates]), "x": X}, dtype="int16", nodata=-1, missing=self.gone)

    def grouped(self, groups, labels, function=np.ma.mean):
        """The values of the dates of each group, as one."""
        rows = []
        for group in groups:
            kept = np.ma.masked_array(self.values, self.gone)[list(group)]
            rows.append(function(kept, axis=0) if group else np.ma.masked_all(2))
        found = np.ma.stack(rows)
        # Every text along time is written as one form, also where it is no instant.
        labels = [instant(label) if isinstance(label, str) else label for label in labels]
        dims = {"t": {"type": "temporal", "labels": labels}, "x": X}
        return cube(found.filled(0).astype(float), dims, missing=np.ma.getmaskarray(found))


def intervals():
    own = Series("2019-12-31", "2020-01-01T06:00:00Z", "2020-01-01T18:00:00Z", "2020-01-05T06:30:00Z", "2020-03-01T23:00:00Z")

    def within(start, end):
        low = moment(start) if start else datetime.min
        high = moment(end) if end else datetime.max
        return [i for i, date in enumerate(own.dates) if low <= date < high]

    def aggregated(given, groups, expected, name="mean", function=np.ma.mean, **more):
        arguments = {"data": own.cube, "intervals": given, "reducer": reducer(name), **more}
        vector("aggregate_temporal", arguments, own.grouped(groups, expected, function))

    for given in (
        [["2020-01-01", "2020-02-01"], ["2020-03-01", "2020-04-01"]],
        # Overlapping, in any order, and one that nothing is in.
        [["2020-01-02", "2021-01-01"], ["2019-01-01", "2021-01-01"], ["2018-01-01", "2019-01-01"]],
        # The end is outside.
        [["2020-01-01T06:00:00Z", "2020-01-01T18:00:00Z"]],
    ):
        groups, starts = [within(*interval) for interval in given], [start for start, _ in given]
        aggregated(given, groups, starts)
        aggregated(given, groups, starts, "max", np.ma.max, dimension="t")
        aggregated(given, groups, list(range(len(given))), labels=list(range(len(given))))
    # Times of the day: 06:00 to 18:30 and through midnight.
    day = [i for i, date in enumerate(own.dates) if timedelta(hours=6) <= date - datetime.combine(date, datetime.min.time()) < timedelta(hours=18.5)]
    night = [i for i in range(len(own.dates)) if i not in day]
    aggregated([["06:00:00", "18:30:00"], ["18:30:00", "06:00:00"]], [day, night], ["06:00:00", "18:30:00"])
    twice = [["2020-01-01", "2020-02-01"], ["2020-01-01", "2020-03-01"]]
    aggregated(twice, [within(*interval) for interval in twice], ["a", "b"], labels=["a", "b"])
    # The context comes to the reducer.
    above = reducer("count", condition={"process_graph": {"gt": {"process_id": "gt", "arguments": {"x": parameter("x"), "y": parameter("context")}, "result": True}}}, context=parameter("context"))
    counted = own.grouped([within("2019-01-01", "2021-01-01")], ["2019-01-01"], lambda kept, axis: (kept > 10).sum(axis=axis))
    vector("aggregate_temporal", {"data": own.cube, "intervals": [["2019-01-01", "2021-01-01"]], "reducer": above, "context": 10}, counted)
    mean, one = reducer("mean"), [["2020-01-01", "2020-02-01"]]
    two = cube(np.zeros((1, 1)), {"t": times("2020-01-01"), "u": times("2020-01-01")})
    none = cube([0, 1], {"x": X})
    for data, more, code in [
        (own.cube, {"intervals": [["2020-02-01", "2020-01-01"]]}, "TemporalExtentEmpty"),
        (own.cube, {"intervals": [["2020-02-01", "2020-02-01"]]}, "TemporalExtentEmpty"),
        (own.cube, {"intervals": twice}, "DistinctDimensionLabelsRequired"),
        (own.cube, {"intervals": one, "dimension": "u"}, "DimensionNotAvailable"),
        (two, {"intervals": one}, "TooManyDimensions"),
        (none, {"intervals": one}, "DimensionNotAvailable"),
        (own.cube, {"intervals": one, "labels": ["a", "b"]}, True),
        (own.cube, {"intervals": []}, True),
        (own.cube, {}, MISSING),
    ]:
        vector("aggregate_temporal", {"data": data, "reducer": mean, **more}, throws=code)


def periods():
    def group(own, key, every):
        """The dates of each label, of all labels in between."""
        found = [[i for i, date in enumerate(own.dates) if key(date) == label] for label in every]
        return found, every

    def aggregated(period, own, key, every, name="mean", function=np.ma.mean, **more):
        groups, labels = group(own, key, every)
        arguments = {"data": own.cube, "period": period, "reducer": reducer(name), **more}
        vector("aggregate_temporal_period", arguments, own.grouped(groups, labels, function))

    own = Series("2019-12-30T22:10:00Z", "2019-12-31T23:59:59Z", "2020-01-01T01:00:00Z", "2020-01-01T01:30:00Z")
    hours = [(datetime(2019, 12, 30, 22) + timedelta(hours=h)).strftime("%Y-%m-%d-%H") for h in range(28)]
    aggregated("hour", own, lambda d: d.strftime("%Y-%m-%d-%H"), hours)
    aggregated("day", own, lambda d: d.strftime("%Y-%j"), ["2019-364", "2019-365", "2020-001"])
    # The week belongs to the year that has its Thursday.
    weeks = Series("2018-12-30", "2018-12-31", "2019-01-07", "2019-01-20", "2019-01-21")
    aggregated("week", weeks, lambda d: "%04d-%02d" % d.isocalendar()[:2], ["2018-52", "2019-01", "2019-02", "2019-03", "2019-04"])

    def dekad(date):
        return f"{date.year}-{(date.month - 1) * 3 + min((date.day - 1) // 10, 2) + 1:02}"

    aggregated("dekad", Series("2019-12-21", "2019-12-31", "2020-01-10", "2020-01-11", "2020-02-29"), dekad, ["2019-36", "2020-01", "2020-02", "2020-03", "2020-04", "2020-05", "2020-06"])
    aggregated("month", Series("2019-11-30", "2019-12-01", "2020-02-29"), lambda d: d.strftime("%Y-%m"), ["2019-11", "2019-12", "2020-01", "2020-02"], "max", np.ma.max, dimension="t")

    def season(date):
        year = date.year - 1 if date.month < 3 else date.year
        return f"{year}-{['djf', 'mam', 'jja', 'son'][date.month % 12 // 3]}"

    aggregated("season", Series("2019-02-28", "2019-12-01", "2020-02-29", "2020-03-01"), season, ["2018-djf", "2019-mam", "2019-jja", "2019-son", "2019-djf", "2020-mam"])

    def tropical(date):
        warm = date.month >= 11 or date.month <= 4
        return f"{date.year - 1 if date.month <= 4 else date.year}-{'ndjfma' if warm else 'mjjaso'}"

    aggregated("tropical-season", Series("2019-04-30", "2019-05-01", "2019-10-31", "2020-04-30"), tropical, ["2018-ndjfma", "2019-mjjaso", "2019-ndjfma"])
    aggregated("year", Series("2018-01-01", "2018-12-31", "2020-06-01"), lambda d: str(d.year), ["2018", "2019", "2020"])
    aggregated("decade", Series("1999-12-31", "2000-01-01", "2009-12-31", "2020-01-01"), lambda d: f"{d.year // 10}0", ["1990", "2000", "2010", "2020"])
    aggregated("decade-ad", Series("2000-12-31", "2001-01-01", "2010-12-31", "2011-01-01"), lambda d: f"{(d.year - 1) // 10}1", ["1991", "2001", "2011"])
    arguments = {"period": "month", "reducer": reducer("mean")}
    two = cube(np.zeros((1, 1)), {"t": times("2020-01-01"), "u": times("2020-01-01")})
    for data, more, code in [
        (two, {}, "TooManyDimensions"),
        (cube([0, 1], {"x": X}), {}, "DimensionNotAvailable"),
        (own.cube, {"dimension": "time"}, "DimensionNotAvailable"),
        (own.cube, {"period": "fortnight"}, INVALID),
    ]:
        vector("aggregate_temporal_period", {"data": data, **arguments, **more}, throws=code)


intervals()
periods()
write(__file__)
