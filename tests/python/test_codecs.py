"""Chains of codecs as zarr-python and numcodecs write them, and what is said of chunks that are damaged."""

import json
import lzma
from itertools import product

import numcodecs
import numpy as np
import pytest
import rasterio.crs
import xarray as xr
import zarr
from zarr.codecs import (
    BloscCodec, BytesCodec, Crc32cCodec, GzipCodec, ShardingCodec, TransposeCodec, ZstdCodec,
)
from zarr.codecs import numcodecs as wrapped

from binary import eolith, run
from graphs import graph, load, save

# Chunks do not divide the shape; shards hold four of them.
SHAPE, CHUNK, SHARD = (3, 37, 53), (1, 16, 16), (2, 32, 32)
DTYPES = ["i1", "u1", "i2", "u2", "i4", "u4", "f4", "f8"]


def pixels(dtype, seed=0):
    """Random values over the whole range of the type, in stretches that codecs find something in."""
    random = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "f":
        values = random.normal(0, 1e3, SHAPE)
    else:
        info = np.iinfo(dtype)
        values = random.integers(info.min, info.max, SHAPE, endpoint=True)
    values = values.astype(dtype)
    values[:, 5:20] = values[:, :1, :1]
    return values


def coordinates(group, make):
    def array(name, values, dim, **attributes):
        make(name, values, (dim,), values.shape, attributes)

    array("t", np.arange(SHAPE[0]), "t", units="days since 2021-01-01", standard_name="time", axis="T")
    for name, n, start, sign in (("y", SHAPE[1], 5_200_000, -10), ("x", SHAPE[2], 600_000, 10)):
        array(name, start + sign * (np.arange(n) + 0.5), name, standard_name=f"projection_{name}_coordinate", units="m")
    wkt = rasterio.crs.CRS.from_epsg(32632).to_wkt()
    make("spatial_ref", np.zeros((), "i4"), (), (), {"crs_wkt": wkt})


def store_v2(path, variables):
    """A store of version 2: name to (values, filters, compressor, options)."""
    group = zarr.open_group(path, mode="w", zarr_format=2)

    def make(name, values, dims, chunks, attributes, filters=None, compressor=None, **options):
        made = group.create_array(
            name, shape=values.shape, dtype=values.dtype, chunks=chunks or "auto", filters=filters, compressors=compressor,
            attributes={**attributes, "_ARRAY_DIMENSIONS": list(dims)}, **options
        )
        made[...] = values

    coordinates(group, make)
    for name, (values, filters, compressor, options) in variables.items():
        attributes = {"grid_mapping": "spatial_ref"}
        make(name, values, ("t", "y", "x"), CHUNK, attributes, filters, compressor, **options)
    return path


def store_v3(path, variables):
    """A store of version 3: name to (values, list of codecs, chunks)."""
    group = zarr.open_group(path, mode="w", zarr_format=3)

    def make(name, values, dims, chunks, attributes, codecs=None):
        codecs = codecs or [BytesCodec(), ZstdCodec()]
        to_array = [codec for codec in codecs if isinstance(codec, TransposeCodec) or "ArrayArray" in base(codec)]
        rest = [codec for codec in codecs if codec not in to_array]
        made = group.create_array(
            name, shape=values.shape, dtype=values.dtype, chunks=chunks or "auto", dimension_names=dims or None,
            attributes=attributes, filters=to_array, serializer=rest[0], compressors=rest[1:],
        )
        made[...] = values

    coordinates(group, make)
    for name, (values, codecs, chunks) in variables.items():
        make(name, values, ("t", "y", "x"), chunks, {"grid_mapping": "spatial_ref"}, codecs)
    return path


def base(codec):
    return " ".join(kind.__name__ for kind in type(codec).__mro__)


def read(path, tmp_path, bands=None):
    """The pixels of all bands as eolith reads them."""
    out = tmp_path / "out.nc"
    process = graph(load=load("cube", **({"bands": bands} if bands else {})), save=save("load", "netCDF"))
    run(process, f"cube={path}", output=out)
    with xr.open_dataset(out, mask_and_scale=False) as file:
        return {name: file[name].transpose("t", "y", "x").values for name in file.data_vars if file[name].ndim == 3}


def equal(found, variables):
    assert set(found) == set(variables)
    for name, (values, *_) in variables.items():
        expected = values.astype("f8")
        np.testing.assert_array_equal(found[name].astype("f8"), expected, err_msg=name)


