#!/bin/bash
#SBATCH --job-name=skylike-index
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=16
#SBATCH --mem=32G
#SBATCH --time=24:00:00
#SBATCH --signal=B:USR1@300
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=skylike-index-%j.log
#
# Indexes an archive on one node of a cluster. When its time is nearly over it goes to the
# back of the queue, and there, or after a failure of its node, goes on where it was.
#
#   sbatch --export=ALL,SKYLIKE_DATA=DIR deploy/slurm-index.sh SOURCE... [OPTION...]
#
# SOURCE and OPTION are those of `skylike-service index`. With IMAGE=FILE.sif it runs in
# Apptainer (SOURCE below BIND, if not in a folder that Apptainer shows anyway), else as
# VENV/bin/skylike-service, or from PATH.
set -euo pipefail

: "${SKYLIKE_DATA:?name the data directory: sbatch --export=ALL,SKYLIKE_DATA=DIR ...}"
export SKYLIKE_DATA

if [[ -n ${IMAGE:-} ]]; then
  mkdir -p "$SKYLIKE_DATA"
  program=(apptainer exec --cleanenv --env "SKYLIKE_DATA=$SKYLIKE_DATA"
    --bind "$SKYLIKE_DATA${BIND:+,$BIND:$BIND:ro}" "$IMAGE" /opt/skylike/bin/skylike-service)
else
  program=("${VENV:+$VENV/bin/}skylike-service")
fi

again() {
  echo "time is nearly over: this job queues again" >&2
  kill -TERM "$indexing" && wait "$indexing" || true
  scontrol requeue "$SLURM_JOB_ID"
  exit
}

"${program[@]}" index --workers "${SLURM_CPUS_PER_TASK:-1}" --json "$@" &
indexing=$!
trap again USR1
wait "$indexing"
