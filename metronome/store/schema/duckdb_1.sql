-- Version 1.  Every file duckdb_N.sql takes a database from version N - 1 to N; a new
-- database takes all of them.  A file that was released is never changed.

CREATE TABLE version (number INTEGER NOT NULL);
INSERT INTO version VALUES (0);

CREATE TABLE streams (stream INTEGER NOT NULL, name VARCHAR NOT NULL);

-- Which records are applied: all of the gateway before "applied".  Gateway 0 is nobody:
-- parts that were merged have it.
CREATE TABLE gateways (gateway USMALLINT NOT NULL, name VARCHAR NOT NULL, applied BIGINT NOT NULL);

-- id is hash64 of the key; name, labels and kind are the key's, cut up for selections.
CREATE TABLE series (
    sid INTEGER NOT NULL,
    stream INTEGER NOT NULL,
    id UBIGINT NOT NULL,
    key VARCHAR NOT NULL,
    kind UTINYINT NOT NULL,
    name VARCHAR NOT NULL,
    labels MAP(VARCHAR, VARCHAR) NOT NULL
);

-- No index and no key: rows come in bulk and are found by the least and greatest value
-- of each block.  low and high are NULL where they are n; position is the record's plus the
-- row's number in it, and 0 where order does not matter (only that of gauges does); step is
-- how far a row was merged, in seconds, 0 as written.
CREATE TABLE parts (
    stream INTEGER NOT NULL,
    sid INTEGER NOT NULL,
    time BIGINT NOT NULL,
    period DOUBLE NOT NULL,
    count UBIGINT NOT NULL,
    n DOUBLE NOT NULL,
    d DOUBLE NOT NULL,
    low DOUBLE,
    high DOUBLE,
    squares DOUBLE NOT NULL,
    gateway USMALLINT NOT NULL,
    position BIGINT NOT NULL,
    step INTEGER NOT NULL,
    bins SMALLINT[],
    bin_counts DOUBLE[],
    hashes UBIGINT[],
    registers UTINYINT[]
);

-- What an event lacks is empty, received -1; labels is a JSON object; rest is JSON of
-- everything that has no column of its own, and of texts that are there and empty.
CREATE TABLE events (
    stream INTEGER NOT NULL,
    time BIGINT NOT NULL,
    type VARCHAR NOT NULL,
    id VARCHAR NOT NULL,
    received BIGINT NOT NULL,
    referer VARCHAR NOT NULL,
    format VARCHAR NOT NULL,
    message VARCHAR NOT NULL,
    labels VARCHAR NOT NULL,
    rest VARCHAR NOT NULL,
    gateway USMALLINT NOT NULL,
    position BIGINT NOT NULL
);

-- Deduplication ids, of events and of points.
CREATE TABLE eids (stream INTEGER NOT NULL, received BIGINT NOT NULL, eid VARCHAR NOT NULL);

-- The books; lines that differ in the number only are added up when read.
CREATE TABLE tallies (
    stream INTEGER NOT NULL,
    day VARCHAR NOT NULL,
    source VARCHAR NOT NULL,
    outcome VARCHAR NOT NULL,
    reason VARCHAR NOT NULL,
    number BIGINT NOT NULL
);
