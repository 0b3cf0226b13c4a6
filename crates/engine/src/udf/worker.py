"""The process that runs a function of the user's: started by the engine inside its sandbox, never by hand.

It reads requests from its standard input and answers on its standard output: four bytes of mark, two lengths (u32 and
u64, little endian), JSON, and raw little-endian pixels. What the function prints goes to standard error. Nothing here
protects the machine: that is the sandbox's work. What is checked here is checked for good error messages only; the
engine checks every answer again.
"""

import ctypes
import inspect
import io
import json
import linecache
import logging
import os
import resource
import struct
import sys
import traceback
import types

import numpy
import pandas
import xarray

MARK = b"EUDF"
HEAD = struct.Struct("<4sIQ")
SOURCE = "<udf>"
LONGEST = 20_000


class Refused(Exception):
    """What the function did wrong, without a traceback."""


# ---------------------------------------------------------------------------------------------------------------------
# Functions and what they are called with.


def load(code):
    """The module of the user's code."""
    lines = code.splitlines(keepends=True)
    linecache.cache[SOURCE] = (len(code), None, lines, SOURCE)
    module = types.ModuleType("udf")
    module.__file__ = SOURCE
    names = {
        "numpy": numpy,
        "np": numpy,
        "xarray": xarray,
        "pandas": pandas,
        "pd": pandas,
        "XarrayDataCube": XarrayDataCube,
        "DataCube": XarrayDataCube,
        "UdfData": UdfData,
        "StructuredData": StructuredData,
        "FeatureCollection": FeatureCollection,
    }
    vars(module).update(names)
    sys.modules["udf"] = module
    exec(compile(code, SOURCE, "exec"), vars(module))
    return module


def annotation(parameter):
    said = parameter.annotation
    return said if isinstance(said, str) else getattr(said, "__name__", str(said))


def parameters(function):
    return list(inspect.signature(function).parameters.values())


def call(module, request, array):
    """What the user's function makes of an array: the first of the names that the module has."""
    context = request["context"]

    def named(function, data):
        have = parameters(function)
        if not have:
            raise Refused(f"`{function.__name__}` takes no arguments, it has to take the data and `context`")
        open_ended = any(own.kind is own.VAR_KEYWORD for own in have)
        return function(data, context=context) if open_ended or any(own.name == "context" for own in have) else function(data)

    for name in ("apply_datacube", "apply_hypercube"):
        function = getattr(module, name, None)
        if callable(function):
            cube = offered("openeo.udf", "XarrayDataCube", XarrayDataCube)
            have = parameters(function)
            wrapped = name == "apply_hypercube" or (have and annotation(have[0]).split(".")[-1] in ("XarrayDataCube", "DataCube"))
            return named(function, cube(array) if wrapped else array)
    function = getattr(module, "apply_timeseries", None)
    if callable(function):
        return series(lambda one: named(function, one), request, array)
    function = getattr(module, "apply_udf_data", None)
    if not callable(function):
        own = [value for value in vars(module).values() if isinstance(value, types.FunctionType)]
        own = [value for value in own if value.__module__ == "udf" and len(parameters(value)) == 1]
        own = [value for value in own if annotation(parameters(value)[0]).split(".")[-1] == "UdfData"]
        function = own[0] if own else None
    if function:
        cube = offered("openeo.udf", "XarrayDataCube", XarrayDataCube)
        data = offered("openeo.udf", "UdfData", UdfData)(datacube_list=[cube(array)], user_context=context)
        result = function(data)
        cubes = (result if hasattr(result, "get_datacube_list") else data).get_datacube_list() or []
        if len(cubes) != 1:
            raise Refused(f"the UDF left {len(cubes)} data cubes in its UdfData, it has to be one")
        return cubes[0]
    raise Refused(
        "the code has none of the functions apply_datacube(cube, context), apply_timeseries(series, context) "
        "and apply_udf_data(data)"
    )


