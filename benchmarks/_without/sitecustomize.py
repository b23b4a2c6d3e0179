"""Python reads this at its start: it leaves out one step, in every process of `tails.py`'s case."""

import os

if os.environ.get("TAILS_WITHOUT") == "frozen-collector":
    import gc

    gc.freeze = lambda: None
