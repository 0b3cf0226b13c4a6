"""Random cubes and values through Eolith and through openeo-processes-dask, for the processes that both have.

Where they differ, `divergences.json` says what each gives and which sentence of the standard decides, or that none does
and why we read it as we do. A difference that is not listed fails, and so do a listed one that is gone and a sentence
that does not stand in the standard. A case is listed with its seed (`all[0]@2`) or, without, for all seeds.
"""

import importlib.metadata
import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import vectors
from binary import STANDARD
from peer import Peer

DATES = ["2020-01-01T00:00:00Z", "2020-01-20T06:00:00Z", "2020-02-03T00:00:00Z", "2020-04-30T12:00:00Z"]
X, Y = 500005.0 + 10 * np.arange(5), 5000095.0 - 10 * np.arange(4)
SEEDS = (1, 2, 3)


def cube(seed, bands=("B04", "B08"), integers=False):
    """Doubles over t, bands, y and x; NaN is no-data, as the peer has no other."""
    random = np.random.default_rng(seed)
    values = np.round(random.normal(2, 4, (len(DATES), len(bands), len(Y), len(X))), 0 if integers else 3)
    values[random.random(values.shape) < 0.15] = np.nan
    coordinates = {"t": np.array([date.rstrip("Z") for date in DATES], "M8[ns]"), "bands": list(bands), "y": Y, "x": X}
    return xr.DataArray(values, dims=("t", "bands", "y", "x"), coords=coordinates).rio.write_crs(32633)


def encoded(data):
    """A cube as `eolith eval` reads it."""
    dims = {}
    for name in data.dims:
        labels = data[name].values.tolist()
        if name == "t":
            labels = [{"@": "datetime", "value": f"{str(value)[:19]}Z"} for value in data[name].values]
            dims[name] = {"type": "temporal", "labels": labels}
        elif name in ("x", "y"):
            dims[name] = {"type": "spatial", "axis": name, "reference_system": "EPSG:32633", "labels": labels}
        else:
            dims[name] = {"type": "bands" if name == "bands" else "other", "labels": labels}
    values = [{"@": "nodata"} if np.isnan(v) else v for v in data.values.ravel().tolist()]
    return {"@": "datacube", "dims": list(data.dims), "dimensions": dims, "shape": list(data.shape), "values": values}


def call(process_id, **arguments):
    return {"process_graph": {"only": {"process_id": process_id, "arguments": arguments, "result": True}}}


def parameter(name):
    return {"from_parameter": name}


def pixelwise():
    """Processes of single numbers, over every pixel."""
    unary = "absolute ceil floor sgn int ln sqrt sin cos tan sinh cosh tanh arcsin arccos arctan arsinh arcosh artanh round is_nan is_nodata is_valid is_infinite"
    for name in unary.split():
        yield name, call(name, x=parameter("x"))
    yield "exp", call("exp", p=parameter("x"))
    yield "round", call("round", x=parameter("x"), p=1)
    yield "power", call("power", base=parameter("x"), p=2)
    yield "log", call("log", x=parameter("x"), base=3)
    yield "clip", call("clip", x=parameter("x"), min=-1, max=3)
    yield "linear_scale_range", call("linear_scale_range", x=parameter("x"), inputMin=-2, inputMax=6, outputMin=0, outputMax=255)
    yield "between", call("between", x=parameter("x"), min=-1, max=3)
    yield "arctan2", call("arctan2", y=parameter("x"), x=2)
    yield "normalized_difference", call("normalized_difference", x=parameter("x"), y=3)
    for name in "add subtract multiply divide mod eq neq gt gte lt lte".split():
        yield name, call(name, x=parameter("x"), y=3)


def along():
    """Processes of arrays, along time: with whether the result is one value."""
    for name in "min max mean median sd variance sum product count first last".split():
        yield name, call(name, data=parameter("data")), True
        if name != "count":
            yield name, call(name, data=parameter("data"), ignore_nodata=False), True
    yield "count", call("count", data=parameter("data"), condition=True), True
    yield "array_element", call("array_element", data=parameter("data"), index=2), True
    for name in "extrema cumsum cumproduct cummin cummax array_interpolate_linear".split():
        yield name, call(name, data=parameter("data")), False
    yield "quantiles", call("quantiles", data=parameter("data"), probabilities=[0.25, 0.5, 0.9]), False
    yield "sort", call("sort", data=parameter("data"), nodata=True), False
    yield "order", call("order", data=parameter("data"), nodata=True), False
    yield "rearrange", call("rearrange", data=parameter("data"), order=[3, 1, 0, 2]), False
    yield "array_concat", call("array_concat", array1=parameter("data"), array2=parameter("data")), False


