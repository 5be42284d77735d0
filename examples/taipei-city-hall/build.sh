#!/bin/sh
# Builds the store of this example from its ledgers and prints the summary of the second half of 2017.
#
#   build.sh [DIR]
#
# Without DIR the store is data/energy.db beside site.yaml. With DIR the site file is copied there first,
# and its store is DIR/data/energy.db. Given twice it changes nothing.
# ENERGY_MONITOR names the command; the checkout's .venv/bin/energy-monitor, else the one on the PATH.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
if [ -z "${ENERGY_MONITOR:-}" ]; then
    ENERGY_MONITOR=$here/../../.venv/bin/energy-monitor
    [ -x "$ENERGY_MONITOR" ] || ENERGY_MONITOR=energy-monitor
fi

ENERGY_MONITOR_SITE=$here/site.yaml
if [ $# -gt 0 ]; then
    mkdir -p "$1"
    cp "$here/site.yaml" "$1/site.yaml"
    ENERGY_MONITOR_SITE=$1/site.yaml
fi
export ENERGY_MONITOR_SITE

# Unquoted: the command may have arguments of its own.
$ENERGY_MONITOR import base "$here/base-year.csv"
$ENERGY_MONITOR import actuals "$here/actuals.csv"
$ENERGY_MONITOR import reasons "$here/reasons.csv"
$ENERGY_MONITOR import settlements "$here/settlements.csv"
$ENERGY_MONITOR import actuals "$here/rainwater.csv"
$ENERGY_MONITOR import measures "$here/measures.csv"
echo
$ENERGY_MONITOR report 2017H2
