"""Reference files: a Zarr store in JSON whose chunks are parts of netCDF files."""

import base64
import json
import re
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import h5py
import netCDF4
import numpy as np
import pytest
import xarray as xr

import graphs
from binary import eolith, run

FILTERS = {
    "plain": {},
    "zlib": {"zlib": True, "complevel": 4, "shuffle": False},
    "shuffle": {"zlib": True, "complevel": 4, "shuffle": True},
    "zstd": {"compression": "zstd", "complevel": 3},
}


class Ranges(SimpleHTTPRequestHandler):
    """Files of a folder, whole or by range."""

    def do_GET(self):
        path = Path(self.translate_path(self.path))
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if not asked or not path.is_file():
            return super().do_GET()
        data = path.read_bytes()
        first, last = int(asked[1]), min(int(asked[2]), len(data) - 1)
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {first}-{last}/{len(data)}")
        self.send_header("Content-Length", str(last - first + 1))
        self.end_headers()
        return self.wfile.write(data[first : last + 1])

    def log_message(self, *_):
        pass


def generated(folder, filters):
    """Two files of two dates each, chunked, with no-data and packed values."""
    paths, random = [], np.random.default_rng(11)
    for i in range(2):
        times = np.array(["2020-01-01", "2020-01-02"], dtype="datetime64[ns]") + np.timedelta64(2 * i, "D")
        pixels = random.normal(10, 3, (2, 50, 70)).astype("f4")
        pixels[random.random(pixels.shape) < 0.1] = np.nan
        data = xr.Dataset(
            {"t": (("time", "lat", "lon"), pixels, {"units": "K", "grid_mapping": "crs"})},
            {"time": times, "lat": np.arange(50) * -0.5 + 60.25, "lon": np.arange(70) * 0.5 + 0.25},
        )
        data.lat.attrs, data.lon.attrs = {"units": "degrees_north"}, {"units": "degrees_east"}
        coded = {"dtype": "i2", "scale_factor": 0.01, "_FillValue": -32768, "chunksizes": (1, 16, 32), **filters}
        times_coded = {"units": "hours since 1970-01-01", "dtype": "i8"}
        paths.append(folder / f"day {i}.nc")
        data.to_netcdf(paths[-1], engine="netcdf4", encoding={"t": coded, "time": times_coded})
    return paths


