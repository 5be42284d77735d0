#!/bin/sh
# Make the expected files of tests/golden/models again, each oracle in an environment of its own.
# Run from the checkout: make oracle.
set -eu
here=benchmarks/oracle
out=tests/golden/models
mkdir -p "$out"
sh "$here/environments.sh" eemeter camber
.venv-oracle-eemeter/bin/python -W ignore "$here/eemeter_models.py" "$out"
.venv-oracle-camber/bin/python -W ignore "$here/camber_models.py" "$out"
printf '%s\n' "Made: $(ls "$out" | tr '\n' ' ')"
