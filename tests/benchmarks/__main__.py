"""Ours against NumPy by hand, and against the peers that are installed.

    python -m tests.benchmarks                     # or make bench; make bench-peers
    python -m tests.benchmarks --only batch --contenders numpy_by_hand ours_eager

Every number of threads is measured in a process of its own (race.py), whose environment says how
many. Leaves table.md, results.json and figure.png in build/bench/.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from . import figure, fresh, report

COUNTED = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
# They choose other kernels than the machine's, and keep Python from using the bytecode that any
# import leaves behind
UNWANTED = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "PYTHONDONTWRITEBYTECODE")


def environment(threads: int) -> dict[str, str]:
    """The environment with so many threads for every library."""
    kept = {name: value for name, value in os.environ.items() if name not in UNWANTED}
    blas = dict.fromkeys(COUNTED, str(threads))
    several = str(threads > 1).lower()
    flags = f"--xla_cpu_multi_thread_eigen={several} intra_op_parallelism_threads={threads}"
    return kept | blas | {"XLA_FLAGS": flags}


def measured(threads: int, out: Path, flags: list[str]) -> dict[str, Any]:
    """The results of one number of threads."""
    path = out / f"results-{threads}.json"
    command = [sys.executable, "-m", f"{__package__}.race", "--threads", str(threads)]
    done = subprocess.run([*command, "--out", path, *flags], env=environment(threads), check=False)
    if done.returncode:
        sys.exit("the benchmark failed: see above")
    return json.loads(path.read_text())  # type: ignore[no-any-return]


def main() -> None:
    flags = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="All other flags are race.py's: --contenders, --only, --rounds, --quick. "
        "With --only there are no imports, no memory and no figure.",
    )
    flags.add_argument("--threads", type=int, nargs="+", default=[1])
    flags.add_argument("--out", type=Path, default=Path("build") / "bench")
    args, others = flags.parse_known_args()
    whole = "--only" not in others
    args.out.mkdir(parents=True, exist_ok=True)
    with_curves = [*others, "--curves"] if whole else others
    runs = [measured(args.threads[0], args.out, with_curves)]
    runs += [measured(threads, args.out, others) for threads in args.threads[1:]]
    apart = fresh.measured(runs[0]["names"], "--quick" in others, environment(1)) if whole else {}
    page = report.page(runs, apart)
    (args.out / "results.json").write_text(json.dumps({"runs": runs, "apart": apart}, indent=1))
    (args.out / "table.md").write_text(page)
    if whole:
        figure.draw(runs[0], args.out / "figure.png")
    print(page)


if __name__ == "__main__":
    main()
