"""Reading and decoding what a workload reads, and nothing else: what is left of its time is all that can be saved.

    decode.py --work W1 --size small --data cube.zarr

speaks like the peers of the yardstick (`bench.py`). As many threads as there are cores take the chunk files of the cube
one by one, each with the library of most Zarr programs (numcodecs) into one buffer that it uses again. It has no result.
"""

import argparse
import json
import os
import resource
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numcodecs.zstd import Zstd

VEGETATION = ("B04", "B08")
CLEAR = ("SCL", "B02", "B03", "B04")
BANDS = {"W1": VEGETATION, "W2": CLEAR, "W3": VEGETATION, "W4": VEGETATION, "W5": CLEAR, "W6": ("B08",)}
# Encoded bytes of the largest chunk.
MOST = 8 << 20


class Decoder(threading.local):
    """A thread's buffers."""

    def __init__(self):
        self.codec = Zstd()
        self.encoded = bytearray(MOST)
        self.decoded = {}

    def decode(self, path, size):
        with open(path, "rb", buffering=0) as file:
            length = file.readinto(self.encoded)
        if size not in self.decoded:
            self.decoded[size] = np.empty(size, "u1")
        self.codec.decode(memoryview(self.encoded)[:length], out=self.decoded[size])


def chunks(cube, bands):
    """Files of the chunks and how large they are decoded."""
    for band in bands:
        array = json.loads((cube / band / "zarr.json").read_text())
        codecs = [codec["name"] for codec in array["codecs"]]
        if codecs != ["bytes", "zstd"]:
            raise SystemExit(f"error: {cube / band} is stored with {', '.join(codecs)}")
        shape = array["chunk_grid"]["configuration"]["chunk_shape"]
        size = int(np.prod(shape)) * np.dtype(array["data_type"]).itemsize
        yield from ((path, size) for path in sorted((cube / band / "c").glob("*/*/*")))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--peer")
    parser.add_argument("--work", required=True, choices=list(BANDS))
    parser.add_argument("--size", required=True)
    parser.add_argument("--data", default="cube.zarr")
    parser.add_argument("--save")
    parser.add_argument("--keep", action="store_true")
    given = parser.parse_args()
    decoder = Decoder()
    found = list(chunks(Path("bench-data", f"s2_{given.size}", given.data), BANDS[given.work]))
    wall, cpu = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(lambda chunk: decoder.decode(*chunk), found))
    print(json.dumps({
        "peer": "decode", "work": given.work, "size": given.size, "data": given.data,
        "compute_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu,
        "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, "err": None,
    }))


if __name__ == "__main__":
    main()
