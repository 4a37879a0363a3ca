#!/usr/bin/env bash
# Makes a Debian or Ubuntu machine ready to build and run lemctl. Says what is missing, installs it, says
# what it did. Running it again changes nothing.
#
#   scripts/setup.sh           install what is missing, start the Docker Engine if none answers
#   scripts/setup.sh --check   only say what is missing; exit 1 when something is
#
# It needs root, or sudo. Without either it prints the commands for somebody who has them and exits 1.
# Packages come from the distribution. The one thing that does not is the Rust toolchain, when cargo is
# missing and the distribution ships rustup: that download is announced before it starts.
set -euo pipefail

root_of_repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
rust_needed=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' "$root_of_repository/Cargo.toml" | head -n 1)
engine_log=${LEM_ENGINE_LOG:-/var/log/lemctl-dockerd.log}
engine_wait_seconds=30
PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin:/usr/sbin:/sbin

packages=()       # to install with apt
by_hand=()        # what the user has to do, one command each
start_engine=no
missing=no
quiet=no

say() { printf 'setup: %s\n' "$*"; }
present() { [ "$quiet" = yes ] || printf '  ok       %s\n' "$*"; }
absent() { missing=yes; [ "$quiet" = yes ] || printf '  missing  %s\n' "$*"; }
have() { command -v "$1" >/dev/null 2>&1; }
version_at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

# Prints the first of its arguments that apt could install; fails when there is none.
first_package() {
  local name
  have apt-cache || return 1
  for name in "$@"; do
    if apt-cache policy "$name" 2>/dev/null | grep -Eq 'Candidate: [^(]'; then
      printf '%s\n' "$name"
      return 0
    fi
  done
  return 1
}

# ---- What is here ----

examine_tool() { # command, package, what for
  if have "$1"; then present "$1"; else absent "$1 ($3)"; packages+=("$2"); fi
}

examine_build() {
  examine_tool make make "the Makefile"
  examine_tool git git "to record lemctl's own revision"
  if ! have cc; then
    absent "a C compiler (linking)"
    packages+=(gcc libc6-dev)
  elif [ ! -e "$(cc -print-file-name=libc.a)" ]; then
    absent "static libc (the programs inside the images are static)"
    packages+=(libc6-dev)
  else
    present "cc, static libc"
  fi
  if [ -e /etc/ssl/certs/ca-certificates.crt ]; then
    present "root certificates"
  else
    absent "root certificates (cargo reads its registry over TLS)"
    packages+=(ca-certificates)
  fi
  examine_tool flock util-linux "locks and limits"
  examine_tool ps procps "tests look at processes"
}

examine_rust() {
  local found
  if ! have cargo || ! found=$(cargo --version 2>/dev/null | cut -d ' ' -f 2) || [ -z "$found" ]; then
    absent "cargo $rust_needed or newer"
    if have rustup; then
      by_hand+=("rustup default stable")
    elif first_package rustup >/dev/null; then
      packages+=(rustup)
    else
      by_hand+=("curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y")
    fi
    return
  fi
  if ! version_at_least "${found%%-*}" "$rust_needed"; then
    absent "cargo $rust_needed or newer (found $found)"
    if have rustup; then
      by_hand+=("rustup update stable")
    else
      by_hand+=("remove the distribution's cargo and install rustup: https://rustup.rs")
    fi
    return
  fi
  present "cargo $found"
  local part
  for part in fmt clippy; do
    if cargo "$part" --version >/dev/null 2>&1; then
      present "cargo $part"
    else
      absent "cargo $part (make test)"
      by_hand+=("rustup component add ${part/fmt/rustfmt}")
    fi
  done
}

# Prints the Engine's version; else fails, with the client's message on stdout.
engine_answer() { timeout 20 docker version --format '{{.Server.Version}}' 2>&1; }

examine_engine() {
  local answer
  if ! have docker || { ! have dockerd && ! engine_answer >/dev/null; }; then
    absent "Docker Engine"
    start_engine=yes
    packages+=(docker.io)
    # Later releases ship the client as a package of its own.
    if first_package docker-cli >/dev/null; then packages+=(docker-cli); fi
    # An Engine on a kernel with AppArmor cannot start a container without the parser.
    if [ "$(cat /sys/module/apparmor/parameters/enabled 2>/dev/null)" = Y ] && ! have apparmor_parser; then
      packages+=(apparmor)
    fi
  elif answer=$(engine_answer); then
    present "Docker Engine $answer"
  elif [[ $answer == *"ermission denied"* ]]; then
    absent "permission to use the Docker Engine"
    by_hand+=("sudo usermod -aG docker $(id -un)   # then log in again")
  else
    absent "a running Docker Engine (it is installed, and does not answer)"
    start_engine=yes
  fi
}