def series(function, request, array):
    """Calls a function for each series along time."""
    axis = request.get("axis")
    kinds = {dim["name"]: dim["type"] for dim in request["dims"]}
    if axis is None:
        times = [name for name in array.dims if kinds[name] == "temporal"]
        if len(times) != 1:
            raise Refused(f"apply_timeseries needs one dimension of time, there are {len(times)}")
        axis = times[0]
    index = array.get_index(axis)
    moved = array.transpose(..., axis)
    rows = moved.values.reshape(-1, moved.sizes[axis])
    made = [numpy.asarray(function(pandas.Series(row.copy(), index=index))) for row in rows]
    shapes = {one.shape for one in made}
    if len(shapes) != 1:
        raise Refused(f"apply_timeseries returned series of different lengths: {sorted(shapes)}")
    shape = shapes.pop()
    values = numpy.stack(made).reshape(moved.shape[:-1] + shape)
    if not shape:
        return xarray.DataArray(values, dims=moved.dims[:-1])
    coords = {name: moved.coords[name] for name in moved.dims if name != axis or shape[0] == len(index)}
    return xarray.DataArray(values, dims=moved.dims, coords=coords).transpose(*array.dims)


def labelled(dim):
    labels = dim["labels"]
    if dim["type"] == "temporal":
        try:
            times = pandas.DatetimeIndex(pandas.to_datetime(labels, utc=True, format="ISO8601"))
            return times.tz_localize(None).to_numpy()
        except (ValueError, TypeError):
            pass
    return numpy.array(labels)


def cube(request, payload):
    dims = request["dims"]
    shape = [len(dim["labels"]) for dim in dims]
    dtype = numpy.dtype(request["dtype"])
    if payload is None:
        count = int(numpy.prod(shape, dtype=numpy.int64))
        values = (numpy.arange(count, dtype=numpy.int64) * 37 % 101 + 1).astype(dtype)
    else:
        values = numpy.frombuffer(payload, dtype=dtype).copy()
    coords = {dim["name"]: labelled(dim) for dim in dims}
    array = xarray.DataArray(values.reshape(shape), dims=[dim["name"] for dim in dims], coords=coords)
    crs = next((dim["crs"] for dim in dims if "crs" in dim), None)
    if crs:
        array.attrs["crs"] = crs
    return array


def result(made, request):
    """The array in what a function returned, its dimensions in the order that is asked for."""
    array = made.get_array() if hasattr(made, "get_array") else made
    if not isinstance(array, xarray.DataArray):
        raise Refused(f"the UDF returned {type(made).__name__}, it has to return the type of its argument")
    order = request.get("order")
    if order is not None and sorted(map(str, array.dims)) == sorted(order):
        array = array.transpose(*order)
    values = numpy.asarray(array.values)
    if values.dtype == numpy.float16:
        values = values.astype(numpy.float32)
    if values.dtype.kind not in "biuf" or values.dtype.itemsize > 8:
        raise Refused(f"the UDF returned values of type {values.dtype}, it has to return numbers or booleans")
    values = numpy.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<"))
    return array, values


def labels(array, name):
    """The labels along a dimension, if it has some."""
    if name not in array.coords or array.coords[name].dims != (name,):
        return None
    values = array.coords[name].values
    if values.dtype.kind == "M":
        return {"times": [str(one) + "Z" for one in numpy.datetime_as_string(values, unit="s")]}
    if values.dtype.kind in "iu":
        return {"numbers": [int(one) for one in values]}
    if values.dtype.kind == "f":
        found = [float(one) for one in values]
        return {"numbers": found} if numpy.isfinite(values).all() else None
    return {"texts": [str(one) for one in values]}


def bands_said(module, request):
    """The names of the bands after `apply_metadata`, if there is such a function."""
    function = getattr(module, "apply_metadata", None)
    if not callable(function):
        return None
    kind = offered("openeo.metadata", "CubeMetadata", CubeMetadata)
    if kind is CubeMetadata:
        dims = [Dimension(dim["name"], dim["type"], dim["labels"]) for dim in request["dims"]]
    else:
        library = sys.modules["openeo.metadata"]

        def made(dim):
            if dim["type"] == "bands":
                return library.BandDimension(dim["name"], bands=[library.Band(name=name) for name in dim["labels"]])
            if dim["type"] == "temporal":
                return library.TemporalDimension(dim["name"], extent=[dim["labels"][0], dim["labels"][-1]])
            if dim["type"] == "spatial":
                return library.SpatialDimension(dim["name"], extent=[dim["labels"][0], dim["labels"][-1]])
            return library.Dimension(dim["name"], type=dim["type"])

        dims = [made(dim) for dim in request["dims"]]
    have = [own.name for own in parameters(function)]
    metadata = kind(dimensions=dims)
    said = function(metadata, context=request["context"]) if "context" in have else function(metadata)
    if said is None or not hasattr(said, "dimension_names"):
        raise Refused("apply_metadata has to return metadata like what it is given")
    known = {dim["name"] for dim in request["dims"] if dim["type"] == "bands"}
    bands = [own for own in said._dimensions if getattr(own, "type", None) == "bands"]
    return {own.name: [str(band.name) for band in own.bands] for own in bands if own.name in known or not known}


