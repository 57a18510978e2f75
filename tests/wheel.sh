#!/usr/bin/env bash
# The built wheel, installed into an empty environment away from the checkout, does the main job.
# Usage: tests/wheel.sh digest_publisher-X.Y.Z-py3-none-any.whl
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
wheel=$(realpath "$1")
away=$(mktemp -d)
trap 'rm -rf "$away"' EXIT
"${PYTHON:-python3}" -m venv "$away/venv"
pip=("$away/venv/bin/pip" --quiet --disable-pip-version-check)
"${pip[@]}" install --requirement "$here/requirements.lock"
"${pip[@]}" install --no-deps "$wheel" # of which the lock file has no hash
"${pip[@]}" check
cp -r "$here/examples" "$here/config.yaml" "$away/"
cd "$away"
venv/bin/digest run --json > report.json
test -s public/feed.xml
test -s public/rss.xml
test -s public/feed.json
ls var/outbox/*.eml > /dev/null
venv/bin/digest run --json | venv/bin/python -c '
import json, sys
report = json.load(sys.stdin)
assert report["feeds"]["written"] == [], report["feeds"]["written"]
'
echo "the wheel works: $(ls var/outbox/*.eml | wc -l) mail, $(find public -type f | wc -l) files"
