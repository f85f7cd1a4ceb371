#!/usr/bin/env bash
# Starts a node on a free loopback port, runs a command with HAULIER_ADDRESS, and ends the node with it.
#
#   tests/with_node.sh COMMAND [ARGUMENT...]
#   HAULIER_NODE_ARGUMENTS: further arguments of `haulier node`
set -euo pipefail
dist=${HAULIER_DIST:-${CARGO_TARGET_DIR:-$HOME/.cache/haulier/target}/dist}
scratch=$(mktemp -d)
node=
finish() {
    if [ -n "$node" ]; then
        kill "$node" 2>/dev/null || true
        wait "$node" 2>/dev/null || true
    fi
    rm -rf "$scratch"
}
trap finish EXIT
trap 'exit 130' INT TERM

# The node says where it listens on its standard output, which is a pipe here: reading it is the wait for the node.
mkfifo "$scratch/announcement"
# shellcheck disable=SC2086  # the arguments are words
"$dist/bin/haulier" node --listen 127.0.0.1:0 --data-dir "$scratch/data" ${HAULIER_NODE_ARGUMENTS:-} \
    >"$scratch/announcement" 2>"$scratch/log" &
node=$!
exec 3<"$scratch/announcement"
if ! read -r -t 20 -u 3 line; then
    echo "the node did not start:" >&2
    cat "$scratch/log" >&2
    exit 1
fi
export HAULIER_ADDRESS=${line##* } HAULIER_NODE_PID=$node
status=0
"$@" || status=$?
if [ "$status" -ne 0 ]; then
    echo "the node's log:" >&2
    tail -n 40 "$scratch/log" >&2
fi
exit "$status"
