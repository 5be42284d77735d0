#!/bin/sh
# tools/venv.sh VENV LOCK: make the venv and install the locked packages and this checkout into it.
# Works with uv, with python3-venv, with pip alone, and on a bare Debian with neither.
set -eu
venv=$1
lock=$2
started=$(date +%s)

say() { printf '%s\n' "$*"; }
stop() {
    printf '\n%s\n' "$@" >&2
    exit 1
}

suits() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

find_python() {
    for name in ${PYTHON:-python3 python3.11 python3.12 python3.13 python3.14}; do
        if suits "$name"; then
            python=$name
            return
        fi
    done
    found=$("${PYTHON:-python3}" --version 2>/dev/null || echo 'no python3')
    stop "Python 3.11 or newer is needed, and here is: $found." \
        "Install one (Debian 12 or newer: apt-get install python3), or name it: make run PYTHON=/path/to/python3.12"
}

may_install() {
    command -v apt-get >/dev/null 2>&1 || return 1
    [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null
}

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }

install_venv_package() {
    package=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
    say "Installing $package from Debian"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$package" >/dev/null 2>&1 && return
    as_root apt-get update -qq >/dev/null 2>&1 || true
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$package" >/dev/null 2>&1
}

# Debian keeps pip as one wheel that runs by itself; fetching it asks no rights.
find_pip_wheel() {
    folder=$1
    for wheel in /usr/share/python-wheels/pip-*.whl; do
        if [ -f "$wheel" ]; then
            pip_wheel=$wheel
            return
        fi
    done
    command -v apt-get >/dev/null 2>&1 || return 1
    (cd "$folder" && apt-get download -qq python3-pip-whl && dpkg-deb -x python3-pip-whl_*.deb .) \
        >/dev/null 2>&1 || return 1
    pip_wheel=$(ls "$folder"/usr/share/python-wheels/pip-*.whl)
}

has_ensurepip() { "$python" -c 'import ensurepip, venv' >/dev/null 2>&1; }

pip_can_reach_out() {  # `pip --python` came with 22.3
    "$python" -m pip --python "$python" --version >/dev/null 2>&1
}

fill_with_uv() {
    VIRTUAL_ENV=$venv "$1" pip install --quiet --require-hashes -r "$lock" &&
        VIRTUAL_ENV=$venv "$1" pip install --quiet --no-deps --no-build-isolation --editable .
}

# uv is in the lock and does in seconds what pip does in a minute; where it cannot reach the index that pip is
# set up for, pip does it all.
fill_with_pip() {
    awk '/^[A-Za-z0-9]/ { wanted = /^uv==/ } wanted' "$lock" >"$venv/uv.txt"
    if "$@" install --quiet --disable-pip-version-check --require-hashes -r "$venv/uv.txt" &&
        fill_with_uv "$venv/bin/uv"; then
        return
    fi
    say "Going on with pip alone (about a minute)"
    "$@" install --quiet --disable-pip-version-check --require-hashes -r "$lock"
    "$@" install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
}

make_venv() {
    say "Installing the locked packages into $venv"
    rm -rf "$venv"
    if uv --version >/dev/null 2>&1; then
        uv venv --quiet --python "$(command -v "$python")" "$venv" && fill_with_uv uv && return
        say "The uv here could not do it; going on without it."
        rm -rf "$venv"
    fi
    if has_ensurepip; then
        "$python" -m venv "$venv"
        fill_with_pip "$venv/bin/python" -m pip
        return
    fi
    if pip_can_reach_out; then
        "$python" -m venv --without-pip "$venv"
        fill_with_pip "$python" -m pip --python "$venv/bin/python"
        return
    fi
    if may_install && install_venv_package && has_ensurepip; then
        "$python" -m venv "$venv"
        fill_with_pip "$venv/bin/python" -m pip
        return
    fi
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    if find_pip_wheel "$scratch"; then
        "$python" -m venv --without-pip "$venv"
        fill_with_pip "$python" "$pip_wheel/pip" --python "$venv/bin/python"
        return
    fi
    stop "Neither python3-venv, pip nor uv is here, and this user may not install them." \
        "Ask for it once:  sudo apt-get install python3-venv   and run the same command again."
}

find_python
make_venv
say "Ready after $(($(date +%s) - started)) s: $venv/bin/energy-monitor"
