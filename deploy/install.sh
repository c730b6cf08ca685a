#!/bin/sh
# Install the service: deploy/install.sh WHEEL FOLDER
#
# FOLDER becomes a virtual environment with `sigmac`, what it needs to run packs over streams, and nothing else: no
# compiler, no pip. Versions and digests are those of requirements.txt beside this script. The image is made by it, and
# a machine without containers can use it as well. PYTHON names another interpreter than python3 (3.11 or newer).
set -eu

[ $# -eq 2 ] || { echo "usage: $0 WHEEL FOLDER" >&2; exit 2; }
wheel=$1
folder=$2
requirements=$(dirname "$0")/requirements.txt
[ -f "$wheel" ] || { echo "$0: there is no wheel $wheel; \`make wheel\` builds one" >&2; exit 1; }

"${PYTHON:-python3}" -m venv --clear "$folder"
pip() {
    "$folder/bin/python" -m pip --disable-pip-version-check "$@"
}
pip install --quiet --no-deps --require-hashes --only-binary :all: --requirement "$requirements"
pip install --quiet --no-deps --no-index "$wheel"
pip check
# Python 3.11 brings setuptools, later ones do not.
pip uninstall --quiet --quiet --yes pip setuptools
# Tests of packages, a tenth of the whole, are not for production.
find "$folder" -type d -name tests -prune -exec rm -r {} +
"$folder/bin/sigmac" --version
