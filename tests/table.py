"""Print the derivative table: each function, what its derivative is made of, its domain, and to
which order it checks out.

python tests/table.py [words in names …]      or: make table
"""

import sys

import numpy as np
from cases import ELEMENTWISE, ENTRIES, OPERATIONS, STEPS
from hypothesis import settings
from test_derivatives import QUICK, check_many, check_step, check_third_order

from tinygrad_edu import special


def title(function):
    """np.linalg.norm, special.sigmoid, or the bare name of a building block."""
    for prefix, module in (("np.", np), ("np.linalg.", np.linalg), ("special.", special)):
        if getattr(module, function.__name__, None) is function:
            return prefix + function.__name__
    return f"({function.__qualname__})"


def made_of(function):
    if function in STEPS:
        return "piecewise constant"
    if function not in OPERATIONS:
        return "composed"
    run = OPERATIONS[function]
    count = len(run.partials)
    return "a partial for each argument" if run.each else f"{count} partial{'s' * (count > 1)}"


def interval(bounds):
    low, high = bounds
    return (
        "ℝ"
        if bounds == (-np.inf, np.inf)
        else f"{low:.4g} < x"
        if high == np.inf
        else f"{low:.4g} < x < {high:.4g}"
    )


def domain(function):
    return " × ".join(map(interval, OPERATIONS[function].domain)) if function in OPERATIONS else ""


def checked(function):
    """The highest order to which the gradient agrees with differences, or what disagrees."""
    try:
        if function in STEPS:
            check_step(function)
            return "ok, a plain array"
        check_many(function, settings(QUICK, max_examples=20))
        if function in ELEMENTWISE:
            check_third_order(function, settings(QUICK, max_examples=10))
    except Exception as error:
        return f"FAILED: {type(error).__name__} {error}".splitlines()[0][:80]
    return "ok, order 3" if function in ELEMENTWISE else "ok, order 2"


def main():
    chosen = [
        f
        for f in {**ENTRIES, **STEPS}
        if not sys.argv[1:] or any(word in title(f) for word in sys.argv[1:])
    ]
    print(f"{'function':30} {'derivative':28} {'domain':24} checked", flush=True)
    failed = 0
    for function in sorted(
        chosen, key=lambda f: (f in STEPS, f not in OPERATIONS, title(f).startswith("("), title(f))
    ):
        verdict = checked(function)
        failed += verdict.startswith("FAILED")
        print(
            f"{title(function):30} {made_of(function):28} {domain(function):24} {verdict}",
            flush=True,
        )
    steps, parts = sum(f in STEPS for f in chosen), sum(f in OPERATIONS for f in chosen)
    print(
        f"{len(chosen)} functions: {parts} with partials, {len(chosen) - parts - steps} composed "
        "of them, "
        f"{steps} piecewise constant; {failed} failed"
    )
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
