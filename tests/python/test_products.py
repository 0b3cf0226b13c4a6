"""Zarr stores with groups: products of several resolutions as Copernicus EOPF writes them, and pyramids."""

import json

import numpy as np
import pytest
import xarray as xr
import zarr

import graphs
from binary import collections, run

SIZE = 120
LEFT, TOP = 600_000.0, 5_000_040.0
LEVELS = {"r10m": ["b02", "b03", "b04", "b08"], "r20m": ["b02", "b05", "b8a"], "r60m": ["b01", "b02"]}
SENSED = "2025-06-10T10:36:41.024Z"


def pixels(seed, size):
    return np.random.default_rng(seed).integers(1, 10_000, (size, size), dtype="u2")


def level(root, group, names, size, extra=None):
    """A group with coordinates of its own; `proj:epsg` is on the arrays, as in the products."""
    step = SIZE * 10 // size
    data = xr.Dataset(
        {},
        {"y": TOP - step * (np.arange(size) + 0.5), "x": LEFT + step * (np.arange(size) + 0.5)},
    )
    for name in names:
        # Different in every resolution, so that a mix-up is seen.
        stored = pixels(sum(map(ord, name + group)), size)
        attributes = {"proj:epsg": 32632, "scale_factor": 0.0001, "add_offset": -0.1, **(extra or {})}
        data[name] = (("y", "x"), stored, attributes)
    version = 3 if root.name.endswith("3.zarr") else 2
    data.to_zarr(root, group=group, mode="a", zarr_format=version, consolidated=False)
    return data


