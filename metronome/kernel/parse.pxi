"""The parser without a table: what each line says."""

def parse_statsd(bytes block not None, dialect):
    """The samples and rejects of whole statsd lines.  Good events are in neither."""
    cdef scratch s
    cdef const char *at = block
    cdef const char *end = at + len(block)
    cdef slice text
    cdef int reason, flags = _flags(dialect)
    memset(&s, 0, sizeof(s))
    samples, rejects = [], []
    try:
        while mt_next_line(&at, end, &text):
            if mt_is_event(text.p, text.n):
                reason = WHY_OK if mt_event_is_good(text.p, text.n) else WHY_BAD_EVENT
            else:
                reason = _add_samples(samples, &s, text, flags)
            if reason:
                rejects.append(_reject(reason, text))
    finally:
        mt_scratch_free(&s)
    return samples, rejects


cdef object _reject(int reason, slice text):
    if reason == WHY_MEMORY:
        raise MemoryError
    return Reject(_REASONS[reason], <bytes>text.p[: min(text.n, <size_t>EXCERPT_BYTES)])


cdef int _add_samples(list samples, scratch *s, slice text, int flags) except -1:
    """Read one line; its samples are added only if all of it is good."""
    cdef int reason = mt_statsd_line(s, text.p, text.n, flags)
    cdef size_t g, i
    cdef item *one
    if reason:
        return reason
    found = []
    for g in range(s.line.groups):
        if not s.groups[g].count:
            continue
        reason = mt_statsd_key(s, s.groups[g].kind, flags)
        if reason:
            return reason
        name, labels, kind = parse_key(<bytes>s.key.p[: s.key.n])
        timed = s.line.timed and mt_has_time(&s.groups[g])
        for i in range(s.groups[g].count):
            one = &s.items[s.groups[g].first + i]
            if s.groups[g].kind == SET:
                value = clean(<bytes>one.member.p[: one.member.n])
            else:
                value = one.value
            found.append(Sample(
                name, labels, int(kind), value, s.groups[g].rate, s.line.time if timed else None,
                bool(one.delta), bool(one.total),
            ))
    samples.extend(found)
    return WHY_OK


def parse_graphite(bytes block not None, dialect):
    """The samples and rejects of whole Graphite lines; ``time`` is None where it means now."""
    cdef scratch s
    cdef const char *at = block
    cdef const char *end = at + len(block)
    cdef slice text
    cdef graphite_line read
    cdef int reason, flags = _flags(dialect)
    memset(&s, 0, sizeof(s))
    samples, rejects = [], []
    try:
        while mt_next_line(&at, end, &text):
            reason = mt_graphite_line(&read, text.p, text.n)
            if not reason:
                reason = mt_graphite_key(&s, read.path, flags)
            if reason:
                rejects.append(_reject(reason, text))
                continue
            name, labels, kind = parse_key(<bytes>s.key.p[: s.key.n])
            time = read.time_ms / 1000 if read.timed else None
            samples.append(Sample(name, labels, int(kind), read.value, 1.0, time, False))
    finally:
        mt_scratch_free(&s)
    return samples, rejects


def is_harmless(bytes frame not None):
    """Whether a pickle holds nothing but numbers, texts, tuples and lists; see pickles.py."""
    return bool(mt_pickle_is_harmless(frame, len(frame)))
