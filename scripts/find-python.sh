#!/usr/bin/env bash
# Print the Python to use: $PYTHON if it is set, else python3 if it is new enough, else the newest that is.
set -euo pipefail

new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

if [ -n "${PYTHON:-}" ]; then
    if new_enough "$PYTHON"; then
        echo "$PYTHON"
        exit
    fi
    echo "PYTHON=$PYTHON is not Python 3.11 or newer, or does not run." >&2
    exit 1
fi
for candidate in python3 python3.14 python3.13 python3.12 python3.11 python; do
    if new_enough "$candidate"; then
        echo "$candidate"
        exit
    fi
done
echo "No Python 3.11 or newer was found. Install one, or name it: make PYTHON=/path/to/python3" >&2
exit 1
