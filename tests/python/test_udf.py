"""Functions of users: what they get and give, and that hostile ones are contained.

A hostile function is a file in `udf/hostile`; the line `# error:` says (as a regular expression) what its user is told.
"""

import json
import os
import re
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import requests
import xarray as xr

from binary import Server, eolith, run
from graphs import graph, load, node, of, parameter, save

FOLDER = Path(__file__).parent / "udf"
HOSTILE = sorted((FOLDER / "hostile").glob("*.py"))
OPTIONS = ["--udf-python", sys.executable, "--udf-time", "5"]
DATES, ROWS, COLUMNS = 3, 300, 280


@pytest.fixture(scope="module")
def cube(tmp_path_factory):
    """Two bands of 16 bits with no-data, larger than a cell; and the pixels with NaN for no-data over t, bands, y, x."""
    import rioxarray  # noqa: F401

    random = np.random.default_rng(11)
    pixels = random.integers(200, 9000, (2, DATES, ROWS, COLUMNS), dtype="u2")
    pixels[:, random.random((DATES, ROWS, COLUMNS)) < 0.1] = 0
    dates = np.array(["2021-03-01", "2021-05-05", "2021-08-08"], "datetime64[ns]")
    places = {"y": 5e6 - 10 * (np.arange(ROWS) + 0.5), "x": 5e5 + 10 * (np.arange(COLUMNS) + 0.5)}
    attributes = {"_FillValue": np.uint16(0)}
    bands = {f"B0{4 + 4 * i}": (("t", "y", "x"), pixels[i], attributes) for i in range(2)}
    data = xr.Dataset(bands, {"t": dates, **places}).rio.write_crs(32633)
    data.t.encoding = {"units": "seconds since 1970-01-01", "dtype": "i8"}
    path = tmp_path_factory.mktemp("udf") / "cube.zarr"
    data.to_zarr(path, zarr_format=3, encoding={name: {"chunks": (1, 100, 100)} for name in bands})
    values = np.where(pixels == 0, np.nan, pixels).astype("f4").transpose(1, 0, 2, 3)
    return path, values


def udf(code, name="data", **arguments):
    given = {"udf": code, "runtime": "Python", **arguments}
    return graph(only=node("run_udf", result=True, data=parameter(name), **given))


def applied(code, **arguments):
    return {"load": load("cube"), "made": node("apply", data=of("load"), process=udf(code, "x", **arguments))}


def reduced(code, dimension, **arguments):
    reducer = udf(code, **arguments)
    return {
        "load": load("cube"),
        "made": node("reduce_dimension", data=of("load"), dimension=dimension, reducer=reducer),
    }


def along(code, dimension, **arguments):
    process = udf(code, **arguments)
    return {
        "load": load("cube"),
        "made": node("apply_dimension", data=of("load"), dimension=dimension, process=process),
    }


def result(nodes, cube, folder, options=()):
    """The pixels of `made` as they are written."""
    path = folder / f"{len(os.listdir(folder))}.nc"
    told = run(graph(**nodes, save=save("made", "netCDF")), f"cube={cube[0]}", output=path, options=[*OPTIONS, *options])
    with xr.open_dataset(path, decode_coords="all", mask_and_scale=True) as data:
        return data.load(), told


def pixels(data, names):
    return np.stack([data[name].values for name in names])


SCALE = """
import xarray

def apply_datacube(cube: xarray.DataArray, context: dict) -> xarray.DataArray:
    return cube * context["factor"] + 1
"""


def test_apply(cube, tmp_path):
    data, _ = result(applied(SCALE, context={"factor": 0.5}), cube, tmp_path)
    expected = (cube[1] * 0.5 + 1).transpose(1, 0, 2, 3)
    assert data["B04"].dtype == np.float32 and data["B04"].dims == ("t", "y", "x")
    np.testing.assert_array_equal(pixels(data, ["B04", "B08"]), expected)


