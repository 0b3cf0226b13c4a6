"""What is not read is named, with a way around, and hinders nothing else."""

import numpy as np
import pytest
import xarray as xr

from binary import eolith

MAGIC = {
    "GRIB": b"GRIB\0\0\0\2" + bytes(40),
    "JPEG 2000": b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(40),
    "HDF4": b"\x0e\x03\x13\x01" + bytes(40),
}
NAMES = {"GRIB": ["a.grib2", "b.GRB"], "JPEG 2000": ["T32_B02.jp2", "T32_B03.jp2", "T32_B04.jp2"], "HDF4": ["x.hdf4"]}


@pytest.mark.parametrize("format", MAGIC)
def test_formats_are_known_by_content_and_by_name(format, tmp_path):
    plain = tmp_path / "download"
    plain.write_bytes(MAGIC[format])
    assert format in eolith("collections", plain).stderr
    folder = tmp_path / "data"
    folder.mkdir()
    for name in NAMES[format]:
        (folder / name).write_bytes(MAGIC[format])
    xr.Dataset({"v": (("y", "x"), np.ones((2, 3)))}).to_netcdf(folder / "good.nc")
    listed = eolith("collections", folder)
    assert [line.split()[0] for line in listed.stdout.splitlines()] == ["good"]
    named = [line for line in listed.stderr.splitlines() if "not usable" in line and format in line]
    assert len(named) == 1, listed.stderr


@pytest.mark.parametrize("mark", ["repo", "refs/branch.main/ref.json"])
def test_damaged_icechunk_repositories_are_named(mark, tmp_path):
    repository = tmp_path / "repository"
    for folder in ("snapshots", "manifests", "transactions", "chunks"):
        (repository / folder).mkdir(parents=True)
        (repository / folder / "0").write_bytes(b"ICE")
    (repository / mark).parent.mkdir(parents=True, exist_ok=True)
    (repository / mark).write_bytes(b"{}")
    for given in (repository, tmp_path):
        listed = eolith("collections", given)
        assert "Icechunk" in listed.stderr and mark in listed.stderr, listed.stderr
