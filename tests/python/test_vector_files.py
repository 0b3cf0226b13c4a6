"""Files of geometries by `load_url`, changed and written again, read by geopandas and pandas, compared with shapely."""

import http.server
import threading
from functools import partial

import geopandas
import numpy as np
import pandas
import pytest
import shapely

import graphs
from binary import ROOT, run

FIXTURES = ROOT / "crates/engine/tests/fixtures"
FORMATS = {"GeoJSON": "zones.geojson", "Parquet": "zones.parquet", "FlatGeobuf": "zones.fgb"}


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=FIXTURES)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def zones():
    return geopandas.read_parquet(FIXTURES / "zones.parquet")


def result(server, tmp_path, format, output, **nodes):
    """The file made of a loaded one by `nodes`, the last of which is saved."""
    load = graphs.node("load_url", url=f"{server}/{FORMATS[format]}", format=format)
    last = list(nodes)[-1] if nodes else "load"
    path = tmp_path / f"out.{output.lower()}"
    run(graphs.graph(load=load, **nodes, save=graphs.save(last, output)), output=path)
    return path


@pytest.mark.parametrize("format", FORMATS)
def test_what_is_loaded_is_what_the_file_has(server, tmp_path, zones, format):
    found = geopandas.read_parquet(result(server, tmp_path, format, "Parquet"))
    assert found.crs == zones.crs
    found = found.set_index("crop").loc[zones["crop"]].reset_index()
    assert shapely.equals_exact(found.geometry.values, zones.geometry.values, 1e-9).all()
    assert found["n"].tolist() == zones["n"].tolist()
    np.testing.assert_array_equal(found["area"].astype(float), zones["area"])


def test_buffers_are_those_of_shapely(server, tmp_path, zones):
    for distance in (0.7, 5.0, 33.0, -3.0, -30.0, -60.0):
        grown = graphs.node("vector_buffer", geometries=graphs.of("load"), distance=distance)
        path = result(server, tmp_path, "Parquet", "Parquet", grown=grown)
        found = geopandas.read_parquet(path).geometry.values
        expected = zones.buffer(distance, quad_segs=16).values
        for own, other in zip(found, expected, strict=True):
            assert own.is_empty == other.is_empty, distance
            if other.is_empty:
                continue
            assert own.is_valid, distance
            # Chords stand elsewhere where arcs begin elsewhere: half of one's sagitta on either side.
            sagitta = abs(distance) * (1 - np.cos(np.pi / 64))
            assert own.hausdorff_distance(other) <= 2 * sagitta + 1e-6, distance
            assert abs(own.area - other.area) <= sagitta * other.length, distance


def test_samples_lie_in_their_geometries(server, tmp_path, zones):
    arguments = {"data": graphs.of("load"), "geometry_count": 200, "seed": 3}
    points = graphs.node("vector_to_random_points", **arguments)
    found = geopandas.read_parquet(result(server, tmp_path, "Parquet", "Parquet", points=points))
    for own, zone in zip(found.geometry, zones.geometry, strict=True):
        assert all(zone.distance(point) < 1e-6 for point in own.geoms)
        assert len(own.geoms) == (1 if zone.geom_type == "Point" else 200)


def test_tables(server, tmp_path, zones):
    table = pandas.read_csv(result(server, tmp_path, "GeoJSON", "CSV"), keep_default_na=False)
    assert table["geometry"].tolist() == [0, 1, 2]
    assert table["crop"].tolist() == zones["crop"].tolist()
    assert table["area"].tolist() == ["9984.5", "", "0.001"]