def compressors():
    """Everything of numcodecs that a store of version 2 may name and that is read, by name."""
    found = {"raw": None, "gzip": numcodecs.GZip(5), "zlib": numcodecs.Zlib(1), "bz2": numcodecs.BZ2(1)}
    found |= {"lz4": numcodecs.LZ4(), "lzma": numcodecs.LZMA(), "lzma_9": numcodecs.LZMA(preset=9)}
    found["lzma_alone"] = numcodecs.LZMA(format=lzma.FORMAT_ALONE)
    found["lzma_sum"] = numcodecs.LZMA(check=lzma.CHECK_SHA256)
    found |= {f"zstd_{level}": numcodecs.Zstd(level) for level in (-3, 1, 9)} | {"zstd_sum": numcodecs.Zstd(3, checksum=True)}
    for cname, shuffle in product(("blosclz", "lz4", "lz4hc", "zlib", "zstd"), (0, 1, 2)):
        found[f"blosc_{cname}_{shuffle}"] = numcodecs.Blosc(cname, clevel=4, shuffle=shuffle)
    return found


def test_version_2_compressors_of_every_type(tmp_path):
    made = compressors()
    variables = {
        f"{name}_{dtype}": (pixels(dtype, i), None, made[name], {})
        for i, (name, dtype) in enumerate(product(made, DTYPES))
        if name in ("raw", "zstd_1", "blosc_lz4_1") or DTYPES[i % len(DTYPES)] in ("u2", "f4")
    }
    equal(read(store_v2(tmp_path / "cube.zarr", variables), tmp_path), variables)


def test_version_2_filters_orders_and_keys(tmp_path):
    shuffle, scale = numcodecs.Shuffle, numcodecs.FixedScaleOffset
    plain = pixels("u2", 1)
    tenths = np.round(np.random.default_rng(2).integers(0, 2000, SHAPE) / 10, 1)
    variables = {
        "shuffle": (plain, [shuffle(2)], numcodecs.Zlib(1), {}),
        "shuffle_raw": (pixels("i4"), [shuffle(4)], None, {}),
        "scale": (tenths, [scale(offset=10, scale=10, dtype="<f8", astype="<i4")], numcodecs.Zstd(1), {}),
        "scale_shuffle": (tenths, [scale(offset=0, scale=10, dtype="<f8", astype="<u2"), shuffle(2)], numcodecs.GZip(1), {}),
        "fletcher": (plain, [numcodecs.Fletcher32()], numcodecs.Zstd(1), {}),
        "adler": (plain, [numcodecs.Adler32()], None, {}),
        "crc32": (plain, [numcodecs.CRC32()], numcodecs.LZ4(), {}),
        "crc32_last": (plain, [numcodecs.CRC32(location="end")], None, {}),
        "crc32c": (plain, [numcodecs.CRC32C()], numcodecs.Zstd(1), {}),
        "crc32c_first": (plain, [shuffle(2), numcodecs.CRC32C(location="start")], numcodecs.LZMA(), {}),
        "fortran": (pixels("i2"), None, numcodecs.Blosc("lz4"), {"order": "F"}),
        "fortran_raw": (pixels("f4"), None, None, {"order": "F"}),
        "big": (plain.astype(">u2"), None, numcodecs.Zstd(1), {}),
        "big_raw": (pixels("f8").astype(">f8"), None, None, {}),
        "big_shuffle": (pixels("i4").astype(">i4"), [shuffle(4)], numcodecs.Zlib(3), {}),
        "slashes": (plain, None, numcodecs.Zstd(1), {"chunk_key_encoding": {"name": "v2", "separator": "/"}}),
    }
    found = read(store_v2(tmp_path / "cube.zarr", variables), tmp_path)
    for name in ("scale", "scale_shuffle"):
        np.testing.assert_allclose(found[name], tenths, rtol=0, atol=1e-12)
        # What numcodecs makes of it, to the bit.
        variables[name] = (zarr.open_group(tmp_path / "cube.zarr")[name][...],)
    equal(found, variables)


