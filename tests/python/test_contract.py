"""The official OpenAPI document against a server, in a few hundred cases; `contract.py` asks thousands."""

import pytest

import contract


@pytest.mark.reference
def test_answers_are_what_the_document_says(tmp_path):
    with contract.serve(tmp_path) as server:
        asked = contract.Contract(server, *server.credentials(), "sample")
        asked.run(cases=400)
    assert not asked.problems, "\n\n".join(f"{key}\n{text}" for key, text in asked.problems.items())
