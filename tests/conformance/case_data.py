"""The conformance cases as data: reads them, turns their values into Python's, compares values strictly.

It knows no client and runs nothing.
"""

import math
import tomllib
from pathlib import Path

CASES = Path(__file__).resolve().parent / "cases"


def decode(value, port=None):
    """Turn a value of a case into the value that is sent."""
    if isinstance(value, list):
        return [decode(part, port) for part in value]
    if not isinstance(value, dict):
        return value
    match value.get("$"):
        case None:
            return {key: decode(part, port) for key, part in value.items()}
        case "null":
            return None
        case "bytes":
            return bytes.fromhex(value["hex"])
        case "repeat":
            return bytes.fromhex(value["hex"]) * value["count"]
        case "map":
            return {decode(key): decode(part, port) for key, part in value["entries"]}
        case "port":
            return port
    raise ValueError(f"no such value: {value}")


def same(left, right):
    """Compare values and their kinds: 1, 1.0 and True differ; NaN equals NaN; the order of a map counts."""
    if type(left) is not type(right):
        return False
    if isinstance(left, float):
        return left.hex() == right.hex() or (math.isnan(left) and math.isnan(right))
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict):
        return same([[*pair] for pair in left.items()], [[*pair] for pair in right.items()])
    return left == right


def cases():
    """Return the cases of all files; the values become two cases of many steps."""
    found = []
    for path in sorted(CASES.glob("*.toml")):
        file = tomllib.loads(path.read_text("utf-8"))
        found += file.get("case", [])
        if "value" in file:
            found += value_cases(file)
    return found


def value_cases(file):
    """Make cases of the values: sent, returned and described."""
    for language in ("java", "python"):
        side = file[language]
        unit = f"{file['unit']}-{language}"
        steps = [{"deploy": unit, "version": "1.0.0", "sources": side["sources"]}]
        for entry in file["value"]:
            steps.append({"call": side["echo"], "unit": unit, "args": [entry["value"]], "value": entry["value"]})
            steps.append({"call": side["describe"], "unit": unit, "args": [entry["value"]], "value": entry["text"]})
        yield {"name": f"{len(file['value'])} values to {language} and back", "needs": [language], "steps": steps}
