#!/bin/sh
# Make the expected files of tests/golden/models again, each oracle in an environment of its own.
# Run from the checkout: make oracle.
set -eu
here=benchmarks/oracle
out=tests/golden/models
python=${PYTHON:-python3}
mkdir -p "$out"

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

# eemeter 2.10.11 names no upper bounds: with newer ones it fails on import (pytz, pkg_resources) or in pandas.
environment eemeter 'eemeter==2.10.11' 'pandas<2' 'numpy<2' 'scipy<1.14' 'statsmodels<0.15' pytz 'setuptools<81'
environment camber 'camber-toolkit==0.110.0'

.venv-oracle-eemeter/bin/python -W ignore "$here/eemeter_models.py" "$out"
.venv-oracle-camber/bin/python -W ignore "$here/camber_models.py" "$out"
printf '%s\n' "Made: $(ls "$out" | tr '\n' ' ')"
