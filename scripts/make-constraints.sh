#!/usr/bin/env bash
# Write constraints.txt anew: the newest versions that fit together, of everything the demo, the tests, the checks,
# the benchmarks and the documentation install. PyTorch's version is kept; change it by hand.
set -euo pipefail
cd "$(dirname "$0")/.."
torch=$(sed -n 's/^\(torch==[^ ;]*\).*/\1/p' constraints.txt)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$(scripts/find-python.sh)" -m venv "$work/venv"
pip() { "$work/venv/bin/python" -m pip --disable-pip-version-check -qq "$@"; }
pip install --upgrade pip
index=${TORCH_INDEX-https://download.pytorch.org/whl/cpu}
pip install --no-deps --no-index "$torch" 2>/dev/null ||
    pip install --no-deps --retries 1 --index-url "$index" "$torch" || true
pip install -e . "$torch" --group dev hatchling
{
    echo "# Versions that the demo, the tests and the checks are known to work with; made by: make constraints"
    pip freeze --all --exclude-editable | sed 's/+cpu$//' | LC_ALL=C sort -f
} >"$work/constraints.txt"
cp "$work/constraints.txt" constraints.txt