# ---------------------------------------------------------------------------------------------------------------------
# The protocol.


def shown(error):
    """The traceback from the user's code on."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename != SOURCE:
        trace = trace.tb_next
    text = "".join(traceback.TracebackException(type(error), error, trace, limit=-20, compact=True).format())
    return text if len(text) <= LONGEST else text[: LONGEST // 2] + "\n…\n" + text[-LONGEST // 2 :]


def failure(error):
    if isinstance(error, Refused):
        return {"ok": False, "message": str(error)}
    if isinstance(error, SyntaxError) and error.filename == SOURCE:
        message = f"line {error.lineno}: {error.msg}"
        return {"ok": False, "message": message, "kind": "SyntaxError"}
    kind = type(error).__name__
    lines = [own.lineno for own in traceback.extract_tb(error.__traceback__) if own.filename == SOURCE]
    place = f" in line {lines[-1]}" if lines else ""
    return {"ok": False, "message": f"{kind}{place}: {str(error)[:500]}", "trace": shown(error), "kind": kind}


class Wire:
    def __init__(self):
        self.given = os.fdopen(os.dup(0), "rb")
        self.taken = os.dup(1)
        null = os.open("/dev/null", os.O_RDONLY)
        os.dup2(null, 0)
        os.close(null)
        os.dup2(2, 1)

    def read(self):
        head = self.given.read(HEAD.size)
        if len(head) < HEAD.size:
            return None, b""
        _, length, bytes_ = HEAD.unpack(head)
        return json.loads(self.given.read(length)), self.given.read(bytes_)

    def write(self, said, payload=b""):
        text = json.dumps(said).encode()
        self.send(HEAD.pack(MARK, len(text), len(payload)) + text)
        self.send(payload)

    def send(self, data):
        view = memoryview(data)
        while view:
            view = view[os.write(self.taken, view) :]


def lock(number, program):
    """No other programs and processes from here on: the second filter of system calls, for all threads."""

    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_char_p)]

    library = ctypes.CDLL(None, use_errno=True)
    own = Program(len(program) // 8, program)
    if library.syscall(ctypes.c_long(number), ctypes.c_uint(1), ctypes.c_uint(1), ctypes.byref(own)) != 0:
        raise OSError(ctypes.get_errno(), "the second filter of system calls was refused")


def main():
    wire = Wire()
    sys.stdout = io.TextIOWrapper(os.fdopen(1, "wb", closefd=False), line_buffering=True, errors="replace")
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(levelname)s %(message)s")
    sys.meta_path.append(Stand())
    # What xarray loads with its first array (dask, scipy, where they are installed) is the interpreter's memory, not
    # the function's.
    xarray.DataArray(numpy.zeros(1), dims="x").max("x")
    request, program = wire.read()
    lock(request["seccomp"], program)
    wire.write({"ok": True})
    request, _ = wire.read()
    resource.setrlimit(resource.RLIMIT_AS, (request["memory"], request["memory"]))
    wire.write({"ok": True})
    limit, used, cpu = resource.setrlimit, resource.getrusage, resource.RLIMIT_CPU
    module, code = None, None
    while True:
        request, payload = wire.read()
        if request is None:
            return
        try:
            spent = used(resource.RUSAGE_SELF)
            seconds = int(spent.ru_utime + spent.ru_stime) + 1 + request["seconds"]
            limit(cpu, (seconds, resource.RLIM_INFINITY))
            if code != request["code"]:
                module, code = load(request["code"]), request["code"]
            array = cube(request, payload if not request["synthetic"] else None)
            made, values = result(call(module, request, array), request)
            said = {
                "ok": True,
                "dtype": values.dtype.name,
                "shape": list(values.shape),
                "dims": [str(name) for name in made.dims],
            }
            if request["synthetic"]:
                said["labels"] = [labels(made, name) for name in made.dims]
                said["bands"] = bands_said(module, request)
        except BaseException as error:
            code = None
            said, values = failure(error), numpy.empty(0, "u1")
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
        wire.write(said, b"" if not said["ok"] or request["synthetic"] else values.data.cast("B") if values.size else b"")


main()
