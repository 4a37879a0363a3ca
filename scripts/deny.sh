#!/usr/bin/env bash
# Checks Cargo.lock against deny.toml, without a network: licences, bans and sources always, advisories where a clone of the
# advisory database is. What could not be checked is said. Exits 0 where cargo-deny is not installed: a test of
# tests/security looks at the sources and sums of Cargo.lock itself.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if ! cargo deny --version >/dev/null 2>&1; then
  echo "SKIPPED: cargo-deny is not installed: licences, bans and sources were not checked (cargo install --locked cargo-deny)"
  exit 0
fi
cargo deny --offline --workspace check --hide-inclusion-graph licenses bans sources

databases=${CARGO_DENY_DATABASES:-${CARGO_HOME:-$HOME/.cargo}/advisory-dbs}
if [ -d "$databases" ] && [ -n "$(ls -A "$databases")" ]; then
  # The clone is as old as it is: its age decides what this can say.
  newest=$(find "$databases" -name FETCH_HEAD -o -name HEAD | xargs --no-run-if-empty stat --format %y | sort | tail -n 1)
  echo "advisories: as known in $databases, fetched ${newest:-at an unknown time}"
  cargo deny --offline --workspace check --hide-inclusion-graph --disable-fetch advisories
else
  echo "SKIPPED: no clone of the advisory database in $databases: known vulnerabilities were not looked for."
  echo "         With a network: cargo deny fetch db, and again scripts/deny.sh"
fi
