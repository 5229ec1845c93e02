#!/usr/bin/env bash
# A stretch of training on a machine that is there for minutes: train within a budget, then pack the model in small files.
#   benchmarks/train_stretch.sh OUT CONFIG [key=value ...]
# OUT gets `stretch.tar.00`, `.01` ... of at most 15 MiB: the model folder so far, the log and the settings. On any machine
#   cat OUT/stretch.tar.* | tar -x -C trained
# gives the folder that restores, and that the next stretch begins at (model.base and model.control of the configuration).
set -euo pipefail
out=$1 config=$2
shift 2
mkdir -p "$out"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
pasd-batch train "$config" output="$work/trained" "$@"
tar -C "$work/trained" --exclude=./checkpoints --exclude=./photos.parquet -cf - . | split -b 15m -d - "$out/stretch.tar."
ls -l "$out"
