"""Take the picture of a benchmark's report that the documentation shows: docs/images/report.png.

Usage: ``python scripts/report_picture.py REPORT.html [--out FILE] [--size 1280x800]``. Needs a browser of the Chromium
family on the PATH, e.g. Debian's package ``chromium``; a report lies in build/benchmark after ``make report``.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
PICTURE = Path(__file__).parents[1] / "docs" / "images" / "report.png"
TIMEOUT_S = 300


def main() -> int:
    """Take the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("report", type=Path)
    parser.add_argument("--out", type=Path, default=PICTURE)
    parser.add_argument("--size", default="1280x800", metavar="WIDTHxHEIGHT")
    given = parser.parse_args()
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        print(f"A browser is needed: one of {', '.join(BROWSERS)}.", file=sys.stderr)
        return 2
    if not given.report.is_file():
        print(f"{given.report} does not exist. Make it with: make report", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as profile:
        command = [
            browser,
            "--headless=new",
            "--disable-gpu",
            "--hide-scrollbars",
            f"--user-data-dir={profile}",
            f"--window-size={given.size.replace('x', ',')}",
            f"--screenshot={given.out.absolute()}",
            given.report.absolute().as_uri(),
        ]
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            command.insert(1, "--no-sandbox")  # Chromium's sandbox refuses to run as root
        ended = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    if ended.returncode or not given.out.is_file():
        print(f"{browser} made no picture: {ended.stderr.strip()[-500:]}", file=sys.stderr)
        return 1
    print(given.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
