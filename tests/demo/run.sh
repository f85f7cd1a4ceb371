#!/usr/bin/env bash
# Shows three nodes that run code which they never had: from Java, from the shell, from Python, from Rust.
# Starts nodes of its own on free loopback ports and leaves nothing running.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$HOME/.cache/haulier/target}
export HAULIER_DIST=${HAULIER_DIST:-$CARGO_TARGET_DIR/dist}
export HAULIER_VENV=${HAULIER_VENV:-$HOME/.cache/haulier/venv}
export HAULIER_DEMO_PROCESSES=$(mktemp)
trap 'rm -f "$HAULIER_DEMO_PROCESSES"' EXIT
HAULIER_NODES=3 ../with_node.sh ./steps.sh
while read -r process; do
    for _ in {1..50}; do [ -d "/proc/$process" ] && sleep 0.1 || break; done
    if [ -d "/proc/$process" ]; then
        echo "left running: $(tr '\0' ' ' <"/proc/$process/cmdline")"
        exit 1
    fi
done <"$HAULIER_DEMO_PROCESSES"
echo
echo "Nothing is left running."