def filters():
    """Filters from numbers to numbers, by name: values, filters, compressor and options. Some lose digits."""
    delta, scale = numcodecs.Delta, numcodecs.FixedScaleOffset
    found = {f"delta_{dtype}": (pixels(dtype, i), [delta(f"<{dtype}")], None, {}) for i, dtype in enumerate(DTYPES)}
    # Steps of at most 100 fit a byte less.
    steps = np.cumsum(np.random.default_rng(3).integers(-100, 100, SHAPE), axis=2) + 30_000
    large = np.random.default_rng(4).integers(-(2**30), 2**30, SHAPE)
    return found | {
        "delta_narrow": (steps.astype("i4"), [delta("<i4", astype="<i2")], numcodecs.LZ4(), {}),
        "delta_shuffle": (pixels("u4"), [delta("<u4"), numcodecs.Shuffle(4)], numcodecs.LZMA(), {}),
        "delta_big": (pixels("i4").astype(">i4"), [delta(">i4")], numcodecs.Zstd(1), {}),
        "delta_fortran": (pixels("i2"), [delta("<i2")], None, {"order": "F"}),
        "delta_float": (pixels("f4", 8), [delta("<f4")], None, {}),
        # Integers that single precision does not hold, and an offset that it does not.
        "scale_large": (large / 1000 + 273.15, [scale(offset=273.15, scale=1000, dtype="<f8", astype="<i4")], None, {}),
        "scale_single": (pixels("f4", 9), [scale(offset=1.5, scale=3, dtype="<f4")], numcodecs.LZ4(), {}),
        "scale_integers": (pixels("i2", 10), [scale(offset=7, scale=0.01, dtype="<i2", astype="i1")], None, {}),
        "astype": (steps.astype("f4"), [numcodecs.AsType(encode_dtype="<i4", decode_dtype="<f4")], None, {}),
        "quantize": (pixels("f8", 11), [numcodecs.Quantize(digits=1, dtype="<f8", astype="<f4")], numcodecs.Zlib(1), {}),
        "bitround": (pixels("f4", 12), [numcodecs.BitRound(keepbits=9)], numcodecs.Zstd(1), {}),
    }


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_version_2_filters_of_numbers(tmp_path):
    made = filters()
    path = store_v2(tmp_path / "cube.zarr", made)
    # What numcodecs makes of them, to the bit; its own rounding is lost already.
    equal(read(path, tmp_path), {name: (zarr.open_group(path)[name][...],) for name in made})


def chains():
    """Chains of version 3 after the bytes of the values, by name."""
    found = {
        "raw": [], "crc": [Crc32cCodec()], "zstd_crc": [ZstdCodec(level=1), Crc32cCodec()],
        "gzip": [GzipCodec(level=1)], "crc_gzip": [Crc32cCodec(), GzipCodec(level=6)],
        "zstd_sum": [ZstdCodec(level=5, checksum=True)], "twice": [ZstdCodec(), GzipCodec()],
    }
    for cname, shuffle in product(("blosclz", "lz4", "lz4hc", "zlib", "zstd"), ("noshuffle", "shuffle", "bitshuffle")):
        found[f"blosc_{cname}_{shuffle}"] = [BloscCodec(cname=cname, shuffle=shuffle, clevel=3)]
    return found


