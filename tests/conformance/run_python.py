#!/usr/bin/env python3
"""Runs the conformance cases through the Python client against the node at HAULIER_ADDRESS.

It uses the public package only, and knows no case by name.
"""

import os
import socket
import sys
import traceback
from pathlib import Path

import haulier
from case_data import cases, decode, same

FIXTURES = Path(os.environ["CARGO_TARGET_DIR"]) / "fixtures"
DEADLINE = 60.0
FEATURES = {"java", "python", "named-broadcast"} - set(os.environ.get("HAULIER_WITHOUT", "").split())


class Mismatch(Exception):
    """What was seen is not what a case expects."""


def require(condition, message):
    """Fail the case unless the condition holds."""
    if not condition:
        raise Mismatch(message if len(message) < 2000 else message[:2000] + "...")


def check_error(step, digests, error):
    """Compare an exception with what the step expects."""
    own = isinstance(error, haulier.Error)
    kind = error.kind if own else "TaskFailed"
    text = f"{str(kind)}: {error}"
    require(str(getattr(kind, "value", kind)) == step.get("error"), f"expected {step.get('error')}, got {text}")
    if own and "retry" in step:
        require(str(error.retry) == step["retry"], f"expected retry {step['retry']}, got {error.retry}: {text}")
    if "remote" in step:
        names = error.remote.type_name if own and error.remote else type(error).__qualname__
        require(step["remote"] in names, f"expected an exception {step['remote']}, got {names}")
    for part in step.get("message", []):
        part = part.format(**digests)
        require(part in text, f"expected {part!r} in the message of {text}")


class Runner:
    """Runs cases on one cluster."""

    def __init__(self, cluster):
        self.cluster = cluster

    def run(self, case):
        """Run the steps of a case."""
        digests = {}
        for step in case["steps"]:
            try:
                self.step(step, digests)
            except Mismatch as mismatch:
                raise Mismatch(f"{step}\n    {mismatch}") from None

    def step(self, step, digests):
        """Run a step and compare what it gives, or its error, with what is expected."""
        act = getattr(
            self,
            next(
                word for word in ("deploy", "undeploy", "alias", "list", "call", "broadcast", "cancel") if word in step
            ),
        )
        try:
            act(step, digests)
        except Mismatch:
            raise
        except Exception as error:
            if "error" not in step:
                raise Mismatch("".join(traceback.format_exception(error))) from None
            check_error(step, digests, error)
        else:
            require("error" not in step, f"expected {step.get('error')}, but it succeeded")

    def deploy(self, step, digests):
        """Deploy fixtures."""
        sources = [FIXTURES / source for source in step["sources"]]
        replace = step.get("replace", False)
        unit = self.cluster.deploy(step["deploy"], step.get("version", ""), *sources, replace=replace)
        require(unit.version == step.get("gives", unit.version), f"deployed as {unit.version}")
        digest = unit.digest.removeprefix("sha256:")
        if "digest" in step:
            require(digests.setdefault(step["digest"], digest) == digest, f"another digest: {digest}")
        if "differs" in step:
            require(digests[step["differs"]] != digest, f"the same digest: {digest}")

    def undeploy(self, step, _):
        """Undeploy a version or all of a name."""
        removed = sorted(
            unit.version for unit in self.cluster.undeploy(step["undeploy"], force=step.get("force", False))
        )
        require(removed == step.get("gives", removed), f"removed {removed}")

    def alias(self, step, _):
        """Set or remove an alias."""
        name, alias = step["alias"].split(":")
        if "version" in step:
            version = self.cluster.set_alias(name, alias, step["version"]).version
        else:
            version = self.cluster.remove_alias(name, alias)
        require(version == step.get("gives", version), f"the alias is or was {version}")

    def list(self, step, _):
        """List the versions of a name."""
        versions = sorted(unit.version for unit in self.cluster.list_deployments() if unit.name == step["list"])
        require(versions == step["gives"], f"listed {versions}")

    def task(self, word, step, digests):
        """Return the task of a step and its arguments."""
        task = self.cluster.task(step["unit"].format(**digests), step[word])
        return task.with_options(timeout=step.get("timeout", DEADLINE))

    def call(self, step, digests):
        """Call a task and compare its result."""
        result = self.task("call", step, digests).call(*decode(step.get("args", [])))
        require(same(result, decode(step["value"])), f"got {result!r}")

    def broadcast(self, step, digests):
        """Call a task on every node and compare each result."""
        outcomes = self.task("broadcast", step, digests).broadcast(*decode(step.get("args", [])))
        require(outcomes, "no node answered")
        for node, outcome in outcomes.items():
            require(same(outcome, decode(step["value"])), f"{node}: {outcome!r}")

    def cancel(self, step, digests):
        """Cancel a task that is known to run."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.settimeout(DEADLINE)
            task = self.task("cancel", step, digests)
            handle = task.submit(*decode(step["args"], listener.getsockname()[1]))
            connection, _ = listener.accept()
            with connection:
                handle.cancel()
                try:
                    result = handle.result(timeout=DEADLINE)
                except BaseException as error:
                    check_error({"error": "Canceled"}, digests, error)
                else:
                    raise Mismatch(f"not cancelled: {result!r}")


def main():
    """Run every case; print what failed and what was skipped."""
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    with haulier.connect(os.environ["HAULIER_ADDRESS"]) as cluster:
        for case in cases():
            if missing := set(case.get("needs", [])) - FEATURES:
                counts["skipped"] += 1
                print(f"skipped, no {', '.join(sorted(missing))}: {case['name']}")
                continue
            try:
                Runner(cluster).run(case)
                counts["passed"] += 1
            except Mismatch as mismatch:
                counts["failed"] += 1
                print(f"FAILED: {case['name']}\n  {mismatch}", flush=True)
    print(f"{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped")
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
