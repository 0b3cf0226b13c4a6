"""What `run --json` says of a run."""

import json

import pytest

import graphs
from binary import eolith, run

TIMES = ["wall_s", "start_s", "request_s", "open_s", "plan_s", "compute_s", "write_s", "checksum_s"]


def test_the_parts_of_a_run_add_up(sample, tmp_path):
    data = f"cube={sample}"
    discarded = run(graphs.ndvi_maximum("cube"), data, options=["--memory", "64M", "--threads", "1"]).figures
    written = run(graphs.ndvi_maximum("cube"), data, output=tmp_path / "max.tif").figures
    assert discarded["outputs"] == [] and written["write_s"] > 0
    assert (discarded["memory_mb"], discarded["threads"]) == (64 * 1.048576, 1)
    assert discarded["checksum"] == written["checksum"]
    for one in (discarded, written):
        assert all(one[name] >= 0 for name in TIMES) and 0 < one["plan_s"] < one["compute_s"]
        parts = one["open_s"] + one["compute_s"] + one["write_s"]
        assert parts <= one["request_s"] <= parts + 1
        # The system counts the start of a process in hundredths.
        whole = one["start_s"] + one["request_s"] + one["checksum_s"]
        assert whole == pytest.approx(one["wall_s"], abs=0.02)
        assert one["cpu_s"] >= 0 and one["peak_rss_mb"] > 0 and one["bytes_read"] > 0


def test_a_value_takes_no_run():
    graph = graphs.graph(add=graphs.node("add", result=True, x=1, y=2))
    lines = eolith("run", "-", "--discard", "--json", stdin=json.dumps(graph)).stdout.splitlines()
    figures = json.loads(lines[-1])
    assert lines[0] == "3" and figures["tasks"] == 0
    # Nothing but the clock is read between planning and the end.
    assert figures["compute_s"] == pytest.approx(figures["plan_s"], abs=1e-3)
    assert figures["plan_s"] > 0 == figures["checksum_s"]


def test_the_help_names_every_figure(sample):
    figures = run(graphs.ndvi_maximum("cube"), f"cube={sample}").figures
    words = eolith("run", "--help").stdout.split()
    assert [name for name in figures if name not in words] == []