examine_compose() {
  local name
  if docker compose version >/dev/null 2>&1; then
    present "docker compose $(docker compose version --short 2>/dev/null)"
  elif have docker-compose; then
    present "docker-compose $(docker-compose version --short 2>/dev/null)"
  else
    absent "Compose (tests compare its reading of compose/ with lemctl's)"
    # A machine without package lists gets them before it installs: the name that Debian has always had.
    name=$(first_package docker-compose-v2 docker-compose-plugin docker-compose) || name=docker-compose
    packages+=("$name")
  fi
}

# The worker of the Python engines is tested too: its tools in a venv, and the engine that runs on a CPU in a root that
# is made of Debian's packages.
examine_worker() {
  if python3 -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    present "python3 $(python3 -c 'import platform; print(platform.python_version())'), venv"
  else
    absent "python3 3.11 or newer with venv (make test)"
    packages+=(python3-venv)
  fi
  examine_tool mmdebstrap mmdebstrap "make test: the image with a CPU torch"
  if [ ! -e /usr/share/keyrings/debian-archive-keyring.gpg ]; then
    absent "Debian's archive keys (make test: the image with a CPU torch)"
    packages+=(debian-archive-keyring)
  fi
}

examine() {
  packages=() by_hand=() start_engine=no missing=no
  examine_build
  examine_rust
  examine_engine
  examine_compose
  examine_worker
}

# ---- What is done about it ----

as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -- "$@"; fi
}

may_be_root() {
  [ "$(id -u)" -eq 0 ] && return 0
  have sudo || return 1
  sudo -n true 2>/dev/null && return 0
  [ -t 0 ] && [ -t 1 ]
}

install_packages() {
  say "installs with apt-get: ${packages[*]}"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${packages[@]}"
}

install_toolchain() {
  say "downloads the stable Rust toolchain from the Rust project, through rustup, for user $(id -un)"
  rustup default stable
}

wait_for_engine() {
  local waited
  for ((waited = 0; waited < engine_wait_seconds; waited++)); do
    engine_answer >/dev/null && return 0
    sleep 1
  done
  return 1
}

start_the_engine() {
  if [ -d /run/systemd/system ]; then
    say "starts the Docker Engine: systemctl start docker"
    as_root systemctl start docker && wait_for_engine && return 0
  elif [ -x /etc/init.d/docker ]; then
    say "starts the Docker Engine: service docker start"
    # Fails in containers that may not raise its limits; then the daemon itself is tried.
    as_root service docker start >/dev/null 2>&1 && wait_for_engine && return 0
  fi
  if pgrep -x dockerd >/dev/null; then
    say "a dockerd runs and does not answer; it is left alone"
    return 1
  fi
  say "starts the Docker Engine: dockerd in the background, log in $engine_log"
  # shellcheck disable=SC2016  # expanded by the inner shell
  as_root sh -c 'setsid nohup dockerd >"$1" 2>&1 </dev/null &' sh "$engine_log"
  wait_for_engine && return 0
  say "the Docker Engine does not answer after $engine_wait_seconds s; the end of $engine_log:"
  as_root tail -n 5 "$engine_log" >&2 || true
  return 1
}

explain() {
  [ "${#by_hand[@]}" -eq 0 ] || { say "left to do by hand:"; printf '    %s\n' "${by_hand[@]}"; }
}

commands_for_root() {
  say "needs root or sudo, and has neither. Somebody who has it can run:"
  if [ "${#packages[@]}" -gt 0 ]; then
    printf '    apt-get update && apt-get install -y --no-install-recommends %s\n' "${packages[*]}"
  fi
  [ "$start_engine" = no ] || printf '    systemctl start docker    # or: service docker start\n'
}

main() {
  local mode=${1:-install}
  case $mode in
    install | --check) ;;
    *) sed -n '2,/^set/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 2 ;;
  esac

  examine
  if [ "$missing" = no ]; then
    say "everything is here."
    exit 0
  fi
  if [ "$mode" != install ]; then
    explain
    say "to install what is missing: make setup"
    exit 1
  fi

  if [ "${#packages[@]}" -gt 0 ] || [ "$start_engine" = yes ]; then
    if ! may_be_root; then commands_for_root; explain; exit 1; fi
  fi
  if [ "${#packages[@]}" -gt 0 ]; then
    if ! have apt-get; then
      say "installs on Debian and Ubuntu only. Install the like of: ${packages[*]}"
      explain
      exit 1
    fi
    say "refreshes the package lists: apt-get update"
    as_root apt-get update -q
    examine >/dev/null # what has a candidate may have changed
    install_packages
    if [[ " ${packages[*]} " == *" rustup "* ]]; then install_toolchain; fi
  fi
  quiet=yes
  examine
  if [ "$start_engine" = yes ] && have dockerd; then start_the_engine || true; fi
  quiet=no
  say "afterwards:"
  examine
  explain
  [ "$missing" = no ] || { say "something is still missing."; exit 1; }
  say "everything is here."
}

main "$@"
