"""Runs the benchmarks, each in a process of its own.

Run:    python -m benchmarks                      (all of them: some fifteen minutes on two cores)
        python -m benchmarks sweep building       (some of them)
Smoke:  python -m benchmarks --smoke              (a few of everything, in a minute or two)
Writes: benchmarks/<name>/out/tables.md, and a picture for each
"""

import argparse
import subprocess
import sys

from benchmarks.harness import ROOT

NAMES = ("stimuli", "sweep", "building", "equivariance", "steerable", "visualization", "neurons")


def main() -> int:
    """Runs what is asked for, and returns how many failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(NAMES)}; all if left out")
    parser.add_argument("--smoke", action="store_true", help="a few of everything")
    given = parser.parse_args()
    if unknown := [name for name in given.names if name not in NAMES]:
        parser.error(f"there is no benchmark {unknown[0]!r}: wanted one of {', '.join(NAMES)}")
    failed = 0
    for name in given.names or NAMES:
        print(f"== {name}", flush=True)
        command = [sys.executable, "-m", f"benchmarks.{name}", *(["--smoke"] if given.smoke else [])]
        failed += subprocess.run(command, cwd=ROOT, check=False).returncode != 0
    return failed


if __name__ == "__main__":
    sys.exit(main())