def cubewise(seed):
    """Processes of cubes: name, arguments; cubes are arrays of xarray."""
    data, other = cube(seed), cube(seed + 100)
    mean = call("mean", data=parameter("data"))
    metres = {"west": 500011, "south": 5000071, "east": 500049, "north": 5000091, "crs": 32633}
    yield "add_dimension", dict(data=data, name="run", label="a", type="other")
    yield "drop_dimension", dict(data=data.isel(bands=[0]), name="bands")
    yield "drop_dimension", dict(data=data, name="t")
    yield "dimension_labels", dict(data=data, dimension="bands")
    yield "rename_dimension", dict(data=data, source="bands", target="layer")
    yield "rename_labels", dict(data=data, dimension="bands", source=["B08"], target=["nir"])
    yield "filter_bands", dict(data=data, bands=["B08"])
    yield "filter_bands", dict(data=data, bands=["B08", "B04"])
    yield "filter_bbox", dict(data=data, extent=metres)
    yield "filter_temporal", dict(data=data, extent=["2020-01-20", "2020-04-30T12:00:00Z"])
    yield "filter_labels", dict(data=data, dimension="bands", condition=call("eq", x=parameter("value"), y="B04"))
    yield "aggregate_temporal", dict(data=data, intervals=[["2020-01-01", "2020-02-01"], ["2020-02-01", "2020-05-01"]], reducer=mean)
    for period in "day week dekad month season tropical-season year decade decade-ad".split():
        yield "aggregate_temporal_period", dict(data=data, period=period, reducer=mean)
    # Symmetric and not: the text multiplies weights with the pixels they lie on.
    yield "apply_kernel", dict(data=data.fillna(1.5), kernel=[[1, 2, 1], [2, 4, 2], [1, 2, 1]], factor=0.25)
    yield "apply_kernel", dict(data=data.fillna(1.5), kernel=[[1, 2, 0], [0, 5, 1], [0, 0, -3]])
    yield "apply_kernel", dict(data=data, kernel=[[1, 1, 1], [1, 3, 1], [1, 1, 1]], replace_invalid=2)
    yield "apply_kernel", dict(data=data.fillna(1.5), kernel=[[1, 1, 1]])
    yield "mask", dict(data=data, mask=(other > 2).astype(float))
    yield "mask", dict(data=data, mask=(other.isel(t=0, bands=0, drop=True) > 2).astype(float), replacement=9)
    yield "merge_cubes", dict(cube1=data, cube2=other.assign_coords(bands=["B11", "B12"]))
    yield "merge_cubes", dict(cube1=data, cube2=other, overlap_resolver=call("add", x=parameter("x"), y=parameter("y")))
    yield "merge_cubes", dict(cube1=data, cube2=other)
    yield "reduce_dimension", dict(data=data, dimension="bands", reducer=call("array_element", data=parameter("data"), label="B08"))
    plane = data.isel(t=0, bands=0, drop=True).fillna(0)
    yield "resample_spatial", dict(data=plane, resolution=5)
    yield "resample_spatial", dict(data=plane, resolution=20, method="average")


def plain(seed):
    """Processes of plain values."""
    random = np.random.default_rng(seed)
    numbers = [float(v) for v in np.round(random.normal(0, 5, 6), 2)]
    words = ["open", "EO", "ä", "Open", "eo", ""]
    one, two = (str(random.choice(words)) for _ in range(2))
    yield "constant", dict(x=numbers[0])
    yield "pi", {}
    yield "array_append", dict(data=numbers, value=1)
    yield "array_contains", dict(data=numbers, value=numbers[2])
    yield "array_create", dict(data=numbers[:2], repeat=3)
    yield "array_find", dict(data=numbers, value=numbers[3])
    yield "array_find", dict(data=numbers, value=99)
    yield "array_labels", dict(data=numbers)
    yield "array_modify", dict(data=numbers, values=[1, 2], index=1, length=2)
    yield "array_apply", dict(data=numbers, process=call("absolute", x=parameter("x")))
    yield "array_filter", dict(data=numbers, condition=call("gt", x=parameter("x"), y=0))
    for name in ("text_begins", "text_ends", "text_contains"):
        yield name, dict(data=one, pattern=two)
        yield name, dict(data=one, pattern=two, case_sensitive=False)
    yield "text_concat", dict(data=[one, 1, True], separator="-")
    for name in ("and", "or", "xor"):
        for x in (True, False, None):
            yield name, dict(x=x, y=bool(random.random() < 0.5))
    for x in (True, False, None):
        yield "not", dict(x=x)
        yield "if", dict(value=x, accept=1, reject=2)
    flags = [[True, False, None][i] for i in random.integers(0, 3, 4)]
    for name in ("all", "any"):
        yield name, dict(data=flags)
        yield name, dict(data=flags, ignore_nodata=False)
    for x, y in ((1, 1.0), ("a", "A"), (True, 1), (numbers[0], None)):
        yield "eq", dict(x=x, y=y)
        yield "neq", dict(x=x, y=y)


def cases():
    """All calls, by a name that stays: the process, the number of its call, the seed."""
    found = {}
    for seed in SEEDS:
        counted = {}

        def add(process_id, called, arguments):
            counted[process_id] = counted.get(process_id, -1) + 1
            found[f"{process_id}[{counted[process_id]}]@{seed}"] = (called, arguments)

        for name, process in pixelwise():
            add(name, "apply", dict(data=cube(seed), process=process))
        for name, process, reduces in along():
            if reduces:
                add(name, "reduce_dimension", dict(data=cube(seed, integers=True), dimension="t", reducer=process))
            else:
                add(name, "apply_dimension", dict(data=cube(seed), dimension="t", process=process))
        for name, arguments in [*cubewise(seed), *plain(seed)]:
            add(name, name, arguments)
    return found