def test_a_cell_is_what_is_said(cube, tmp_path):
    """256 x 256 pixels from the first one, all bands, one date; the function tells its cell by its values."""
    code = """
def apply_datacube(cube: xarray.DataArray, context: dict) -> xarray.DataArray:
    assert set(cube.dims) == {"t", "bands", "y", "x"}, cube.dims
    assert list(cube.bands.values) == ["B04", "B08"] and cube.t.dtype.kind == "M" and cube.sizes["t"] == 1
    assert cube.attrs["crs"] == "EPSG:32633"
    return xarray.zeros_like(cube) + 1000 * cube.sizes["y"] + cube.sizes["x"]
"""
    data, _ = result(applied(code), cube, tmp_path)
    found = data["B04"].values[0]
    assert found[0, 0] == 256 * 1000 + 256 and found[299, 279] == 44 * 1000 + 24
    assert found[299, 0] == 44 * 1000 + 256 and found[0, 279] == 256 * 1000 + 24


def test_reduce(cube, tmp_path):
    code = """
from openeo.udf import XarrayDataCube

def apply_datacube(cube: XarrayDataCube, context: dict) -> XarrayDataCube:
    array = cube.get_array()
    assert array.sizes["t"] == 3
    return XarrayDataCube(array.max("t").transpose("x", "y", ...))
"""
    data, _ = result(reduced(code, "t"), cube, tmp_path)
    assert data["B04"].dims == ("y", "x")
    with np.errstate(all="ignore"):
        expected = np.fmax.reduce(cube[1])
    np.testing.assert_array_equal(pixels(data, ["B04", "B08"]), expected)


def test_reduce_bands(cube, tmp_path):
    code = """
def apply_datacube(cube: xarray.DataArray, context: dict) -> xarray.DataArray:
    red, nir = cube.sel(bands="B04"), cube.sel(bands="B08")
    return (nir - red) / (nir + red)
"""
    data, _ = result(reduced(code, "bands"), cube, tmp_path)
    [name] = [name for name in data.data_vars if data[name].ndim == 3]
    red, nir = cube[1][:, 0], cube[1][:, 1]
    np.testing.assert_array_equal(data[name].values, (nir - red) / (nir + red))


def test_along_time_keeps_labels(cube, tmp_path):
    code = """
import pandas

def apply_timeseries(series: pandas.Series, context: dict) -> pandas.Series:
    assert isinstance(series.index, pandas.DatetimeIndex)
    return series.interpolate(limit_direction="both").cumsum()
"""
    nodes = along(code, "t")
    nodes["load"]["arguments"]["spatial_extent"] = {
        "west": 500000, "south": 4999900, "east": 500100, "north": 5000000, "crs": 32633
    }
    data, _ = result(nodes, cube, tmp_path)
    lanes = cube[1][:, :, :10, :10].reshape(DATES, -1).T
    filled = [pd.Series(lane).interpolate(limit_direction="both").cumsum() for lane in lanes]
    expected = np.stack(filled, axis=1).reshape(DATES, 2, 10, 10)
    found = pixels(data, ["B04", "B08"])
    np.testing.assert_allclose(found, expected.transpose(1, 0, 2, 3), rtol=1e-5)
    assert [str(t)[:10] for t in data.t.values] == ["2021-03-01", "2021-05-05", "2021-08-08"]


def test_along_bands_renames_them(cube, tmp_path):
    code = """
def apply_metadata(metadata, context):
    return metadata.rename_labels("bands", context["names"])

def apply_datacube(cube: xarray.DataArray, context: dict) -> xarray.DataArray:
    red, nir = cube.sel(bands="B04", drop=True), cube.sel(bands="B08", drop=True)
    return xarray.concat([red + nir, nir - red, red * 2], dim="bands")
"""
    front = """
import sys
sys.meta_path.sort(key=lambda one: type(one).__name__ != "Stand")
from openeo.metadata import CubeMetadata
"""
    names = ["sum", "difference", "twice"]
    data, _ = result(along(front + code, "bands", context={"names": names}), cube, tmp_path)
    red, nir = cube[1][:, 0], cube[1][:, 1]
    np.testing.assert_array_equal(pixels(data, names), np.stack([red + nir, nir - red, red * 2]))


