#!/usr/bin/env bash
# Install the system libraries that Qt and OpenGL need, with apt, where something is missing and this user may.
# Never fails: what cannot be installed is listed, and whoever called goes on.
set -euo pipefail

[ "$(uname -s)" = Linux ] || exit 0

libraries=$(/sbin/ldconfig -p 2>/dev/null || true)
missing=()

need_library() { case $libraries in *"$1 "*) ;; *) missing+=("$2") ;; esac; }
need_command() { command -v "$1" >/dev/null 2>&1 || missing+=("$2"); }

need_library libEGL.so.1 libegl1
need_library libGL.so.1 libgl1
need_library libGLX_mesa.so.0 libglx-mesa0
need_library libOpenGL.so.0 libopengl0
need_library libdbus-1.so.3 libdbus-1-3
need_library libfontconfig.so.1 libfontconfig1
need_library libglib-2.0.so.0 libglib2.0-0
need_library libxkbcommon-x11.so.0 libxkbcommon-x11-0
need_library libxcb-cursor.so.0 libxcb-cursor0
need_library libxcb-icccm.so.4 libxcb-icccm4
need_library libxcb-image.so.0 libxcb-image0
need_library libxcb-keysyms.so.1 libxcb-keysyms1
need_library libxcb-randr.so.0 libxcb-randr0
need_library libxcb-render-util.so.0 libxcb-render-util0
need_library libxcb-shape.so.0 libxcb-shape0
need_library libxcb-xinerama.so.0 libxcb-xinerama0
need_library libxcb-xkb.so.1 libxcb-xkb1
need_command xvfb-run xvfb
need_command xauth xauth
# The software renderer has no library of a fixed name.
dpkg -s libgl1-mesa-dri >/dev/null 2>&1 || missing+=(libgl1-mesa-dri)
# A font, without which Qt draws boxes.
[ -n "$(find /usr/share/fonts -name '*.[to]tf' -print -quit 2>/dev/null)" ] || missing+=(fonts-dejavu-core)
python=$("$(dirname "$0")/find-python.sh" 2>/dev/null || true)
if [ -n "$python" ] && ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    missing+=(python3-venv)
fi

[ ${#missing[@]} -gt 0 ] || exit 0

complain() {
    echo "$1 Missing system packages: ${missing[*]}" >&2
    echo "Ask an administrator for: apt-get install ${missing[*]}" >&2
    echo "Going on; windows may not open without them." >&2
    exit 0
}

command -v apt-get >/dev/null 2>&1 || complain "This system has no apt."
if [ "$(id -u)" = 0 ]; then
    sudo=()
elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
    sudo=(sudo -n)
else
    complain "Installing system packages needs root or sudo without a password."
fi

echo "Installing system packages: ${missing[*]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt() { "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -y -qq "$@" >>"$log" 2>&1 </dev/null; }
install() { apt install --no-install-recommends "$@"; }

install "${missing[@]}" && exit 0
apt update || true
install "${missing[@]}" && exit 0
left=()
for package in "${missing[@]}"; do # what another release names differently must not keep out the rest
    install "$package" || left+=("$package")
done
if [ ${#left[@]} -gt 0 ]; then
    tail -n 5 "$log" >&2
    missing=("${left[@]}")
    complain "apt-get failed."
fi
