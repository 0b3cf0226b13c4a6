"""Icechunk repositories: every snapshot is read as the package that wrote it reads it.

Packages for Python 3.12 and newer write version 2 of the format, which `crates/engine` tests with every Python.
"""

import datetime
import json
import os
import shutil
from pathlib import Path

import h5py
import icechunk
import numpy as np
import pytest
import xarray as xr
import zarr

import graphs
from binary import Server, eolith, run
from s3server import REGION
from test_kerchunk import generated
from test_replaced import download
from test_s3 import BUCKET, cube, environment, store  # noqa: F401 (fixtures)

SPECS = [1] if icechunk.spec_version() == 1 else [1, 2]
# Chunks of more bytes are files of their own.
INLINE = 512


def dataset(dates, seed, size=(50, 70)):
    """Packed temperatures with no-data, and a second variable in single precision."""
    random = np.random.default_rng(seed)
    height, width = size
    pixels = random.normal(10, 3, (dates, height, width)).astype("f4")
    pixels[random.random(pixels.shape) < 0.1] = np.nan
    return xr.Dataset(
        {
            "t": (("time", "lat", "lon"), pixels, {"units": "K"}),
            "wind": (("time", "lat", "lon"), random.normal(0, 5, pixels.shape).astype("f4")),
        },
        {
            "time": np.datetime64("2020-01-01", "ns") + np.arange(dates) * np.timedelta64(1, "D"),
            "lat": ("lat", np.arange(height) * -0.5 + 60.25, {"units": "degrees_north"}),
            "lon": ("lon", np.arange(width) * 0.5 + 0.25, {"units": "degrees_east"}),
        },
    )


def encoding(sharded):
    chunks = {"chunks": (1, 16, 32)} | ({"shards": (1, 32, 64)} if sharded else {})
    coded = {"dtype": "i2", "scale_factor": 0.01, "_FillValue": -32768}
    return {"t": {**coded, **chunks}, "wind": chunks, "time": {"units": "days since 2020-01-01", "dtype": "i8"}}


def write(session, data, sharded=False, **options):
    given = {"encoding": encoding(sharded)} if "append_dim" not in options else {}
    data.to_zarr(session.store, zarr_format=3, consolidated=False, **given, **options)


def create(storage, spec, **config):
    config = icechunk.RepositoryConfig(inline_chunk_threshold_bytes=INLINE, **config)
    version = {} if icechunk.spec_version() == 1 else {"spec_version": spec}
    return icechunk.Repository.create(storage, config, **version)


def history(storage, spec, sharded=False):
    """Three commits on `main`, a branch of the first, tags, one of which is gone; the data of each by name."""
    repository = create(storage, spec)
    session = repository.writable_session("main")
    first = dataset(2, 1)
    write(session, first, sharded)
    id = session.commit("two days")
    repository.create_tag("v1", snapshot_id=id)
    repository.create_tag("both", snapshot_id=id)
    repository.create_tag("gone", snapshot_id=id)
    repository.delete_tag("gone")
    repository.create_branch("dev.x", snapshot_id=id)
    session = repository.writable_session("main")
    more = dataset(4, 2).isel(time=slice(2, 4))
    write(session, more, append_dim="time")
    second = session.commit("two more days")
    repository.create_branch("both", snapshot_id=second)
    session = repository.writable_session("main")
    changed = xr.concat([first, more], "time", data_vars="minimal")
    part = changed.isel(time=[1], lat=slice(0, 16), lon=slice(0, 32)) + 1
    part[["t", "wind"]].drop_vars(["lat", "lon", "time"]).to_zarr(
        session.store, zarr_format=3, consolidated=False, region={
            "time": slice(1, 2), "lat": slice(0, 16), "lon": slice(0, 32)})
    session.commit("a corner is warmer")
    other = dataset(2, 3)
    session = repository.writable_session("dev.x")
    write(session, other, sharded, mode="w")
    session.commit("other numbers")
    return repository, {"v1": id, "second": second}


def stored(repository, **version):
    session = repository.readonly_session(**version)
    return xr.open_zarr(session.store, zarr_format=3, consolidated=False, mask_and_scale=False).load()


def pixels(address, path):
    run(graphs.whole("cube"), f"cube={address}", output=path)
    with xr.open_dataset(path, mask_and_scale=False) as out:
        return out.load()


