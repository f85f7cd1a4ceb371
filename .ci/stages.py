#!/usr/bin/env python3
"""Runs make targets one after the other and adds up what their test runners say.

Every stage runs, also after one that failed; the last line is the sum, and the exit code says whether all passed. A
stage that counts nothing counts as one. It knows the closing lines of cargo, pytest and Maven, and no test.
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time

# Seconds that a stage may take.
STAGE_DEADLINE = 1200
PASSED_FAILED = [
    re.compile(r"^test result: \w+\. (?P<passed>\d+) passed; (?P<failed>\d+) failed; (?P<skipped>\d+) ignored"),
    re.compile(r"^(?P<passed>\d+) passed, (?P<failed>\d+) failed(, (?P<skipped>\d+) skipped)?$"),
]
PYTEST = re.compile(r"^[=\s]*(?P<counts>(\d+ \w+, )*\d+ (passed|failed|errors?)(, \d+ \w+)*) in [\d.]+s")
MAVEN = re.compile(r"Tests run: (\d+), Failures: (\d+), Errors: (\d+), Skipped: (\d+)$")


def count(line):
    """Return (passed, failed, skipped) of a closing line, None for any other line."""
    line = re.sub(r"\x1b\[[0-9;]*m", "", line).rstrip()
    for pattern in PASSED_FAILED:
        if match := pattern.match(line):
            return tuple(int(match[name] or 0) for name in ("passed", "failed", "skipped"))
    if match := PYTEST.match(line):
        words = {word: int(number) for number, word in re.findall(r"(\d+) (\w+)", match["counts"])}
        failed = sum(words.get(word, 0) for word in ("failed", "error", "errors"))
        return words.get("passed", 0), failed, words.get("skipped", 0)
    if match := MAVEN.search(line):
        run, failures, errors, skipped = map(int, match.groups())
        return run - failures - errors - skipped, failures + errors, skipped
    return None


def follow(stream, totals):
    """Show a stage's output and add what its closing lines say to the totals."""
    for line in stream:
        print(line, end="", flush=True)
        if counted := count(line):
            totals[:] = [total + number for total, number in zip(totals, counted, strict=True)]


def run(stage):
    """Run a make target and show its output; return [passed, failed, skipped]."""
    print(f"\n== {stage}", flush=True)
    begun = time.monotonic()
    totals = [0, 0, 0]
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    text = {"text": True, "errors": "replace"}
    process = subprocess.Popen(["make", "--no-print-directory", stage], start_new_session=True, **pipes, **text)
    reader = threading.Thread(target=follow, args=(process.stdout, totals), daemon=True)
    reader.start()
    try:
        process.wait(timeout=STAGE_DEADLINE)
    except subprocess.TimeoutExpired:
        print(f"-- {stage}: no end after {STAGE_DEADLINE} s", flush=True)
    reader.join(timeout=5)
    if process.returncode is None or reader.is_alive():
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    if process.wait() != 0 and totals[1] == 0:
        totals[1] = 1
    elif not any(totals):
        totals[0] = 1
    print(f"-- {stage}: {'ok' if totals[1] == 0 else 'FAILED'} in {time.monotonic() - begun:.0f} s", flush=True)
    return totals


def main():
    """Run the stages given as arguments."""
    results = {stage: run(stage) for stage in sys.argv[1:]}
    print()
    for stage, (passed, failed, skipped) in results.items():
        print(f"{stage:20} passed: {passed:4}  failed: {failed:3}  skipped: {skipped:3}")
    passed, failed, _ = (sum(column) for column in zip(*results.values(), strict=True))
    print(f"\n{passed} passed, {failed} failed", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
