#!/bin/sh
# Environments of their own for other programs of the field; each is filled once, and again when its list changes.
# Run from the checkout:  sh benchmarks/oracle/environments.sh NAME...
set -eu
python=${PYTHON:-python3}

# environment NAME PACKAGES...: filled once, and again when the list changes.
environment() {
    name=.venv-oracle-$1
    shift
    if [ "$(cat "$name/packages" 2>/dev/null)" != "$*" ]; then
        rm -rf "$name"
        .venv/bin/uv venv --quiet --python "$python" "$name"
        VIRTUAL_ENV=$name .venv/bin/uv pip install --quiet "$@" || {
            rm -rf "$name"
            "$python" -m venv "$name"
            "$name/bin/pip" install --quiet --disable-pip-version-check "$@"
        }
        printf '%s' "$*" >"$name/packages"
    fi
}

# eemeter 2.10.11 names no upper bounds: with newer packages it fails on import (pytz, pkg_resources) or in pandas.
# A clean install of opendsm 1.2.7 fails on import with multimethod 2.
for wanted in "$@"; do
    case $wanted in
    eemeter)
        environment eemeter 'eemeter==2.10.11' 'pandas<2' 'numpy<2' 'scipy<1.14' 'statsmodels<0.15' pytz 'setuptools<81'
        ;;
    camber) environment camber 'camber-toolkit==0.110.0' ;;
    opendsm) environment opendsm 'opendsm==1.2.7' 'multimethod<2' ;;
    esac
done
