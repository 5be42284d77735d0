#!/bin/sh
# Install from Debian what the tests' real servers need: only what is missing, and only when it may.
# Services that Debian starts by itself do not matter: every test starts its own, on free ports.
set -eu

missing=""
need() { # need PACKAGE FILE...: the package is there when one of the files is
    package=$1
    shift
    for file in "$@"; do
        [ -e "$file" ] && return 0
    done
    missing="$missing $package"
}

find_missing() {
    missing=""
    need mosquitto /usr/sbin/mosquitto
    need mosquitto-clients /usr/bin/mosquitto_sub
    need openssl /usr/bin/openssl
    need victoria-metrics /usr/bin/victoria-metrics
    need influxdb /usr/bin/influxd
    need postgresql /usr/lib/postgresql/*/bin/postgres
    need chromium /usr/bin/chromium
    need socat /usr/bin/socat
    need mbpoll /usr/bin/mbpoll
    need libmodbus-dev /usr/include/modbus/modbus.h
    need gcc /usr/bin/gcc
    need fonts-noto-cjk /usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc
}

may_install() {
    command -v apt-get >/dev/null 2>&1 || return 1
    [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null
}

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }

install_missing() {
    # shellcheck disable=SC2086  # a list of words
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing \
        </dev/null >"$log" 2>&1
}

find_missing
[ -z "$missing" ] && exit 0

if may_install; then
    log=$(mktemp)
    trap 'rm -f "$log"' EXIT
    printf '%s\n' "Installing from Debian for the tests:$missing"
    install_missing || { as_root apt-get update -qq </dev/null >/dev/null 2>&1 || true; install_missing; } || {
        tail -n 20 "$log"
    }
    find_missing
    [ -z "$missing" ] && exit 0
fi

printf '%s\n' "" "Not here, so their tests are skipped (with CI=true they fail):$missing" \
    "The cure:  sudo apt-get install$missing" ""