def test_version_3_chains(tmp_path):
    ends = {"little": BytesCodec(endian="little"), "big": BytesCodec(endian="big")}
    variables = {}
    for i, ((name, chain), end) in enumerate(product(chains().items(), ends)):
        values = pixels(DTYPES[i % len(DTYPES)], i)
        variables[f"{name}_{end}"] = (values, [ends[end], *chain], CHUNK)
    for order in [(0, 1, 2), (2, 1, 0), (1, 2, 0), (2, 0, 1)]:
        name = "order_" + "".join(map(str, order))
        variables[name] = (pixels("i2", 5), [TransposeCodec(order=order), BytesCodec(), ZstdCodec()], CHUNK)
    turned = [TransposeCodec(order=(1, 0, 2)), TransposeCodec(order=(2, 0, 1)), BytesCodec(endian="big")]
    variables["order_twice"] = (pixels("f4", 6), turned, CHUNK)
    equal(read(store_v3(tmp_path / "cube.zarr", variables), tmp_path), variables)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_version_3_codecs_of_numcodecs(tmp_path):
    values, tenths = pixels("u2", 1), np.random.default_rng(2).integers(0, 2000, SHAPE) / 10
    variables = {
        "zlib": (values, [BytesCodec(), wrapped.Zlib(level=1)], CHUNK),
        "bz2": (values, [BytesCodec(), wrapped.BZ2(level=1)], CHUNK),
        "shuffle": (values, [BytesCodec(), wrapped.Shuffle(elementsize=2), wrapped.Zlib(level=2)], CHUNK),
        "fletcher": (values, [BytesCodec(), wrapped.Fletcher32()], CHUNK),
        "adler": (values, [BytesCodec(), wrapped.Adler32()], CHUNK),
        "scale": (tenths, [wrapped.FixedScaleOffset(offset=0, scale=10, dtype="<f8", astype="<u2"), BytesCodec()], CHUNK),
        "gzip": (values, [BytesCodec(), wrapped.GZip(level=9)], CHUNK),
        "zstd": (values, [BytesCodec(endian="big"), wrapped.Zstd(level=7)], CHUNK),
        "lz4": (values, [BytesCodec(), wrapped.LZ4()], CHUNK),
        "lzma": (values, [BytesCodec(), wrapped.LZMA(preset=1)], CHUNK),
        "crc32": (values, [BytesCodec(), wrapped.CRC32()], CHUNK),
        "crc32c": (values, [BytesCodec(), wrapped.CRC32C(), wrapped.LZ4()], CHUNK),
        "delta": (values, [wrapped.Delta(dtype="<u2"), BytesCodec(), wrapped.LZ4()], CHUNK),
        "quantize": (pixels("f4", 3), [wrapped.Quantize(digits=1, dtype="<f4"), BytesCodec()], CHUNK),
        "bitround": (pixels("f4", 4), [wrapped.BitRound(keepbits=9), BytesCodec()], CHUNK),
    }
    for shuffle in (-1, 0, 1, 2):
        codec = wrapped.Blosc(cname="zstd", clevel=3, shuffle=shuffle)
        variables[f"blosc_{shuffle + 1}"] = (values, [BytesCodec(), codec], CHUNK)
    inside = [BytesCodec(), wrapped.GZip(level=1), wrapped.LZ4()]
    variables["shards"] = (values, [ShardingCodec(chunk_shape=CHUNK, codecs=inside)], SHARD)
    path = store_v3(tmp_path / "cube.zarr", variables)
    found = read(path, tmp_path)
    for name in ("scale", "quantize", "bitround"):
        variables[name] = (zarr.open_group(path)[name][...],)
    equal(found, variables)


def sharded():
    """Shards with several codecs inside, both places of the index, and codecs of the index."""
    inner = {
        "raw": [BytesCodec()], "big": [BytesCodec(endian="big")], "zstd": [BytesCodec(), ZstdCodec(level=1)],
        "crc": [BytesCodec(), Crc32cCodec()], "blosc": [BytesCodec(), BloscCodec(cname="lz4", shuffle="bitshuffle")],
        "order": [TransposeCodec(order=(2, 1, 0)), BytesCodec(), GzipCodec()],
    }
    index = {"sum": [BytesCodec(), Crc32cCodec()], "plain": [BytesCodec()], "big": [BytesCodec(endian="big")]}
    made = {}
    for i, ((name, chain), (of_index, codecs), where) in enumerate(product(inner.items(), index.items(), ("start", "end"))):
        codec = ShardingCodec(chunk_shape=CHUNK, codecs=chain, index_codecs=codecs, index_location=where)
        made[f"{name}_{of_index}_{where}"] = (pixels(DTYPES[i % len(DTYPES)], i), [codec], SHARD)
    return made


def test_shards_with_every_index(tmp_path):
    variables = sharded()
    # A shard inside of a shard, and shards that are compressed as a whole.
    deep = ShardingCodec(chunk_shape=(1, 8, 16), codecs=[BytesCodec(), ZstdCodec()])
    variables["nested"] = (pixels("u2", 40), [ShardingCodec(chunk_shape=CHUNK, codecs=[deep])], SHARD)
    flat = ShardingCodec(chunk_shape=CHUNK, codecs=[BytesCodec()])
    variables["wrapped"] = (pixels("u2", 41), [flat, GzipCodec()], SHARD)
    equal(read(store_v3(tmp_path / "cube.zarr", variables), tmp_path), variables)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_codecs_that_are_not_read_are_named(tmp_path):
    values = pixels("i2")
    raw = numcodecs.LZMA(format=lzma.FORMAT_RAW, filters=[{"id": lzma.FILTER_LZMA2}])
    for name, filters, compressor in (
        ("jenkins_lookup3", [numcodecs.JenkinsLookup3()], None), ("lzma", None, raw),
    ):
        path = store_v2(tmp_path / f"{name}.zarr", {"B04": (values, filters, compressor, {})})
        assert "not" in failing(path, name)
    path = store_v3(tmp_path / "j.zarr", {"B04": (values, [BytesCodec(), wrapped.JenkinsLookup3()], CHUNK)})
    assert "codec numcodecs.jenkins_lookup3 is not supported" in failing(path, "jenkins_lookup3")


