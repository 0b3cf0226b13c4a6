"""Conformance vectors: where they are, what `eolith eval` answers to them, and whether that is right."""

import json
import sys
from datetime import datetime

from binary import ROOT, STANDARD, eolith

OWN = ROOT / "crates/engine/tests/vectors"


def given():
    """All cases by name: our own, and the official ones where they are."""
    files = sorted(OWN.glob("*.ndjson"))
    if STANDARD:
        files.append(STANDARD / "vectors/official.ndjson")
    cases = {}
    for path in files:
        for line in path.read_text().splitlines():
            case = json.loads(line)
            cases[f"{path.stem}:{case['process_id']}[{case['index']}]"] = case
    return cases


def answers(cases, *options):
    """The answers of one run of `eolith eval`, in the order of the cases."""
    asked = [{"id": i, "process_id": c["process_id"], "arguments": _located(c["arguments"])} for i, c in enumerate(cases)]
    options = ["--workspace", OWN / "workspace", "--udf-python", sys.executable, *options]
    done = eolith("eval", OWN / "data", *options, stdin="".join(json.dumps(line) + "\n" for line in asked), timeout=600)
    assert done.code == 0, done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["id"] for answer in told] == list(range(len(asked)))
    return told


def wrong(case, answer):
    """What is wrong with an answer, or None."""
    error, throws = answer.get("error"), case.get("throws")
    if error:
        right = throws is True or (throws and error["code"] == throws)
        return None if right else f"{error['code']}: {error['message']}"
    if "returns" not in case:
        return f"should fail with {throws}"
    return difference(answer["result"], case["returns"], case.get("delta", 1e-10))


def difference(found, expected, delta):
    """None if a result is the expected one: numbers within a relative tolerance, labels as instants where they are."""
    if _form(found) == _form(expected) == "datacube":
        return _cubes(found, expected, delta)
    return None if _same(found, expected, delta) else f"found {found}, expected {expected}"


def _located(value):
    """Files of `data` with the path they have here."""
    if isinstance(value, list):
        return [_located(item) for item in value]
    if not isinstance(value, dict):
        return value
    return str(OWN / "data" / value["path"]) if _form(value) == "file" else {k: _located(v) for k, v in value.items()}


def _cubes(found, expected, delta):
    for key in ("dims", "shape"):
        if found[key] != expected[key]:
            return f"{key}: found {found[key]}, expected {expected[key]}"
    for name in expected["dims"]:
        own, wanted = found["dimensions"][name], expected["dimensions"][name]
        for key in ("type", "axis", "reference_system"):
            if own.get(key) != wanted.get(key):
                return f"{name}.{key}: found {own.get(key)}, expected {wanted.get(key)}"
        if not _same(own["labels"], wanted["labels"], 1e-12):
            return f"{name}.labels: found {own['labels']}, expected {wanted['labels']}"
    if expected["values"] is None:
        return None
    own, wanted = found["values"] or [], expected["values"]
    if len(own) != len(wanted) and max(len(own), len(wanted)) > 1:
        return f"found {len(own)} values, expected {len(wanted)}"
    for i, (a, b) in enumerate(zip(own, wanted)):
        lost = _missing(a, found), _missing(b, expected)
        if lost[0] != lost[1] or not lost[0] and not _same(a, b, delta):
            return f"value {i}: found {a}, expected {b}"
    return None


def _missing(pixel, cube):
    return pixel is None or _form(pixel) == "nodata" or "nodata" in cube and _same(pixel, cube["nodata"], 0)


def _same(found, expected, delta):
    gone = [value is None or _form(value) == "nodata" for value in (found, expected)]
    if any(gone):
        return all(gone)
    if _number(found) and _number(expected):
        return found == expected or abs(found - expected) <= delta * max(abs(expected), 1e-3)
    if isinstance(found, list) and isinstance(expected, list):
        return len(found) == len(expected) and all(_same(a, b, delta) for a, b in zip(found, expected))
    form = _form(found)
    if form != _form(expected):
        return False
    if form == "datetime":
        return _instant(found["value"]) == _instant(expected["value"])
    if form == "labeled-array":
        labels = _same(found["labels"], expected["labels"], 0)
        return labels and _same(found["values"], expected["values"], delta)
    return found == expected and type(found) is type(expected)


def _number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _instant(text):
    try:
        instant = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return text
    return instant.timestamp() if instant.tzinfo else datetime.fromisoformat(f"{instant.isoformat()}+00:00").timestamp()


def _form(value):
    return value.get("@") if isinstance(value, dict) else None
