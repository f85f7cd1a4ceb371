#!/usr/bin/env bash
# The steps of the demo, against the node at HAULIER_ADDRESS. Each prints what it does and what came of it; the first
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
step() { printf '\n== %s\n' "$*"; }
show() { printf '$ %s\n' "$*"; "$@"; }
# Requires a text in what a command prints.
expect() {
    local text=$1
    shift
    show "$@" 2>&1 | tee "$scratch/printed" || true
    grep -qF -- "$text" "$scratch/printed" || { echo "expected: $text"; exit 1; }
}

step "1. A node with the embedded catalogue on a free loopback port"
expect "$HAULIER_ADDRESS" haulier nodes
echo "the node has no class and no module of what follows:"
show ls "$HAULIER_DIST/lib/haulier"

step "2. Java, peer loading: the classes of the program travel by themselves"
expect "is this program on it: false" mvn --batch-mode --quiet --no-transfer-progress -Dstyle.color=never --file ../../java/examples/pom.xml compile exec:java

step "3. Java, a unit: deployed, listed, run by name, undeployed"
cp ../../java/examples/pricing/target/haulier-example-pricing-0.1.0.jar "$scratch/pricing.jar"
expect "deployed pricing:1.2.0" haulier deploy pricing "$scratch/pricing.jar" --version 1.2.0
expect "pricing  1.2.0" haulier list-deployments
expect "84" haulier run pricing:1.2.0 com.acme.Price 42
expect "pricing:1.2.0" haulier run pricing:1.2.0 com.acme.Where
expect "undeployed pricing:1.2.0" haulier undeploy pricing:1.2.0
expect "no unit 'pricing' is deployed" haulier run pricing:1.2.0 com.acme.Price 42

step "4. Python: functions of the script, functions of a project, then the project as a unit"
expect "64.4" "$HAULIER_VENV/bin/python" python/demo.py

step "5. Rust: deploys the jar and the package, calls both"
expect "64.4" "$CARGO_TARGET_DIR/debug/examples/deploy_and_run" "$HAULIER_ADDRESS" \
    "$scratch/pricing.jar" com.acme.Price python/weather weather.forecast:warmest

step "6. What is left: no unit; and the workers that must end with the node"
show haulier list-deployments
below "$HAULIER_NODE_PID" | tee "$HAULIER_DEMO_PROCESSES" | while read -r process; do
    printf '%s %s\n' "$process" "$(tr '\0' ' ' <"/proc/$process/cmdline" | cut -c 1-80)"
done
