#!/usr/bin/env bash
# What the tests need from the system: Chromium (any, by CHROMIUM or on the PATH) and curl with --aws-sigv4.
# Missing ones are installed through apt when this is root; otherwise one sentence says what to install.
set -euo pipefail

missing=()
if [ -z "${CHROMIUM:-}" ] && ! command -v chromium chromium-browser google-chrome >/dev/null; then missing+=(chromium); fi
if ! command -v curl >/dev/null || ! curl --help all 2>/dev/null | grep -q -- --aws-sigv4; then missing+=(curl); fi
if [ ${#missing[@]} -eq 0 ]; then exit 0; fi

if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
  echo "The tests need: ${missing[*]}. Install them, or name a Chromium with CHROMIUM=/path/to/chromium." >&2
  exit 1
fi
echo "velvetrope: installing ${missing[*]} through apt"
log=$(mktemp)
export DEBIAN_FRONTEND=noninteractive
if ! { apt-get update -q && apt-get install -q -y --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
  tail -n 20 "$log" >&2
  exit 1
fi
