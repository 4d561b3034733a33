-- Version 2: points that came together are kept packed (kernel/packs.py), a row for each series and
-- record, with the times of the first and the last.  The gauges of a window that the ladder
-- has merged are too, where each is one point; step is how far, in seconds, as in "parts", and then
-- also the points' period.  Packing has made them small: DuckDB would try in vain at every checkpoint.
CREATE TABLE packs (
    stream INTEGER NOT NULL,
    sid INTEGER NOT NULL,
    first BIGINT NOT NULL,
    last BIGINT NOT NULL,
    count UINTEGER NOT NULL,
    gateway USMALLINT NOT NULL,
    position BIGINT NOT NULL,
    step INTEGER NOT NULL,
    points BLOB USING COMPRESSION uncompressed NOT NULL
);