def test_whole_cube(cube, tmp_path):
    """A function over a cube itself may do anything to its dimensions."""
    code = """
from openeo.udf import UdfData, XarrayDataCube

def apply_udf_data(data: UdfData):
    [cube] = data.get_datacube_list()
    array = cube.get_array().mean(["t", "bands"], skipna=True, dtype="f8")
    data.set_datacube_list([XarrayDataCube(array.coarsen(y=10, x=10).mean())])
"""
    nodes = {
        "load": load("cube"),
        "made": node("run_udf", data=of("load"), udf=code, runtime="python", version="3"),
    }
    data, _ = result(nodes, cube, tmp_path)
    [name] = [name for name in data.data_vars if data[name].ndim == 2]
    array = xr.DataArray(cube[1], dims=["t", "bands", "y", "x"]).mean(["t", "bands"], skipna=True, dtype="f8")
    expected = array.coarsen(y=10, x=10).mean().values
    np.testing.assert_allclose(data[name].values, expected, rtol=1e-12)
    assert data.x.values[0] == pytest.approx(500050) and data.rio.crs.to_epsg() == 32633


def test_types(cube, tmp_path):
    for dtype in ("uint8", "int16", "uint32", "int64", "float64", "bool"):
        code = f"""
def apply_datacube(cube: xarray.DataArray, context: dict) -> xarray.DataArray:
    assert cube.dtype == "float32"
    return (cube.fillna(0) % 2).astype("{dtype}")
"""
        data, _ = result(applied(code), cube, tmp_path)
        expected = (np.nan_to_num(cube[1]) % 2).transpose(1, 0, 2, 3)
        np.testing.assert_array_equal(pixels(data, ["B04", "B08"]).astype("f8"), expected)


def test_the_stand_of_the_library(cube, tmp_path):
    """Without the package the names are there all the same."""
    code = """
import sys
sys.meta_path.sort(key=lambda one: type(one).__name__ != "Stand")
import openeo.udf
from openeo.udf import FeatureCollection, StructuredData, UdfData, XarrayDataCube, inspect
from openeo.udf.xarraydatacube import XarrayDataCube as Same

assert type(openeo.__spec__.loader).__name__ == "Stand" and Same is XarrayDataCube

def any_name(data: UdfData):
    inspect(data=[1, 2], message="seen")
    assert data.user_context == {"a": 1}
    data.set_structured_data_list([StructuredData([1, 2])])
    data.set_datacube_list([XarrayDataCube(cube.get_array() + 1) for cube in data.get_datacube_list()])
"""
    data, told = result(applied(code, context={"a": 1}), cube, tmp_path)
    np.testing.assert_array_equal(pixels(data, ["B04", "B08"]), (cube[1] + 1).transpose(1, 0, 2, 3))
    assert "the UDF says: INFO User: seen [1, 2]" in told.stderr


def test_the_same_for_any_memory_and_threads(cube, tmp_path):
    """The result of a function that looks at its neighbours does not depend on tasks; one that feeds another neither."""
    code = """
def apply_datacube(cube: xarray.DataArray, context: dict) -> xarray.DataArray:
    return cube.fillna(0).cumsum("x") - cube.mean(["y", "x"])
"""
    nodes = applied(code)
    nodes["mean"] = node("reduce_dimension", data=of("made"), dimension="bands", reducer=udf(
        "def apply_datacube(cube: xarray.DataArray, context) -> xarray.DataArray:\n    return cube.sum('bands')"
    ))
    nodes["max"] = node("reduce_dimension", data=of("mean"), dimension="t", reducer=graph(
        only=node("max", result=True, data=parameter("data"))
    ))
    told = set()
    for options in (["--threads", "1"], ["--threads", "3", "--memory", "900M"], ["--threads", "2", "--memory", "3G"]):
        wanted = graph(**nodes, save=save("max", "netCDF"))
        told.add(run(wanted, f"cube={cube[0]}", options=[*OPTIONS, *options]).figures["checksum"])
    assert len(told) == 1