def request(called, arguments):
    def told(value):
        if isinstance(value, xr.DataArray):
            return encoded(value)
        return {"@": "process", **value} if isinstance(value, dict) and "process_graph" in value else value

    return {"process_id": called, "arguments": {name: told(value) for name, value in arguments.items()}}


def difference(ours, theirs):
    """What differs, in few words; None if nothing does. NaN of the peer is no-data or NaN of ours."""
    if "error" in ours:
        return None if isinstance(theirs, Exception) else f"we fail with {ours['error']['code']}, the peer does not"
    if isinstance(theirs, Exception):
        return "the peer fails"
    own = ours["result"]
    if isinstance(own, dict) and own.get("@") == "datacube":
        return cubes_difference(own, theirs)
    if isinstance(theirs, (xr.DataArray, np.ndarray, np.generic)):
        theirs = np.asarray(theirs).tolist()
    return None if close([own], [theirs]) else "another value"


def cubes_difference(own, theirs):
    if not isinstance(theirs, xr.DataArray):
        return f"the peer gives {type(theirs).__name__}, no cube"
    if set(own["dims"]) != set(theirs.dims):
        return "other dimensions"
    # The order of dimensions is nothing to the peer.
    theirs = theirs.transpose(*own["dims"])
    if own["shape"] != list(theirs.shape):
        return "another shape"
    found = [name for name in own["dims"] if not same_labels(own["dimensions"][name]["labels"], theirs[name].values)]
    found = [f"other labels of {name}" for name in found]
    if not close(own["values"], np.asarray(theirs.values).ravel().tolist()):
        found.append("other values")
    return ", ".join(found) or None


def same_labels(ours, theirs):
    """The same texts, numbers or instants."""
    ours = [label["value"].rstrip("Z") if isinstance(label, dict) else label for label in ours]
    if theirs.dtype.kind == "M":
        try:
            return np.array_equal(np.array(ours, "M8[ns]"), theirs)
        except ValueError:  # not instants
            return False
    return close(ours, theirs.tolist())


def close(ours, theirs):
    if len(ours) != len(theirs):
        return False
    for a, b in zip(ours, theirs):
        if isinstance(a, dict):
            a = float(a["value"]) if a.get("@") == "number" else None
        if isinstance(a, list) or isinstance(b, (list, tuple, np.ndarray)):
            if not (isinstance(a, list) and isinstance(b, (list, tuple, np.ndarray)) and close(a, list(b))):
                return False
            continue
        a, b = (None if value is None or isinstance(value, float) and np.isnan(value) else value for value in (a, b))
        if isinstance(a, str) or isinstance(b, str) or a is None or b is None:
            if a != b:
                return False
        elif not (a == b or abs(a - b) <= 1e-9 * max(abs(a), abs(b), 1e-3)):
            return False
    return True


@pytest.fixture(scope="module")
def found():
    """Differences by case."""
    peer, all_cases = Peer(), cases()
    told = vectors.answers([request(*case) for case in all_cases.values()])
    differences = {name: difference(ours, peer(*case)) for (name, case), ours in zip(all_cases.items(), told)}
    return {name: what for name, what in differences.items() if what}


@pytest.fixture(scope="module")
def listed():
    """The list of differences."""
    return json.loads(Path(__file__).with_name("divergences.json").read_text())


def test_every_difference_is_listed(found, listed):
    assert listed["peer"] == f"openeo-processes-dask {importlib.metadata.version('openeo-processes-dask')}"
    expected = {}
    for entry in listed["divergences"]:
        for name in entry["cases"]:
            for case in [name] if "@" in name else [f"{name}@{seed}" for seed in SEEDS]:
                assert case not in expected, f"{case} is listed twice"
                expected[case] = entry["found"]
    wrong = [f"{case} is not listed: {what}" for case, what in found.items() if case not in expected]
    wrong += [f"{case} is listed, but there is no difference" for case in expected if case not in found]
    changed = [case for case in expected if found.get(case, expected[case]) != expected[case]]
    wrong += [f"{case} differs otherwise: {found[case]}, listed is {expected[case]}" for case in changed]
    assert not wrong, "\n".join(wrong)


def test_every_difference_is_decided_by_the_standard(listed):
    for entry in listed["divergences"]:
        assert entry["when"] and entry["ours"] and entry["theirs"], entry
        # What the text does not say needs a reason.
        assert entry["decided"] == "for us" or entry["decided"] == "by nothing" and entry["reason"], entry
        for process_id, sentence in entry["standard"] if STANDARD else []:
            path = STANDARD / "processes" / f"{process_id}.json"
            assert any(sentence in text for text in texts(json.loads(path.read_text()))), (process_id, sentence)


def texts(value):
    """All texts in a value of JSON."""
    if isinstance(value, str):
        yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from texts(item)