def same(found, expected):
    for name in ("t", "wind"):
        assert np.array_equal(found[name], expected[name], equal_nan=True), name
    assert np.array_equal(found.time, expected.time)
    assert np.array_equal(found.lat, expected.lat) and np.array_equal(found.lon, expected.lon)


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("sharded", [False, True])
def test_every_version_reads_as_its_writer_reads_it(spec, sharded, tmp_path):
    path = tmp_path / "weather"
    repository, ids = history(icechunk.local_filesystem_storage(str(path)), spec, sharded)
    # Both kinds of chunks are in it.
    assert any((path / "chunks").iterdir())
    out = tmp_path / "out.nc"
    versions = {
        "": {"branch": "main"}, "@main": {"branch": "main"}, "@dev.x": {"branch": "dev.x"}, "@v1": {"tag": "v1"},
        "@tag.v1": {"tag": "v1"}, "@branch.dev.x": {"branch": "dev.x"}, "@branch.both": {"branch": "both"},
        "@tag.both": {"tag": "both"}, f"@{ids['second']}": {"snapshot_id": ids["second"]},
    }
    for suffix, version in versions.items():
        same(pixels(f"{path}{suffix}", out), stored(repository, **version))
        out.unlink()
    assert stored(repository, branch="main").sizes["time"] == 4 and stored(repository, tag="v1").sizes["time"] == 2
    listed = eolith("collections", tmp_path)
    assert [line.split()[0] for line in listed.stdout.splitlines()] == ["weather"], listed.stderr
    for name, word in [("none", "no branch, tag or snapshot `none`"), ("gone", "`gone`"), ("both", "@branch.both")]:
        assert word in eolith("collections", f"{path}@{name}").stderr
    # A folder of that name comes before a version.
    shutil.copytree(path, f"{path}@v1")
    same(pixels(f"{path}@v1", out), stored(repository, branch="main"))


@pytest.mark.parametrize("spec", SPECS)
def test_a_repository_in_a_bucket(spec, store, environment, tmp_path):  # noqa: F811
    prefix = f"icechunk-{spec}"
    storage = icechunk.s3_storage(
        bucket=BUCKET, prefix=prefix, region=REGION, endpoint_url=store.endpoint, allow_http=True,
        access_key_id="key", secret_access_key="secret", force_path_style=True)
    repository, _ = history(storage, spec)
    environment(store.signed)
    for suffix, version in {"": {"branch": "main"}, "@dev.x": {"branch": "dev.x"}, "@v1": {"tag": "v1"}}.items():
        same(pixels(f"s3://{BUCKET}/{prefix}{suffix}", tmp_path / f"out{suffix}.nc"), stored(repository, **version))
    # Over HTTP nothing can be listed.
    pages = store.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
    for key in [entry["Key"] for page in pages for entry in page["Contents"]]:
        store.client.put_object_acl(Bucket=BUCKET, Key=key, ACL="public-read")
    environment({})
    found = pixels(f"{store.endpoint}/{BUCKET}/{prefix}@v1", tmp_path / "http.nc")
    same(found, stored(repository, tag="v1"))


