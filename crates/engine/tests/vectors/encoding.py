"""The encoding of `eolith eval`, and the file that a family of vectors is.

Every family is a script beside this one: it calls `vector` for each case and ends with `write(__file__)`, which
writes `<family>.ndjson`; with `--check` it only compares. Values come from numpy, xarray, scipy and the like, or from
arithmetic that stands in the script, never from Eolith.
"""

import json
import sys
from pathlib import Path

import numpy as np

NODATA = {"@": "nodata"}
CRS = "EPSG:32633"


def number(value):
    """A number as JSON; also where JSON has none."""
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, float) and not np.isfinite(value):
        text = "NaN" if np.isnan(value) else "Infinity" if value > 0 else "-Infinity"
        return {"@": "number", "value": text}
    return value


def values(items):
    """A list of numbers, texts and no-data (`None`)."""
    return [NODATA if item is None else number(item) for item in items]


def instant(text):
    """A temporal label that is a point in time."""
    return {"@": "datetime", "value": text}


def labeled(items, labels):
    """An array with labels."""
    return {"@": "labeled-array", "labels": list(labels), "values": values(items)}


def axis(first, step, n, name):
    """A spatial dimension of `n` cells; the labels are their centres, in metres of `CRS`."""
    labels = [float(first + step * i) for i in range(n)]
    return {"type": "spatial", "axis": name, "reference_system": CRS, "labels": labels}


def times(*texts):
    """A temporal dimension of instants."""
    return {"type": "temporal", "labels": [instant(text) for text in texts]}


def bands(*names):
    """A dimension of bands."""
    return {"type": "bands", "labels": list(names)}


def cube(values, dims, dtype=None, bands=None, nodata=None, missing=None):
    """A cube; `missing` marks the pixels without data."""
    values = np.asarray(values)
    flat = [number(v) for v in values.ravel()]
    if missing is not None:
        gone = np.broadcast_to(missing, values.shape).ravel()
        flat = [NODATA if gone[i] else v for i, v in enumerate(flat)]
    out = {
        "@": "datacube",
        "dims": list(dims),
        "dimensions": dims,
        "shape": list(values.shape),
        "values": flat,
    }
    if dtype:
        out["dtype"] = dtype
    if bands:
        out["bands"] = bands
    if nodata is not None:
        out["nodata"] = number(nodata)
    return out


def parameter(name):
    """What a callback is given under a name."""
    return {"from_parameter": name}


def callback(process_id, **arguments):
    """A callback of one process."""
    node = {"process_id": process_id, "arguments": arguments, "result": True}
    return {"@": "process", "process_graph": {"only": node}}


def reducer(process_id, **arguments):
    """A callback of one process that takes the array `data`."""
    return callback(process_id, data=parameter("data"), **arguments)


def vector(process_id, arguments, returns=None, throws=None, delta=None):
    """Adds a case: what the process returns, or (`throws`) the code of its error."""
    index = sum(line["process_id"] == process_id for line in _LINES)
    line = {"process_id": process_id, "index": index, "arguments": arguments}
    if throws:
        line["throws"] = throws
    else:
        line["returns"] = returns
    if delta:
        line["delta"] = delta
    _LINES.append(line)


def encoded(value):
    """Any value: `None` is no-data, numbers may be those that JSON lacks."""
    if value is None:
        return NODATA
    if isinstance(value, (list, tuple, np.ndarray)):
        return [encoded(item) for item in value]
    return number(value)


def gives(process_id, returns, /, within=None, **arguments):
    """Adds a case of plain values."""
    given = {name: encoded(value) for name, value in arguments.items()}
    vector(process_id, given, encoded(returns), delta=within)


def fails(process_id, code, /, **arguments):
    """Adds a case of plain values that ends with an error."""
    vector(process_id, {name: encoded(value) for name, value in arguments.items()}, throws=code)


def write(script):
    """Writes the cases of a script beside it."""
    path = Path(script).with_suffix(".ndjson")
    text = "".join(json.dumps(line) + "\n" for line in _LINES)
    if "--check" not in sys.argv[1:]:
        path.write_text(text)
    elif not path.exists() or path.read_text() != text:
        sys.exit(f"{path.name} is not what {Path(script).name} makes")


_LINES = []
