# shellcheck shell=bash
# Installs what a fresh Debian-like machine lacks, each thing once and only when it is needed.
# To be sourced after terminal.sh; leaves the project's cache in $cache. Nothing here knows what the packages are for.

cache=${XDG_CACHE_HOME:-${HOME:?}/.cache}/kafkavisor
tools=$cache/tools

# What building librdkafka with its own zlib and zstd takes.
need_build_tools() {
  need "build tools" has_build_tools make gcc g++ libc6-dev pkg-config python3 libssl-dev
}

need_java() {
  need "a Java runtime" has_java openjdk-17-jre-headless
}

need_maven() {
  need_java # or Maven's package would choose one
  need "Maven" has_maven maven
}

need_python() {
  need "Python" has_python python3 python3-venv
}

# The program that makes certificates.
need_openssl() {
  need "openssl" has_openssl openssl
}

# The program that checks units; nothing is started with it.
need_systemd() {
  need "systemd-analyze and a journal" has_systemd systemd
}

# unshare and nsenter: a pid namespace in which a test is pid 1.
need_namespaces() {
  need "unshare and nsenter" has_namespaces util-linux
}

# man and groff, which read the manual.
need_man() {
  need "man" has_man man-db
}

# promtool, which reads metrics and rules, and a server that scrapes; nothing of it is left running by us.
need_prometheus() {
  need "Prometheus" has_prometheus prometheus
}

# What a Debian package is made with, and installed.
need_packaging_tools() {
  need "packaging tools" has_packaging_tools dpkg-dev binutils
  need_cargo_tool cargo-deb 3.8.0
}

# One that is built here and lands in $tools/bin.
need_cargo_tool() { # NAME VERSION
  local said
  said=$("$tools/bin/$1" --version 2>/dev/null) || said=''
  [[ ${said##* } == "$2" ]] && return
  say "installing $1 (once, a minute or two)…"
  # Without optimisation it is built in half the time, and still done in a second or two.
  cargo install --quiet --locked --debug --force --root "$tools" --target-dir "$tools/target" "$1@$2"
  rm -rf "$tools/target"
}

has_packaging_tools() { has_commands dpkg dpkg-deb dpkg-shlibdeps strip; }
has_prometheus() { has_commands prometheus promtool; }
has_man() { has_commands man groff; }
# A browser without a window, and what drives it.
need_chromium() {
  need "Chromium" has_chromium chromium chromium-driver fonts-dejavu-core
}

has_systemd() { has_commands systemd-analyze journalctl && [[ -x /lib/systemd/systemd-journald ]]; }
has_namespaces() { has_commands unshare nsenter; }
has_build_tools() { has_commands make gcc g++ pkg-config python3 && pkg-config --exists openssl; }
has_maven() { has_commands mvn; }
has_openssl() { has_commands openssl; }
has_python() { python3 -c 'import ensurepip, venv' 2>/dev/null; }

has_chromium() {
  has_commands chromedriver && { has_commands chromium || has_commands chromium-browser || has_commands google-chrome; }
}

has_java() { # Kafka 4 wants 17
  local said
  said=$(java -version 2>&1) || return 1
  [[ $said =~ version\ \"([0-9]+) ]] && ((BASH_REMATCH[1] >= 17))
}

has_commands() {
  local command
  for command in "$@"; do
    command -v "$command" >/dev/null || return 1
  done
}

need() { # WHAT CHECK PACKAGE...
  local what=$1 check=$2
  shift 2
  "$check" && return
  mkdir -p "$cache"
  (
    flock 9 # apt-get would not wait for another one
    "$check" || install_packages "$what" "$@"
  ) 9>"$cache/install.lock" || exit 1
  hash -r
  "$check" || fail "$what still missing or too old after installing: $*"
}

install_packages() { # WHAT PACKAGE...
  local what=$1 log=$cache/install.log as_root=()
  shift
  command -v apt-get >/dev/null ||
    fail "$what missing, and this is no Debian-like system: please install what Debian calls $*"
  if ((EUID != 0)); then
    command -v sudo >/dev/null ||
      fail "$what missing, and neither root nor sudo to install it: please have these packages installed: $*"
    as_root=(sudo)
  fi
  as_root+=(env DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o DPkg::Lock::Timeout=300)

  say "installing $what (once)…"
  # One broken source among many must not stop us: whether the packages can be had, the second command tells.
  "${as_root[@]}" update </dev/null >"$log" 2>&1 || true
  "${as_root[@]}" install --no-install-recommends "$@" </dev/null >>"$log" 2>&1 || {
    tail -n 15 "$log" >&2
    fail "could not install $*; see $log"
  }
}
