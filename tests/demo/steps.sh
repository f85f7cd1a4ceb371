#!/usr/bin/env bash
# The steps of the demo, against the three nodes that begin at HAULIER_ADDRESS. Each prints what it does and what came of it; the first
# that does not give what it should ends the demo.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
export PATH="$HAULIER_DIST/bin:$PATH"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# The processes below one, one a line.
below() {
    local stat child parent
    for stat in /proc/[0-9]*/stat; do
        read -r child parent < <(sed -E 's/^([0-9]+) \(.*\) . ([0-9]+) .*/\1 \2/' "$stat" 2>/dev/null) || continue
        if [ "$parent" = "$1" ]; then
            echo "$child"
            below "$child"
        fi
    done
}
# Notes what runs now and must end with the nodes, and shows it.
note() {
    local node process
    for node in $HAULIER_NODE_PIDS; do
        for process in "$node" $(below "$node"); do
            grep -qx "$process" "$HAULIER_DEMO_PROCESSES" || echo "$process" >>"$HAULIER_DEMO_PROCESSES"
            [ ! -r "/proc/$process/cmdline" ] ||
                printf '%s %s\n' "$process" "$(tr '\0' ' ' <"/proc/$process/cmdline" | cut -c 1-90)"
        done
    done
}
step() { printf '\n== %s\n' "$*"; }
show() { printf '$ %s\n' "$*"; "$@"; }
# Requires a text in what a command prints.
expect() {
    local text=$1
    shift
    show "$@" 2>&1 | tee "$scratch/printed" || true
    printed "$text"
}
# Requires a text in what the last command printed.
printed() { grep -qF -- "$1" "$scratch/printed" || { echo "expected: $1"; exit 1; }; }

step "1. Three nodes on free loopback ports: n1 owns the catalogue, n2 and n3 have joined it"
expect "n3" haulier nodes
echo "no node has a class or a module of what follows:"
show ls "$HAULIER_DIST/lib/haulier"

step "2. Java, peer loading: the classes of the program travel by themselves, to every node that runs them"
expect "is this program on it: false" mvn --batch-mode --quiet --no-transfer-progress -Dstyle.color=never --file ../../java/examples/pom.xml compile exec:java
printed "answers from all 3 nodes: n1, n2, n3"

step "3. Java, a unit: deployed, listed, run by name, undeployed"
cp ../../java/examples/pricing/target/haulier-example-pricing-0.1.0.jar "$scratch/pricing.jar"
expect "deployed pricing:1.2.0" haulier deploy pricing "$scratch/pricing.jar" --version 1.2.0
expect "pricing  1.2.0" haulier list-deployments
expect "84" haulier run pricing:1.2.0 com.acme.Price 42
expect "n3" haulier run pricing:1.2.0 com.acme.Where --broadcast
printed "pricing:1.2.0"
expect "undeployed pricing:1.2.0" haulier undeploy pricing:1.2.0
expect "no unit 'pricing' is deployed" haulier run pricing:1.2.0 com.acme.Price 42

step "4. Python: functions of the script, functions of a project, then the project as a unit"
expect "64.4" "$HAULIER_VENV/bin/python" python/demo.py

step "5. Rust: deploys the jar and the package, calls both"
expect "64.4" "$CARGO_TARGET_DIR/debug/examples/deploy_and_run" "$HAULIER_ADDRESS" \
    "$scratch/pricing.jar" com.acme.Price python/weather weather.forecast:warmest

step "6. What is left: no unit; and the processes that must end with the nodes"
show haulier list-deployments
note

step "7. A node dies: the others know, and the next calls go on with them"
read -r -a nodes <<<"$HAULIER_NODE_PIDS"
expect "a broadcast: n1, n2" "$HAULIER_VENV/bin/python" python/death.py "${nodes[2]}"
expect "lost" haulier nodes
