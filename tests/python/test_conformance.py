"""All vectors, our own and the official ones, through `eolith eval` on standard input and output."""

import pytest

import vectors


@pytest.mark.parametrize("way", ["reference", "whole", "chunks"])
def test_every_vector_passes(way):
    cases = vectors.given()
    told = vectors.answers(cases.values(), "--way", way)
    reasons = {name: vectors.wrong(case, answer) for (name, case), answer in zip(cases.items(), told)}
    failures = [f"{name}: {reason}" for name, reason in reasons.items() if reason]
    assert not failures, "\n".join(failures)