@pytest.mark.parametrize("spec", SPECS)
def test_virtual_chunks_are_parts_of_other_files(spec, tmp_path):
    paths = generated(tmp_path, {"zlib": True, "complevel": 4, "shuffle": False})
    prefix = f"file://{tmp_path}/"
    container = icechunk.VirtualChunkContainer(prefix, icechunk.local_filesystem_store(str(tmp_path)))
    storage = icechunk.local_filesystem_storage(str(tmp_path / "virtual"))
    repository = create(storage, spec, virtual_chunk_containers={prefix: container})
    repository.save_config()
    session = repository.writable_session("main")
    expected = xr.concat([xr.open_dataset(p, mask_and_scale=False) for p in paths], "time", data_vars="minimal")
    bare = expected[["t"]].drop_encoding()
    root = zarr.create_group(session.store, zarr_format=3)
    array = root.create_array(
        "t", shape=bare.t.shape, chunks=(1, 16, 32), dtype="i2", dimension_names=("time", "lat", "lon"),
        compressors=[], filters=[], serializer=zarr.codecs.BytesCodec(endian="little"),
        attributes={"_FillValue": -32768, "scale_factor": 0.01})
    for name, values in [("lat", bare.lat.values), ("lon", bare.lon.values),
                         ("time", np.arange(len(bare.time), dtype="i8"))]:
        units = {"time": "days since 2020-01-01", "lat": "degrees_north", "lon": "degrees_east"}
        attributes = {"units": units[name]}
        root.create_array(name, data=values, dimension_names=(name,), attributes=attributes, compressors=None)
    later = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=2)
    for number, path in enumerate(paths):
        # The chunks of the netCDF files, without their compression, lie in a file beside them.
        flat = path.with_suffix(".bin")
        with h5py.File(path) as file, flat.open("wb") as out:
            for i in range(file["t"].id.get_num_chunks()):
                at = file["t"].id.get_chunk_info(i).chunk_offset
                block = np.full((1, 16, 32), -32768, "<i2")
                part = file["t"][at[0] : at[0] + 1, at[1] : at[1] + 16, at[2] : at[2] + 32]
                block[: part.shape[0], : part.shape[1], : part.shape[2]] = part
                key = f"t/c/{at[0] + 2 * number}/{at[1] // 16}/{at[2] // 32}"
                session.store.set_virtual_ref(
                    key, f"file://{flat}".replace(" ", "%20"), offset=out.tell(), length=block.nbytes, checksum=later)
                out.write(block.tobytes())
    session.commit("virtual")
    assert array.shape == bare.t.shape
    out = tmp_path / "out.nc"
    run(graphs.whole("cube"), f"cube={tmp_path / 'virtual'}", output=out)
    with xr.open_dataset(out, mask_and_scale=False) as found:
        assert np.array_equal(found.t, expected.t)
    graph = json.dumps(graphs.whole("cube"))
    moment = later.timestamp() + 60
    os.utime(paths[0].with_suffix(".bin"), (moment, moment))
    failed = eolith("run", "-", f"cube={tmp_path / 'virtual'}", "--discard", stdin=graph)
    assert failed.code == 1 and "was changed after" in failed.stderr, failed.stderr
    paths[0].with_suffix(".bin").unlink()
    failed = eolith("run", "-", f"cube={tmp_path / 'virtual'}", "--discard", stdin=graph)
    assert failed.code == 1 and "day 0.bin" in failed.stderr and "does not exist" in failed.stderr, failed.stderr


@pytest.mark.parametrize("spec", SPECS)
def test_a_server_keeps_its_snapshot_until_it_starts_again(spec, tmp_path):
    path = tmp_path / "live"
    repository = create(icechunk.local_filesystem_storage(str(path)), spec)
    session = repository.writable_session("main")
    write(session, dataset(2, 1))
    first = session.commit("first")
    with Server(f"cube={path}", state=tmp_path / "state") as server:
        before = download(server, tmp_path / "before.nc")
        session = repository.writable_session("main")
        write(session, dataset(2, 5), mode="w")
        session.commit("second")
        during = download(server, tmp_path / "during.nc")
    with Server(f"cube={path}", state=tmp_path / "state") as server:
        after = download(server, tmp_path / "after.nc")
    old, new = stored(repository, snapshot_id=first), stored(repository, branch="main")
    assert np.array_equal(before["t"], old.t) and np.array_equal(during["t"], old.t)
    assert np.array_equal(after["t"], new.t) and not np.array_equal(old.t, new.t)


@pytest.mark.parametrize("spec", SPECS)
def test_damage_is_an_error_that_names_the_file(spec, tmp_path):
    path = tmp_path / "repository"
    history(icechunk.local_filesystem_storage(str(path)), spec)
    graph = json.dumps(graphs.whole("cube"))

    def failure(damage):
        copy = tmp_path / "damaged"
        shutil.copytree(path, copy)
        damage(copy)
        failed = eolith("run", "-", f"cube={copy}", "--discard", stdin=graph)
        shutil.rmtree(copy)
        assert failed.code == 1 and "panicked" not in failed.stderr, failed.stderr
        return failed.stderr

    def every(folder, change):
        return lambda root: [change(file) for file in (root / folder).rglob("*") if file.is_file()]

    def cut(file):
        file.write_bytes(file.read_bytes()[:-9])

    for folder in ("snapshots", "manifests"):
        for change in (cut, Path.unlink, lambda file: file.write_bytes(b"")):
            assert folder in failure(every(folder, change))
    assert "chunks/" in failure(every("chunks", Path.unlink))
    assert "chunks/" in failure(every("chunks", lambda file: file.write_bytes(b"")))
    state = "repo" if spec == 2 else "refs/branch.main/ref.json"
    assert "Icechunk" in failure(lambda root: cut(root / state))
