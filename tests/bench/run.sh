#!/usr/bin/env bash
# Prints what this machine reaches: latency and throughput of empty tasks, cold code, units, the idle node, three nodes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$HOME/.cache/haulier/target}
export HAULIER_DIST=${HAULIER_DIST:-$CARGO_TARGET_DIR/dist}
python=${HAULIER_VENV:-$HOME/.cache/haulier/venv}/bin/python
java=../../java
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
printf '%s processors, Linux %s, %s\n' "$(nproc)" "$(uname -r)" "$(java -version 2>&1 | head -n 1)"

"$python" idle.py
../with_node.sh "$python" tasks.py
../with_node.sh "$python" units.py
../with_node.sh "$python" holding.py
../with_node.sh "$python" python_code.py
../with_node.sh "$python" import_score.py
HAULIER_NODE_ARGUMENTS="--python $python" ../with_node.sh "$python" fresh_slots.py
HAULIER_NODE_ARGUMENTS="--python $python --no-preloading" ../with_node.sh "$python" fresh_slots.py

word=$("$python" unseen.py "$work/sources" "$work/changing-sources")
jars=$java/client/target/haulier-client-0.1.0.jar:$java/api/target/haulier-api-0.1.0.jar
mkdir "$work/classes"
find "$work/sources" -name '*.java' >"$work/files"
javac --release 17 -cp "$jars" -d "$work/classes" Bench.java ClusterBench.java NewVersions.java @"$work/files"
find "$work/changing-sources" -name '*.java' >"$work/files"
javac --release 17 -d "$work/changing" @"$work/files"
../with_node.sh java -Xshare:auto -cp "$jars:$work/classes" Bench
../with_node.sh java -Xshare:auto -cp "$jars:$work/classes" NewVersions "$work/changing" "$word"
mkdir "$work/loaders"
HAULIER_NODE_ARGUMENTS="--readable $work/loaders" ../with_node.sh "$python" loaders.py "$work/loaders"

export HAULIER_NODES=3
../with_node.sh "$python" cluster.py
../with_node.sh java -Xshare:auto -cp "$jars:$work/classes" ClusterBench