def refused(nodes, cube, options=OPTIONS):
    wanted = graph(**nodes, save=save("made", "netCDF"))
    told = eolith("run", "-", f"cube={cube[0]}", "--discard", *options, stdin=json.dumps(wanted))
    assert told.code == 1, told.stderr
    return told.stderr


def test_runtimes_and_files(cube, tmp_path):
    given = applied(SCALE, context={"factor": 1})
    arguments = given["made"]["arguments"]["process"]["process_graph"]["only"]["arguments"]
    assert "InvalidRuntime" in refused(applied(SCALE) | {"made": changed(given, runtime="R")}, cube)
    assert "InvalidVersion" in refused(applied(SCALE) | {"made": changed(given, version="2.7")}, cube)
    assert "FileNotFound" in refused(applied(SCALE) | {"made": changed(given, udf="not/there.py")}, cube)
    script = tmp_path / "scale.py"
    script.write_text(SCALE)
    arguments["udf"] = str(script)
    folder = tmp_path / "out"
    folder.mkdir()
    data, _ = result(given, cube, folder)
    np.testing.assert_array_equal(pixels(data, ["B04", "B08"]), (cube[1] + 1).transpose(1, 0, 2, 3))


def changed(nodes, **arguments):
    made = json.loads(json.dumps(nodes["made"]))
    made["arguments"]["process"]["process_graph"]["only"]["arguments"].update(arguments)
    return made


def test_errors_name_the_line_and_the_node(cube):
    code = "import xarray\n\ndef apply_datacube(cube: xarray.DataArray, context):\n    return cube / context['no']\n"
    said = refused(applied(code), cube)
    assert "UdfExecutionFailed at node `made` → callback `process` → node `only`" in said
    assert "KeyError in line 4" in said and "return cube / context['no']" in said


def test_only_real_pixels_tell(cube):
    """What a function does to real cells only is found there, and both results are named."""
    code = """
def apply_datacube(cube: xarray.DataArray, context: dict) -> xarray.DataArray:
    return cube.astype("f8") if float(cube.max()) > 101 else cube
"""
    said = refused(applied(code), cube)
    assert "UdfResultInvalid" in said
    assert "float64 (t: 1, bands: 2, y: 256, x: 256)" in said.replace("bands: 2, t: 1", "t: 1, bands: 2")
    assert "float32" in said


def test_a_python_that_lacks_something_is_told(cube, tmp_path):
    nodes = applied(SCALE)
    said = refused(nodes, cube, ["--udf-python", str(tmp_path / "python")])
    assert "ProcessUnsupported" in said and "cannot be started" in said
    false = tmp_path / "false"
    false.write_text("#!/bin/sh\nexit 1\n")
    false.chmod(0o755)
    assert "no Python that can be used" in refused(nodes, cube, ["--udf-python", str(false)])


@pytest.fixture(scope="module")
def server(cube, tmp_path_factory):
    with Server(f"cube={cube[0]}", *OPTIONS, state=tmp_path_factory.mktemp("state")) as server:
        yield server


def posted(server, nodes):
    process = graph(**nodes, save=save("made", "JSON"))
    return requests.post(server.url + "result", json={"process": process}, timeout=600)


