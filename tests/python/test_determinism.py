"""The same bytes, whatever the threads, the memory and the run."""

import hashlib

import pytest

from binary import eolith, run
from graphs import graph, load, node, of, reducer, save, whole

FORMATS = {"GTiff": "tif", "netCDF": "nc", "Zarr": "zarr", "JSON": "json", "PNG": "png"}
# Threads and memory; the first one twice.
MACHINES = [(2, "1G"), (2, "1G"), (1, "1G"), (8, "1G"), (2, "24M"), (8, "24M")]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("determinism") / "cube.zarr"
    made = eolith("sample", path, "--dates", "7", "--size", "300")
    assert made.code == 0, made.stderr
    return f"cube={path}"


def reduced(process):
    return node("reduce_dimension", data=of("ndvi"), dimension="t", reducer=reducer(process))


def processes(format):
    """A sum whose rounding shows the order of additions, an interpolation, an order statistic, and what was read."""
    ndvi = {"load": load("cube"), "ndvi": node("ndvi", data=of("load"))}
    warp = node("resample_spatial", data=of("made"), projection=3857, resolution=23, method="cubic")
    yield graph(**ndvi, made=reduced("sd"), save=save("made", format))
    yield graph(**ndvi, made=reduced("mean"), warp=warp, save=save("warp", format))
    yield graph(**ndvi, made=reduced("median"), save=save("made", format))
    yield whole("cube", format, bands=["B04"])


def digest(path):
    found = hashlib.sha256()
    for file in sorted(file for file in path.rglob("*") if file.is_file()):
        found.update(str(file.relative_to(path)).encode())
        found.update(file.read_bytes())
    return found.hexdigest()


@pytest.mark.parametrize("format", FORMATS)
def test_files_are_equal_byte_by_byte(format, data, tmp_path):
    for number, process in enumerate(processes(format)):
        seen = set()
        for turn, (threads, memory) in enumerate(MACHINES):
            # A series is several files in some formats.
            folder = tmp_path / f"{number}-{turn}"
            folder.mkdir()
            output = folder / f"made.{FORMATS[format]}"
            figures = run(process, data, output=output, options=["--threads", threads, "--memory", memory]).figures
            seen.add((figures["checksum"], digest(folder)))
        assert len(seen) == 1, seen
