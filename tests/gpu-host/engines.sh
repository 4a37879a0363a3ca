#!/usr/bin/env bash
# Campaigns of the real engines on a real GPU, through real containers. As root on a host with a Docker Engine, torch and
# transformers for python3, vLLM under /opt/vllm, and the image host-root:1 (an empty root whose links point into /usr):
#   engines.sh BIN OUT PROJECT CAMPAIGN…
# BIN holds lemctl, lem-agent and lem-fetch. PROJECT is made if it is not there, and kept. A CAMPAIGN is a file of
# campaigns/, or FILE:SECONDS to kill lemctl so long after its start and resume it. Logs, results and manifests are left in OUT.
set -uo pipefail
repo=$(cd "$(dirname "$0")/../.." && pwd)
bin=$(cd "$1" && pwd) out=$(mkdir -p "$2" && cd "$2" && pwd) project=$3
shift 3
gpu=$(nvidia-smi --query-gpu=uuid --format=csv,noheader | head -1)

make_project() {
  mkdir -p "$project"/{compose,catalogues,campaigns,image/python,fetch}
  chmod 755 "$project"
  cp "$repo"/tests/gpu-host/engines/*.yaml "$project/compose/"
  cp "$repo"/catalogues/*.json "$project/catalogues/"
  cp -r "$repo"/campaigns/. "$project/campaigns/"
  cp -r "$repo"/images/worker/src/lem_* "$project/image/python/"
  cp "$bin/lem-agent" "$project/image/" && cp "$bin"/lem-{agent,fetch} "$project/fetch/" && cp "$bin/lemctl" "$project/lemctl"
  cp "$repo/images/worker/worker.sh" "$project/image/worker"
  chmod -R go+rX "$project" && chmod 755 "$project"/image/{worker,lem-agent} "$project"/fetch/lem-* "$project/lemctl"
  local backend
  for backend in pytorch:5.17.0 vllm:0.26.0; do
    docker build -q -t "lemctl/$backend" -f - "$project/image" <<'D'
FROM host-root:1
COPY lem-agent /lem/agent
COPY worker /lem/worker
COPY python /lem/python
WORKDIR /model
WORKDIR /outbox
WORKDIR /run/lem
WORKDIR /
D
  done
  docker build -q -t lemctl/fetch:0.1.0 -f "$repo/images/fetch/Dockerfile" "$project/fetch"
  sed -i "s/^gpus:.*/gpus: [$gpu]/" "$project"/campaigns/*.yaml
  chown -R 1000:1000 "$project"
  lemctl init
}

lemctl() {
  env -C "$project" setpriv --reuid=1000 --regid=1000 --groups="$(stat -c %g /var/run/docker.sock)" \
    env HOME=/nonexistent LD_LIBRARY_PATH="${LD_LIBRARY_PATH:-}" PATH="$PATH" ./lemctl "$@"
}

[ -d "$project" ] || make_project
for entry in "$@"; do
  file=${entry%%:*} name=$(basename "${entry%%:*}" .yaml)
  if [ "$entry" = "$file" ]; then
    lemctl campaign up "campaigns/$file" --yes --progress plain >"$out/$name.log" 2>&1
    echo "$name: exit $?" | tee -a "$out/$name.log"
  else
    lemctl campaign up "campaigns/$file" --yes --progress plain >"$out/$name.log" 2>&1 &
    sleep "${entry##*:}"
    pkill -KILL -P "$!"
    wait
    echo "$name: killed after ${entry##*:} s" | tee -a "$out/$name.log"
    lemctl campaign resume "$name" --progress plain >>"$out/$name.log" 2>&1
    echo "$name: resumed: exit $?" | tee -a "$out/$name.log"
  fi
  tail -30 "$out/$name.log"
  lemctl manifest verify "$name"
  lemctl results list "$name"
  lemctl results validate "$name"
done
docker ps --all --filter label=org.lemctl.campaign --format '{{.Names}} is left'
tar -C "$project" -czf "$out/campaigns.tar.gz" --exclude=readings.parquet --exclude=record.json campaigns results manifests
