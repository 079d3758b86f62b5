#!/usr/bin/env bash
# Petastorm's seed shuffles the row groups once: not every epoch, and not the shards.
#
# Versions: petastorm 0.13.1 on pyarrow 14.0.2 and numpy 1.26.4; it does not run on later ones. Python 3.9 to 3.12.
# Behaviour: with num_epochs=3, all epochs have the order of the first. With cur_shard and shard_count, the seed
# shuffles the row groups, which are then assigned by their index modulo shard_count, so every seed gives the same
# shards. A seed of 0 counts as no seed. In 0.12.1, every epoch has an order of its own and 0 is a seed.
# One would have guessed: epochs differ, other seeds give other shards, as the documentation suggests, and 0 is a seed.
# Why it matters: training repeats the same sequence of batches. In a table whose row groups alternate between two
# labels, each of two processes only ever sees one label, whatever the seed.
# Tonality: every epoch opens new readers with another seed, never 0. `prepare` shuffles the rows before it writes them,
# so fixed shards do no harm; the loader relies on them to know the number of rows of each.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq pyarrow==14.0.2 numpy==1.26.4 pandas==2.3.3 setuptools==69.5.1 \
    dill==0.4.1 diskcache==5.6.3 fsspec==2026.9.0 future==1.0.0 packaging==26.4 psutil==7.2.2 pyzmq==27.3.0 six==1.17.0
venv/bin/pip install -qq --no-deps petastorm==0.13.1

venv/bin/python -W ignore - <<'PYTHON' | tee seen
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from petastorm import make_batch_reader

Path("table").mkdir()
pq.write_table(pa.table({"id": range(8)}), "table/part-0.parquet", row_group_size=1)


def read(**options):
    """The row groups in the order read. A reader that ends may have more, see petastorm_lost_row_groups.sh."""
    reader = make_batch_reader(Path("table").absolute().as_uri(), workers_count=1, shuffle_row_groups=True, **options)
    found, ends = [], 0
    while ends < 2:
        more = [int(row_group.id[0]) for row_group in reader]
        found, ends = found + more, 0 if more else ends + 1
    reader.stop()
    return found


order = read(seed=1, num_epochs=3)
print(f"seed 1, epochs: {order[:8]} {order[8:16]} {order[16:]}")
for seed in (1, 2):
    shards = [sorted(read(seed=seed, cur_shard=shard, shard_count=2)) for shard in (0, 1)]
    print(f"seed {seed}, shards: {shards}")
for seed in (1, 0):
    print(f"seed {seed}, five readers with the same order: {len({tuple(read(seed=seed)) for _ in range(5)}) == 1}")
PYTHON

cat >expected <<'TEXT'
seed 1, epochs: [5, 0, 1, 4, 2, 6, 3, 7] [5, 0, 1, 4, 2, 6, 3, 7] [5, 0, 1, 4, 2, 6, 3, 7]
seed 1, shards: [[0, 2, 4, 6], [1, 3, 5, 7]]
seed 2, shards: [[0, 2, 4, 6], [1, 3, 5, 7]]
seed 1, five readers with the same order: True
seed 0, five readers with the same order: False
TEXT
diff expected seen
