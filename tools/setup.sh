#!/usr/bin/env bash
# tools/setup.sh - installs what is missing, and only that.
#
#   tools/setup.sh build   what the addon is built with, and the npm packages
#   tools/setup.sh test    the same, and what the tests are run with
#   tools/setup.sh soak    what the addon and the C tests are built with, and Valgrind
#   tools/setup.sh fuzz    the same with clang and libFuzzer in Valgrind's place
#   tools/setup.sh bench   what the addon is built with, and the peers that are no npm packages
#
# Debian and Ubuntu: through apt-get, as root or with a sudo that asks nothing.
# Elsewhere it prints the one line to run: for `build`, `soak` and `fuzz` it then stops; for
# `test` it goes on, and the runner skips by name what cannot run (with CI=true it stops);
# for `bench` it goes on too, and the report names the peers that were left out.
set -euo pipefail
cd "$(dirname "$0")/.."

# probe, then the package with apt, apk, dnf, brew ("-": comes with the system)
BUILD_NEEDS='
has_cc          gcc,libc6-dev gcc,musl-dev  gcc           -
has:make        make          make          make          -
has:python3     python3       python3       python3       python
has:pkg-config  pkg-config    pkgconf       pkgconf-pkg-config pkgconf
lib:libcjson    libcjson-dev  cjson-dev     cjson-devel   cjson
lib:sqlite3     libsqlite3-dev sqlite-dev   sqlite-devel  sqlite
'
C_TEST_NEEDS='
lib:cmocka      libcmocka-dev cmocka-dev    libcmocka-devel cmocka
lib:libuv       libuv1-dev    libuv-dev     libuv-devel   libuv
lib:libcrypto   libssl-dev    openssl-dev   openssl-devel openssl
'
TEST_NEEDS="$C_TEST_NEEDS"'
has:curl        curl          curl          curl          -
has_chromium    chromium      chromium      chromium      -
has_nginx       nginx         nginx         nginx         nginx
has_iproute2    iproute2      iproute2      iproute       -
has_redis       redis-server  redis         redis         redis
has_faketime    libfaketime   libfaketime   libfaketime   -
'
SOAK_NEEDS="$C_TEST_NEEDS"'
has:valgrind    valgrind      valgrind      valgrind      -
'
# Nchan is packaged by Debian and Ubuntu alone.
BENCH_NEEDS='
has_nginx       nginx         nginx         nginx         nginx
has_nchan       libnginx-mod-nchan -        -             -
has_redis       redis-server  redis         redis         redis
'

FUZZ_NEEDS="$C_TEST_NEEDS"'
has:clang       clang         clang         clang         -
has_libfuzzer   libclang-rt-dev compiler-rt compiler-rt   llvm
'

has_cc() { command -v cc >/dev/null || command -v gcc >/dev/null; }
has_libfuzzer() { echo 'int LLVMFuzzerTestOneInput(void) { return 0; }' | clang -fsanitize=fuzzer -x c - -o /dev/null 2>/dev/null; }
has_nginx() { command -v nginx >/dev/null || [ -x /usr/sbin/nginx ]; } # sbin is not on everyone's PATH
has_redis() { command -v redis-server >/dev/null || command -v valkey-server >/dev/null; }
has_nchan() { node -e 'process.exit(require("./bench/servers/nchan.js").missing() === null ? 0 : 1)'; }
has_iproute2() { [ "$(uname)" != Linux ] || command -v ss >/dev/null; } # an `ip` alone may be busybox's
# Preloaded, so of use on Linux alone.
has_faketime() { [ "$(uname)" != Linux ] || node -e 'process.exit(require("./test/js/chaos/clock.js").findFaketime() ? 0 : 1)'; }
has_chromium() { node -e 'process.exit(require("./tools/find-chromium.js")() ? 0 : 1)'; }

probe() {
  case $1 in
    has:*) command -v "${1#has:}" >/dev/null ;;
    lib:*) command -v pkg-config >/dev/null && pkg-config --exists "${1#lib:}" ;;
    *) "$1" ;;
  esac
}

# missing NEEDS COLUMN: the packages (in that column) of the probes that fail
missing() {
  local row
  while read -r -a row; do
    [ "${#row[@]}" -gt 0 ] || continue
    probe "${row[0]}" || [ "${row[$2]}" = - ] || printf '%s ' "${row[$2]//,/ }"
  done <<<"$1"
}

install_line() {
  if command -v apk >/dev/null; then
    echo "apk add $(missing "$1" 2)"
  elif command -v dnf >/dev/null; then
    echo "sudo dnf install -y $(missing "$1" 3)"
  elif command -v brew >/dev/null; then
    echo "brew install $(missing "$1" 4)"
  else
    echo "sudo apt-get install -y $(missing "$1" 1)"
  fi
}

# provide NEEDS: true when nothing is missing at the end
provide() {
  local packages as_root=''
  packages=$(missing "$1" 1)
  [ -n "$packages" ] || return 0
  if command -v apt-get >/dev/null; then
    [ "$(id -u)" = 0 ] || as_root='sudo -n'
    if [ -z "$as_root" ] || { command -v sudo >/dev/null && sudo -n true 2>/dev/null; }; then
      echo "setup: installing $packages" >&2
      $as_root apt-get update -qq >&2 || true
      # shellcheck disable=SC2086 # one word for each package
      $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=300 $packages >&2 </dev/null || true
    fi
  fi
  [ -z "$(missing "$1" 1)" ]
}

setup_npm() {
  local stamp=node_modules/.setup-stamp current
  current="node $(node -p 'process.versions.modules') lock $(cksum <package-lock.json)"
  [ "$(cat "$stamp" 2>/dev/null)" = "$current" ] && return 0
  npm ci --no-audit --no-fund
  echo "$current" >"$stamp"
}

need_node() {
  if ! node -e 'process.exit(+process.versions.node.split(".")[0] >= 20 ? 0 : 1)' 2>/dev/null || ! command -v npm >/dev/null; then
    echo 'setup: Node.js 20 or newer with npm is needed.' >&2
    exit 1
  fi
}

# demand NEEDS WHAT_FOR: stops when something is missing at the end
demand() {
  if ! provide "$1"; then
    echo "setup: something is missing $2. Run this, then try again:" >&2
    echo "  $(install_line "$1")" >&2
    exit 1
  fi
}

main() {
  case ${1:-} in build | test | soak | fuzz | bench) ;; *) echo 'usage: tools/setup.sh build|test|soak|fuzz|bench' >&2 && exit 2 ;; esac
  need_node
  demand "$BUILD_NEEDS" 'to build with'
  setup_npm
  [ "$1" != soak ] || demand "$SOAK_NEEDS" 'for the long tests'
  [ "$1" != fuzz ] || demand "$FUZZ_NEEDS" 'to fuzz with'
  if [ "$1" = test ] && ! provide "$TEST_NEEDS"; then
    echo "setup: some test tools are missing. To run every test:" >&2
    echo "  $(install_line "$TEST_NEEDS")" >&2
    [ "${CI:-}" != true ] || exit 1
  fi
  if [ "$1" = bench ] && ! provide "$BENCH_NEEDS"; then
    echo 'setup: NOT EVERY PEER of the benchmark is here; those are left out by name. To have all of them:' >&2
    echo "  $(install_line "$BENCH_NEEDS")" >&2
  fi
  if [ "$1" = test ]; then
    # The other Node versions; it says itself what it could not install.
    node tools/nodes.js || [ "${CI:-}" != true ] || exit 1
  fi
}

main "$@"
