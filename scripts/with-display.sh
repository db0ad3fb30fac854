#!/usr/bin/env bash
# Run a command that opens windows: on the display there is, else on a virtual one, else on none.
set -euo pipefail

if [ "$(uname -s)" != Linux ] || [ -n "${DISPLAY:-}" ] || [ -n "${WAYLAND_DISPLAY:-}" ]; then
    exec "$@"
fi
export LIBGL_ALWAYS_SOFTWARE=1
if command -v xvfb-run >/dev/null 2>&1; then
    export QT_QPA_PLATFORM=xcb
    exec xvfb-run --auto-servernum --server-args="-screen 0 1600x1200x24" "$@"
fi
echo "No display and no xvfb-run: what needs a real window cannot run." >&2
export QT_QPA_PLATFORM=offscreen
exec "$@"
