#!/usr/bin/env bash
# Shows a node that runs code which it never had: from Java, from the shell, from Python, from Rust.
# Starts a node of its own on a free loopback port and leaves nothing running.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$HOME/.cache/haulier/target}
export HAULIER_DIST=${HAULIER_DIST:-$CARGO_TARGET_DIR/dist}
export HAULIER_VENV=${HAULIER_VENV:-$HOME/.cache/haulier/venv}
../with_node.sh ./steps.sh
if pgrep --full "$HAULIER_DIST/lib/haulier" >/dev/null; then
    echo "a worker was left running"
    exit 1
fi
echo
echo "Nothing is left running."
