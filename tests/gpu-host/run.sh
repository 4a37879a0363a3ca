#!/usr/bin/env bash
# Campaigns on a real GPU, through real containers: energy, a planted leak, a stranger. As root on a host with a Docker
# Engine, torch for python3, and the image host-root:1 (an empty root whose links point into /usr):
#   run.sh BIN OUT    BIN holds lemctl and lem-agent; logs, results and manifests are left in OUT
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
bin=$(cd "$1" && pwd) out=$(mkdir -p "$2" && cd "$2" && pwd)
project=$(mktemp -d) && chmod 755 "$project"
gpu=$(nvidia-smi --query-gpu=uuid --format=csv,noheader | head -1)

mkdir -p "$project"/{compose,catalogues,campaigns,image}
cp "$here/compose.yaml" "$project/compose/burner.yaml"
cp "$here/burner-1.0.0.json" "$project/catalogues/"
cp "$bin/lem-agent" "$here/worker.py" "$project/image/" && chmod 755 "$project"/image/*
cp "$bin/lemctl" "$project/lemctl" && chmod 755 "$project/lemctl"
docker build -q -t lemctl/burner:1.0.0 -f - "$project/image" >/dev/null <<'D'
FROM host-root:1
COPY lem-agent /lem/agent
COPY worker.py /lem/worker
WORKDIR /outbox
WORKDIR /run/lem
WORKDIR /
D
chown -R 1000:1000 "$project"

campaign() { # name, engine parameters, execution, rest
  cat >"$project/campaigns/$1.yaml" <<Y
campaign_name: $1
model: {random: {seed: 1}}
gpus: [$gpu]
workload:
  synthetic: {input_tokens: 64, output_tokens: 64, seed: 1, prompts: 16}
  arrival: batch
  measure: {min_seconds: 8, min_requests: 4}
grid:
  backends: [burner]
  shared: {$2}
execution: {config_gap_seconds: 2, cycle_gap_seconds: 2, gap: {max_seconds: 30}, $3}
warmup: {max_seconds: 20, min_iterations: 5, power_window_seconds: 8}
$4
Y
}
lemctl() {
  (cd "$project" && setpriv --reuid=1000 --regid=1000 --groups="$(stat -c %g /var/run/docker.sock)" \
    env HOME=/nonexistent LD_LIBRARY_PATH="${LD_LIBRARY_PATH:-}" PATH="$PATH" ./lemctl "$@")
}

lemctl init
campaign energy "hold_mib: [4096], matrix: [8192]" "cycles: 3" \
  $'baseline: required\nenergy: {baseline_seconds: 5, settle_seconds: 3, rewarm_seconds: 5}'
campaign leak "hold_mib: [2048], leak_mib: [1500]" "cycles: 2" "baseline: off"
campaign stranger "hold_mib: [2048]" "cycles: 4" "baseline: off"

for name in energy leak; do
  lemctl campaign up "campaigns/$name.yaml" --progress plain >"$out/$name.log" 2>&1
  echo "$name: exit $?" | tee -a "$out/$name.log"
  tail -25 "$out/$name.log"
done

lemctl campaign up campaigns/stranger.yaml --progress plain >"$out/stranger.log" 2>&1 &
session=$!
for _ in $(seq 300); do
  grep -qs attempt_ended "$project"/results/stranger/*/journal.jsonl && break
  sleep 0.2
done
python3 -c 'import torch, time; x = torch.ones(700 << 20, dtype=torch.uint8, device="cuda"); torch.cuda.synchronize(); time.sleep(600)' &
stranger=$!
wait "$session"
echo "stranger: exit $?" | tee -a "$out/stranger.log"
if kill -0 "$stranger"; then echo "the stranger (pid $stranger) lives" | tee -a "$out/stranger.log"; fi
kill "$stranger"
tail -12 "$out/stranger.log"

lemctl manifest verify energy
lemctl manifest verify leak
lemctl results list energy
lemctl results validate energy
docker ps --all --filter label=org.lemctl.campaign --format '{{.Names}} is left'
tar -C "$project" -czf "$out/campaigns.tar.gz" campaigns results manifests