def failing(path, word, *options):
    """Reading all pixels fails with one clear line that has a word, and never with a panic."""
    process = graph(load=load("cube"), save=save("load", "netCDF"))
    failed = eolith("run", "-", f"cube={path}", "--discard", *options, stdin=json.dumps(process))
    assert failed.code == 1, failed.stderr
    assert "panicked" not in failed.stderr and word in failed.stderr, failed.stderr
    return failed.stderr


DAMAGES = {
    "cut": lambda data: data[: len(data) // 2],
    "empty": lambda data: b"",
    "flipped": lambda data: data[:-40] + bytes(byte ^ 0x5A for byte in data[-40:]),
    "longer": lambda data: data + bytes(33),
}


def damage(path, how):
    path.write_bytes(DAMAGES[how](path.read_bytes()))


# Other values in a chunk without a sum are just other values.
CHECKED = ["crc", "zstd_crc", "gzip", "zstd_sum"]
SHORT = [*CHECKED, "raw", "blosc_lz4_shuffle"]


@pytest.mark.parametrize("chain,how", [*product(SHORT, ["cut", "empty"]), *product(CHECKED, ["flipped"]), ("raw", "longer")])
def test_a_damaged_chunk_names_its_file(chain, how, tmp_path):
    path = store_v3(tmp_path / "cube.zarr", {"B04": (pixels("u2"), [BytesCodec(), *chains()[chain]], CHUNK)})
    damage(path / "B04/c/1/0/2", how)
    failing(path, "B04/c/1/0/2")


@pytest.mark.parametrize("how", ["cut", "empty", "flipped"])
@pytest.mark.parametrize("codec", ["lz4", "lzma", "crc32", "crc32c"])
def test_damaged_chunks_of_version_2_name_their_file(codec, how, tmp_path):
    filters = {"crc32": [numcodecs.CRC32()], "crc32c": [numcodecs.CRC32C()]}.get(codec)
    made = {"B04": (pixels("u2"), filters, compressors().get(codec), {})}
    path = store_v2(tmp_path / "cube.zarr", made)
    if how == "flipped" and codec == "lz4":
        # Nothing but the length before the data tells: of one that nothing has.
        chunk = path / "B04/1.0.2"
        chunk.write_bytes(b"\xff\xff\xff\xff" + chunk.read_bytes()[4:])
    else:
        damage(path / "B04/1.0.2", how)
    failing(path, "B04/1.0.2")


@pytest.mark.parametrize("how", ["cut", "empty", "flipped"])
@pytest.mark.parametrize("where", ["start", "end"])
def test_a_damaged_shard_names_its_file(where, how, tmp_path):
    variables = {"B04": sharded()[f"crc_sum_{where}"]}
    path = store_v3(tmp_path / "cube.zarr", variables)
    damage(path / "B04/c/0/0/1", how)
    failing(path, "B04/c/0/0/1")


def test_a_shard_whose_index_points_nowhere(tmp_path):
    path = store_v3(tmp_path / "cube.zarr", {"B04": sharded()["raw_plain_end"]})
    shard = path / "B04/c/0/0/0"
    data = shard.read_bytes()
    for offset, length in ((len(data) * 2, 512), (2**63, 2**63 - 1), (2**64 - 2, 8)):
        index = np.array([offset, length], "<u8").tobytes()
        shard.write_bytes(data[:-128] + index + data[-112:])
        failing(path, "B04/c/0/0/0")


def test_metadata_that_does_not_fit_its_chunks(tmp_path):
    path = store_v2(tmp_path / "cube.zarr", {"B04": (pixels("u2"), None, None, {})})
    damage(path / "B04/0.1.1", "longer")
    failing(path, "B04/0.1.1")
