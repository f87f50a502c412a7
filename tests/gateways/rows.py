"""The rows of a table of sentences, each of which holds or does not."""

import time
import traceback

ROWS = []


def row(sentence):
    """Makes a row of a function: it holds if the function returns. What it returns is told."""

    def keep(function):
        ROWS.append((sentence, function))
        return function

    return keep


def check(setup, wanted):
    """Checks the rows whose sentences or names have one of the words `wanted` (all, if there is none), in order."""
    failed = 0
    for sentence, function in ROWS:
        if wanted and not any(word in sentence or word in function.__name__ for word in wanted):
            continue
        began = time.monotonic()
        try:
            told = function(setup)
        except Exception as error:  # noqa: BLE001 - a row that fails does not keep the others from being looked at
            failed += 1
            print(f"FAILED  {sentence}", flush=True)
            if function is ROWS[0][1]:
                traceback.print_exc()
                return 1  # nothing is there to be looked at
            for line in "".join(traceback.format_exception(error)).splitlines():
                print(f"          {line}", flush=True)
            continue
        seconds = time.monotonic() - began
        print(f"ok      {sentence}{f': {told}' if told else ''} ({seconds:.0f} s)", flush=True)
    return failed
