#!/usr/bin/env bash
# What was built works where it was not built: wheels in a fresh virtual environment, the client jar in another Maven
# project, the crate in another cargo package.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
target=${CARGO_TARGET_DIR:-$HOME/.cache/haulier/target}
wheels=${HAULIER_WHEELS:-$target/wheels}
scratch=$(mktemp -d)
export target wheels scratch
trap 'rm -rf "$scratch"' EXIT
passed=0 failed=0

check() {
    printf -- '-- %s\n' "$1"
    shift
    export -f "$1"
    # In a shell of its own: `set -e` has no force within a condition.
    if bash -euo pipefail -c "$1"; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
}

# The package alone: what it says without a node, and that it brings types.
python_client() {
    python3 -m venv "$scratch/client"
    "$scratch/client/bin/pip" install --quiet --find-links "$wheels" haulier
    cd "$scratch"
    env -i PATH=/usr/bin:/bin "$scratch/client/bin/python" "$OLDPWD/python/without_node.py"
}

# Both wheels: local() finds the node of the second one, with an empty PATH.
python_node() {
    python3 -m venv "$scratch/node"
    "$scratch/node/bin/pip" install --quiet --find-links "$wheels" haulier haulier-node
    cd "$scratch"
    env -i PATH="$(dirname "$(command -v java)"):/usr/bin:/bin" HOME="$scratch" \
        "$scratch/node/bin/python" "$OLDPWD/python/with_node.py"
}

java_project() {
    cp -r java "$scratch/java"
    cd "$scratch/java"
    "$OLDPWD/../with_node.sh" mvn --batch-mode --quiet --no-transfer-progress compile exec:exec
}

rust_crate() {
    cp -r rust "$scratch/rust"
    mv "$scratch/rust/Cargo.toml.in" "$scratch/rust/Cargo.toml"
    sed -i "s#@HAULIER@#$(cd ../.. && pwd)#" "$scratch/rust/Cargo.toml"
    cp ../../Cargo.lock "$scratch/rust/Cargo.lock"
    awk '/^```rust/ { inside = 1; next } /^```/ { inside = 0 } inside' ../../README.md >"$scratch/rust/src/readme.rs"
    cd "$scratch/rust"
    CARGO_TARGET_DIR="$target/another-crate" cargo build --quiet --offline
    "$OLDPWD/../with_node.sh" "$target/another-crate/debug/another" "$target/fixtures/pricing-1.jar"
}

check "wheel haulier in a fresh virtual environment" python_client
check "wheels haulier and haulier-node in a fresh virtual environment" python_node
check "io.haulier:haulier-client in another Maven project" java_project
check "crate haulier in another cargo package" rust_crate
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
