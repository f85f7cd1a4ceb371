#!/usr/bin/env bash
# Three nodes and a client, each on a machine of its own as far as the network goes: a namespace with one interface,
# all joined by a bridge. The client cannot reach n2; packets to it vanish. Runs a command in the client's place.
#
#   tests/cluster/network.sh COMMAND [ARGUMENT...]
#
# The command finds n1 at HAULIER_ADDRESS; HAULIER_NETWORK is the process id whose namespace has the bridge, with the
# ports v1, v2, v3 of the nodes and v4 of the client. Needs no rights where users may have namespaces of their own.
set -euo pipefail
if [ -z "${HAULIER_NETWORK:-}" ]; then
    export HAULIER_NETWORK=starting
    exec unshare --map-root-user --net --mount "$0" "$@"
fi
export HAULIER_NETWORK=$$
dist=${HAULIER_DIST:-${CARGO_TARGET_DIR:-$HOME/.cache/haulier/target}/dist}
scratch=$(mktemp -d)
nodes=()
finish() {
    for node in "${nodes[@]}"; do
        kill "$node" 2>/dev/null || true
    done
    wait
    rm -rf "$scratch"
}
trap finish EXIT
trap 'exit 130' INT TERM

mount -t tmpfs none /run
ip link set lo up
ip link add hub type bridge
ip link set hub up
for number in 1 2 3 4; do
    ip netns add "m$number"
    ip link add "v$number" type veth peer name eth0 netns "m$number"
    ip link set "v$number" master hub up
    ip -n "m$number" address add "10.77.0.$number/24" dev eth0
    ip -n "m$number" link set eth0 up
    ip -n "m$number" link set lo up
done
# To an address of hardware that nobody has.
ip -n m4 neighbour add 10.77.0.2 lladdr 02:00:00:00:00:99 dev eth0 nud permanent

export HAULIER_ADDRESS=10.77.0.1:7440
for number in 1 2 3; do
    join=()
    [ "$number" = 1 ] || join=(--join "$HAULIER_ADDRESS")
    mkfifo "$scratch/announcement$number"
    nsenter --net="/run/netns/m$number" "$dist/bin/haulier" node --name "n$number" --listen "10.77.0.$number:7440" \
        --insecure --data-dir "$scratch/n$number" "${join[@]}" >"$scratch/announcement$number" 2>"$scratch/log$number" &
    nodes+=($!)
    exec {announcement}<"$scratch/announcement$number"
    if ! read -r -t 20 -u "$announcement" _; then
        echo "n$number did not start:" >&2
        cat "$scratch/log$number" >&2
        exit 1
    fi
done
status=0
nsenter --net=/run/netns/m4 "$@" || status=$?
if [ "$status" -ne 0 ]; then
    for number in 1 2 3; do
        echo "the log of n$number:" >&2
        tail -n 40 "$scratch/log$number" >&2
    done
fi
exit "$status"
