"""Files that are replaced while a server runs: what is sent is what is on disk."""

import json
import os
from pathlib import Path

import numpy as np
import rasterio
import requests
import xarray as xr
import zarr

import cubes
import graphs
from binary import Server


def download(server, path):
    answer = requests.post(server.url + "result", json={"process": graphs.whole("cube")}, timeout=300)
    assert answer.status_code == 200, answer.text
    path.write_bytes(answer.content)
    with xr.open_dataset(path, mask_and_scale=False) as file:
        return {name: file[name].values for name in file.data_vars if file[name].ndim == 3}


def later(path):
    """File systems may count in coarse steps."""
    status = os.stat(path)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 2_000_000_000))


def test_a_tiff_that_was_replaced_is_read_again(tmp_path):
    cube = cubes.generated(tmp_path)
    collection = Path(cube.paths["cog-stac-1.1"])
    left, top, width, height = cube.origin
    for path in collection.parent.glob("scene_*.json"):
        # With these nobody needs to look at the files before they are read.
        item = json.loads(path.read_text())
        place = {"proj:shape": [53, 61], "proj:transform": [width, 0, left, 0, height, top]}
        item["properties"].update(place)
        path.write_text(json.dumps(item))
    with Server(f"cube={collection}", state=tmp_path / "state") as server:
        before = download(server, tmp_path / "before.nc")
        path = collection.parent / "scene_1.tif"
        with rasterio.open(path) as file:
            pixels, profile = file.read(), file.profile
        other = path.with_name("other.tif")
        with rasterio.open(other, "w", **profile) as file:
            file.write(np.where(pixels == 0, 0, pixels + 1).astype(pixels.dtype))
        os.replace(other, path)
        later(path)
        after = download(server, tmp_path / "after.nc")
    for band, pixels in cube.bands.items():
        assert np.array_equal(before[band], pixels.data)
        expected = pixels.data.copy()
        expected[1] += expected[1] != 0
        assert np.array_equal(after[band], expected), band


def test_a_chunk_that_was_rewritten_is_read_again(tmp_path):
    cube = cubes.generated(tmp_path)
    path = Path(cube.paths["zarr-3"])
    with Server(f"cube={path}", state=tmp_path / "state") as server:
        before = download(server, tmp_path / "before.nc")
        array = zarr.open_group(path, mode="r+")["B04"]
        array[2, :8, :8] = 77
        after = download(server, tmp_path / "after.nc")
    assert (after["B04"][2, :8, :8] == 77).all()
    after["B04"][2, :8, :8] = before["B04"][2, :8, :8]
    assert np.array_equal(after["B04"], before["B04"])