def references(paths, url=str, inline=()):
    """What kerchunk makes of netCDF files that follow each other in time: metadata and places of chunks."""
    refs = {".zgroup": json.dumps({"zarr_format": 2}), ".zattrs": json.dumps({"title": "referenced"})}
    for number, path in enumerate(paths):
        with h5py.File(path) as file, netCDF4.Dataset(path) as named:
            for name, dataset in file.items():
                if name == "time" or dataset.shape == () or name not in named.variables:
                    continue
                dims = named[name].dimensions
                chunks = dataset.chunks or dataset.shape
                along = dims[0] == "time"
                shape = [dataset.shape[0] * len(paths), *dataset.shape[1:]] if along else list(dataset.shape)
                attributes = {key: np.asarray(value).tolist() if not isinstance(value, (bytes, str)) else value
                              for key, value in named[name].__dict__.items()}
                fill = attributes.pop("_FillValue", None)
                attributes["_ARRAY_DIMENSIONS"] = list(dims)
                codecs = []
                if dataset.shuffle:
                    codecs.append({"id": "shuffle", "elementsize": dataset.dtype.itemsize})
                if dataset.compression == "gzip":
                    codecs.append({"id": "zlib", "level": dataset.compression_opts})
                elif "32015" in dataset._filters:
                    codecs.append({"id": "zstd", "level": 3})
                refs[f"{name}/.zarray"] = json.dumps({
                    "zarr_format": 2, "shape": shape, "chunks": list(chunks), "dtype": dataset.dtype.str, "order": "C",
                    "fill_value": None if fill is None or np.isnan(fill) else fill,
                    "filters": codecs or None, "compressor": None,
                })
                refs[f"{name}/.zattrs"] = json.dumps(attributes)
                if dataset.chunks is None:
                    refs[f"{name}/" + ".".join("0" * len(shape))] = [
                        url(path), dataset.id.get_offset(), dataset.id.get_storage_size()]
                    continue
                for i in range(dataset.id.get_num_chunks()):
                    info = dataset.id.get_chunk_info(i)
                    at = [offset // size for offset, size in zip(info.chunk_offset, chunks)]
                    if along:
                        at[0] += number * (dataset.shape[0] // chunks[0])
                    refs[f"{name}/" + ".".join(map(str, at))] = [url(path), info.byte_offset, info.size]
    # The time axis is put together by the tool and stands in the document itself.
    times = np.concatenate([xr.open_dataset(path, decode_times=False).time.values for path in paths]).astype("<i8")
    refs["time/.zarray"] = json.dumps({
        "zarr_format": 2, "shape": [len(times)], "chunks": [len(times)], "dtype": "<i8", "order": "C",
        "fill_value": None, "filters": None, "compressor": None})
    refs["time/.zattrs"] = json.dumps({
        "_ARRAY_DIMENSIONS": ["time"], "units": "hours since 1970-01-01", "calendar": "proleptic_gregorian"})
    refs["time/0"] = "base64:" + base64.b64encode(times.tobytes()).decode()
    return refs


@pytest.mark.parametrize("filters", FILTERS)
@pytest.mark.parametrize("version", [0, 1])
def test_references_read_as_xarray_reads_the_files(filters, version, tmp_path):
    paths = generated(tmp_path, FILTERS[filters])
    document = references(paths, url=(lambda path: path.name) if version == 0 else (lambda path: "{{f}}/" + path.name))
    if version == 1:
        document = {"version": 1, "templates": {"f": f"file://{tmp_path}"}, "refs": document}
    # By its name in a folder, and by any name when it is given.
    path = tmp_path / "refs.json"
    path.write_text(json.dumps(document))
    expected = xr.concat([xr.open_dataset(p, mask_and_scale=False) for p in paths], "time", data_vars="minimal")
    output = tmp_path / "out.nc"
    run(graphs.whole("cube"), f"cube={path}", output=output)
    with xr.open_dataset(output, mask_and_scale=False) as out:
        assert np.array_equal(out.t, expected.t)
        assert np.array_equal(out.time, expected.time)
        assert np.array_equal(out.lat, expected.lat) and np.array_equal(out.lon, expected.lon)
    output.unlink()
    listed = eolith("collections", tmp_path)
    assert {line.split()[0] for line in listed.stdout.splitlines()} == {"refs", "day_0", "day_1"}
    part = graphs.whole("cube", spatial_extent={"west": 5, "south": 40, "east": 20, "north": 50},
                        temporal_extent=["2020-01-02", "2020-01-04"])
    run(part, f"cube={path}", output=output)
    with xr.open_dataset(output, mask_and_scale=False) as out:
        window = expected.t.sel(lon=slice(5, 20), lat=slice(50, 40), time=slice("2020-01-02", "2020-01-03"))
        assert np.array_equal(out.t, window)


def test_references_to_files_of_a_server(tmp_path):
    paths = generated(tmp_path, FILTERS["shuffle"])
    handler = partial(Ranges, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        root = f"http://127.0.0.1:{server.server_port}"
        document = references(paths, url=lambda path: f"{root}/{path.name.replace(' ', '%20')}")
        path = tmp_path / "far.json"
        path.write_text(json.dumps(document))
        figures = [run(graphs.whole("cube"), f"cube={p}").figures for p in (path, f"{root}/far.json")]
        server.shutdown()
    assert figures[0]["checksum"] == figures[1]["checksum"]


def test_filters_that_are_not_known_are_named(tmp_path):
    paths = generated(tmp_path, FILTERS["zlib"])
    document = references(paths)
    array = json.loads(document["t/.zarray"])
    array["filters"] = [{"id": "packbits"}, *array["filters"]]
    document["t/.zarray"] = json.dumps(array)
    path = tmp_path / "refs.json"
    path.write_text(json.dumps(document))
    listed = eolith("collections", f"cube={path}")
    assert "packbits" in listed.stderr, listed.stderr


def test_parquet_references_are_refused_by_name(tmp_path):
    store = tmp_path / "refs.parq"
    (store / "t").mkdir(parents=True)
    metadata = {".zgroup": {"zarr_format": 2}, "t/.zarray": {
        "zarr_format": 2, "shape": [2, 2], "chunks": [2, 2], "dtype": "<i2", "order": "C", "fill_value": 0,
        "filters": None, "compressor": None}}
    (store / ".zmetadata").write_text(json.dumps({"metadata": metadata, "record_size": 100_000}))
    (store / "t/refs.0.parq").write_bytes(b"PAR1")
    listed = eolith("collections", store)
    assert "Parquet" in listed.stderr, listed.stderr
