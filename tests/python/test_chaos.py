"""A few rounds of `chaos.py`; `cargo xtask chaos` does many."""

import os

import chaos


def test_a_server_that_is_killed_loses_nothing(tmp_path):
    data = chaos.sample(tmp_path, 60, 480)
    seen = chaos.kills(tmp_path, data, rounds=6)
    assert seen["with finished and unfinished chunks"] >= 2, seen


def test_a_server_that_was_asleep_does_no_harm(tmp_path):
    data = chaos.sample(tmp_path, 60, 480)
    server = os.environ["EOLITH_TEST_POSTGRES"]
    seen = chaos.stops(tmp_path, data, chaos.database(server), rounds=1)
    assert seen["stops"] == 1
