SELECT head.identity, head.sequence, head.restored, act.mark
FROM head LEFT JOIN act ON act.first = (SELECT max(first) FROM act) AND act.last = head.sequence