def children(server):
    """Processes that the server has started and that still run."""
    found = []
    for one in Path("/proc").iterdir():
        if one.name.isdigit():
            try:
                fields = (one / "stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if int(fields[1]) == server.child.pid and fields[0] != "Z":
                found.append(int(one.name))
    return found


def small(code, **arguments):
    nodes = applied(code, **arguments)
    extent = {"west": 500000, "south": 4999980, "east": 500020, "north": 5000000, "crs": 32633}
    nodes["load"]["arguments"]["spatial_extent"] = extent
    return nodes


def test_a_server_lists_it(server):
    runtimes = requests.get(server.url + "udf_runtimes", timeout=60).json()
    version = ".".join(map(str, sys.version_info[:3]))
    assert runtimes["Python"]["default"] == version and runtimes["Python"]["type"] == "language"
    assert runtimes["Python"]["versions"][version]["libraries"]["numpy"]["version"] == np.__version__
    ids = [one["id"] for one in requests.get(server.url + "processes", timeout=60).json()["processes"]]
    assert "run_udf" in ids
    paths = [one["path"] for one in requests.get(server.url, timeout=60).json()["endpoints"]]
    assert "/udf_runtimes" in paths


def test_a_server_without_python_does_not(cube, tmp_path):
    with Server(f"cube={cube[0]}", "--udf-python", "/nowhere/python3", state=tmp_path / "state") as server:
        assert requests.get(server.url + "udf_runtimes", timeout=60).status_code == 501
        ids = [one["id"] for one in requests.get(server.url + "processes", timeout=60).json()["processes"]]
        assert "run_udf" not in ids and "apply" in ids
        paths = [one["path"] for one in requests.get(server.url, timeout=60).json()["endpoints"]]
        assert "/udf_runtimes" not in paths
        refused = posted(server, small(SCALE)).json()
        assert refused["code"] == "ProcessUnsupported" and "/nowhere" not in json.dumps(refused)
        assert "/nowhere/python3" in server.log.read_text()


@pytest.mark.parametrize("path", HOSTILE, ids=lambda path: path.stem)
def test_hostile(path, server, cube):
    code = path.read_text()
    [expected] = re.findall(r"^# error: (.*)$", code, re.MULTILINE)
    answer = posted(server, small(code, context={"path": str(cube[0] / "zarr.json")}))
    told = answer.json()
    assert answer.status_code == 400, told
    assert told["code"] in ("UdfExecutionFailed", "UdfResultInvalid"), told
    assert re.search(expected, told["message"]), told["message"]
    assert server.child.poll() is None
    assert not Path("/tmp/eolith-was-here").exists()
    deadline = time.monotonic() + 60
    while children(server) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not children(server), "processes are left"


REAL = """
def apply_datacube(cube: xarray.DataArray, context: dict) -> xarray.DataArray:
    if float(cube.max()) <= 101:
        return cube
    {hostile}
    return cube
"""


@pytest.mark.parametrize(
    ("hostile", "expected"),
    [
        ("import os; os._exit(3)", "exit code 3"),
        ("while True: pass", "took longer than"),
        ("import os; os.write(4, b'garbage' * 99); os.write(5, b'garbage' * 99)", "no result"),
        ("cube = cube.isel(x=0)", "was planned"),
        ("cube = cube.expand_dims(z=range(100))", "was planned"),
        ("open('/etc/passwd')", "PermissionError"),
    ],
)
def test_hostile_to_real_pixels_only(hostile, expected, server):
    answer = posted(server, small(REAL.format(hostile=hostile)))
    assert answer.status_code == 400 and re.search(expected, answer.json()["message"]), answer.json()


def test_a_normal_function_still_runs(server, cube):
    answer = posted(server, small(SCALE, context={"factor": 2}))
    assert answer.status_code == 200, answer.json()
    text = json.dumps(answer.json())
    first = cube[1][0, 0, 0, 0]
    assert np.isnan(first) or str(float(first * 2 + 1)).rstrip("0").rstrip(".") in text


def test_what_is_printed_goes_to_the_log(cube):
    code = """
def apply_datacube(cube: xarray.DataArray, context: dict) -> xarray.DataArray:
    print("pixels:", cube.size)
    for i in range(100_000):
        print("x" * 100)
    return cube
"""
    wanted = graph(**small(code), save=save("made", "netCDF"))
    told = run(wanted, f"cube={cube[0]}", options=OPTIONS)
    assert "the UDF says: pixels: 8" in told.stderr or "the UDF says: pixels:" in told.stderr
    assert "what else it prints is not kept" in told.stderr and len(told.stderr) < 1_000_000
