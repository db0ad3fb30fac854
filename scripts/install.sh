#!/usr/bin/env bash
# Install the package (editable) and the dependency groups named, at the pinned versions, into $VENV.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=${VENV:-.venv}
pip() { "$venv/bin/python" -m pip --disable-pip-version-check -qq "$@"; }

# PyTorch first and by itself: the usual index's builds for Linux bring several GB of CUDA along. A build that is on
# this machine already (pip's find-links) is taken before any index is asked.
torch=$(sed -n 's/^\(torch==[^ ;]*\).*/\1/p' constraints.txt)
index=${TORCH_INDEX-https://download.pytorch.org/whl/cpu}
if ! "$venv/bin/python" -c "
import sys
from importlib.metadata import version
sys.exit(version('torch').split('+')[0] != '${torch#torch==}')" 2>/dev/null; then
    if [ "$(uname -s)" = Linux ] && [ -n "$index" ]; then
        pip install --no-deps --no-index "$torch" 2>/dev/null ||
            pip install --no-deps --retries 1 --index-url "$index" "$torch" ||
            echo "$index has no $torch for this machine; taking it from the usual index." >&2
    fi
fi

groups=()
for group in "$@"; do
    groups+=(--group "$group")
done
echo "Installing napari-w2s with: $* (takes minutes the first time)"
pip install -c constraints.txt --build-constraint constraints.txt -e . "$torch" "${groups[@]}"
for group in "$@"; do
    touch "$venv/.$group"
done
