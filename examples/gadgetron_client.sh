#!/bin/sh
# Plays a recording to the monitor with Gadgetron's own client: SCAN [OUT [PROTOCOL]].
# The images come back into OUT, a group for each series: 0 magnitude, 1 temperature, 2 dose.
set -eu
scan=${1:?"usage: gadgetron_client.sh SCAN.h5 [OUT.h5 [PROTOCOL]]"}
out=${2:-out.h5}
protocol=${3:-imaging} # the name of an installed protocol; -c takes no path
gadgetron_ismrmrd_client -a "${MONITOR_HOST:-127.0.0.1}" -p "${MONITOR_PORT:-9002}" \
    -f "$scan" -c "$protocol" -o "$out"
