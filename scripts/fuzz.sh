#!/usr/bin/env bash
# Fuzzes what reads bytes that lemctl did not write itself: each target of fuzz/ for some minutes, one after the other.
#
# What was found to be new input is kept in fuzz/corpus, so that a later call goes on where this one ended; an input that
# broke something lies in fuzz/artifacts, and the call ends with 1. MINUTES=10 for each target, TARGETS="journal record",
# PROGRAMS=folder of targets that are built already.
# Needs the nightly toolchain, cargo-fuzz (cargo install cargo-fuzz) and a C++ compiler.
set -euo pipefail
cd "$(dirname "$0")/.."

minutes=${MINUTES:-10}
read -ra targets <<<"${TARGETS:-$(cd fuzz/fuzz_targets && printf '%s ' *.rs | sed 's/\.rs//g')}"

# Inputs of a target that lie in the repository anyway.
inputs() {
	case $1 in
	campaign) echo campaigns tests/invalid ;;
	compose) echo compose compose/variants ;;
	esac
	for folder in fuzz/seeds/"$1" fuzz/regressions/"$1"; do
		[ ! -d "$folder" ] || echo "$folder"
	done
}

# Words of the formats: keys and enumerations of the schemas.
words=fuzz/target/words.dict
mkdir -p fuzz/target
cat schemas/*.json | grep -o '"[A-Za-z_][A-Za-z0-9_]\{2,40\}"' | sort -u >"$words"

# No sanitizer: the code is safe Rust but for NVML's own calls, which no target makes, and is twice as fast without.
programs=${PROGRAMS:-fuzz/target/$(rustc -vV | sed -n 's/^host: //p')/release}
[ -n "${PROGRAMS:-}" ] || cargo +nightly fuzz build --sanitizer none

broken=0
for target in "${targets[@]}"; do
	mkdir -p "fuzz/corpus/$target" "fuzz/artifacts/$target"
	log=fuzz/corpus/$target.log
	read -ra seeds <<<"$(inputs "$target" | tr '\n' ' ')"
	found=0
	"$programs/$target" -max_total_time=$((minutes * 60)) -timeout=25 -rss_limit_mb=1024 -malloc_limit_mb=512 -max_len=65536 \
		-dict="$words" -print_final_stats=1 -verbosity=1 -artifact_prefix="fuzz/artifacts/$target/" \
		"fuzz/corpus/$target" "${seeds[@]}" >"$log" 2>&1 || found=$?
	stat() { sed -n "s/^stat::$1: *//p" "$log" | tail -n 1; }
	last=$(grep -E '^#[0-9]+' "$log" | tail -n 1)
	figure() { sed -n "s/.* $1: \([^ ]*\).*/\1/p" <<<"$last"; }
	printf '%s: %s executions (%s/s), %s edges, %s features, %s inputs kept, %s MiB, slowest %s s: %s\n' \
		"$target" "$(stat number_of_executed_units)" "$(stat average_exec_per_sec)" "$(figure cov)" "$(figure ft)" \
		"$(figure corp)" "$(stat peak_rss_mb)" "$(stat slowest_unit_time_sec)" \
		"$([ "$found" = 0 ] && echo "nothing found" || echo "FOUND, see $log and fuzz/artifacts/$target")" | tee -a fuzz/corpus/report.txt
	[ "$found" = 0 ] || broken=1
done
exit $broken
