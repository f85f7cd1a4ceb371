#!/usr/bin/env bash
# Builds the wheels haulier and haulier-node from what cargo has built already, and installs the first for the tests.
#
#   tests/install/build_wheels.sh PYTHON FOLDER
set -euo pipefail
python=$1
folder=$2
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
mkdir -p "$folder"
fresh=$(mktemp -d "$folder.XXXXXX")
trap 'rm -rf "$fresh"' EXIT
# The profile and the target folder of the workspace: the dependencies are not built again.
(cd python && "$(dirname "$python")/maturin" build --quiet --profile dev --interpreter "$python" --out "$fresh")
# In a copy: setuptools builds beside its sources.
cp -r python/haulier-node "$fresh/source"
rm -rf "$fresh/source/build"
"$python" -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir "$fresh" "$fresh/source"
rm -f "$folder"/*.whl
mv "$fresh"/*.whl "$folder"/
# The tests and the demo run in the virtual environment of the tools.
"$python" -m pip install --quiet --force-reinstall --no-deps "$folder"/haulier-*.whl
ls "$folder"
