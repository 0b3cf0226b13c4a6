"""Climate: `climatological_normal`, `anomaly`.

Values by xarray's calendar and numpy; the labels are those of the standard.
"""

import numpy as np
import xarray as xr

from encoding import axis, bands, cube, instant, times, vector, write

X = axis(500005.0, 10.0, 2, "x")


def texts(*labels):
    """A temporal dimension after an aggregation."""
    return {"type": "temporal", "labels": [instant(label) for label in labels]}


def monthly(first, last):
    """The fifteenth of every month of these years, with numbers that look random."""
    time = np.array(
        [f"{y}-{m:02}-15" for y in range(first, last + 1) for m in range(1, 13)], dtype="datetime64[ns]"
    )
    k = np.arange(len(time))
    values = np.stack([np.sin(k * 1.7) * 10 + k / 7, np.cos(k * 0.9) * 5 - k / 11], axis=1)
    return xr.DataArray(values, dims=("t", "x"), coords={"t": time})


def data_of(array, missing=None, dtype=None):
    labels = [f"{str(t)[:10]}T00:00:00Z" for t in array.t.values]
    return cube(array.values, {"t": times(*labels), "x": X}, dtype=dtype, missing=missing)


def normal(values, *labels):
    values = np.array([[np.nan if v is None else v for v in row] for row in values], dtype=float)
    return cube(values, {"t": texts(*labels), "x": X}, missing=np.isnan(values))


def call(data, period, years=None):
    arguments = {"data": data, "period": period}
    if years:
        arguments["climatology_period"] = years
    return arguments


def normals():
    array = monthly(2018, 2021)
    data = data_of(array)
    own = array.sel(t=slice("2019-01-01", "2020-12-31"))
    by_month = own.groupby("t.month").mean()
    months = [f"{m:02}" for m in range(1, 13)]
    vector("climatological_normal", call(data, "month", [2019, 2020]), normal(by_month.values, *months))
    whole = normal([own.mean("t").values], "climatology-period")
    vector("climatological_normal", call(data, "climatology-period", [2019, 2020]), whole)

    # December 2018 is there: it belongs to the winter of 2019; December 2020 belongs to that of 2021.
    def season(*years_and_months):
        chosen = [array.sel(t=f"{y}-{m:02}").values[0] for y, m in years_and_months]
        return np.mean(chosen, axis=0)

    both = (2019, 2020)
    winter = season(*[m for y in both for m in ((y - 1, 12), (y, 1), (y, 2))])
    rest = [season(*[(y, m) for y in both for m in range(s, s + 3)]) for s in (3, 6, 9)]
    expected = normal([winter, *rest], "djf", "mam", "jja", "son")
    vector("climatological_normal", call(data, "season", [2019, 2020]), expected)
    # It is not there: the winter of the first year is left out, also its January and February.
    late = array.sel(t=slice("2019-01-01", None))
    winter = season((2019, 12), (2020, 1), (2020, 2))
    expected = normal([winter, *rest], "djf", "mam", "jja", "son")
    vector("climatological_normal", call(data_of(late), "season", [2019, 2020]), expected)
    cold = lambda y: [(y - 1, 11), (y - 1, 12), (y, 1), (y, 2), (y, 3), (y, 4)]
    warm = season(*[(y, m) for y in both for m in range(5, 11)])
    expected = normal([season(*cold(2019), *cold(2020)), warm], "ndjfma", "mjjaso")
    vector("climatological_normal", call(data, "tropical-season", [2019, 2020]), expected)
    # December alone is not all of the months before: half of the first cold season is left out.
    half = array.sel(t=slice("2018-12-01", None))
    expected = normal([season(*cold(2020)), warm], "ndjfma", "mjjaso")
    vector("climatological_normal", call(data_of(half), "tropical-season", [2019, 2020]), expected)
    # The default years: 1981 to 2010.
    long = monthly(1980, 2011)
    own = long.sel(t=slice("1981-01-01", "2010-12-31")).groupby("t.month").mean()
    vector("climatological_normal", call(data_of(long), "month"), normal(own.values, *months))
    # Integers have a mean with a fraction; no-data is skipped, and a month without values has no normal.
    whole_numbers = (array * 3).round().astype("int16")
    missing = np.zeros(array.shape, dtype=bool)
    missing[::5, 0] = True
    missing[6::12, 1] = True
    inside = np.isin(array["t.year"].values, both)
    masked = np.ma.masked_array(whole_numbers.values, missing)
    month = array["t.month"].values
    rows = [masked[inside & (month == m)].mean(axis=0) for m in range(1, 13)]
    rows = [[None if np.ma.getmaskarray(r)[i] else float(r[i]) for i in range(2)] for r in rows]
    data = data_of(whole_numbers, missing, "int16")
    vector("climatological_normal", call(data, "month", [2019, 2020]), normal(rows, *months))
    # Periods as labels: 1999-djf ends in 2000.
    labels = ["1999-djf", "2000-mam", "2000-jja", "2000-son", "2000-djf", "2001-mam", "2001-son", "2001-djf"]
    values = np.array([[1.0, 10], [2, 20], [3, 30], [4, 40], [5, 50], [6, 60], [8, 80], [100, 1000]])
    data = cube(values, {"t": texts(*labels), "x": X})
    expected = normal([[3, 30], [4, 40], [3, 30], [6, 60]], "djf", "mam", "jja", "son")
    vector("climatological_normal", call(data, "season", [2000, 2001]), expected)


