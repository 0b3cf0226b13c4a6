"""Waiting for what comes by itself, on machines of any speed."""

import time

# Of a machine that does other things, too; where all is well, hardly anything of it passes.
PATIENCE = 120


def eventually(what, why=lambda: "it does not come"):
    """What `what()` gives as soon as it is something; what it gave last is in the error, behind what `why()` says then."""
    end = time.monotonic() + PATIENCE
    while not (found := what()):
        assert time.monotonic() < end, f"{why()}: {found!r}"
        time.sleep(0.05)
    return found
