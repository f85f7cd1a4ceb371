#!/usr/bin/env bash
# Starts a node on a free loopback port, or several that form a cluster, runs a command, and ends the nodes with it.
#
#   tests/with_node.sh COMMAND [ARGUMENT...]
#   HAULIER_NODES: how many nodes, default 1. The first one owns the catalogue, the others join it: n1, n2, ...
#   HAULIER_NODE_ARGUMENTS: further arguments of `haulier node`, for each of them
#
# The command finds the first node at HAULIER_ADDRESS, and the process ids of all in HAULIER_NODE_PIDS.
set -euo pipefail
dist=${HAULIER_DIST:-${CARGO_TARGET_DIR:-$HOME/.cache/haulier/target}/dist}
count=${HAULIER_NODES:-1}
scratch=$(mktemp -d)
nodes=()
finish() {
    for node in "${nodes[@]}"; do
        kill "$node" 2>/dev/null || true
    done
    for node in "${nodes[@]}"; do
        timeout 20 tail -s 0.02 --pid="$node" -f /dev/null || true
    done
    rm -rf "$scratch"
}
trap finish EXIT
trap 'exit 130' INT TERM

# Starts a node with a number; leaves its address in `address`.
start() {
    local number=$1 announcement line arguments=()
    [ "$count" = 1 ] || arguments+=(--name "n$number")
    [ "$number" = 1 ] || arguments+=(--join "$HAULIER_ADDRESS")
    # The node says where it listens on its standard output, which is a pipe here: reading it is the wait for the node.
    mkfifo "$scratch/announcement$number"
    # shellcheck disable=SC2086  # the arguments are words
    "$dist/bin/haulier" node --listen 127.0.0.1:0 --data-dir "$scratch/data$number" "${arguments[@]}" \
        ${HAULIER_NODE_ARGUMENTS:-} >"$scratch/announcement$number" 2>"$scratch/log$number" &
    nodes+=($!)
    # The shell says nothing about a node that the command kills.
    disown
    exec {announcement}<"$scratch/announcement$number"
    if ! read -r -t 20 -u "$announcement" line; then
        echo "the node did not start:" >&2
        cat "$scratch/log$number" >&2
        exit 1
    fi
    address=${line##* }
}

for ((number = 1; number <= count; number++)); do
    start "$number"
    [ "$number" != 1 ] || export HAULIER_ADDRESS=$address
done
# A node that has joined is alive for the others when they have heard it.
seen=0
for ((attempt = 0; count > 1 && seen < count && attempt < 500; attempt++)); do
    seen=$("$dist/bin/haulier" nodes --output json | grep -c '"state": *"alive"' || true)
done
if ((count > 1 && seen < count)); then
    echo "only $seen of $count nodes are alive" >&2
    exit 1
fi
export HAULIER_NODE_PID=${nodes[0]} HAULIER_NODE_PIDS=${nodes[*]}
status=0
"$@" || status=$?
if [ "$status" -ne 0 ]; then
    for ((number = 1; number <= count; number++)); do
        echo "the log of node $number:" >&2
        tail -n 40 "$scratch/log$number" >&2
    done
fi
exit "$status"