def days():
    """Every day of 2019 and 2020: the 29th of February is the 60th day, and there is a 366th."""
    time = np.arange("2019-01-01", "2021-01-01", dtype="datetime64[D]").astype("datetime64[ns]")
    values = np.stack([np.arange(731.0) % 97, np.arange(731.0) ** 2 % 89], axis=1)
    array = xr.DataArray(values, dims=("t", "x"), coords={"t": time})
    mean = array.groupby("t.dayofyear").mean().values[:365]
    labels = [f"{d:03}" for d in range(1, 366)]
    vector("climatological_normal", call(data_of(array), "day", [2019, 2020]), normal(mean, *labels))


def normals_refused():
    data = data_of(monthly(2018, 2021))
    wrong = "ProcessParameterInvalid"
    vector("climatological_normal", call(data, "month"), throws=wrong)
    vector("climatological_normal", call(data, "month", [2018, 2022]), throws=wrong)
    vector("climatological_normal", call(data, "month", [2020, 2019]), throws=wrong)
    vector("climatological_normal", call(data, "week", [2019, 2020]), throws=wrong)
    days = cube(np.zeros((1, 2)), {"t": texts("2019-001"), "x": X})
    vector("climatological_normal", call(days, "month", [2019, 2020]), throws=wrong)
    none = cube(np.zeros(2), {"x": X})
    vector("climatological_normal", call(none, "month", [2019, 2020]), throws="DimensionNotAvailable")
    two = {"t": times("2019-01-01"), "u": times("2019-01-01"), "x": X}
    several = cube(np.zeros((1, 1, 2)), two)
    vector("climatological_normal", call(several, "month", [2019, 2020]), throws="TooManyDimensions")