@pytest.fixture(scope="module", params=[2, 3])
def product(request, tmp_path_factory):
    root = tmp_path_factory.mktemp("eopf") / f"S2C_MSIL2A_{request.param}.zarr"
    item = {"type": "Feature", "properties": {"datetime": SENSED, "platform": "sentinel-2c"}}
    attributes = {"stac_discovery": item, "other_metadata": {"horizontal_CRS_code": "EPSG:32632"}}
    zarr.open_group(root, mode="w", zarr_format=request.param, attributes=attributes)
    levels = {}
    for name, bands in LEVELS.items():
        size = SIZE * 10 // int(name[1:-1])
        levels[name] = level(root, f"measurements/reflectance/{name}", bands, size)
        level(root, f"conditions/mask/detector_footprint/{name}", bands, size)
    level(root, "conditions/mask/l2a_classification/r20m", ["scl"], SIZE // 2)
    angles = xr.Dataset(
        {"sun_angles": (("angle", "y", "x"), np.ones((2, 3, 3)), {"proj:epsg": 32632})},
        {"angle": np.array(["zenith", "azimuth"], dtype="O"), "y": TOP - 5000.0 * np.arange(3), "x": LEFT + 5000.0 * np.arange(3)},
    )
    angles.to_zarr(root, group="conditions/geometry", mode="a", zarr_format=request.param, consolidated=False)
    zarr.consolidate_metadata(root)
    return root, levels


def listed(path):
    return collections(f"s2={path}")


def loaded(path, folder, **arguments):
    output = folder / "out.nc"
    run(graphs.whole("s2", **arguments), f"s2={path}", output=output)
    return xr.open_dataset(output, mask_and_scale=False)


def test_a_product_is_one_collection_and_those_beside_it(product):
    records = listed(product[0])
    assert sorted(records) == [
        "s2",
        "s2/conditions/geometry",
        "s2/conditions/mask/detector_footprint",
        "s2/conditions/mask/l2a_classification/r20m",
    ]
    cube = records["s2"]["cube:dimensions"]
    plain = ["b01", "b02", "b03", "b04", "b05", "b08", "b8a"]
    assert cube["bands"]["values"] == [*plain, "r20m/b02", "r60m/b02"]
    assert (cube["x"]["step"], cube["x"]["extent"]) == (10, [LEFT, LEFT + 10 * SIZE])
    assert cube["x"]["reference_system"] == 32632
    assert cube["t"]["values"] == [SENSED]
    names = {band["name"]: band.get("eo:common_name") or band.get("common_name") for band in records["s2"]["summaries"]["eo:bands"]}
    assert (names["b04"], names["b8a"], names["r20m/b02"]) == ("red", "nir08", None)
    assert "-0.1" in json.dumps(records["s2"]["summaries"])


def test_coarser_bands_come_to_the_finest_that_is_asked_for(product, tmp_path):
    root, levels = product
    out = loaded(root, tmp_path, bands=["b04", "b8a", "b01", "r60m/b02"])
    assert out.x.size == SIZE and out.b04.dtype == np.uint16
    expected = {"b04": levels["r10m"].b04, "b8a": levels["r20m"].b8a, "b01": levels["r60m"].b01, "r60m/b02": levels["r60m"].b02}
    for name, band in expected.items():
        near = np.kron(band.values, np.ones((SIZE // band.shape[0],) * 2, dtype="u2"))
        found = next(v for n, v in out.data_vars.items() if n.replace("_", "/") == name.replace("_", "/"))
        assert np.array_equal(np.squeeze(found.values), near), name
    coarse = loaded(root, tmp_path, bands=["b8a", "b01"])
    assert coarse.x.values.tolist() == levels["r20m"].x.values.tolist()
    assert np.array_equal(np.squeeze(coarse.b8a.values), levels["r20m"].b8a.values)
    assert np.array_equal(np.squeeze(coarse.b01.values), np.kron(levels["r60m"].b01.values, np.ones((3, 3), "u2")))


def test_an_area_and_an_index_of_it(product, tmp_path):
    root, levels = product
    area = {"west": LEFT + 200, "east": LEFT + 700, "south": TOP - 900, "north": TOP - 300, "crs": 32632}
    graph = graphs.graph(
        load=graphs.load("s2", spatial_extent=area, bands=["nir08", "red"], temporal_extent=["2025-06-01", "2025-07-01"]),
        ndvi=graphs.node("ndvi", data=graphs.of("load"), nir="nir08", red="red"),
        save=graphs.save("ndvi", "GTiff"),
    )
    output = tmp_path / "ndvi.tif"
    run(graph, f"s2={root}", output=output)
    import rasterio

    nir = np.kron(levels["r20m"].b8a.values, np.ones((2, 2), "u2")).astype("f8")[30:90, 20:70]
    red = levels["r10m"].b04.values.astype("f8")[30:90, 20:70]
    with rasterio.open(output) as file:
        np.testing.assert_allclose(file.read(1), (nir - red) / (nir + red), atol=1e-6)
        assert file.transform[2:6:3] == (LEFT + 200, TOP - 300)


def test_overviews_are_no_bands(tmp_path):
    root = tmp_path / "pyramid_3.zarr"
    layout = [{"asset": "0"}, {"asset": "1", "derived_from": "0"}, {"asset": "2", "derived_from": "1"}]
    attributes = {
        "multiscales": {"layout": layout}, "proj:code": "EPSG:32632", "spatial:dimensions": ["y", "x"],
    }
    store = zarr.open_group(root, mode="w", zarr_format=3, attributes=attributes)
    full = pixels(1, 64)
    for i, size in enumerate([64, 32, 16]):
        step = 640 / size
        group = store.create_group(str(i), attributes={"spatial:transform": [step, 0, LEFT, 0, -step, TOP]})
        for name in ("red", "nir"):
            array = group.create_array(name, data=full[:: 2**i, :: 2**i] + len(name), chunks=(16, 16), dimension_names=("y", "x"))
            array.attrs["units"] = "1"
    zarr.consolidate_metadata(root)
    records = listed(root)
    assert list(records) == ["s2"]
    cube = records["s2"]["cube:dimensions"]
    assert sorted(cube["bands"]["values"]) == ["nir", "red"]
    assert cube["x"]["extent"] == [LEFT, LEFT + 640] and cube["x"]["step"] == 10
    out = loaded(root, tmp_path)
    assert np.array_equal(np.squeeze(out.red.values), full + 3)