def anomalies():
    def both(data, normals, period):
        return {"data": data, "normals": normals, "period": period}

    def rows(values, *labels):
        return cube(values, {"t": texts(*labels), "x": X})

    own = rows(np.array([[10.0, 20], [30, 40], [50, 60]]), "01", "02", "03")
    data = rows(np.array([[11.0, 22], [33, 44], [55, 66]]), "2020-02", "2021-01", "2021-02")
    expected = rows(np.array([[11 - 30.0, 22 - 40], [33 - 10, 44 - 20], [55 - 30, 66 - 40]]), "2020-02", "2021-01", "2021-02")
    vector("anomaly", both(data, own, "month"), expected)
    # Instants lie in a period; the labels stay.
    dims = {"t": times("2020-02-29T12:00:00Z", "2021-01-31T00:00:00Z"), "x": X}
    seen = cube(np.array([[1.5, 2], [3, 4]]), dims)
    expected = cube(np.array([[1.5 - 30, 2 - 40], [3 - 10.0, 4 - 20]]), dims)
    vector("anomaly", both(seen, own, "month"), expected)
    for period, label, part in [
        ("hour", "2020-06-01-13", "13"),
        ("day", "2020-153", "153"),
        ("week", "2020-23", "23"),
        ("dekad", "2020-16", "16"),
        ("season", "2020-jja", "jja"),
        ("tropical-season", "2020-mjjaso", "mjjaso"),
        ("year", "2020", "2020"),
        ("decade", "2020", "2020"),
        ("decade-ad", "2021", "2021"),
        ("single-period", "anything", "all"),
        ("climatology-period", "2020-01", "climatology-period"),
    ]:
        one, two = np.array([[7.0, 8]]), np.array([[0.5, 0.25]])
        expected = rows(one - two, label)
        vector("anomaly", both(rows(one, label), rows(two, part), period), expected)
    # One normal for all labels; years may be numbers.
    expected = rows(np.array([[1.0, 2], [23, 24], [45, 46]]), "2020-02", "2021-01", "2021-02")
    vector("anomaly", both(data, rows(np.array([[10.0, 20]]), "all"), "single-period"), expected)
    numbered = cube(np.array([[1.0, 2]]), {"t": {"type": "temporal", "labels": [2020]}, "x": X})
    vector("anomaly", both(rows(np.array([[5.0, 5]]), "2020"), numbered, "year"), rows(np.array([[4.0, 3]]), "2020"))
    # No-data on either side; another name of time; bands that the normals lack; another order of dimensions.
    dims = {"x": X, "t": texts("2020-02", "2020-01"), "b": bands("one", "two")}
    values = np.arange(8.0).reshape(2, 2, 2)
    gone = values == 3
    data = cube(values, dims, missing=gone)
    months = np.array([[10.0, 20], [30, 40]])
    without = np.array([[False, False], [False, True]])
    own = cube(months, {"time": texts("01", "02"), "x": X}, missing=without)
    # normals[t, x] of labels 02, 01 as [x, t, 1]
    chosen = months[[1, 0]].T[:, :, None]
    lost = without[[1, 0]].T[:, :, None]
    expected = cube(values - chosen, dims, missing=gone | lost)
    vector("anomaly", both(data, own, "month"), expected)
    # Whole numbers stay whole.
    data = cube(np.array([[5, 6]]), {"t": texts("2020-01"), "x": X}, dtype="uint8")
    own = cube(np.array([[250, 1]]), {"t": texts("01"), "x": X}, dtype="uint8")
    expected = cube(np.array([[5 - 250, 5]]), {"t": texts("2020-01"), "x": X})
    vector("anomaly", both(data, own, "month"), expected)

    wrong = "ProcessParameterInvalid"
    data = rows(np.array([[1.0, 2]]), "2020-366")
    vector("anomaly", both(data, rows(np.array([[1.0, 2]]), "365"), "day"), throws=wrong)
    vector("anomaly", both(data, rows(np.array([[1.0, 2]]), "01"), "month"), throws=wrong)
    twice = rows(np.array([[1.0, 2], [3, 4]]), "all", "more")
    vector("anomaly", both(data, twice, "single-period"), throws=wrong)
    vector("anomaly", both(data, twice, "fortnight"), throws=wrong)
    none = cube(np.zeros(2), {"x": X})
    vector("anomaly", both(data, none, "day"), throws="DimensionNotAvailable")
    wide = {"t": texts("365"), "x": axis(500005.0, 10.0, 3, "x")}
    data = rows(np.array([[1.0, 2]]), "2020-365")
    vector("anomaly", both(data, cube(np.zeros((1, 3)), wide), "day"), throws="IncompatibleDataCubes")
    shifted = {"t": texts("365"), "x": axis(500015.0, 10.0, 2, "x")}
    vector("anomaly", both(data, cube(np.zeros((1, 2)), shifted), "day"), throws="IncompatibleDataCubes")
    more = {"t": texts("365"), "x": X, "b": bands("one")}
    vector("anomaly", both(data, cube(np.zeros((1, 2, 1)), more), "day"), throws="IncompatibleDataCubes")


normals()
days()
normals_refused()
anomalies()
write(__file__)
